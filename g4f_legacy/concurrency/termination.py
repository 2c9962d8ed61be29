"""SIGTERM and SIGHUP as exceptions, so that they end a command as Ctrl-C does: completions stop and clean up."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
    once. A signal that is ignored before the block, as by ``nohup``, stays ignored, and a handler stays in force.
    Forked processes are ended as if there was no handler, which `multiprocessing` relies on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers
        return
    handler = _create_handler()
    numbers = [number for number in _termination_signals() if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in numbers:
            if signal.getsignal(number) is handler:
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


def _create_handler() -> Callable[[int, FrameType | None], None]:
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            end_by_signal(number)
        for other in _termination_signals():
            signal.signal(other, signal.SIG_DFL if other == signal.SIGTERM else signal.SIG_IGN)
        raise Terminated(number)

    return handle


def end_by_signal(number: int) -> None:
    """End this process as a signal without a handler does, so that its parent sees the signal."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
