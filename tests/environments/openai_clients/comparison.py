"""Runs a client of OpenAI's API against a scripted upstream, directly and through the local server.

Each client runs in a process of its own: they warn, print, and look for files and servers elsewhere.
"""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from upstream import Upstream

from g4f_legacy.server import create_app, serve_in_background

CLIENTS = {
    "openai": ("openai",),
    "openai (JavaScript)": (),
    "langchain": ("langchain_openai",),
    "litellm": ("litellm", "mcp"),  # without mcp, it cannot send tools
    "llm": ("llm",),
    "curl": (),
}
"""The clients, with the modules that they need."""

KEY = "sk-some-key-0123456789"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello 👋"}]
_SCRIPTS = Path(__file__).parent


class Job(NamedTuple):
    """A completion to ask for.

    Attributes:
        parameters: those that the API documents.
        extra: others.
        asks_usage: whether to ask for the usage at the end of a stream.
        text, finish_reason: some of what a client sees of the completion.
        is_reachable: whether to ask the scripted upstream, or a port that refuses connections.
    """

    model: str
    parameters: dict[str, Any] = {}
    messages: list[dict[str, Any]] = HELLO
    extra: dict[str, Any] = {}
    text: str = ""
    finish_reason: str = "stop"
    asks_usage: bool = True
    is_reachable: bool = True


class Case(NamedTuple):
    """A job, streamed or not, and what a client reports of it at the upstream and through the server."""

    job: Job
    stream: bool
    direct: dict[str, Any]
    served: dict[str, Any]


class Run:
    """A client's run of jobs, those left out that its interface does not allow for. Each is run streamed and not.

    Attributes:
        cases: what the client reports.
        upstreams: the one that the client connects to, and the one behind the server.
    """

    def __init__(self, client: str, jobs: list[Job], directory: Path) -> None:
        self.upstreams = (Upstream(), Upstream())
        cases = [(job, stream) for job in jobs if _can_send(client, job) for stream in (False, True)]
        with ExitStack() as stack:
            direct, behind = (f"{stack.enter_context(upstream).url}/v1" for upstream in self.upstreams)
            unreachable = _reserve_port(stack)
            served, served_in_vain = _serve(stack, behind), _serve(stack, unreachable)
            requests = []
            for job, stream in cases:
                urls = (direct, served) if job.is_reachable else (unreachable, served_in_vain)
                requests += [_request(job, stream, url) for url in urls]
            reports = _run_client(client, requests, directory)
        self.cases = [Case(*case, *pair) for case, *pair in zip(cases, reports[::2], reports[1::2])]

    def select(self, jobs: list[Job]) -> list[Case]:
        """Return the cases of some of the jobs."""
        cases = [case for case in self.cases if any(case.job is job for job in jobs)]
        assert cases
        return cases


def _can_send(client: str, job: Job) -> bool:
    # The interface of llm takes one prompt, and calls the tools itself.
    return client != "llm" or (len(job.messages) == 1 and isinstance(job.messages[0]["content"], str))


def _reserve_port(stack: ExitStack) -> str:
    """Return the base URL of a port that refuses connections."""
    unused = stack.enter_context(socket.socket())
    unused.bind(("127.0.0.1", 0))  # without listening
    return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


def _serve(stack: ExitStack, base_url: str) -> str:
    app = create_app("OpenAI", base_url=base_url, auth=KEY)
    return stack.enter_context(serve_in_background(app, threads=4)) + "/v1"


def _request(job: Job, stream: bool, url: str) -> dict[str, Any]:
    payload = {"model": job.model, "messages": job.messages, "stream": stream, **job.parameters}
    if stream and job.asks_usage:
        payload["stream_options"] = {"include_usage": True}
    return {"url": url, "key": KEY, "payload": payload, "extra": job.extra}


def _run_client(client: str, requests: list[dict[str, Any]], directory: Path) -> list[dict[str, Any]]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "HTTPS_PROXY": "http://127.0.0.1:9",  # no client needs any server but ours
        "NODE_PATH": os.environ.get("NODE_PATH", ""),
        "LANGSMITH_TRACING": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LLM_USER_PATH": str(directory),
    }
    stdin = json.dumps(requests).encode()
    run = subprocess.run(find_command(client), input=stdin, env=environment, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    return [json.loads(line) for line in run.stdout.splitlines()]


def find_command(client: str) -> list[str]:
    """Return the command that runs a client. Skip the test if the client is not installed."""
    if client == "openai (JavaScript)":
        node = shutil.which("node") or pytest.skip("Node.js is not installed")
        if subprocess.run([node, "--eval", "require('openai')"], capture_output=True).returncode:
            pytest.skip("NODE_PATH has no openai: npm install openai, and set it to node_modules")
        return [node, str(_SCRIPTS / "openai_client.cjs")]
    missing = [name for name in CLIENTS[client] if not importlib.util.find_spec(name)]
    if client == "curl" and not shutil.which("curl"):
        missing = ["curl"]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return [sys.executable, str(_SCRIPTS / f"{client}_client.py")]
