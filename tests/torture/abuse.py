"""Run a server to abuse it, and check what has to be true of it afterwards."""

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from protocols import ask
from scripted_provider import scripted_provider

from g4f_legacy.server import create_app, serve_in_background

TEXT = ["Still", " ", "here", "."]


def two_providers(*script: Any) -> Any:
    """Return a provider that plays a script for the prompt "abuse", and responds with `TEXT` to any other.

    Its attribute `abused` is the provider that plays the script.
    """
    provider, abused = scripted_provider(*TEXT), scripted_provider(*script)
    create_calm_completion = provider._create_completion

    def _create_completion(model: str, messages: Any, stream: bool, **kwargs: Any) -> Iterator[str]:
        is_abuse = messages[-1]["content"] == "abuse"
        create = abused._create_completion if is_abuse else create_calm_completion
        return create(model, messages, stream, **kwargs)  # type: ignore[no-any-return]

    provider._create_completion, provider.abused = _create_completion, abused
    return provider


def is_serving(url: str) -> bool:
    """Return whether a completion by each protocol gives its complete text."""
    names = ("H2o", "OpenAssistant", "OpenAI")
    return all(ask(name, url, model="", timeout=20) == ("".join(TEXT), None) for name in names)


@contextmanager
def serving(provider: Any, caplog: pytest.LogCaptureFixture, threads: int = 16) -> Iterator[str]:
    """Run a server for a block that abuses it, and check that it still serves, and leaves no thread or traceback."""
    caplog.set_level(logging.INFO)
    before = set(threading.enumerate())
    with serve_in_background(create_app(provider), threads=threads) as url:
        yield url
        assert is_serving(url)
    assert wait_until(lambda: set(threading.enumerate()) <= before)
    check_log(caplog)


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """Check that there is no traceback, and nothing unexpected to waitress or Flask.

    Neither uses asyncio, which logs the tasks of earlier tests when they are collected.
    """
    records = [record for record in caplog.records if record.name != "asyncio"]
    assert [record for record in records if record.exc_info or record.levelno >= logging.ERROR] == []


def connect(url: str, sent: bytes = b"", window: int = 0) -> socket.socket:
    """Return a connection on which some bytes were sent. A `window` is the size of its receive buffer."""
    address = urlsplit(url)
    connection = socket.socket()
    try:
        if window:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        connection.settimeout(20)
        connection.connect((address.hostname, address.port))
        with suppress(ConnectionError):  # the server may refuse it before everything is sent
            connection.sendall(sent)
    except BaseException:
        connection.close()
        raise
    return connection


def exchange_bytes(url: str, sent: bytes) -> bytes:
    """Send some bytes, and return everything that the server sends until it closes the connection."""
    received = b""
    with connect(url, sent) as connection, suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1.. (...)", received, re.MULTILINE)]


def request(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    """Return a request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def wait_until(condition: Callable[[], Any], seconds: float = 15) -> bool:
    """Return whether a condition becomes true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
