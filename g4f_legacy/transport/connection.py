"""urllib3's connections, with a clock for all that is read from them, and without a lock that waits for itself."""

from collections import deque
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from io import BufferedReader, RawIOBase
from queue import Empty
import socket
import time
from typing import Any, Deque, Dict, Optional, Type

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..concurrency.worker import interruptible

_SLACK = 0.1  # of the time that is left: so much later a read may end, so that most reads need not set the socket


class DeadlineReader(RawIOBase):
    """Reads from a socket, and not for longer than it is given: a time-out of the socket's begins anew at each byte.

    Args:
        raw: what reads from the socket; a `BufferedReader`'s own bytes come first.
        connection: the socket, which is an attribute, too.

    Attributes:
        at_eof (bool): the host has ended the connection.
    """

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        super().__init__()
        self.at_eof = False
        self.connection = connection
        self._raw = raw
        self._own_timeout = self._read_timeout = connection.gettimeout()
        self._deadline: Optional[float] = None

    def set_deadline(self, seconds: float, read_timeout: Optional[float] = None) -> None:
        """Says how many seconds there are from now on, and how many of them there may be without a byte."""
        self._deadline = time.monotonic() + seconds
        self._read_timeout = seconds if read_timeout is None else read_timeout

    def clear_deadline(self) -> None:
        """Gives the socket its own time-out back."""
        if self._deadline is not None:
            self._deadline = None
            self.connection.settimeout(self._own_timeout)

    @property
    def is_expired(self) -> bool:
        """Whether the time that it was given is over, or as good as over."""
        return self._deadline is not None and time.monotonic() > self._deadline - _SLACK * (self._read_timeout or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            left = min(left, self._read_timeout or left)
            timeout = self.connection.gettimeout()
            if timeout is None or not left <= timeout <= left + _SLACK * left:
                self.connection.settimeout(left)
        if isinstance(self._raw, BufferedReader):  # its readinto1 waits for more than it has
            data = self._raw.read1(len(buffer))
            buffer[: len(data)] = data
            count: Optional[int] = len(data)
        else:
            count = self._raw.readinto(buffer)
        self.at_eof = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def get_reader(response: Any) -> Optional[DeadlineReader]:
    """What the body of an answer of requests' is read with; None when it was read to its end."""
    # The connection lets go of its socket as soon as it knows that the body ends with it; the reader keeps it.
    original: Any = getattr(response.raw, "_original_response", None)
    reader = getattr(getattr(original, "fp", None), "raw", None)
    if reader is not None and not isinstance(reader, DeadlineReader):  # it came over a session of the caller's
        reader = DeadlineReader(original.fp, reader._sock)
        original.fp = BufferedReader(reader)
    return reader


class _Response(HTTPResponse):
    """http.client begins the time-out anew at each byte, waits for the end of 1xx answers for as long as they come,
    takes some of them for the answer, and headers that break off for whole."""

    def __init__(self, connection: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        self._reader = DeadlineReader(self.fp.detach(), connection)
        if connection.gettimeout() is not None:
            self._reader.set_deadline(connection.gettimeout() or 0)
        self.fp = BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if self._reader.at_eof:
            raise RemoteDisconnected("the headers broke off")
        lengths = (self.msg.get("Content-Length") or "").split(",")
        if len({length.strip() for length in lengths}) > 1:  # urllib3 refuses it as well, but leaves the socket open
            raise HTTPException("the headers have several lengths")
        if self.status == 101:
            self.will_close = True  # whatever comes next is no answer to the next request
        self.msg.set_payload("")  # urllib3 would log what it cannot parse, and hosts may repeat a login
        self.msg.defects.clear()
        self._reader.clear_deadline()


class _Connection(HTTPConnection):
    response_class = _Response

    def getresponse(self) -> Any:
        with interruptible(self.sock):
            return super().getresponse()


class _SecureConnection(HTTPSConnection, _Connection):
    pass


class ConnectionStack:
    """A pool's idle connections, without a lock.

    The lock of a `LifoQueue` cannot be taken twice by one thread: it would wait for itself when the collector closes a
    generator, and so an answer, just while that thread is in the queue.

    Attributes:
        closing (bool): the process ends; what the last clean-ups use is closed instead of kept.
    """

    closing = False

    def __init__(self, size: int) -> None:
        self._size = size
        self._connections: Deque[Any] = deque()

    def get(self, block: bool = False, timeout: Optional[float] = None) -> Any:
        try:
            return self._connections.pop()
        except IndexError:
            raise Empty from None

    def put(self, connection: Any, block: bool = False, timeout: Optional[float] = None) -> None:
        if connection is not None and (self.closing or len(self._connections) >= self._size):
            connection.close()  # urllib3 would write a warning into the log
        else:
            self._connections.append(connection)

    def qsize(self) -> int:
        return len(self._connections)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls: Any = ConnectionStack


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
    QueueCls: Any = ConnectionStack


POOLS: Dict[str, Type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}
"""The pools of such connections, by scheme."""
