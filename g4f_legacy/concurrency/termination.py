"""SIGTERM and SIGHUP as exceptions, so that they end a command as Ctrl-C does: completions stop and clean up."""

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

MAX_CLEAN_UP_TIME = 8.0
"""Seconds after which a process that was told to end is ended. Docker, for one, sends SIGKILL after ten."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received.

    Attributes:
        signal_number (int): which of them.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@contextmanager
def terminate_by_exception() -> Iterator[None]:
    """Raise `Terminated` in the main thread when the first SIGTERM or SIGHUP is received during the block.

    After that, SIGHUP is ignored, of which a closed terminal may send two, and another SIGTERM ends the process at
    once; so does the end of `MAX_CLEAN_UP_TIME`, because code in the block may catch every exception and go on. A
    signal that is ignored before the block, as by ``nohup``, stays ignored, and a handler stays in force. Forked
    processes are ended as if there was no handler, which `multiprocessing` relies on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers
        return
    handler = _Handler()
    numbers = [number for number in _termination_signals() if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, handler)
    try:
        yield
    finally:
        handler.is_over = True
        for number in numbers:
            if signal.getsignal(number) in handler.actions:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Leave the block at Ctrl-C, which is how a server is ended. `Terminated` is raised to the caller."""
    try:
        yield
    except Terminated:
        raise
    except KeyboardInterrupt:
        pass


def _termination_signals() -> list[int]:
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP


class _Handler:
    """The handler of the signals in a block.

    Attributes:
        is_over: whether the block has ended.
        actions: what it has made the signals do.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.actions: list[Any] = [self]
        self._owner = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            end_by_signal(number)
        self.actions.append(signal.SIG_IGN)
        for other in _termination_signals():
            if signal.getsignal(other) is self:
                signal.signal(other, signal.SIG_DFL if other == signal.SIGTERM else signal.SIG_IGN)
        _start_thread(self._end_later)
        raise Terminated(number)

    def _end_later(self) -> None:
        time.sleep(MAX_CLEAN_UP_TIME)
        if not self.is_over:
            os.kill(os.getpid(), signal.SIGTERM)


def _start_thread(function: Callable[[], Any]) -> None:
    """Start a thread from a signal handler: not a `threading.Thread`, whose locks the interrupted code may hold."""
    with suppress(RuntimeError):  # there are too many
        _thread.start_new_thread(function, ())


def end_later_by_signal(number: int) -> None:
    """End this process by a signal after `MAX_CLEAN_UP_TIME`: it may wait for its threads until then."""

    def end() -> None:
        time.sleep(MAX_CLEAN_UP_TIME)
        os.kill(os.getpid(), number)

    signal.signal(number, signal.SIG_DFL)
    _start_thread(end)


def end_by_signal(number: int) -> None:
    """End this process as a signal without a handler does, so that its parent sees the signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
