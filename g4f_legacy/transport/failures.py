"""Turn failed requests into errors with the server's own message, and remove secrets from errors."""

from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from ..errors import (
    AuthenticationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    describe_cause,
)
from ..parsing.payload import extract_message, parse_json, truncate
from .body import read_prefix
from .redaction import encoded_variants, redact, secret_headers

RETRIED_STATUSES = (429, 502, 503, 504)
"""Statuses after which the same request may succeed."""

_MAX_ATTRIBUTE_LENGTH = 64 * 1024  # characters; errors of other libraries may keep a complete response


def error_from_exception(error: Exception, connect: float, read_timeout: float, waited: float) -> RequestFailedError:
    """Return the error for a request without a response.

    Args:
        error: what requests or urllib3 raised.
        connect, read_timeout: the timeouts, in seconds.
        waited: how long the request took to fail, in seconds.
    """
    if isinstance(error, requests.ConnectTimeout):
        message = f"no connection within {connect:g} seconds"
    elif isinstance(error, requests.Timeout):
        # requests raises ReadTimeout also when the connect timeout expires in a TLS handshake, or at a proxy.
        is_connect_timeout = abs(connect - waited) < abs(read_timeout - waited)
        seconds = connect if is_connect_timeout else read_timeout
        message = f"no response within {seconds:g} seconds"
    else:
        message = f"no response: {describe_cause(error)}"
    failure = RequestFailedError(message, request=getattr(error, "request", None))
    failure.__cause__ = error  # before it is raised, so that `redact_error` finds it
    return failure


def error_from_response(response: requests.Response) -> RequestFailedError:
    """Return the error for a status other than 2xx: `AuthenticationError`, `RateLimitError` or their base class."""
    body = read_prefix(response)
    payload: Any = None
    with suppress(ResponseFormatError):
        payload = parse_json(body, object)
    text = body.decode("utf-8", "replace")
    detail = extract_message(payload)
    redirect_url = get_redirect_url(response)
    if redirect_url:
        message = f"the server redirects to {strip_credentials(redirect_url)}"
    elif detail:
        message = detail
    else:
        message = truncate(body) if body else ""
    error_class = _get_error_class(response.status_code, body, payload)
    return error_class(
        f"{response.status_code} {extract_message(response.reason)}: {message}".rstrip(": "),
        status=response.status_code,
        detail=detail or extract_message(text),
        body=text,
        hint=Hint.FOLLOW_REDIRECT if redirect_url else None,
        retry_after=_parse_retry_after(response),
        response=response,
    )


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


def is_transient(error: RequestFailedError) -> bool:
    """Return whether the same request may succeed a moment later."""
    cause = error.__cause__
    if isinstance(cause, (requests.Timeout, requests.exceptions.SSLError)):
        return False
    return isinstance(cause, requests.ConnectionError) or error.status in RETRIED_STATUSES


def redact_error(error: ProviderError, secrets: list[str]) -> None:
    """Remove secrets from all that a traceback shows of an error: servers may repeat what they were sent.

    Args:
        secrets: complete secrets, in addition to the headers of the error's request.
    """
    sent = secret_headers(getattr(error.request, "headers", None) or {})
    variants = encoded_variants([*secrets, *sent])
    error.url = redact(error.url, variants)
    error.detail = redact(error.detail, variants)
    error.body = redact(error.body, variants)
    for shown in _collect_shown_errors(error):
        shown.args = tuple(redact(argument, variants) for argument in shown.args)
        if shown is not error:
            _redact_attributes(shown, variants)


def _redact_attributes(error: BaseException, variants: list[str]) -> None:
    """Redact the texts from which some classes of other libraries build their message."""
    for name, value in list(vars(error).items()):
        if isinstance(value, (str, bytes)):
            vars(error)[name] = redact(value[:_MAX_ATTRIBUTE_LENGTH], variants)


def _collect_shown_errors(error: BaseException) -> list[BaseException]:
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
