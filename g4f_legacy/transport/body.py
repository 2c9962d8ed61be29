"""The body of a response: as it arrives, complete, or only its beginning.

requests holds bytes back: `iter_lines` keeps the last line until more is received, and `iter_content` waits for a full
buffer, or even for the end (https://github.com/psf/requests/issues/2433, https://github.com/psf/requests/issues/5536).
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from io import BufferedReader, RawIOBase
from math import inf
from socket import socket
from typing import Any

from requests import Response
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ..errors import (
    ProviderError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
    describe_cause,
    root_cause,
)
from ..parsing.payload import truncate
from . import http_client_internals, requests_internals, urllib3_internals
from .chunked import decode_chunked
from .connection import DeadlineError

MAX_BODY_SIZE = 16 * 1024 * 1024
"""The most bytes of a body that is not a stream."""

_MAX_CHUNK_SIZE = 64 * 1024  # bytes of one read, which returns what is available
_MAX_PREFIX_SIZE = 64 * 1024
_MAX_DRAINED_SIZE = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"  # https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
_PREFIX_TIMEOUT = 5.0  # seconds for the beginning of a body that is shown in an error
_DRAIN_TIMEOUT = 0.2  # seconds for what follows an end-of-stream marker


class ByteStream:
    """The chunks of a body as they arrive, whether it is chunked, has a length, or ends with the connection.

    Args:
        response: was requested with ``stream=True``.
        read_timeout: the longest wait for the next byte, in seconds.
        progress_timeout: the longest wait for the next call of `mark_progress`, in seconds; None is the read timeout.
    """

    def __init__(self, response: Response, read_timeout: float, progress_timeout: float | None = None) -> None:
        self._response = response
        self._read_timeout = read_timeout
        self._progress_timeout = read_timeout if progress_timeout is None else progress_timeout
        self._has_progress = True
        self._http_response = urllib3_internals.get_http_client_response(response.raw)
        self._reader = http_client_internals.get_deadline_reader(self._http_response)
        self._chunks = self._read()

    def mark_progress(self) -> None:
        """Restart the progress timeout, because the last chunk contained an event."""
        self._has_progress = True

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks.

        Raises:
            StreamInterruptedError: the connection was lost, or one of the timeouts expired.
            ResponseFormatError: the body is compressed more than once.
        """
        return self._chunks

    def drain(self) -> None:
        """Wait briefly for the bytes after the end-of-stream marker, so that the connection can be used again, and
        close the response."""
        if self._reader is not None:
            self._reader.set_deadline(_DRAIN_TIMEOUT)
            self._has_progress = False  # that deadline stays
            remaining = _MAX_DRAINED_SIZE
            with suppress(ProviderError):
                for chunk in self._chunks:
                    remaining -= len(chunk)
                    if remaining <= 0:
                        break
        self.close()

    def close(self) -> None:
        """Close the response, and the connection unless the body was read to its end."""
        self._chunks.close()  # ends the reference cycle of the generator and this object
        self._close_response()

    def _close_response(self) -> None:
        if hasattr(self._response.raw, "close"):  # test doubles may lack it, and requests would need it
            self._response.close()

    def _read(self) -> Generator[bytes, None, None]:
        raw: Any = self._response.raw
        content = requests_internals.get_content(self._response)
        if content is not None:
            yield content
            return
        encoding = self._response.headers.get("Content-Encoding", "")
        if _count_compressions(encoding) > 1:
            raise ResponseFormatError("the response is compressed more than once")  # it may be a decompression bomb
        if self._reader is not None and raw.chunked and not encoding:
            yield from self._read_chunked()
        elif not isinstance(raw, HTTPResponse):
            yield from self._receive(partial(next, _read_foreign(raw, encoding), b""))
            self._close_response()  # unlike urllib3's response, it has not released its connection at the end
        else:
            # `decode_content` costs time, even if there is nothing to decode.
            yield from self._receive(partial(raw.read1, _MAX_CHUNK_SIZE, decode_content=encoding != ""))

    def _read_chunked(self) -> Generator[bytes, None, None]:
        raw: Any = self._response.raw
        http_response: Any = self._http_response
        read = http_client_internals.get_chunked_reader(http_response, _MAX_CHUNK_SIZE)
        is_reusable = yield from decode_chunked(self._receive(read))
        http_response.close()
        if is_reusable:
            raw.release_conn()
        else:
            self._response.close()

    def _receive(self, read: Callable[[], bytes]) -> Iterator[bytes]:
        """Yield what `read` returns, until that is nothing."""
        reader = self._reader
        deadline = inf  # only without a reader, which checks its own
        while True:
            if self._has_progress:
                self._has_progress = False
                if reader is None:
                    deadline = time.monotonic() + self._progress_timeout
                else:
                    reader.set_deadline(self._progress_timeout, self._read_timeout)
            try:
                if reader is None and time.monotonic() > deadline:
                    raise DeadlineError("timed out")
                chunk = read()
            except (HTTPError, OSError) as error:
                raise self._interrupted_by(error) from error
            if not chunk:
                return
            yield chunk

    def _interrupted_by(self, error: Exception) -> StreamInterruptedError:
        if isinstance(root_cause(error), DeadlineError):
            return StreamInterruptedError(f"no event was received for {self._progress_timeout:g} seconds")
        if _is_timeout(error):
            return StreamInterruptedError(f"no data was received for {self._read_timeout:g} seconds")
        return StreamInterruptedError(f"the connection was lost: {describe_cause(error)}")


class _RawFile(RawIOBase):
    """A file that reads from the `raw` of a response, which needs no more than a method `read`."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._read_raw: Callable[[int], bytes] = getattr(raw, "read1", None) or raw.read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read_raw(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _read_foreign(raw: Any, encoding: str) -> Generator[bytes, None, None]:
    """Yield the decoded bytes of a body whose `raw` is not a `urllib3.HTTPResponse`, such as that of a cassette.

    In most cassettes of VCR.py, Content-Encoding remains although the body is decoded; in old ones, the body is not.
    """
    file = BufferedReader(_RawFile(raw), _MAX_CHUNK_SIZE)
    is_compressed = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    headers = {"Content-Encoding": encoding} if is_compressed else {}
    decoded = HTTPResponse(file, headers, preload_content=False)
    while chunk := decoded.read1(_MAX_CHUNK_SIZE):
        yield chunk


def read_body(response: Response, timeout: float) -> Response:
    """Read a complete body. Afterwards ``response.content`` has it, and the connection can be used again.

    Args:
        timeout: for all of it, in seconds.

    Raises:
        RequestFailedError: the connection was lost.
        RequestFailedError: the body was not complete in time.
        ResponseFormatError: the body is larger than ``MAX_BODY_SIZE``.
    """
    body = bytearray()
    stream = ByteStream(response, timeout)
    try:
        for chunk in stream:
            body += chunk
            if len(body) > MAX_BODY_SIZE:
                excerpt = truncate(bytes(body[:1000]))
                raise ResponseFormatError(f"the response is larger than {MAX_BODY_SIZE} bytes: {excerpt}")
    except StreamInterruptedError as error:
        stream.close()
        if _is_timeout(error.__cause__):
            raise RequestFailedError(f"the response was not complete within {timeout:g} seconds") from error
        raise RequestFailedError(error.args[0]) from error
    except ProviderError:
        stream.close()
        raise
    requests_internals.set_content(response, bytes(body))
    return response


def read_prefix(response: Response) -> bytes:
    """Read the beginning of a body, as much as an error needs, and close the response. Failures end the beginning."""
    body = b""
    connection = get_socket(response)
    read_timeout = connection.gettimeout() if connection else None
    stream = ByteStream(response, min(read_timeout or _PREFIX_TIMEOUT, _PREFIX_TIMEOUT))
    with suppress(StreamInterruptedError, ResponseFormatError):
        for chunk in stream:
            body += chunk
            if len(body) > _MAX_PREFIX_SIZE:
                break
    stream.close()
    requests_internals.set_content(response, body)
    return body


def drain_redirect(response: Response, **_: Any) -> None:
    """Read the body of a redirect only briefly. This is a response hook.

    requests reads it to its end, which may never be received, even if redirects are not followed:
    https://github.com/psf/requests/blob/v2.32.3/src/requests/sessions.py (`resolve_redirects`)
    """
    if response.is_redirect:
        ByteStream(response, _DRAIN_TIMEOUT).drain()
        requests_internals.set_content(response, b"")


def get_socket(response: Response) -> socket | None:
    """Return the socket that a body is read from; None when it was read to its end."""
    http_response = urllib3_internals.get_http_client_response(response.raw)
    reader = http_client_internals.get_deadline_reader(http_response)
    return None if reader is None else reader.connection


def _count_compressions(encoding: str) -> int:
    codings = [coding.strip() for coding in encoding.lower().split(",")]
    return len([coding for coding in codings if coding in HTTPResponse.CONTENT_DECODERS])


def _is_timeout(error: BaseException | None) -> bool:
    return isinstance(error, (ReadTimeoutError, TimeoutError))
