"""urllib3's connections, where they wait for ever or for too long: for an answer's headers, and for themselves."""

import socket
import time
from collections import deque
from http.client import HTTPResponse, RemoteDisconnected
from io import BufferedReader, RawIOBase
from queue import Empty, Full
from typing import Any, Deque, Dict, Optional, Type

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from .running import breakable


class _Reader(RawIOBase):
    """Reads from a socket. All that is read before `relax` has to come within the socket's time-out together."""

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        super().__init__()
        self.is_over = False
        self._raw = raw
        self._sock = connection  # named as in `socket.SocketIO`
        self._timeout = connection.gettimeout()
        self._deadline: Optional[float] = None if self._timeout is None else time.monotonic() + self._timeout

    def relax(self) -> None:
        if self._deadline is not None:
            self._deadline = None
            self._sock.settimeout(self._timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self._sock.settimeout(left)
        count: Optional[int] = self._raw.readinto(buffer)
        self.is_over = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """http.client begins the time-out anew at each byte, waits for the end of 1xx answers for as long as they come, and
    takes headers that break off for whole."""

    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        self._reader = _Reader(self.fp.detach(), connection)
        self.fp = BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.is_over:
            raise RemoteDisconnected("the headers broke off")
        self._reader.relax()


class _Connection(HTTPConnection):
    response_class = _Response

    def getresponse(self) -> Any:
        with breakable(self.sock):
            return super().getresponse()


class _SecureConnection(HTTPSConnection, _Connection):
    pass


class Idle:
    """A pool's idle connections, without a lock.

    The lock of a `LifoQueue` cannot be taken twice by one thread: it would wait for itself when the collector closes a
    generator, and so an answer, just while that thread is in the queue.

    Attributes:
        is_over (bool): the process ends; what the last clean-ups use is closed instead of kept.
    """

    is_over = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._connections: Deque[Any] = deque()

    def get(self, block: bool = False, timeout: Optional[float] = None) -> Any:
        try:
            return self._connections.pop()
        except IndexError:
            raise Empty from None

    def put(self, connection: Any, block: bool = False, timeout: Optional[float] = None) -> None:
        if len(self._connections) >= self._size:
            raise Full
        if self.is_over and connection is not None:
            connection.close()
        self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls: Any = Idle


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
    QueueCls: Any = Idle


POOLS: Dict[str, Type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
"""The pools of such connections, by scheme."""
