"""Errors in the format of OpenAI's API: https://platform.openai.com/docs/guides/error-codes"""

import logging
from contextlib import suppress
from typing import Any

from flask import jsonify
from werkzeug.exceptions import HTTPException

from ..errors import ProviderError, ResponseFormatError
from ..parsing.payload import parse_json
from .failures import get_headers, get_message, get_status
from .parameters import UnsupportedParameterError

log = logging.getLogger(__name__)


def create_error_response(message: str, status: int, **fields: Any) -> Any:
    """Create a response with an error. The fields are those of `_describe_error`."""
    return jsonify(error=_describe_error(message, status, **fields)), status


def create_failure_response(error: Exception) -> Any:
    """Create a response for an error that was raised before a response was started."""
    if isinstance(error, HTTPException):  # of Flask's, such as 413
        return create_error_response(f"{error.name}: {error.description}", error.code or 500)
    if get_status(error) == 500:
        log.error("The provider raised %s", type(error).__name__, exc_info=error)  # a defect of the provider
    return jsonify(error=describe_failure(error)), get_status(error), get_headers(error)


def describe_failure(error: Exception) -> dict[str, Any]:
    """Return the error object for an error that was raised, with what the provider's server sent in its own."""
    status = get_status(error)
    message = get_message(error)
    if isinstance(error, UnsupportedParameterError):
        return _describe_error(message, status, param=error.parameter, code="unsupported_parameter")
    fields = {"message": message, **read_server_error(error)}
    if status >= 500:
        fields["message"] = message  # unlike the server's own message, it names the status that the server returned
    return _describe_error(status=status, **fields)


def read_server_error(error: Exception) -> dict[str, Any]:
    """Return the error object that an OpenAI-compatible server sent, without secrets; an empty one if it sent none."""
    if not isinstance(error, ProviderError):
        return {}
    # A long `body` is truncated, and no longer JSON. The response has more of it; that of an error event is the stream.
    refused = error.response if error.status else None
    with suppress(ResponseFormatError):
        sent = parse_json(error.body if refused is None else refused.content, dict).get("error")
        if isinstance(sent, dict) and isinstance(sent.get("message"), str):
            return {name: value for name, value in sent.items() if value is not None}
    return {}


def _describe_error(message: str, status: int, **fields: Any) -> dict[str, Any]:
    if status == 429:
        error_type = "rate_limit_error"
    else:
        error_type = "invalid_request_error" if status < 500 else "server_error"
    return {"message": message, "type": error_type, "param": None, "code": None, **fields}
