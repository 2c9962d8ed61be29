"""All use of undocumented parts of `http.client`, and of the file objects that it reads from.

This module uses `HTTPResponse.fp` (a `BufferedReader` over a `socket.SocketIO`, with the socket as its `_sock`),
`begin`, `headers`, `msg` and `will_close`, and `HTTPConnection.response_class` and `sock`
(https://github.com/python/cpython/blob/3.13/Lib/http/client.py). They are needed because `http.client` has no
deadlines, hides the bytes of a chunked body behind one chunk at a time, and does not report whether a failed response
had started. Like urllib3, it relies on `getresponse` working after a `request` that failed while sending.

Without them, bodies are read with `urllib3.HTTPResponse.read1`, which gives the same texts and errors, one chunk at a
time. (`stream` would wait for a full buffer.) Deadlines are checked between reads only, and not in the headers; a
completion cannot be interrupted from another thread while it waits for the server; connections are closed after an
end-of-stream marker, unless the body has ended with it; and a request on a connection that the server has closed fails.
"""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from io import BufferedReader
from typing import Any

# Not from `http.client`, nor from `urllib3.connection`: VCR.py replaces the class there while a cassette is in use.
from urllib3.connectionpool import HTTPConnection  # type: ignore[attr-defined]

from ..concurrency.worker import interruptible
from .connection import DeadlineReader, StaleConnectionError

_CLOSED_ERRORS = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""What reading and writing raise on a connection that the server has closed, unless a read returns nothing."""


class StrictResponse(HTTPResponse):
    """A response whose headers have to be complete, unambiguous, and received before a deadline.

    Args:
        connection: the socket.
        may_be_stale: whether the server may have closed the connection before it received the request.
    """

    def __init__(self, connection: socket.socket, *arguments: Any, may_be_stale: bool = False, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        self._may_be_stale = may_be_stale
        self._reader: DeadlineReader | None = None
        if not _has_known_file(self):
            return
        self._reader = DeadlineReader(self.fp.detach(), connection)  # nothing is in its buffer yet
        self.fp = BufferedReader(self._reader)
        read_timeout = connection.gettimeout()
        if read_timeout is not None:
            self._reader.set_deadline(read_timeout)

    def begin(self) -> None:
        """Read the status line and the headers.

        Raises:
            RemoteDisconnected: the connection was closed within the headers. `http.client` would take that for their
                end (`_read_headers`).
            HTTPException: the values of Content-Length differ. urllib3 refuses them, too, but leaves the socket open.
            StaleConnectionError: the connection may be stale, and was closed before the first byte.
        """
        if self._may_be_stale and self._reader is not None:
            self._await_first_byte()
        super().begin()
        self._skip_interim_responses()
        if self._reader is not None:
            if self._reader.at_eof:
                raise RemoteDisconnected("the headers are incomplete")
            self._reader.clear_deadline()
        lengths = ",".join(self.msg.get_all("Content-Length") or []).split(",")
        if len({length.strip() for length in lengths}) > 1:
            raise HTTPException("the headers contain different lengths")
        if self.status == 101:
            self.will_close = True  # what follows is not HTTP (RFC 9110, section 15.2.2), nor the next response
        self._discard_parser_defects()

    def _await_first_byte(self) -> None:
        try:
            is_closed = not self.fp.peek(1)
        except _CLOSED_ERRORS as error:
            raise StaleConnectionError from error
        if is_closed:
            raise StaleConnectionError

    def _skip_interim_responses(self) -> None:
        # `http.client` skips 100 only. https://www.rfc-editor.org/rfc/rfc9110#section-15.2: "A client MUST be able to
        # parse one or more 1xx responses received prior to a final response".
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()

    def _discard_parser_defects(self) -> None:
        # urllib3 logs the headers that could not be parsed (`assert_header_parsing`), and they may contain a secret:
        # https://github.com/urllib3/urllib3/blob/2.2.0/src/urllib3/util/response.py
        self.msg.set_payload("")
        self.msg.defects.clear()


class InterruptibleConnection(HTTPConnection):
    """A connection that `StreamWorker.stop` can interrupt while it waits for the headers, and that may be stale.

    A server may close an idle connection at the moment when the client sends the next request:
    https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1, https://www.rfc-editor.org/rfc/rfc9112#section-9.5
    """

    _is_reused = False  # a response has been received since `connect`
    _is_repeatable = False  # the body of the current request can be sent again

    def connect(self) -> None:
        self._is_reused = False
        super().connect()

    def request(self, method: str, url: str, body: Any = None, *arguments: Any, **options: Any) -> None:
        self._is_repeatable = body is None or isinstance(body, (bytes, str))
        try:
            super().request(method, url, body, *arguments, **options)
        except _CLOSED_ERRORS:
            if not self._is_reused:
                raise
            # `getresponse` finds out whether there is a response, as urllib3 does after some of these errors.

    def response_class(self, *arguments: Any, **options: Any) -> StrictResponse:  # type: ignore[override]
        return StrictResponse(*arguments, may_be_stale=self._is_reused and self._is_repeatable, **options)

    def getresponse(self) -> Any:
        """Return the response to the request.

        Raises:
            StaleConnectionError: the server has closed an idle connection, and the request can be sent again.
        """
        with interruptible(getattr(self, "sock", None)):
            response = super().getresponse()
        self._is_reused = True
        return response


def get_deadline_reader(response: HTTPResponse | None) -> DeadlineReader | None:
    """Return what a body is read with, and put it in place unless it is; None at the end of the body.

    A connection forgets its socket as soon as it knows that the body ends with it; the reader keeps it.
    """
    if response is None or not _has_known_file(response):
        return None
    raw = response.fp.raw
    if isinstance(raw, DeadlineReader):
        return raw
    connection = getattr(raw, "_sock", None)
    if connection is None:
        return None
    reader = DeadlineReader(response.fp, connection)
    response.fp = BufferedReader(reader)
    return reader


def get_chunked_reader(response: HTTPResponse, size: int) -> Callable[[], bytes]:
    """Return a function that reads the available bytes of a chunked body, at most `size`, with their chunk headers."""
    return partial(response.fp.read1, size)


def _has_known_file(response: HTTPResponse) -> bool:
    return isinstance(getattr(response, "fp", None), BufferedReader)
