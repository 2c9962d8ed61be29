"""What the connections of this package are built from: reads with a deadline, and a store for idle connections.

Both use the public API of the standard library only; `http_client_internals` and `urllib3_internals` put them in place.
"""

import socket
import time
from collections import deque
from io import BufferedReader, RawIOBase
from queue import Empty
from typing import Any

_TIMEOUT_TOLERANCE = 0.1
"""How much longer than necessary a read may wait, as a fraction: it saves most of the calls of `settimeout`."""

NEW_CONNECTION = 0.0
"""As the timeout of `ConnectionStack.get`: return a connection that has to connect first."""


class StaleConnectionError(Exception):
    """The server has closed an idle connection, and has not started to respond to the request sent on it.

    Not an `OSError`, which urllib3 would replace by an error of its own. A pool sends the request again instead.
    """


class DeadlineError(TimeoutError):
    """The deadline of a `DeadlineReader` has passed, although the read timeout alone had not expired."""


class DeadlineReader(RawIOBase):
    """Read from a socket until a deadline. The timeout of a socket alone starts again with each byte.

    Args:
        raw: the file object of the socket. If it is a `BufferedReader`, the bytes in its buffer are read first.
        connection: the socket.

    Attributes:
        connection: the socket.
        at_eof (bool): the server has closed the connection.
    """

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        super().__init__()
        self.at_eof = False
        self.connection = connection
        self._raw = raw
        self._is_buffered = isinstance(raw, BufferedReader)
        self._original_timeout = connection.gettimeout()
        self._read_timeout = 0.0
        self._deadline: float | None = None

    def set_deadline(self, seconds: float, read_timeout: float | None = None) -> None:
        """Set the seconds from now to the deadline, and the longest wait for the next byte (by default the same)."""
        self._deadline = time.monotonic() + seconds
        self._read_timeout = read_timeout or seconds

    def clear_deadline(self) -> None:
        """Remove the deadline, and give the socket its original timeout back."""
        if self._deadline is not None:
            self._deadline = None
            self.connection.settimeout(self._original_timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is available into a buffer.

        Raises:
            DeadlineError: the deadline has passed.
            TimeoutError: nothing was received for as long as the read timeout.
        """
        if self._deadline is None:
            return self._receive(buffer)
        seconds_left = self._deadline - time.monotonic()
        if seconds_left <= 0:
            raise DeadlineError("timed out")
        wait = min(seconds_left, self._read_timeout)
        current = self.connection.gettimeout()
        is_accurate = current is not None and wait <= current <= wait * (1 + _TIMEOUT_TOLERANCE)
        if not is_accurate:
            self.connection.settimeout(wait)
        try:
            return self._receive(buffer)
        except TimeoutError:
            if wait < self._read_timeout * (1 - _TIMEOUT_TOLERANCE):
                raise DeadlineError("timed out") from None
            raise

    def _receive(self, buffer: Any) -> int | None:
        count: int | None
        if self._is_buffered:
            # Not `readinto1`, which reads from the socket although its own buffer has data, if `buffer` is the larger:
            # https://github.com/python/cpython/blob/3.13/Modules/_io/bufferedio.c (_buffered_readinto_generic)
            data = self._raw.read1(len(buffer))
            count = len(data)
            buffer[:count] = data
        else:
            count = self._raw.readinto(buffer)
        self.at_eof = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class ConnectionStack:
    """The idle connections of a urllib3 pool, the latest on top, without a lock.

    urllib3 uses a `queue.LifoQueue`, whose lock is not re-entrant. When the garbage collector runs while a thread holds
    it, and closes an abandoned completion, the same thread puts that connection back, and waits for itself. (httpcore
    had the same deadlock: https://github.com/encode/httpcore/discussions/990.) The methods of a `deque` are atomic.

    Attributes:
        closing (bool): the process is about to end: connections are closed instead of stored.
    """

    closing = False

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._connections: deque[Any] = deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            connection = self._connections.pop()
        except IndexError:
            raise Empty from None
        if timeout == NEW_CONNECTION and connection is not None:
            connection.close()  # urllib3 connects it again
        return connection

    def put(self, connection: Any, block: bool = False, timeout: float | None = None) -> None:
        is_full = self.closing or len(self._connections) >= self._maxsize
        if is_full and connection is not None:
            connection.close()  # after a `queue.Full`, urllib3 would log a warning
        else:
            self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)
