"""A completion in a thread of its own, which another thread can stop, even while it waits for its server."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

STREAM_END: Any = object()
"""What `StreamWorker.next` returns when there are no more tokens."""

_local = threading.local()  # its `worker` is the StreamWorker that the thread belongs to


class StreamWorker:
    """A generator of tokens that runs in a thread of its own. Each token is fetched when `next` is called.

    Attributes:
        stopped (threading.Event): set when the completion has to end.
    """

    def __init__(self, tokens: Generator[str, Any, Any]) -> None:
        self.stopped = threading.Event()
        self._tokens = tokens
        self._executor = ThreadPoolExecutor(1, "g4f_legacy", initializer=self._set_worker)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed: Future[None] | None = None

    def next(self) -> Future[str]:
        """Fetch the next token or `STREAM_END`. The future raises what the generator raises."""
        return self.call(next, self._tokens, STREAM_END)

    def call(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function in the thread."""
        return self._executor.submit(function, *arguments)

    def stop(self) -> Future[None]:
        """Interrupt the completion and close the generator. The future is done when it is closed."""
        with self._lock:
            if self._closed is None:
                self.stopped.set()
                if self._socket is not None:
                    _shut_down(self._socket)
                self._closed = self._executor.submit(self._tokens.close)
                self._executor.shutdown(wait=False)
            return self._closed

    def set_socket(self, connection: socket.socket | None) -> None:
        """Set the socket that the completion reads from, and that `stop` has to shut down."""
        with self._lock:
            self._socket = connection
            if connection is not None and self.stopped.is_set():
                _shut_down(connection)

    def _set_worker(self) -> None:
        _local.worker = self


def sleep(seconds: float) -> None:
    """Sleep, or end the completion on this thread as soon as it is stopped.

    Raises:
        GeneratorExit: the completion was stopped.
    """
    worker = _current_worker()
    stopped = worker.stopped if worker else threading.Event()
    if stopped.wait(seconds):
        raise GeneratorExit


@contextmanager
def interruptible(connection: socket.socket | None) -> Iterator[None]:
    """Allow the completion on this thread to be stopped while the block reads from a socket.

    Raises:
        GeneratorExit: the completion was stopped, whatever error that caused in the block.
    """
    worker = _current_worker()
    if worker is None:
        yield
        return
    worker.set_socket(connection)
    try:
        yield
    except Exception as error:
        if worker.stopped.is_set():
            raise GeneratorExit from error
        raise
    finally:
        worker.set_socket(None)


@contextmanager
def shielded() -> Iterator[None]:
    """Let the block run to its end although the completion on this thread was stopped."""
    worker, _local.worker = _current_worker(), None
    try:
        yield
    finally:
        _local.worker = worker


def _current_worker() -> StreamWorker | None:
    return getattr(_local, "worker", None)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError, TypeError):
        # Called on `socket.socket`, because `SSLSocket.shutdown` also drops the TLS state that the reading thread is
        # using (https://github.com/python/cpython/blob/3.13/Lib/ssl.py, `SSLSocket.shutdown`). urllib3's SSLTransport,
        # for TLS within TLS, is not a socket, but has one as its `socket`.
        socket.socket.shutdown(getattr(connection, "socket", connection), socket.SHUT_RDWR)
