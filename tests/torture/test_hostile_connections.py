"""Responses that misuse the connection: late, endless in small steps, or packed."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib

import pytest
from protocols import PROTOCOLS, ask
from raw_server import RawServer, chunk, head, response
from replay import Sent

from g4f_legacy.errors import ProviderError, RequestFailedError


def events(text: str) -> bytes:
    return b"".join(PROTOCOLS["OpenAI"].events(text)) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("code", [101, 102, 103])
def test_a_late_response_is_not_that_of_the_next_completion(code: int) -> None:
    def respond(connection: socket.socket, sent: Sent) -> bool:
        number = len(server.sent)
        if number == 1:
            connection.sendall(b"HTTP/1.1 %d Wait\r\n\r\n" % code)
            time.sleep(0.3)
        connection.sendall(response(events(f"response {number}"), 200, "Content-Type: text/event-stream"))
        return True

    with RawServer(respond) as server:
        assert ask("OpenAI", server.url, True)[0] in ("", "response 1")
        assert ask("OpenAI", server.url, True) == ("response 2", None)


EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # of deflate: no data
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
DRIPS: dict[str, tuple[bytes, bytes, str]] = {
    "trailers": (head("chunked") + chunk(events("a"), "chunked") + b"0\r\n", b"X: y\r\n", "a"),
    "a trailer without end": (head("chunked") + chunk(events("a"), "chunked") + b"0\r\n", b"x", "a"),
    "a chunk size after the end-of-stream marker": (head("chunked") + chunk(events("a"), "chunked"), b"0", "a"),
    "a chunk size": (head("chunked"), b"0", ""),
    "a chunk extension": (head("chunked") + b"5;", b"x", ""),
    "gzip without data": (GZIPPED + gzip.compress(b"")[:10], EMPTY_BLOCK, ""),
}


@pytest.mark.parametrize("start, drop, text", DRIPS.values(), ids=DRIPS)
def test_drips_within_one_read_time_out(start: bytes, drop: bytes, text: str) -> None:
    is_done = threading.Event()

    def respond(connection: socket.socket, _: Sent) -> bool:
        connection.sendall(start)
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline and not is_done.wait(0.05):
            connection.sendall(drop)
        return False

    with RawServer(respond) as server:
        started = time.monotonic()
        received, error = ask("OpenAI", server.url, True, timeout=(5, 0.25))
        seconds = time.monotonic() - started
        is_done.set()
    assert received == text and (error is None) == bool(text)
    assert seconds < 4  # the progress timeout, and the time that a busy machine needs


def test_a_content_type_with_an_empty_charset() -> None:
    data = response(events("a"), 200, "Content-Type: text/event-stream; charset")
    with RawServer(lambda connection, _: connection.sendall(data)) as server:
        text, error = ask("OpenAI", server.url, True)  # AttributeError in some versions of requests
    assert (text, error) == ("a", None) or text == "" and isinstance(error, RequestFailedError)


def test_a_decompression_bomb() -> None:
    packer, line = zlib.compressobj(9, wbits=31), b": " + b" " * 1024 * 1024 + b"\n"
    bomb = gzip.compress(b"".join(packer.compress(line) for _ in range(256)) + packer.flush(), 9)
    data = response(bomb, 200, "Content-Type: text/event-stream", "Content-Encoding: gzip, gzip")
    tracemalloc.start()
    try:
        with RawServer(lambda connection, _: connection.sendall(data)) as server:
            assert isinstance(ask("OpenAI", server.url, True)[1], ProviderError)
        assert tracemalloc.get_traced_memory()[1] < 80 * 1024 * 1024  # urllib3 before 2.6: 537 MB from 2 kB
    finally:
        tracemalloc.stop()


def test_different_lengths_leave_no_socket_open() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"

    def respond(connection: socket.socket, _: Sent) -> bool:
        connection.sendall(data)
        return True

    with RawServer(respond) as server:
        _, error = ask("OpenAI", server.url, True)
        deadline = time.monotonic() + 5
        while not server.disconnected and time.monotonic() < deadline:
            time.sleep(0.01)
        assert isinstance(error, ProviderError) and server.disconnected == 1
