import gzip
import socket
import threading
import time
import tracemalloc
from typing import Callable, Dict, Tuple
import zlib

from protocols import PROTOCOLS, ask
import pytest
from raw_host import RawHost, head, piece, whole
from replay import Sent

from g4f_legacy.errors import ProviderError, RequestFailedError


def events(text: str) -> bytes:
    return b"".join(PROTOCOLS["OpenAI"].events(text)) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("code", [101, 102, 103])
def test_a_late_answer_is_not_the_next_completions(code: int) -> None:
    def answer(connection: socket.socket, sent: Sent) -> bool:
        number = len(host.sent)
        if number == 1:
            connection.sendall(b"HTTP/1.1 %d Wait\r\n\r\n" % code)
            time.sleep(0.3)
        connection.sendall(whole(events(f"answer {number}"), 200, "Content-Type: text/event-stream"))
        return True

    with RawHost(answer) as host:
        assert ask("OpenAI", host.url, True)[0] in ("", "answer 1")
        assert ask("OpenAI", host.url, True) == ("answer 2", None)


EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # deflate for nothing
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
DRIPS: Dict[str, Tuple[bytes, bytes, str]] = {
    "trailers": (head("chunked") + piece(events("a"), "chunked") + b"0\r\n", b"X: y\r\n", "a"),
    "a trailer": (head("chunked") + piece(events("a"), "chunked") + b"0\r\n", b"x", "a"),
    "a chunk's size behind the end mark": (head("chunked") + piece(events("a"), "chunked"), b"0", "a"),
    "a chunk's size": (head("chunked"), b"0", ""),
    "a chunk's extension": (head("chunked") + b"5;", b"x", ""),
    "gzip of nothing": (GZIPPED + gzip.compress(b"")[:10], EMPTY_BLOCK, ""),
}


@pytest.mark.parametrize("first, drop, text", DRIPS.values(), ids=DRIPS)
def test_what_drips_inside_of_one_read_has_an_end(first: bytes, drop: bytes, text: str) -> None:
    over = threading.Event()

    def answer(connection: socket.socket, _: Sent) -> bool:
        connection.sendall(first)
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline and not over.wait(0.05):
            connection.sendall(drop)
        return False

    with RawHost(answer) as host:
        began = time.monotonic()
        came, error = ask("OpenAI", host.url, True, timeout=(5, 0.25))
        took = time.monotonic() - began
        over.set()
    assert came == text and (error is None) == bool(text)
    assert took < 4  # ten times the silence, and what a busy machine needs


def test_a_content_type_without_a_charset_after_all() -> None:
    said = whole(events("a"), 200, "Content-Type: text/event-stream; charset")
    with RawHost(lambda connection, _: connection.sendall(said)) as host:
        text, error = ask("OpenAI", host.url, True)  # some versions of requests fail at it, with an AttributeError
    assert (text, error) == ("a", None) or text == "" and isinstance(error, RequestFailedError)


def test_a_small_body_that_unpacks_to_much() -> None:
    packer, line = zlib.compressobj(9, wbits=31), b": " + b" " * 1024 * 1024 + b"\n"
    bomb = gzip.compress(b"".join(packer.compress(line) for _ in range(256)) + packer.flush(), 9)
    said = whole(bomb, 200, "Content-Type: text/event-stream", "Content-Encoding: gzip, gzip")
    tracemalloc.start()
    try:
        with RawHost(lambda connection, _: connection.sendall(said)) as host:
            assert isinstance(ask("OpenAI", host.url, True)[1], ProviderError)
        assert tracemalloc.get_traced_memory()[1] < 80 * 1024 * 1024  # urllib3 before 2.6: 537 MB of 2 kB
    finally:
        tracemalloc.stop()


def test_lengths_that_differ_leave_no_socket_open() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"
    waiting: Callable[[socket.socket, Sent], bool] = lambda connection, _: not connection.sendall(said)
    with RawHost(waiting) as host:
        _, error = ask("OpenAI", host.url, True)
        deadline = time.monotonic() + 5
        while not host.left and time.monotonic() < deadline:
            time.sleep(0.01)
        assert isinstance(error, ProviderError) and host.left == 1
