"""A provider's error as the response of an HTTP server."""

import math
from contextlib import suppress
from typing import Any

import requests

from ..errors import G4fError, ProviderError, RateLimitError, ResponseFormatError, root_cause
from ..parsing.payload import parse_json


def status_for(error: Exception) -> int:
    """Return the HTTP status for a provider's error before the first token.

    A status that says what is wrong with the request is that of the provider's server. What is wrong with that server,
    or with the connection to it, is 502, 503 or 504, as at a gateway:
    https://www.rfc-editor.org/rfc/rfc9110#section-15.6
    """
    if not isinstance(error, ProviderError):
        return 400 if isinstance(error, (TypeError, ValueError)) else 500
    status = error.status or 0
    if 400 <= status < 500 or status in (503, 504):
        return status
    if isinstance(error, RateLimitError):
        return 429
    return 504 if _is_timeout(error) else 502


def error_message(error: Exception) -> str:
    """Return the message of a provider's error for clients: without the provider's URL, and without a hint.

    If the server refused the request, that is the server's own message.
    """
    if isinstance(error, ProviderError) and error.detail and 400 <= (error.status or 0) < 500:
        return error.detail
    return str(error.args[0]) if isinstance(error, G4fError) and error.args else str(error)


def error_headers(error: Exception) -> dict[str, str]:
    """Return the headers of a response for a provider's error: ``Retry-After`` in seconds, if its server sent that."""
    seconds = error.retry_after if isinstance(error, ProviderError) else None
    return {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}


def openai_error(error: Exception) -> dict[str, Any]:
    """Return the error object that an OpenAI-compatible server sent, without secrets; an empty one if it sent none."""
    if not isinstance(error, ProviderError):
        return {}
    refused = error.response if error.status else None  # `body` has only the beginning
    with suppress(ResponseFormatError):
        sent = parse_json(error.body if refused is None else refused.content, dict).get("error")
        if isinstance(sent, dict) and isinstance(sent.get("message"), str):
            return {name: value for name, value in sent.items() if value is not None}
    return {}


def _is_timeout(error: ProviderError) -> bool:
    return isinstance(error.__cause__, requests.Timeout) or isinstance(root_cause(error), TimeoutError)
