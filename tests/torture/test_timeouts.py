"""Which timeout ends what; docs/guarantees.rst explains them."""

import itertools
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from protocols import PROTOCOLS, Recorded, ask
from raw_server import FRAMINGS, RawServer, chunk, head, response

from g4f_legacy.errors import ProviderError, RequestFailedError, StreamInterruptedError
from g4f_legacy.transport import client

READ_TIMEOUT, PROGRESS_TIMEOUT, MIN_SECONDS = 0.2, 0.4, 0.14
NO_DATA = f"no data was received for {READ_TIMEOUT} seconds"
NO_EVENT = f"no event was received for {PROGRESS_TIMEOUT} seconds"
KEEP_ALIVE_ERROR = f"no event was received for {READ_TIMEOUT} seconds"  # the server is alive, but nothing is generated
TOKEN, END = PROTOCOLS["OpenAI"].events("a")
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True)
def short_progress_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROGRESS_TIMEOUT_FACTOR", 2)


def timed(name: str, url: str, stream: bool = True, **options: Any) -> tuple[str, ProviderError | None, float]:
    """Return the text of a completion, the error that ended it, and how many seconds it took."""
    start = time.monotonic()
    return (*ask(name, url, stream, **{"timeout": (5, READ_TIMEOUT), **options}), time.monotonic() - start)


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (bytes([byte]) for byte in data)


def sending(chunks: Callable[[], Iterable[bytes]]) -> Callable[..., None]:
    """Return a function that sends a chunk every 20 ms, and then nothing more until the client disconnects."""

    def respond(connection: socket.socket, _: Any) -> None:
        for data in chunks():
            connection.sendall(data)
            time.sleep(0.02)
        connection.recv(1)

    return respond


# What the server sends; the text, and the class and message of the error.
RESPONSES: dict[str, tuple[Callable[[], Iterable[bytes]], str, Any, str]] = {
    "nothing": (lambda: [], "", RequestFailedError, f"no response within {READ_TIMEOUT} seconds"),
    "headers, a byte at a time": (
        lambda: single_bytes(head("close")),
        "",
        RequestFailedError,
        f"no response within {READ_TIMEOUT} seconds",
    ),
    "endless headers": (
        lambda: itertools.chain([OK], itertools.repeat(b"X-A: b\r\n")),
        "",
        RequestFailedError,
        f"no response within {READ_TIMEOUT} seconds",
    ),
    "endless 100 Continue": (
        lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "",
        RequestFailedError,
        f"no response within {READ_TIMEOUT} seconds",
    ),
    "the body of an error, a byte at a time": (
        lambda: itertools.chain([b"HTTP/1.1 500 No\r\n\r\n{"], single_bytes(b" " * 99)),
        "",
        RequestFailedError,
        "500 No",
    ),
}
# What the server sends after the headers of a stream; the text, and the class of the error.
BODIES: dict[str, tuple[Callable[[], Iterable[bytes]], str, Any]] = {
    "nothing": (lambda: [], "", StreamInterruptedError),
    "nothing after a token": (lambda: [TOKEN], "a", StreamInterruptedError),
    "an event, a byte at a time": (lambda: [TOKEN, *single_bytes(TOKEN)], "a", StreamInterruptedError),
    "pings": (lambda: itertools.chain([TOKEN], itertools.repeat(b": ping\n\n")), "a", StreamInterruptedError),
    "blank lines": (lambda: itertools.chain([TOKEN], itertools.repeat(b"\n")), "a", StreamInterruptedError),
    "events without data": (
        lambda: itertools.chain([TOKEN], itertools.repeat(b"event: x\n\n")),
        "a",
        StreamInterruptedError,
    ),
    "empty events": (lambda: itertools.chain([TOKEN], itertools.repeat(b"data:\n\n")), "a", StreamInterruptedError),
    "pings after the end": (lambda: itertools.chain([TOKEN, END], itertools.repeat(b":\n\n")), "a", None),
    "events, for longer than the read timeout": (lambda: [*[TOKEN] * 30, END, b"data: [DONE]\n\n"], "a" * 30, None),
}


@pytest.mark.parametrize("chunks, text, error_class, message", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("stream", [True, False])
def test_a_response(stream: bool, chunks: Any, text: str, error_class: Any, message: str) -> None:
    with RawServer(sending(chunks)) as server:
        received, error, seconds = timed("OpenAI", server.url, stream)
    assert received == text and type(error) is error_class and MIN_SECONDS < seconds < 3
    assert error and error.args[0].startswith(message)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_body_of_a_stream(framing: str, name: str) -> None:
    chunks, text, error_class = BODIES[name]

    def framed() -> Iterator[bytes]:
        yield head(framing, 10_000)
        yield from (chunk(data, framing) for data in chunks())

    # A busy machine may delay events that have to arrive in time.
    read_timeout = READ_TIMEOUT if error_class else 2 * READ_TIMEOUT
    with RawServer(sending(framed)) as server:
        received, error, seconds = timed("OpenAI", server.url, timeout=(5, read_timeout))
    assert received == text and MIN_SECONDS < seconds < 5
    assert type(error) is (error_class or type(None))
    assert error is None or error.args == (NO_DATA if name.startswith("nothing") else NO_EVENT,)


@pytest.mark.parametrize("body", [b" " * 99, b"{"], ids=["a byte at a time", "half"])
def test_a_response_that_is_not_streamed(body: bytes) -> None:
    with RawServer(sending(lambda: [head("length", 999, "application/json"), *single_bytes(body)])) as server:
        received, error, seconds = timed("OpenAI", server.url, stream=False)
    assert received == "" and type(error) is RequestFailedError and MIN_SECONDS < seconds < 3
    assert error.args == (f"the response was not complete within {READ_TIMEOUT} seconds",)


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["ours", "the caller's"])
def test_the_body_of_a_redirect(session: Any) -> None:
    def respond(connection: socket.socket, sent: Any) -> bool | None:
        if sent.path != "/v1/chat/completions":
            connection.sendall(response(TOKEN + END, 200, "Content-Type: text/event-stream"))
            return True
        connection.sendall(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\n\r\n")
        while True:
            connection.sendall(b"x" * 1000)

    with RawServer(respond) as server:
        received, error, seconds = timed("OpenAI", server.url, session=session)
    assert received == "a" and error is None and seconds < 5


def test_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as others:
        for _ in range(3):  # more than can wait to be accepted, so that the next one is ignored
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        url = "http://127.0.0.1:%d" % full.getsockname()[1]
        received, error, seconds = timed("H2o", url, timeout=(READ_TIMEOUT, 30))
    assert received == "" and type(error) is RequestFailedError and MIN_SECONDS < seconds < 5
    assert error.args[0].startswith(f"no connection within {READ_TIMEOUT} seconds")


def test_a_clean_up() -> None:
    def respond_slowly_to_delete(connection: socket.socket, sent: Any) -> bool | None:
        if sent.method != "DELETE":
            return recorded(connection, sent)
        for byte in single_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" " * 99):
            connection.sendall(byte)
            time.sleep(0.02)
        return None

    def respond(connection: socket.socket, _: Any) -> bool:
        connection.sendall(response(recorded.stream, 200, f"Content-Type: {recorded.content_type}"))
        return True

    recorded = Recorded("H2o", respond)
    with RawServer(respond_slowly_to_delete) as server:
        received, error, seconds = timed("H2o", server.url)
    assert received.endswith(' {"a":1}.') and error is None and MIN_SECONDS < seconds < 3


KEEP_ALIVE = b'{"type":"status","status":"keepAlive"}\n'
PENDING = b'data: {"event_type": "pending", "queue_position": %d, "queue_size": 9}\r\n\r\n'

# The provider, what its server sends before the first token, and the error; None: that is progress.
WAITING: dict[str, tuple[str, Callable[[], Iterable[bytes]], str | None]] = {
    "H2o": ("H2o", lambda: itertools.repeat(b": ping\n\n"), NO_EVENT),
    "HuggingChat": ("HuggingChat", lambda: itertools.repeat(KEEP_ALIVE), KEEP_ALIVE_ERROR),
    "queue": ("OpenAssistant", lambda: itertools.repeat(PENDING % 3), NO_EVENT),
    "moving queue": ("OpenAssistant", lambda: [PENDING % place for place in range(30)], None),
}


@pytest.mark.parametrize("name, chunks, message", WAITING.values(), ids=WAITING)
def test_before_the_first_token(name: str, chunks: Any, message: str | None) -> None:
    def respond(connection: socket.socket, _: Any) -> None:
        connection.sendall(head("close", 0, recorded.content_type))
        for data in chunks():
            connection.sendall(data)
            time.sleep(0.02)
        connection.sendall(recorded.stream)

    recorded = Recorded(name, respond)
    with RawServer(recorded) as server:
        timeout = (5, READ_TIMEOUT if message else 2 * READ_TIMEOUT)
        received, error, seconds = timed(name, server.url, timeout=timeout)
    assert MIN_SECONDS < seconds < 5
    if message is None:
        assert received.startswith("Привет") and error is None
    else:
        assert received == "" and type(error) is StreamInterruptedError
        assert error.args[0].startswith(message)  # then what looking up the message showed


def test_a_message_that_is_never_finished() -> None:
    def respond(connection: socket.socket, _: Any) -> None:
        connection.sendall(head("close"))

    recorded = Recorded("OpenAssistant", respond, "open_assistant/already_finished")
    for method, path in recorded.responses:
        if path.startswith("/api/chat/message"):
            recorded.responses[method, path] = response(b'{"state": "in_progress"}')
    with RawServer(recorded) as server:
        received, error, seconds = timed("OpenAssistant", server.url)
    assert received == "" and type(error) is StreamInterruptedError and MIN_SECONDS < seconds < 5
    assert re.search(r"; the message is still in_progress after \d\.\d+ seconds$", error.args[0])
