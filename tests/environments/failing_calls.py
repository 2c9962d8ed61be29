"""Calls that fail, with secrets in their options, as error reporters show them.

No local variable of this module holds a secret, so that a report holds none, or it comes from the package.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

from protocols import MESSAGES, PROTOCOLS
from repeating_server import COOKIE, FAULTS, faulty_server
from secret_options import OPTIONS, WRONG

import g4f_legacy
from g4f_legacy import ChatCompletion, Completion, Provider, registry
from g4f_legacy.server import serve

TESTS = Path(__file__).parents[1]
FAULTS_OF_CALLS = ("no server", "401, JSON", "error event", "event, truncated", "not HTTP", "nothing")

GetOptions = Callable[[], dict[str, Any]]
Report = Callable[[BaseException], str]


def create(provider: str, options: GetOptions) -> None:
    ChatCompletion.create("some", MESSAGES, provider, **options())


def create_streamed(provider: str, options: GetOptions) -> None:
    list(ChatCompletion.create("some", MESSAGES, provider, stream=True, **options()))


def create_async(provider: str, options: GetOptions) -> None:
    asyncio.run(ChatCompletion.create_async("some", MESSAGES, provider, **options()))


def call_directly(provider: str, options: GetOptions) -> None:
    list(registry.get(provider)._create_completion("some", MESSAGES, False, **options()))


def call_directly_streamed(provider: str, options: GetOptions) -> None:
    list(registry.get(provider)._create_completion("some", MESSAGES, True, **options()))


def call_method(provider: str, options: GetOptions) -> None:
    list(registry.get(provider).create_completion("some", MESSAGES, **options()))


def call_method_async(provider: str, options: GetOptions) -> None:
    asyncio.run(registry.get(provider).create_async("some", MESSAGES, **options()))


def complete_prompt(provider: str, options: GetOptions) -> None:
    Completion.create("some", "Hello", provider, **options())


def redirect(provider: str, options: GetOptions) -> None:
    with g4f_legacy.redirect(provider, "some", **options()):
        ChatCompletion.create("gpt-4", MESSAGES, Provider.Bing)


def redirect_by_environment(provider: str, options: GetOptions) -> None:
    set_redirect(provider, **options())
    try:
        list(Provider.Bing._create_completion("some", MESSAGES, True))
    finally:
        set_redirect("")


def set_redirect(provider: str, base_url: Any = "", auth: Any = "", **_: Any) -> None:
    for name, value in (("", provider), ("_MODEL", "some"), ("_URL", base_url), ("_AUTH", auth)):
        os.environ[f"G4F_LEGACY_REDIRECT{name}"] = value if isinstance(value, str) else ""


def retry(provider: str, options: GetOptions) -> None:
    list(g4f_legacy.RetryProvider([provider]).create_completion("some", MESSAGES, **options()))


def retry_async(provider: str, options: GetOptions) -> None:
    asyncio.run(g4f_legacy.RetryProvider([provider]).create_async("some", MESSAGES, **options()))


def list_models(provider: str, options: GetOptions) -> None:
    registry.list_models(registry.get(provider), options())


def start_server(provider: str, options: GetOptions) -> None:
    def end(url: str) -> None:  # an option may be wrong only where it is sent
        raise RuntimeError("the server has started")

    serve(provider, port=0, on_ready=end, **options())


CALLS = (
    create,
    create_streamed,
    create_async,
    complete_prompt,
    call_directly,
    call_directly_streamed,
    call_method,
    call_method_async,
    redirect,
    redirect_by_environment,
    retry,
    retry_async,
)
CALLS_WITH_WRONG_OPTIONS = (*CALLS, list_models, start_server)


def report_all(report: Report, every: int = 1) -> None:
    """Print the report of each call, or of every n-th, with its name, as a line of JSON."""
    for name, call in islice(_iter_calls(), None, None, every):
        try:
            call()
        except Exception as error:
            print(json.dumps([name, report(error)]))
        else:
            print(json.dumps([name, ""]))


def _iter_calls() -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield each call with its name. All ways to call are used with all options."""
    ways = cycle(product(CALLS, OPTIONS))
    for fault, provider, _ in product(FAULTS_OF_CALLS, PROTOCOLS, range(3)):
        call, kind = next(ways)
        yield f"{fault}, {provider}, {call.__name__}, {kind}", partial(_call_with_fault, fault, provider, call, kind)
    for wrong, call in product(WRONG, CALLS_WITH_WRONG_OPTIONS):
        get_options = partial(_wrong_options, wrong)
        yield f"{wrong}, {call.__name__}", partial(call, "OpenAI", get_options)


def _call_with_fault(fault: str, provider: str, call: Callable[[str, GetOptions], None], kind: str) -> None:
    with _server(fault) as url:
        call(provider, partial(_options, kind, url, provider))


@contextmanager
def _server(fault: str) -> Iterator[str]:
    if fault == "no server":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        yield url
    else:
        with faulty_server(FAULTS[fault], "stream", cookie=COOKIE) as server:
            yield server.url


def _options(kind: str, url: str, provider: str) -> dict[str, Any]:
    return {**OPTIONS[kind](url, provider), "retries": 0, "timeout": (5, 0.3)}


def _wrong_options(name: str) -> dict[str, Any]:
    return {"base_url": "http://127.0.0.1:1", "retries": 0, **WRONG[name]}


def run_reporter(script: str) -> dict[str, str]:
    """Return the reports that a Python script prints with `report_all`, by the names of the calls."""
    paths = [TESTS.parent, TESTS, *(TESTS / name for name in ("Provider", "server", "torture"))]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())
