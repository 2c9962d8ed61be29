"""Which clock ends what: README's "What happens when things go wrong" has them in words."""

from contextlib import ExitStack
import itertools
import socket
import time
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from protocols import PROTOCOLS, Recorded, ask
import pytest
from raw_host import FRAMINGS, RawHost, head, piece, whole
import requests

from g4f_legacy.errors import ProviderError, RequestFailedError, StreamInterruptedError
from g4f_legacy.transport import client as host_module

SILENCE, LEAST = 0.2, 0.14
TOKEN, END = PROTOCOLS["OpenAI"].events("a")
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "PATIENCE", 2)


def timed(name: str, url: str, stream: bool = True, **options: Any) -> Tuple[str, Optional[ProviderError], float]:
    """The text, the error that ended it, and the seconds that it took."""
    began = time.monotonic()
    return (*ask(name, url, stream, **{"timeout": (5, SILENCE), **options}), time.monotonic() - began)


def slowly(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 1] for place in range(len(data)))


def for_ever(data: bytes) -> Iterable[bytes]:
    return itertools.repeat(data)


def saying(pieces: Callable[[], Iterable[bytes]]) -> Callable[..., None]:
    """Says the pieces, one each 20 ms, and then nothing more until the client leaves."""

    def say(connection: socket.socket, _: Any) -> None:
        for said in pieces():
            connection.sendall(said)
            time.sleep(0.02)
        connection.recv(1)

    return say


# What the host says of a streamed answer; the text, the error's class and its message.
STREAMS: Dict[str, Tuple[Callable[[], Iterable[bytes]], str, Any, str]] = {
    "nothing": (lambda: [], "", RequestFailedError, f"no answer within {SILENCE} seconds"),
    "headers a byte at a time": (
        lambda: slowly(head("close")),
        "",
        RequestFailedError,
        f"no answer within {SILENCE} seconds",
    ),
    "headers without end": (
        lambda: itertools.chain([OK], for_ever(b"X-A: b\r\n")),
        "",
        RequestFailedError,
        f"no answer within {SILENCE} seconds",
    ),
    "100 Continue for ever": (
        lambda: for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "",
        RequestFailedError,
        f"no answer within {SILENCE} seconds",
    ),
    "an error's body a byte at a time": (
        lambda: itertools.chain([b"HTTP/1.1 500 No\r\n\r\n{"], slowly(b" " * 99)),
        "",
        RequestFailedError,
        "500 No",
    ),
}
BODIES: Dict[str, Tuple[Callable[[], Iterable[bytes]], str, Any]] = {
    "silence": (lambda: [], "", StreamInterruptedError),
    "silence after a token": (lambda: [TOKEN], "a", StreamInterruptedError),
    "an event a byte at a time": (lambda: [TOKEN, *slowly(TOKEN)], "a", StreamInterruptedError),
    "pings": (lambda: itertools.chain([TOKEN], for_ever(b": ping\n\n")), "a", StreamInterruptedError),
    "blank lines": (lambda: itertools.chain([TOKEN], for_ever(b"\n")), "a", StreamInterruptedError),
    "events without data": (lambda: itertools.chain([TOKEN], for_ever(b"event: x\n\n")), "a", StreamInterruptedError),
    "empty events": (lambda: itertools.chain([TOKEN], for_ever(b"data:\n\n")), "a", StreamInterruptedError),
    "pings behind the end": (lambda: itertools.chain([TOKEN, END], for_ever(b":\n\n")), "a", None),
    "events, for longer than the silence": (lambda: [*[TOKEN] * 30, END, b"data: [DONE]\n\n"], "a" * 30, None),
}


@pytest.mark.parametrize("pieces, text, kind, message", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer(stream: bool, pieces: Any, text: str, kind: Any, message: str) -> None:
    with RawHost(saying(pieces)) as host:
        came, error, seconds = timed("OpenAI", host.url, stream)
    assert came == text and type(error) is kind and LEAST < seconds < 3
    assert error and error.args[0].startswith(message)


@pytest.mark.parametrize("said", BODIES)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_body_of_a_stream(framing: str, said: str) -> None:
    pieces, text, kind = BODIES[said]

    def framed() -> Iterator[bytes]:
        yield head(framing, 10_000)
        yield from (piece(data, framing) for data in pieces())

    silence = SILENCE if kind else 2 * SILENCE  # a machine that is busy may delay what has to come in time
    with RawHost(saying(framed)) as host:
        came, error, seconds = timed("OpenAI", host.url, timeout=(5, silence))
    assert came == text and LEAST < seconds < 5
    assert type(error) is (kind or type(None))
    clock = SILENCE if "silence" in said else 2 * SILENCE
    assert error is None or error.args == (f"nothing new came for {clock} seconds",)


@pytest.mark.parametrize("body", [b" " * 99, b"{"], ids=["a byte at a time", "half"])
def test_a_document(body: bytes) -> None:
    with RawHost(saying(lambda: [head("length", 999, "application/json"), *slowly(body)])) as host:
        came, error, seconds = timed("OpenAI", host.url, stream=False)
    assert came == "" and type(error) is RequestFailedError and LEAST < seconds < 3
    assert error.args == (f"the answer was not whole within {SILENCE} seconds",)


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["ours", "the caller's"])
def test_the_body_of_a_redirect(session: Any) -> None:
    def answer(connection: socket.socket, sent: Any) -> Optional[bool]:
        if sent.path != "/v1/chat/completions":
            connection.sendall(whole(TOKEN + END, 200, "Content-Type: text/event-stream"))
            return True
        connection.sendall(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\n\r\n")
        while True:
            connection.sendall(b"x" * 1000)

    with RawHost(answer) as host:
        came, error, seconds = timed("OpenAI", host.url, session=session)
    assert came == "a" and error is None and seconds < 5


def test_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as others:
        for _ in range(3):  # more than wait to be accepted: the next one is not answered
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        came, error, seconds = timed("H2o", "http://127.0.0.1:%d" % full.getsockname()[1], timeout=(SILENCE, 30))
    assert came == "" and type(error) is RequestFailedError and LEAST < seconds < 5
    assert error.args[0].startswith(f"no connection within {SILENCE} seconds")


def test_a_clean_up() -> None:
    def answer(connection: socket.socket, sent: Any) -> Optional[bool]:
        if sent.method != "DELETE":
            return recorded(connection, sent)
        for byte in slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b" " * 99):
            connection.sendall(byte)
            time.sleep(0.02)
        return None

    def say(connection: socket.socket, _: Any) -> bool:
        connection.sendall(whole(recorded.stream, 200, f"Content-Type: {recorded.kind}"))
        return True

    recorded = Recorded("H2o", say)
    with RawHost(answer) as host:
        came, error, seconds = timed("H2o", host.url)
    assert came.endswith(' {"a":1}.') and error is None and LEAST < seconds < 3


KEEP_ALIVE = b'{"type":"status","status":"keepAlive"}\n'
PENDING = b'data: {"event_type": "pending", "queue_position": %d, "queue_size": 9}\r\n\r\n'
SIGNS_OF_LIFE: Dict[str, Tuple[str, Callable[[], Iterable[bytes]], bool]] = {
    "H2o": ("H2o", lambda: for_ever(b": ping\n\n"), False),
    "HuggingChat": ("HuggingChat", lambda: for_ever(KEEP_ALIVE), False),
    "queue": ("OpenAssistant", lambda: for_ever(PENDING % 3), False),
    "moving queue": ("OpenAssistant", lambda: [PENDING % place for place in range(30)], True),
}


@pytest.mark.parametrize("name, signs, is_news", SIGNS_OF_LIFE.values(), ids=SIGNS_OF_LIFE)
def test_signs_of_life_before_the_first_token(name: str, signs: Any, is_news: bool) -> None:
    def say(connection: socket.socket, _: Any) -> None:
        connection.sendall(head("close", 0, recorded.kind))
        for sign in signs():
            connection.sendall(sign)
            time.sleep(0.02)
        connection.sendall(recorded.stream)

    recorded = Recorded(name, say)
    with RawHost(recorded) as host:
        came, error, seconds = timed(name, host.url, timeout=(5, 2 * SILENCE if is_news else SILENCE))
    assert LEAST < seconds < 5
    if is_news:
        assert came.startswith("Привет") and error is None
    else:
        clock = SILENCE if name == "HuggingChat" else 2 * SILENCE
        assert came == "" and type(error) is StreamInterruptedError
        assert error.args == (f"nothing new came for {clock} seconds",)


def test_a_message_that_is_never_finished() -> None:
    def say(connection: socket.socket, _: Any) -> None:
        connection.sendall(head("close"))

    recorded = Recorded("OpenAssistant", say, "open_assistant/already_finished")
    for asked, said in recorded.answers.items():
        if asked[1].startswith("/api/chat/message"):
            recorded.answers[asked] = whole(b'{"state": "in_progress"}')
    with RawHost(recorded) as host:
        came, error, seconds = timed("OpenAssistant", host.url)
    assert came == "" and type(error) is StreamInterruptedError and LEAST < seconds < 5
    assert error.args == (f"the message is still in_progress after {SILENCE} seconds",)
