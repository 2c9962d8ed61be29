"""A provider's error as the response of an HTTP server."""

import math

import requests

from ..errors import G4fError, ProviderError, RateLimitError, root_cause


def get_status(error: Exception) -> int:
    """Return the HTTP status for a provider's error before the first token.

    A 4xx status of the provider's server is passed on. A failure of that server, or of the connection to it, becomes
    502, 503 or 504, as a gateway reports it: https://www.rfc-editor.org/rfc/rfc9110#section-15.6
    """
    if not isinstance(error, ProviderError):
        return 400 if isinstance(error, (TypeError, ValueError)) else 500
    status = error.status or 0
    if 400 <= status < 500 or status in (503, 504):
        return status
    if isinstance(error, RateLimitError):
        return 429
    return 504 if _is_timeout(error) else 502


def get_message(error: Exception) -> str:
    """Return the message of a provider's error for clients: without the provider's URL, and without a hint.

    A 4xx error has the server's own message.
    """
    if isinstance(error, ProviderError) and error.detail and 400 <= (error.status or 0) < 500:
        return error.detail
    return str(error.args[0]) if isinstance(error, G4fError) and error.args else str(error)


def get_headers(error: Exception) -> dict[str, str]:
    """Return the headers of a response for a provider's error: ``Retry-After`` as its server sent it, if it did."""
    if not isinstance(error, ProviderError) or error.retry_after is None:
        return {}
    seconds = str(math.ceil(error.retry_after))
    return {"Retry-After": seconds if error.response is None else error.response.headers.get("Retry-After", seconds)}


def _is_timeout(error: ProviderError) -> bool:
    return isinstance(error.__cause__, requests.Timeout) or isinstance(root_cause(error), TimeoutError)
