import re
from typing import Any

import pytest
import requests

from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    StreamInterruptedError,
)
from g4f_legacy.server.failures import get_headers, get_message, get_status
from g4f_legacy.server.openai_errors import read_server_error


def caused_by(cause: Exception) -> ProviderError:
    error = RequestFailedError("no response")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error, status",
    [
        *[(RequestFailedError("x", status=status), status) for status in (400, 403, 404, 413, 422, 503, 504)],
        (AuthenticationError("x", status=401), 401),
        (RateLimitError("x", status=429), 429),
        (RateLimitError("overloaded, in an event"), 429),
        (RequestFailedError("x", status=500), 502),
        (RequestFailedError("x", status=302), 502),
        (caused_by(requests.ConnectionError()), 502),
        (caused_by(requests.ConnectTimeout()), 504),
        (caused_by(TimeoutError()), 504),
        (StreamInterruptedError("x"), 502),
        (GenerationError("x"), 502),
        (ValueError("x"), 400),
        (TypeError("x"), 400),
        (KeyError("x"), 500),
    ],
)
def test_statuses(error: Exception, status: int) -> None:
    assert get_status(error) == status


@pytest.mark.parametrize(
    "error, message",
    [
        (RequestFailedError("400 Bad Request: too long", status=400, detail="too long"), "too long"),
        (RequestFailedError("503 Service Unavailable: loading", status=503, detail="loading"), "503 .*: loading"),
        (RequestFailedError("404 Not Found", status=404), "404 Not Found"),
        (RequestFailedError("no response: refused", url="http://127.0.0.1:5"), "^no response: refused$"),
        (ValueError("wrong"), "wrong"),
    ],
)
def test_messages(error: Exception, message: str) -> None:
    assert re.search(message, get_message(error))


def test_retry_after() -> None:
    assert get_headers(RateLimitError("x", retry_after=6.2)) == {"Retry-After": "7"}
    sent = requests.Response()
    sent.headers["Retry-After"] = "86400"
    assert get_headers(RateLimitError("x", retry_after=21600.0, response=sent)) == {"Retry-After": "86400"}
    assert get_headers(RateLimitError("x")) == {} == get_headers(ValueError("x"))


@pytest.mark.parametrize(
    "body, known",
    [
        ('{"error": {"message": "m", "code": "c", "n_ctx": 512}}', {"message": "m", "code": "c", "n_ctx": 512}),
        ('{"error": {"message": "m", "type": "t", "param": null}}', {"message": "m", "type": "t"}),
        ('{"error": {"message": {}}}', {}),
        ('{"error": "m"}', {}),
        ('{"error": {"mess', {}),
        ("<html>", {}),
    ],
)
def test_error_object_of_the_server(body: str, known: dict[str, Any]) -> None:
    assert read_server_error(RequestFailedError("x", body=body)) == known
    assert read_server_error(ValueError(body)) == {}
