from typing import Any

import pytest
import requests

from g4f_legacy.errors import GenerationError, RequestFailedError
from g4f_legacy.transport.connection_failures import is_transient
from g4f_legacy.transport.failures import get_redirect_url, origin, redact_error


@pytest.mark.parametrize(
    "url, other_url, is_same",
    [
        ("http://a.host", "http://a.host:80/x?y", True),
        ("https://a.host", "https://a.host:443/", True),
        ("http://A.host/", "http://me:pw@a.HOST/", True),
        ("http://a.host", "https://a.host", False),
        ("http://a.host:443", "https://a.host", False),
        ("https://a.host:80", "https://a.host", False),
        ("http://a.host", "http://a.host:81", False),
        ("http://a.host", "http://b.a.host", False),
    ],
)
def test_origin(url: str, other_url: str, is_same: bool) -> None:
    assert (origin(url) == origin(other_url)) is is_same


@pytest.mark.parametrize(
    "status, location, url",
    [
        (302, "/y?z", "http://a.host/y?z"),
        (307, "y", "http://a.host/x/y"),
        (308, "//b.host/", "http://b.host/"),
        (301, "https://b.host", "https://b.host/"),
        (302, "file:///etc/passwd", None),
        (302, "https:///x", None),
        (302, "http://[", None),
        (302, None, None),
        (200, "/y", None),
    ],
)
def test_get_redirect_url(status: int, location: str | None, url: str | None) -> None:
    response = requests.Response()
    response.status_code, response.url = status, "http://a.host/x/"
    if location is not None:
        response.headers["Location"] = location
    assert get_redirect_url(response) == url


@pytest.mark.parametrize(
    "cause, expected",
    [
        (requests.ConnectionError(), True),
        (requests.exceptions.SSLError(), False),
        (requests.exceptions.ProxyError(), True),
        (requests.ConnectTimeout(), False),
        (requests.ReadTimeout(), False),
        (requests.exceptions.InvalidURL(), False),
        (None, False),
    ],
)
def test_is_transient(cause: Any, expected: bool) -> None:
    error = RequestFailedError("no response")
    error.__cause__ = cause
    assert is_transient(error) is is_transient(error, generates=True) is expected


@pytest.mark.parametrize("status, expected", [(429, True), (500, False), (502, True), (503, True), (504, False)])
def test_is_transient_while_a_model_generates(status: int, expected: bool) -> None:
    error = RequestFailedError("no response", status=status)
    assert is_transient(error, generates=True) is expected
    assert is_transient(error) is (expected or status == 504)


@pytest.mark.parametrize(
    "message, secrets, redacted",
    [
        ("Bad key s3cr3t-key: no", ["s3cr3t-key"], "Bad key …: no"),
        ("s3cr3t-key, again s3cr3t-key", ["s3cr3t-key"], "…, again …"),
        ("a s3cr3t-ke", ["s3cr3t-key"], "a …"),  # truncated
        ("{'key': 's3cr3t-k'}", ["s3cr3t-key"], "{'key': '…'}"),
        ("s3cr3t-KEY no", ["s3cr3t-key"], "s3cr3t-KEY no"),
        ("one+two+three, four four", ["one+two+three", "four four"], "…, …"),
        ("12345678", ["12345678"], "…"),
        ("1234567", ["1234567"], "1234567"),  # too short: it would occur in words
        ("no", ["no", ""], "no"),
    ],
)
def test_redact_error_and_its_causes(message: str, secrets: list[str], redacted: str) -> None:
    errors = [RequestFailedError(message), GenerationError(message), ValueError("root cause")]
    errors[0].__cause__, errors[1].__cause__ = errors[1:]
    redact_error(errors[0], secrets)  # type: ignore[arg-type]
    assert [error.args for error in errors] == [(redacted,), (redacted,), ("root cause",)]
