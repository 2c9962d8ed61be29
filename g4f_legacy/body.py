"""The body of a host's answer: as it arrives, whole, or only its beginning."""

import time
from contextlib import suppress
from socket import socket
from typing import Iterator, Optional

from requests import Response
from urllib3.exceptions import HTTPError, ReadTimeoutError

from .document import excerpt
from .errors import ProviderError, RequestFailedError, ResponseFormatError, StreamInterruptedError, cause_of

LARGEST = 16 * 1024 * 1024
"""The most bytes of an answer that is no stream."""

_PIECE = 64 * 1024  # bytes; read1 gives what is there, this is only the most at a time
_LINGER = 0.2  # seconds for the last bytes behind an end mark to come


def pieces(response: Response, silence: float) -> Iterator[bytes]:
    """Gives the bytes of a body as they arrive, whether it is chunked, of known length, or ends with the connection.

    requests' own `iter_content` and `iter_lines` hold bytes back; `read1` does not.

    Args:
        response: got with ``stream=True``.
        silence: seconds after which the time-out was set to strike, for the error's text.

    Raises:
        StreamInterruptedError: the connection broke, or nothing came for too long.
    """
    while True:
        try:
            piece = _next(response)
        except ReadTimeoutError as error:
            raise StreamInterruptedError(f"nothing came for {silence:g} seconds") from error
        except (HTTPError, OSError) as error:
            raise StreamInterruptedError(f"the answer broke off: {cause_of(error)}") from error
        if not piece:
            return
        yield piece


def read(response: Response, silence: float) -> Response:
    """Reads a whole body: afterwards ``response.content`` has it, and the connection is free.

    Raises:
        RequestFailedError: the body broke off.
        ResponseFormatError: it is larger than ``LARGEST``.
    """
    body = bytearray()
    try:
        for piece in pieces(response, silence):
            body += piece
            if len(body) > LARGEST:
                raise ResponseFormatError(f"more than {LARGEST} bytes came: {excerpt(bytes(body[:1000]))}")
    except ProviderError as error:
        response.close()
        if isinstance(error, StreamInterruptedError):
            raise RequestFailedError(error.args[0]) from error
        raise
    _keep(response, bytes(body))
    return response


def beginning(response: Response) -> bytes:
    """Reads what one needs of a body to tell what it says, and lets go of the rest. What cannot be read is left out."""
    body = b""
    with suppress(StreamInterruptedError):
        for piece in pieces(response, silence=0):
            body += piece
            if len(body) > _PIECE:
                break
    response.close()
    _keep(response, body)
    return body


def finish(response: Response) -> None:
    """Waits a moment for what stands behind the end mark, so that the connection can be used again; else closes it."""
    connection = socket_of(response)
    deadline = time.monotonic() + _LINGER
    with suppress(HTTPError, OSError):
        while connection is not None and time.monotonic() < deadline:
            connection.settimeout(_LINGER)
            if not _next(response):
                break
    response.close()


def socket_of(response: Response) -> Optional[socket]:
    """What a body comes from; None when it was read to its end."""
    return getattr(response.raw.connection, "sock", None)


def _next(response: Response) -> bytes:
    # Nobody asks for compression, and looking for it costs time: only where the host says so.
    return response.raw.read1(_PIECE, decode_content="Content-Encoding" in response.headers)


def _keep(response: Response, body: bytes) -> None:
    # So that `content` and `text` work as ever, also on the `response` of an error.
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
