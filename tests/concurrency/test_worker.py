import socket
import threading
from types import SimpleNamespace
from typing import Any, Iterator

import pytest

from g4f_legacy.concurrency.worker import STREAM_END, StreamWorker, interruptible, sleep


def test_tokens() -> None:
    running = StreamWorker(iter("ab"))  # type: ignore[arg-type]
    assert [running.next().result(5) for _ in "ab."] == ["a", "b", STREAM_END]


def test_errors() -> None:
    def tokens() -> Any:
        yield "a"
        raise ZeroDivisionError

    running = StreamWorker(tokens())
    assert running.next().result(5) == "a"
    with pytest.raises(ZeroDivisionError):
        running.next().result(5)
    running.stop().result(5)


def test_stop_closes_the_generator_in_its_thread() -> None:
    closed_in = []

    def tokens() -> Any:
        try:
            yield "a"
        finally:
            closed_in.append(threading.current_thread().name)

    running = StreamWorker(tokens())
    running.next().result(5)
    running.stop().result(5)
    assert len(closed_in) == 1 and closed_in[0].startswith("g4f_legacy")


@pytest.mark.parametrize("what", ["reading", "reading through a proxy's TLS", "a pause"])
def test_stop_breaks_off(what: str) -> None:
    ours, theirs = socket.socketpair()
    waiting, left = threading.Event(), []

    def tokens() -> Iterator[str]:
        try:
            waiting.set()
            if what != "a pause":
                # urllib3's TLS within TLS is no socket.
                read_from: Any = ours if what == "reading" else SimpleNamespace(socket=ours)
                with interruptible(read_from):
                    yield str(ours.recv(1))
                    raise ConnectionError
            sleep(30)
        except GeneratorExit:
            left.append(what)
            raise

    with ours, theirs:
        running = StreamWorker(tokens())  # type: ignore[arg-type]
        token = running.next()
        assert waiting.wait(5)
        running.stop().result(5)
        assert token.done() and left == [what]


def test_a_connection_that_comes_after_the_stop_is_broken_off_too() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        running = StreamWorker(iter(""))  # type: ignore[arg-type]
        running.stopped.set()
        running.set_socket(ours)
        assert ours.recv(1) == b""


def test_outside_of_a_thread_of_its_own() -> None:
    sleep(0)
    with pytest.raises(ConnectionError):
        with interruptible(None):
            raise ConnectionError
