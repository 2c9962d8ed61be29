"""A server that is abused, and what has to be true of it afterwards."""

from contextlib import contextmanager, suppress
import logging
import re
import socket
import threading
import time
from typing import Any, Callable, Iterator, List
from urllib.parse import urlsplit

from engines import engine
from protocols import ask
import pytest

from g4f_legacy.server import create_app, serve_in_background

TEXT = ["Still", " ", "here", "."]


def two_engines(*script: Any) -> Any:
    """A provider that plays a script for the question "abuse" and says `TEXT` to any other; `abused` is the former."""
    provider, abused = engine(*TEXT), engine(*script)
    calm = provider._create_completion

    def _create_completion(model: str, messages: Any, stream: bool, **kwargs: Any) -> Iterator[str]:
        chosen = abused._create_completion if messages[-1]["content"] == "abuse" else calm
        return chosen(model, messages, stream, **kwargs)  # type: ignore[no-any-return]

    provider._create_completion, provider.abused = _create_completion, abused
    return provider


def goes_on_serving(url: str) -> bool:
    """Whether a completion by each protocol gives its whole text."""
    names = ("H2o", "OpenAssistant", "OpenAI")
    return all(ask(name, url, model="", timeout=20) == ("".join(TEXT), None) for name in names)


@contextmanager
def serving(provider: Any, caplog: pytest.LogCaptureFixture, threads: int = 16) -> Iterator[str]:
    """Serves for the block, which is to abuse the server. It goes on serving, and leaves no thread and no traceback."""
    caplog.set_level(logging.INFO)
    before = set(threading.enumerate())
    with serve_in_background(create_app(provider), threads=threads) as url:
        yield url
        assert goes_on_serving(url)
    assert wait_until(lambda: set(threading.enumerate()) <= before)
    check_log(caplog)


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback, and nothing that waitress or Flask did not expect."""
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


def connect(url: str, sent: bytes = b"", window: int = 0) -> socket.socket:
    """A connection on which some bytes were sent. A `window` is the size of its receive buffer."""
    address = urlsplit(url)
    connection = socket.socket()
    try:
        if window:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        connection.settimeout(20)
        connection.connect((address.hostname, address.port))
        with suppress(ConnectionError):  # it may be refused before it is all sent
            connection.sendall(sent)
    except BaseException:
        connection.close()
        raise
    return connection


def answer_to(url: str, sent: bytes) -> bytes:
    """All that the server says until it closes the connection."""
    said = b""
    with connect(url, sent) as connection, suppress(ConnectionError):
        while data := connection.recv(65536):
            said += data
    return said


def statuses(said: bytes) -> List[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1.. (...)", said, re.MULTILINE)]


def request(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def wait_until(condition: Callable[[], Any], seconds: float = 15) -> bool:
    """Whether it comes true in that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
