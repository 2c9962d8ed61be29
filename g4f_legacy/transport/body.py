"""The body of a host's answer: as it arrives, whole, or only its beginning."""

from contextlib import suppress
from socket import socket, timeout
from typing import Any, Callable, Generator, Iterator, Optional

from requests import Response
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ..errors import ProviderError, RequestFailedError, ResponseFormatError, StreamInterruptedError, describe_cause
from ..parsing.payload import truncate
from .chunked import decode_chunked
from .connection import get_reader

MAX_BODY_SIZE = 16 * 1024 * 1024
"""The most bytes of an answer that is no stream."""

STALL_FACTOR = 10
"""How many times the read_timeout a stream is waited for while only comments, blank lines and the like come."""

_CODINGS = HTTPResponse.CONTENT_DECODERS
_PIECE = 64 * 1024  # bytes; read1 gives what is there, this is only the most at a time
_GLANCE = 5.0  # seconds for the beginning of a body that says why there is no answer
_LINGER = 0.2  # seconds for the last bytes behind an end mark to come


class ByteStream:
    """The bytes of a body as they arrive, whether it is chunked, of known length, or ends with the connection.

    requests' own `iter_content` and `iter_lines` hold bytes back; `read1` does not.

    Args:
        response: got with ``stream=True``.
        read_timeout: how long to wait for a byte, in seconds.
        patience: how many times as long to wait for news. What is news, the reader says with `heard`; else there is
            none before the end.
    """

    def __init__(self, response: Response, read_timeout: float, patience: int = 1) -> None:
        self._response = response
        self._read_timeout = read_timeout
        self._patience = patience
        self._is_news = True
        self._data = self._read()

    def mark_progress(self) -> None:
        """Says that there was news in what came: the read_timeout begins anew."""
        self._is_news = True

    def __iter__(self) -> Iterator[bytes]:
        """Gives the pieces.

        Raises:
            StreamInterruptedError: the connection broke, or there was no news for too long.
            ResponseFormatError: the body is compressed more than once.
        """
        return self._data

    def finish(self) -> None:
        """Waits a moment for what stands behind the end mark, so that the connection can be used again; else closes
        it."""
        self._read_timeout, self._patience = _LINGER, 1
        self.mark_progress()
        left = _PIECE
        with suppress(ProviderError):
            for piece in self._data:
                left -= len(piece)
                if left <= 0:
                    break
        self.close()

    def close(self) -> None:
        """Closes the answer, and with it the connection, unless all was read."""
        self._data.close()  # which holds this object, as long as it is not over
        self._response.close()

    def _read(self) -> Generator[bytes, None, None]:
        response = self._response
        raw: Any = response.raw
        codings = response.headers.get("Content-Encoding", "").lower().split(",")
        if response._content_consumed:  # type: ignore[attr-defined]
            yield response._content or b""  # a hook of the caller's session has read it
        elif sum(coding.strip() in _CODINGS for coding in codings) > 1:
            raise ResponseFormatError("the answer is compressed more than once")  # a few bytes may be a gigabyte
        elif codings == [""] and get_reader(response) and raw.chunked:
            original = raw._original_response
            is_all = yield from decode_chunked(self._come(lambda: original.fp.read1(_PIECE)))
            original.close()
            if is_all:
                raw.release_conn()
            else:
                response.close()
        else:  # looking for compression costs time: only where the host says so
            yield from self._come(lambda: raw.read1(_PIECE, decode_content=codings != [""]))

    def _come(self, read_once: Callable[[], bytes]) -> Iterator[bytes]:
        reader = get_reader(self._response)
        while True:
            if self._is_news and reader is not None:
                reader.set_deadline(self._read_timeout * self._patience, self._read_timeout)
            self._is_news = False
            try:
                piece = read_once()
            except (ReadTimeoutError, timeout) as error:
                seconds = self._read_timeout * (self._patience if reader and reader.is_expired else 1)
                raise StreamInterruptedError(f"nothing new came for {seconds:g} seconds") from error
            except (HTTPError, OSError) as error:
                raise StreamInterruptedError(f"the answer broke off: {describe_cause(error)}") from error
            if not piece:
                return
            yield piece


def read_body(response: Response, read_timeout: float) -> Response:
    """Reads a whole body: afterwards ``response.content`` has it, and the connection is free.

    Raises:
        RequestFailedError: the body broke off, or was not whole within `read_timeout` seconds.
        ResponseFormatError: it is larger than ``LARGEST``.
    """
    body, pieces = bytearray(), ByteStream(response, read_timeout)
    try:
        for piece in pieces:
            body += piece
            if len(body) > MAX_BODY_SIZE:
                raise ResponseFormatError(f"more than {MAX_BODY_SIZE} bytes came: {truncate(bytes(body[:1000]))}")
    except ProviderError as error:
        pieces.close()
        if isinstance(error, StreamInterruptedError):
            is_late = isinstance(error.__cause__, (ReadTimeoutError, timeout))
            late = f"the answer was not whole within {read_timeout:g} seconds"
            raise RequestFailedError(late if is_late else error.args[0]) from error
        raise
    _keep(response, bytes(body))
    return response


def read_prefix(response: Response) -> bytes:
    """Reads what one needs of a body to tell what it says, and lets go of the rest. What cannot be read is left out."""
    body = b""
    connection = get_socket(response)
    read_timeout = connection.gettimeout() if connection else None
    pieces = ByteStream(response, min(read_timeout or _GLANCE, _GLANCE))
    with suppress(StreamInterruptedError, ResponseFormatError):
        for piece in pieces:
            body += piece
            if len(body) > _PIECE:
                break
    pieces.close()
    _keep(response, body)
    return body


def drain_redirect(response: Response, **_: Any) -> None:
    """A hook for requests, which reads redirects to their end; it may never come."""
    if response.is_redirect:
        ByteStream(response, _LINGER).finish()
        _keep(response, b"")


def get_socket(response: Response) -> Optional[socket]:
    """What a body comes from; None when it was read to its end."""
    reader = get_reader(response)
    return None if reader is None else reader.connection


def _keep(response: Response, body: bytes) -> None:
    # So that `content` and `text` work as ever, also on the `response` of an error.
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
