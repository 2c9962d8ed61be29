"""Other people's proxies and web servers, as processes, and completions of each protocol through them."""

import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from g4f_legacy.concurrency.worker import sleep
from g4f_legacy.Provider import H2o, OpenAI, OpenAssistant

HELLO = [{"role": "user", "content": "Hello"}]


def find_program(name: str) -> str:
    """Return the path of a program, or skip the tests of the module."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
    return path


def free_port() -> int:
    """Return a port below those that systems assign, so that no test running at the same time is given it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def running(command: list[str], port: int, log: Path, **options: Any) -> Iterator[str]:
    """Run a server for the length of the block. Yield its URL once it accepts connections."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
    try:
        assert (
            wait_until(lambda: process.poll() is not None or accepts(port), 20) and process.poll() is None
        ), log.read_text("utf-8", "replace")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition: Callable[[], Any], seconds: float = 8) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ask(protocol: str, url: str) -> Iterator[str]:
    """Stream a completion with the package's client of a protocol."""
    options: dict[str, Any] = {"retries": 0}
    if protocol == "H2o":
        return H2o._create_completion("", HELLO, True, base_url=url, **options)
    if protocol == "OpenAssistant":
        return OpenAssistant._create_completion("", HELLO, True, base_url=url, auth="a", **options)
    return OpenAI._create_completion("scripted", HELLO, True, base_url=f"{url}/v1", auth="a", **options)


def start_stream(protocol: str, url: str) -> requests.Response:
    """Start a stream as a client that sends nothing when it hangs up."""
    session = requests.Session()
    if protocol == "H2o":
        session.post(f"{url}/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": f"{url}/"})
        conversation = session.post(f"{url}/conversation", json={"model": H2o.models["falcon-7b"]}).json()
        path = f"{url}/conversation/{conversation['conversationId']}"
        return session.post(path, json={"inputs": "Hello"}, stream=True)
    if protocol == "OpenAssistant":
        session.headers["Cookie"] = "next-auth.session-token=a"
        fields = {"chat_id": session.post(f"{url}/api/chat").json()["id"]}
        question = {**fields, "content": "Hello", "parent_id": None}
        parent_id = session.post(f"{url}/api/chat/prompter_message", json=question).json()["id"]
        answer = {**fields, "parent_id": parent_id, "model_config_name": OpenAssistant.model[0]}
        fields["message_id"] = session.post(f"{url}/api/chat/assistant_message", json=answer).json()["id"]
        return session.post(f"{url}/api/chat/events", params=fields, stream=True)
    return session.post(f"{url}/v1/chat/completions", json={"messages": HELLO, "stream": True}, stream=True)


def hang_up(protocol: str, url: str) -> None:
    """Disconnect after the first token."""
    response = start_stream(protocol, url)
    assert b'"a"' in next(response.iter_content(1000))
    response.close()


def pause_until(gate: threading.Event) -> Callable[[], None]:
    """Return a step of a scripted provider that waits for an event, and fails without it."""

    def wait() -> None:
        if not gate.wait(10):
            raise TimeoutError("the client did not receive the first token")

    return wait


def interruptible_pause(seconds: float, token: str | None = None) -> Callable[[], str | None]:
    """Return a step of a scripted provider that waits until it is stopped, as for a server."""

    def wait() -> str | None:
        sleep(seconds)
        return token

    return wait
