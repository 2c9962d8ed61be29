"""The manual's web application, in FastAPI under uvicorn, with the local server as its upstream server."""

import importlib.util
import os
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from environments.web_servers import free_port, interruptible_pause, pause_until, running, wait_until
from flask import request
from scripted_provider import scripted_provider

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.server import create_app, serve_in_background

MISSING = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
if MISSING:
    pytest.skip(f"{' and '.join(MISSING)} is not installed", allow_module_level=True)

APPLICATION = Path(__file__).with_name("web_application.py")
MANUAL = Path(__file__).parents[2] / "docs" / "environments.rst"

Start = Callable[[Any], tuple[str, list[str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server and the application, and returns the URL of the application and a list to
    which the requests to the server are added."""
    with ExitStack() as servers:

        def start(provider: Any) -> tuple[str, list[str]]:
            received: list[str] = []
            upstream = create_app(provider)
            upstream.before_request(lambda: received.append(f"{request.method} {request.path}"))
            environment = {**os.environ, "G4F_LEGACY_H2O_URL": servers.enter_context(serve_in_background(upstream))}
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "--port", str(port), f"{APPLICATION.stem}:app"]
            options = {"cwd": APPLICATION.parent, "env": environment}
            return servers.enter_context(running(command, port, tmp_path / "uvicorn.log", **options)), received

        yield start


def ask(url: str) -> requests.Response:
    return requests.get(f"{url}/ask", params={"prompt": "Hello"}, stream=True, timeout=20)


def test_the_manual_shows_it() -> None:
    code = textwrap.indent(APPLICATION.read_text("utf-8"), "    ", lambda line: bool(line.strip()))
    assert code in MANUAL.read_text("utf-8")


def test_tokens_are_sent_at_once(start: Start) -> None:
    gate = threading.Event()
    url, _ = start(scripted_provider("Привет", pause_until(gate), " 👋"))
    with ask(url) as response:
        assert response.headers["X-Accel-Buffering"] == "no"
        response.encoding = "utf-8"
        chunks = response.iter_content(None, decode_unicode=True)
        assert next(chunks) == "Привет"
        gate.set()
        assert "".join(chunks) == " 👋"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param([interruptible_pause(60)], id="while it waits for a token"),
        pytest.param([interruptible_pause(0.02, "b")] * 1000, id="between tokens"),
        pytest.param([interruptible_pause(0.001, "b" * 100_000)] * 1000, id="while it sends"),
    ],
)
def test_disconnecting_stops_the_completion(rest: list[Any], start: Start) -> None:
    provider = scripted_provider("a", *rest)
    url, received = start(provider)
    with ask(url) as response:
        assert next(response.iter_content(1)) == b"a"
    assert wait_until(lambda: provider.stopped == 1)
    assert wait_until(lambda: received[-1].startswith("DELETE "))
    assert re.fullmatch("POST /conversation/[0-9a-f]+/stop-generating", received[-2])


def test_truncated_completion(start: Start) -> None:
    url, _ = start(scripted_provider("a", StreamInterruptedError("cut")))
    with ask(url) as response, pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(response.iter_content(1))
