import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from g4f_legacy.concurrency.worker import STREAM_END, StreamWorker, interruptible, sleep


def test_tokens() -> None:
    worker = StreamWorker(iter("ab"))  # type: ignore[arg-type]
    assert [worker.next().result(5) for _ in "ab."] == ["a", "b", STREAM_END]


def test_errors() -> None:
    def tokens() -> Any:
        yield "a"
        raise ZeroDivisionError

    worker = StreamWorker(tokens())
    assert worker.next().result(5) == "a"
    with pytest.raises(ZeroDivisionError):
        worker.next().result(5)
    worker.stop().result(5)


def test_stop_closes_the_generator_in_its_thread() -> None:
    closed_in = []

    def tokens() -> Any:
        try:
            yield "a"
        finally:
            closed_in.append(threading.current_thread().name)

    worker = StreamWorker(tokens())
    worker.next().result(5)
    worker.stop().result(5)
    assert len(closed_in) == 1 and closed_in[0].startswith("g4f_legacy")


@pytest.mark.parametrize("activity", ["reading", "reading through a proxy's TLS", "sleep"])
def test_stop_interrupts(activity: str) -> None:
    own_end, other_end = socket.socketpair()
    waiting, interrupted = threading.Event(), []

    def tokens() -> Iterator[str]:
        try:
            waiting.set()
            if activity != "sleep":
                # urllib3's TLS within TLS is not a socket, but has one.
                connection: Any = own_end if activity == "reading" else SimpleNamespace(socket=own_end)
                with interruptible(connection):
                    yield str(own_end.recv(1))
                    raise ConnectionError
            sleep(30)
        except GeneratorExit:
            interrupted.append(activity)
            raise

    with own_end, other_end:
        worker = StreamWorker(tokens())  # type: ignore[arg-type]
        token = worker.next()
        assert waiting.wait(5)
        worker.stop().result(5)
        assert token.done() and interrupted == [activity]


def test_a_connection_that_is_opened_after_the_stop_is_shut_down() -> None:
    own_end, other_end = socket.socketpair()
    with own_end, other_end:
        worker = StreamWorker(iter(""))  # type: ignore[arg-type]
        worker.stopped.set()
        worker.set_socket(own_end)
        assert own_end.recv(1) == b""


def test_outside_of_a_worker() -> None:
    sleep(0)
    with pytest.raises(ConnectionError):
        with interruptible(None):
            raise ConnectionError
