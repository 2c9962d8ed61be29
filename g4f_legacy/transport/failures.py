"""What becomes of a request that failed: an error that says why, with the host's own message."""

from contextlib import suppress
from typing import Any, List, Optional, Tuple
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

_LONGEST = 64 * 1024  # characters of what other libraries' errors keep: they may have the whole answer
RETRIED_STATUSES = (429, 502, 503, 504)


def error_from_exception(error: Exception, connect: float, read_timeout: float, waited: float) -> RequestFailedError:
    """The error for a request without an answer.

    Args:
        error: what requests or urllib3 raised.
        connect, read_timeout: the time-outs, in seconds.
        waited: how long the request took to fail, in seconds.
    """
    if isinstance(error, requests.ConnectTimeout):
        message = f"no connection within {connect:g} seconds"
    elif isinstance(error, requests.Timeout):
        # A proxy's silence, and one within the TLS handshake, are a ReadTimeout too, after the connect timeout.
        seconds = min((read_timeout, connect), key=lambda timeout: abs(timeout - waited))
        message = f"no answer within {seconds:g} seconds"
    else:
        message = f"no answer: {describe_cause(error)}"
    failure = RequestFailedError(message, request=getattr(error, "request", None))
    failure.__cause__ = error  # so that `hide_in` finds it
    return failure


def error_from_response(response: requests.Response) -> RequestFailedError:
    """The error for an answer whose status is not 2xx: `AuthenticationError`, `RateLimitError` or their parent."""
    status, body = response.status_code, read_prefix(response)
    said: Any = None
    with suppress(ResponseFormatError):
        said = parse_json(body, object)
    detail = extract_message(said)
    message = detail or (truncate(body) if body else "")
    target = get_redirect_url(response)
    if target:
        message = f"it redirects to {strip_credentials(target)}"
    kind = RequestFailedError
    if status in (401, 403) or b'"API_KEY_INVALID"' in body:  # Gemini says so with 400
        kind = AuthenticationError
    elif status == 429 or isinstance(said, dict) and said.get("error_type") == "overloaded":
        kind = RateLimitError
    return kind(
        f"{status} {extract_message(response.reason)}: {message}".rstrip(": "),
        status=status,
        detail=detail or extract_message(body.decode("utf-8", "replace")),
        body=body.decode("utf-8", "replace"),
        hint=Hint.FOLLOW_REDIRECT if target else None,
        retry_after=_retry_after(response),
        response=response,
    )


def get_redirect_url(response: requests.Response) -> Optional[str]:
    r"""The URL that an answer redirects to, as it will be asked for; None when it is no redirect, or leads nowhere.

    `http://a\@b/` is a URL on b for urllib.parse and one on a for requests: theirs is the one that counts.
    """
    with suppress(ValueError):
        if response.is_redirect:
            target = str(requests.Request("GET", urljoin(response.url, response.headers["Location"])).prepare().url)
            return target if origin(target)[1] else None
    return None


def origin(url: str) -> Tuple[str, Optional[str], Optional[int]]:
    """The scheme, host and port of a URL: logins and cookies stay within them."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_transient(error: RequestFailedError) -> bool:
    """Whether the same request may well succeed a moment later."""
    cause = error.__cause__
    if isinstance(cause, (requests.Timeout, requests.exceptions.SSLError)):
        return False
    return isinstance(cause, requests.ConnectionError) or error.status in RETRIED_STATUSES


def redact_error(error: ProviderError, secrets: List[str]) -> None:
    """Takes secrets out of all that a traceback shows of an error: hosts may repeat what they were sent.

    Args:
        secrets: whole ones, beside what the error's request has in its headers.
    """
    sent = secret_headers(getattr(error.request, "headers", None) or {})
    forms = encoded_variants([*secrets, *sent])
    error.url = redact(error.url, forms)
    error.detail = redact(error.detail, forms)
    error.body = redact(error.body, forms)
    for said in _shown_with(error):
        said.args = tuple(redact(argument, forms) for argument in said.args)
        if said is not error:  # some of the errors below have a text of their own making
            texts = {name: value for name, value in vars(said).items() if isinstance(value, (str, bytes))}
            vars(said).update({name: redact(text[:_LONGEST], forms) for name, text in texts.items()})


def contains_secret(url: str, secrets: List[str]) -> bool:
    """Whether a URL repeats a secret. URLs are logged, also by others: such a one is not asked for."""
    return any(form in url for form in encoded_variants(secrets))


def _shown_with(error: BaseException) -> List[BaseException]:
    """An error, its causes, and those that stand in them."""
    found: List[BaseException] = []
    left: List[Any] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and not any(one is other for other in found):
            found.append(one)
            left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def strip_credentials(url: str) -> str:
    """A URL without its login, query and fragment, which may be secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _retry_after(response: requests.Response) -> Optional[float]:
    """Seconds to wait, from a number or a date."""
    with suppress(InvalidHeader, ValueError, OverflowError, IndexError, TypeError):  # as email.utils may raise them
        return float(Retry().parse_retry_after(response.headers.get("Retry-After", "")))
    return None
