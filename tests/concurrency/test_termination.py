import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from g4f_legacy.concurrency import termination
from g4f_legacy.concurrency.termination import Terminated, end_by_signal, terminate_by_exception

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


@pytest.fixture(autouse=True)
def restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(5)  # until the handler raises


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises(number: int) -> None:
    with pytest.raises(Terminated) as raised:
        with terminate_by_exception():
            send(number)
    assert raised.value.signal_number == number
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_terminal_that_sends_two() -> None:
    with pytest.raises(Terminated):
        with terminate_by_exception():
            try:
                send(signal.SIGHUP)
            finally:
                os.kill(os.getpid(), signal.SIGHUP)  # during the clean-up
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_code_that_catches_every_exception_is_ended(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "MAX_CLEAN_UP_TIME", 0.2)
    process_id = os.fork()
    if process_id == 0:
        try:
            with terminate_by_exception():
                with suppress(BaseException):
                    send(number)
                time.sleep(20)
        finally:
            os._exit(1)
    _, status = os.waitpid(process_id, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", fail)
    with pytest.raises(Terminated):
        with terminate_by_exception():
            send(signal.SIGTERM)


def test_the_handler_of_the_code_in_the_block_stays() -> None:
    def handle(number: int, frame: object) -> None:
        pass

    with pytest.raises(Terminated):
        with terminate_by_exception():
            signal.signal(signal.SIGTERM, handle)
            send(signal.SIGHUP)
    assert signal.getsignal(signal.SIGTERM) is handle


def test_a_process_goes_on_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "MAX_CLEAN_UP_TIME", 0.1)
    with pytest.raises(Terminated):
        with terminate_by_exception():
            send(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == [signal.SIG_DFL] * 2
    time.sleep(0.3)  # longer than it would take to end the process


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with terminate_by_exception():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_threads_change_nothing() -> None:
    handlers = []

    def work() -> None:
        with terminate_by_exception():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.SIG_DFL]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_forked_process_ends_by_the_signal(number: int) -> None:
    with terminate_by_exception():
        process_id = os.fork()
        if process_id == 0:
            try:
                send(number)
            finally:
                os._exit(1)
        _, status = os.waitpid(process_id, 0)
    assert os.waitstatus_to_exitcode(status) == -number


def test_end_by_signal() -> None:
    process_id = os.fork()
    if process_id == 0:
        end_by_signal(signal.SIGTERM)
        os._exit(1)
    _, status = os.waitpid(process_id, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
