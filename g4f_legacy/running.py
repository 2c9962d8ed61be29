"""A completion that runs in a thread of its own and can be ended from another, also while it waits for its host."""

import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Callable, Generator, Iterator, Optional, TypeVar

T = TypeVar("T")

END: Any = object()
"""What comes instead of a token when there are no more."""

_thread = threading.local()  # its `running` is the completion that the thread belongs to


class Running:
    """A generator of tokens in a thread of its own. Each token is fetched when it is asked for."""

    def __init__(self, tokens: Generator[str, None, None]) -> None:
        self.stopped = threading.Event()
        self._tokens = tokens
        self._executor = ThreadPoolExecutor(1, "g4f_legacy", initializer=self._enter)
        self._lock = threading.Lock()
        self._connection: Optional[socket.socket] = None
        self._closed: Optional["Future[None]"] = None

    def next(self) -> "Future[str]":
        """Fetches the next token, or `END`; the future raises what the generator raises."""
        return self.call(next, self._tokens, END)

    def call(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Calls a function in the thread."""
        return self._executor.submit(function, *arguments)

    def stop(self) -> "Future[None]":
        """Ends the completion: breaks off what it waits for and closes the generator. The future is done after that."""
        with self._lock:
            if self._closed is None:
                self.stopped.set()
                if self._connection is not None:
                    _break_off(self._connection)
                self._closed = self._executor.submit(self._tokens.close)
                self._executor.shutdown(wait=False)
            return self._closed

    def read_from(self, connection: Optional[socket.socket]) -> None:
        """Says which connection `stop` has to break off."""
        with self._lock:
            self._connection = connection
            if connection is not None and self.stopped.is_set():
                _break_off(connection)

    def _enter(self) -> None:
        _thread.running = self


def pause(seconds: float) -> None:
    """Sleeps. Where a completion is stopped meanwhile, it wakes and ends."""
    running = _current()
    if (running.stopped if running else threading.Event()).wait(seconds):
        raise GeneratorExit


@contextmanager
def breakable(connection: Optional[socket.socket]) -> Iterator[None]:
    """Lets the completion on this thread be stopped while it reads from a connection.

    Raises:
        GeneratorExit: when the completion was stopped, instead of whatever goes wrong in the block.
    """
    running = _current()
    if running is None:
        yield
        return
    running.read_from(connection)
    try:
        yield
    except Exception as error:
        if running.stopped.is_set():
            raise GeneratorExit from error
        raise
    finally:
        running.read_from(None)


@contextmanager
def unbreakable() -> Iterator[None]:
    """Lets what is in the block be done, though the completion on this thread was stopped."""
    running, _thread.running = _current(), None
    try:
        yield
    finally:
        _thread.running = running


def _current() -> Optional[Running]:
    return getattr(_thread, "running", None)


def _break_off(connection: socket.socket) -> None:
    with suppress(OSError, TypeError):
        # The method of plain sockets: that of TLS sockets is not meant for another thread than the reader's. TLS within
        # TLS, to a proxy, is no socket, but has one.
        socket.socket.shutdown(getattr(connection, "socket", connection), socket.SHUT_RDWR)
