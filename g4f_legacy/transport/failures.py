"""Turn responses into errors with the server's own message, and remove secrets from errors."""

import traceback
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from ..credentials import ELLIPSIS
from ..errors import (
    AuthenticationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
)
from ..parsing.html_page import extract_text, is_page
from ..parsing.payload import extract_message, parse_json, truncate
from . import requests_internals
from .body import read_prefix
from .redaction import cookie_values, encoded_variants, is_public_header, redact, secret_headers

T = TypeVar("T")

RETRIED_STATUSES = (429, 502, 503, 504)
"""Statuses after which the same request may succeed."""

_HTTPS_REQUIRED = (
    "The plain HTTP request was sent to HTTPS port",  # nginx
    "speaking plain HTTP to an SSL-enabled server port",  # Apache
    "Client sent an HTTP request to an HTTPS server",  # Go, and so Caddy and Traefik
)
_MAX_CONTENT_SIZE = 64 * 1024  # bytes
_MAX_ATTRIBUTE_LENGTH = 64 * 1024  # characters; errors of other libraries may keep a complete response
_CLEARED_PACKAGES = ("g4f_legacy", "http", "json", "requests", "socks", "ssl", "urllib3")


def error_from_response(response: requests.Response) -> RequestFailedError:
    """Return the error for a status other than 2xx: `AuthenticationError`, `RateLimitError` or their base class."""
    body = read_prefix(response)
    payload: Any = None
    with suppress(ResponseFormatError):
        payload = parse_json(body, object)
    text = body.decode("utf-8", "replace")
    detail = extract_message(payload)
    message = detail or (truncate(body) if body else "")
    status_line = f"{response.status_code} {extract_message(response.reason)}"
    if not detail and is_page(text, response.headers.get("Content-Type", "")):
        detail = extract_text(text)
        if detail:
            message = detail.removeprefix(status_line.strip()).lstrip(" –")  # gateways repeat it as the title
    redirect_url = get_redirect_url(response)
    hint = None
    if redirect_url:
        message = f"the server redirects to {strip_credentials(redirect_url)}"
        hint = Hint.FOLLOW_REDIRECT
    elif _requires_https(response, text):
        hint = Hint.USE_HTTPS
    error_class = _get_error_class(response.status_code, body, payload)
    return error_class(
        f"{status_line}: {message}".rstrip(": "),
        status=response.status_code,
        detail=detail or extract_message(text),
        body=text,
        hint=hint,
        retry_after=_parse_retry_after(response),
        response=response,
    )


def _requires_https(response: requests.Response, text: str) -> bool:
    """Return whether a server refuses a request because it was sent to a port for https."""
    return response.status_code == 400 and any(words in text for words in _HTTPS_REQUIRED)


def refuse_page(response: requests.Response) -> None:
    """Raise ResponseFormatError if a response that should be a stream is a page."""
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type == "text/html":
        page = read_prefix(response).decode("utf-8", "replace")
        text = extract_text(page) or truncate(page)
        raise ResponseFormatError(f"expected a stream, received a page: {text}", body=page)


def parse_payload(content: bytes, kind: type[T], content_type: str = "") -> T:
    """Return the payload of a response's body, as `parse_json` does.

    Raises:
        ResponseFormatError: it is not such a payload. For a page, the message is its title and text.
    """
    try:
        return parse_json(content, kind)
    except ResponseFormatError as error:
        page = content.decode("utf-8", "replace")
        text = extract_text(page) if is_page(page, content_type) else ""
        if text:
            error.args = (f"expected JSON, received a page: {text}",)
        raise


def _get_error_class(status: int, body: bytes, payload: Any) -> type[RequestFailedError]:
    if status in (401, 403) or b'"API_KEY_INVALID"' in body:  # Gemini sends it with 400
        return AuthenticationError
    is_overloaded = isinstance(payload, dict) and payload.get("error_type") == "overloaded"  # text-generation-inference
    return RateLimitError if status == 429 or is_overloaded else RequestFailedError


def get_redirect_url(response: requests.Response) -> str | None:
    r"""Return the URL that a response redirects to, as requests understands it; None if it is not a (valid) redirect.

    For urllib.parse, the host of ``http://a\@b/`` is b, for requests it is a. What counts is where a request would go.
    """
    with suppress(ValueError):
        if response.is_redirect:
            location = urljoin(response.url, response.headers["Location"])
            url = str(requests.Request("GET", location).prepare().url)
            _, hostname, _ = origin(url)
            return url if hostname else None
    return None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of a URL, which credentials and cookies must not leave.

    https://www.rfc-editor.org/rfc/rfc6454#section-4
    """
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default_port


def redact_error(error: ProviderError, secrets: list[str]) -> None:
    """Remove secrets from all that a traceback or a pickle has of an error: servers may repeat what they were sent.

    Its request and response are replaced by redacted copies.

    Args:
        secrets: complete secrets, in addition to the headers of the error's request, and the cookies of its response.
    """
    sent = secret_headers(getattr(error.request, "headers", None) or {})
    received = [] if error.response is None else cookie_values(error.response.cookies)
    variants = encoded_variants([*secrets, *sent, *filter(None, received)])
    error.url = redact(error.url, variants)
    error.detail = redact(error.detail, variants)
    error.body = redact(error.body, variants)
    error.proxy = redact(error.proxy, variants)
    for shown in collect_errors(error):
        shown.args = tuple(redact(argument, variants) for argument in shown.args)
        if shown is not error:
            _redact_attributes(shown, variants)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.RequestException):
            cause.request = _copy_request(cause.request, variants)
            cause.response = _copy_response(cause.response, variants)
        cause = cause.__cause__


def _redact_attributes(error: BaseException, variants: list[str]) -> None:
    """Redact the texts from which some classes of other libraries build their message."""
    for name, value in list(vars(error).items()):
        if isinstance(value, (str, bytes)):
            vars(error)[name] = redact(value[:_MAX_ATTRIBUTE_LENGTH], variants)


def _copy_request(request: Any, variants: list[str]) -> requests.PreparedRequest | None:
    """Return a copy with an ellipsis for each header that may be a secret, and without credentials in its URL."""
    if request is None:
        return None
    copy = requests.PreparedRequest()
    copy.method = request.method
    copy.url = _strip_or_drop(str(request.url))
    copy.headers = CaseInsensitiveDict(
        {name: value if is_public_header(name) else ELLIPSIS for name, value in (request.headers or {}).items()}
    )
    body = getattr(request, "body", None)  # a `requests.Request` has none
    copy.body = redact(body, variants) if isinstance(body, (str, bytes)) else None
    return copy


def _strip_or_drop(url: str) -> str:
    """Return a URL as `strip_credentials` does, or an ellipsis for an invalid one."""
    try:
        return strip_credentials(url)
    except ValueError:
        return ELLIPSIS


def _copy_response(response: requests.Response | None, variants: list[str]) -> requests.Response | None:
    """Return a copy without secrets, with what was read of the body, and without the connection."""
    if response is None:
        return None
    copy = requests.Response()
    copy.status_code = response.status_code
    copy.reason = redact(response.reason, variants)
    copy.url = strip_credentials(response.url)
    copy.headers = CaseInsensitiveDict(
        {
            name: ELLIPSIS if name.lower() == "set-cookie" else redact(value, variants)
            for name, value in response.headers.items()
        }
    )
    copy.encoding = response.encoding
    copy.elapsed = response.elapsed
    copy.request = _copy_request(response.request, variants)  # type: ignore[assignment]
    content = requests_internals.get_content(response) or b""
    requests_internals.set_content(copy, redact(content[:_MAX_CONTENT_SIZE], variants))
    return copy


def clear_locals(error: BaseException) -> None:
    """Clear the local variables of the finished frames in the tracebacks of an error and of its causes: this package's,
    and those of the HTTP libraries that it calls.

    Error reporters show them (Sentry by default, IPython's verbose mode), and they hold what was sent and received:
    `http.client` has the headers as bytes in its `_send_output`. The traceback keeps its lines. Frames of other code
    are not changed, nor are those of errors that the caller was handling before the call: clearing the frame of a
    generator that is suspended would close it.
    """
    passed: set[FrameType] = set()
    for shown in collect_errors(error):
        frames = [frame for frame, _ in traceback.walk_tb(shown.__traceback__)]
        if shown is not error and frames and frames[0] not in passed:
            continue  # what was caught during the call starts in a frame that an outer error has passed
        passed.update(frames)
        for frame in frames:
            package, _, _ = str(frame.f_globals.get("__name__")).partition(".")
            if package in _CLEARED_PACKAGES:
                with suppress(RuntimeError):  # it is still running
                    frame.clear()


def collect_errors(error: BaseException) -> list[BaseException]:
    """Return an error, its causes and contexts, and those that these contain."""
    shown: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        candidate = queue.pop()
        is_known = any(candidate is other for other in shown)
        if isinstance(candidate, BaseException) and not is_known:
            shown.append(candidate)
            queue += [candidate.__cause__, candidate.__context__, getattr(candidate, "reason", None), *candidate.args]
    return shown


def contains_secret(url: str, secrets: list[str]) -> bool:
    """Return whether a URL repeats a secret. It must not be requested then, because other libraries log URLs."""
    return any(variant in url for variant in encoded_variants(secrets))


def strip_credentials(url: str) -> str:
    """Return a URL without credentials, query and fragment, which may be secret."""
    parts = urlsplit(url)
    _, _, address = parts.netloc.rpartition("@")
    return parts._replace(netloc=address, query="", fragment="").geturl()


def _parse_retry_after(response: requests.Response) -> float | None:
    """Return the seconds to wait. The header has a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    # The last three come from `email.utils`, which parses the dates.
    with suppress(InvalidHeader, ValueError, OverflowError, IndexError, TypeError):
        return float(Retry().parse_retry_after(value))
    return None
