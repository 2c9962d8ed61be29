"""Responses without end are abandoned before they fill the memory."""

import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from protocols import VARIANTS, Recorded, ask, is_for_text
from raw_server import RawServer, head, response
from replay import Sent

from g4f_legacy.errors import RequestFailedError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing.sse import MAX_LINE_LENGTH
from g4f_legacy.transport.body import MAX_BODY_SIZE

MEBIBYTE = 1024 * 1024


def sending(recorded: Recorded, stream: bytes) -> Callable[[socket.socket, Sent], bool]:
    """Return a function that responds with another stream than the recorded one."""

    def respond(connection: socket.socket, sent: Sent) -> bool:
        connection.sendall(response(stream if is_for_text(sent) else recorded.body_for(sent)))
        return True

    return respond


@pytest.mark.parametrize(
    "name, stream", [(name, option) for name, protocol in VARIANTS.items() for option in protocol.stream_options]
)
def test_the_longest_payload(name: str, stream: bool) -> None:
    recorded = Recorded(name)
    body = recorded.stream
    begin, end = recorded.payload_spans()[-2 if name == "HuggingChat" else -1]  # the end-of-stream marker
    limit = MAX_BODY_SIZE if recorded.content_type == "application/json" else MAX_LINE_LENGTH
    line = body.rfind(b"\n", 0, begin) + 1
    for excess in (0, 1):
        padding = b'{"padding": "%s", ' % (b"x" * (limit + excess - (end - line) - len('"padding": "", ')))
        with RawServer(sending(recorded, body[:begin] + padding + body[begin + 1 :])) as server:
            text, error = ask(name, server.url, stream)
        if excess:
            assert type(error) is ResponseFormatError and text == recorded.text_of(body[:line])
        else:
            assert (text, error) == (recorded.text, None)


BLOCK = 64 * 1024
STREAMED, CHUNKED = head("close"), head("chunked")
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "a line": (STREAMED, b"x" * BLOCK),
    "a line of data": (STREAMED + b"data: ", b"x" * BLOCK),
    "an event": (STREAMED, (b"data: " + b"x" * 4089 + b"\n") * 16),
    "a JSON object": (STREAMED + b'data: {"a": "', b"x" * BLOCK),
    "nested lists": (STREAMED + b'data: {"a": ', b"[" * BLOCK),
    "chunks": (CHUNKED, b"10000\r\n" + b"x" * BLOCK + b"\r\n"),
    "a chunk size": (CHUNKED, b"0" * BLOCK),
    "a chunk extension": (CHUNKED + b"5;", b"x" * BLOCK),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * BLOCK),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * (BLOCK // 6)),
    "a page": (head("close", content_type="text/html"), b"<p>" * (BLOCK // 3)),
    "an error": (b"HTTP/1.1 500 No\r\n\r\n", b'["' * (BLOCK // 2)),
    "a redirect": (b"HTTP/1.1 302 Go\r\nLocation: http://example.test/\r\n\r\n", b"x" * BLOCK),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("start, more", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_abandoned(start: bytes, more: bytes, name: str, memory: Any) -> None:
    recorded = Recorded(name)
    for is_flooded in (is_for_text, lambda _: True):
        sent_completely: list[Sent] = []

        def respond(connection: socket.socket, sent: Sent) -> bool:
            if not is_flooded(sent):
                connection.sendall(response(recorded.body_for(sent)))
                return True
            connection.sendall(start)
            for _ in range(64 * MEBIBYTE // BLOCK):
                connection.sendall(more)
            sent_completely.append(sent)
            return False

        started = time.monotonic()
        with RawServer(respond) as server:
            text, error = ask(name, server.url, VARIANTS[name].stream_options[0])
        assert text == "" and isinstance(error, (ResponseFormatError, RequestFailedError, StreamInterruptedError))
        assert sent_completely == [] and time.monotonic() - started < 30
        is_one_payload = recorded.content_type == "application/json" or is_flooded != is_for_text
        assert memory() < (2.5 * MAX_BODY_SIZE if is_one_payload else 6 * MAX_LINE_LENGTH)


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    """Return a function that returns the peak of memory in use, in bytes, since the test began or the last call."""

    def peak() -> int:
        used = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.clear_traces()
        return used

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield peak
    tracemalloc.stop()


IGNORED_LINES = {
    "comments": b": " + b"x" * 1022 + b"\n",
    "unknown fields": b"x" * 1000 + b": y\n",
    "ids": b"id: " + b"x" * 1000 + b"\n",
    "spaces": b" " * 1023 + b"\n",
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("ignored", IGNORED_LINES.values(), ids=IGNORED_LINES)
def test_ignored_lines_take_no_memory(ignored: bytes, name: str, memory: Any) -> None:
    recorded = Recorded(name)
    if recorded.content_type in ("application/json", "application/jsonl") and ignored.strip():
        ignored = b" " * 1022 + b"\r\n"
    begin = recorded.payload_spans()[-1][0]
    line = recorded.stream.rfind(b"\n", 0, begin) + 1

    def respond(connection: socket.socket, sent: Sent) -> bool:
        if not is_for_text(sent):
            connection.sendall(response(recorded.body_for(sent)))
            return True
        connection.sendall(head("close") + recorded.stream[:line])
        for _ in range(8 * MEBIBYTE // len(ignored) // 64):
            connection.sendall(ignored * 64)
        connection.sendall(recorded.stream[line:])
        return False

    with RawServer(respond) as server:
        assert ask(name, server.url, VARIANTS[name].stream_options[-1]) == (recorded.text, None)
    is_one_payload = recorded.content_type == "application/json"
    assert memory() < (3 * MAX_BODY_SIZE if is_one_payload else 4 * MAX_LINE_LENGTH)
