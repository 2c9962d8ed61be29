"""All use of undocumented parts of requests.

This module uses `Response._content` and `_content_consumed`
(https://github.com/psf/requests/blob/v2.32.3/src/requests/models.py): the first keeps a body that was not read with
requests, so that `content`, `text` and `json()` have it; the second means that requests has read the body.

Without them, a body is kept in a new `raw`, and has been read by requests if `raw` is at its end.
"""

from contextlib import suppress
from io import BytesIO
from typing import Any

from requests import Response
from urllib3 import HTTPResponse

HAS_CONTENT_ATTRIBUTES = hasattr(Response(), "_content") and hasattr(Response(), "_content_consumed")
"""Whether this version of requests has both."""


def get_content(response: Response) -> bytes | None:
    """Return the body if requests has read it already, for a response hook of the caller's session."""
    if HAS_CONTENT_ATTRIBUTES:
        content: Any = response._content  # False: not read; test doubles may have a content without any `raw`
        if content is not False:
            return response.content or b""
        return b"" if response._content_consumed else None  # type: ignore[attr-defined]
    if response.raw.closed:
        with suppress(RuntimeError):  # the hook has read it with `iter_content`, which does not keep it
            return response.content or None
    return None


def set_content(response: Response, body: bytes) -> None:
    """Let ``response.content`` be a body that was read without requests."""
    if HAS_CONTENT_ATTRIBUTES:
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
    else:
        response.raw = HTTPResponse(BytesIO(body), preload_content=False)
