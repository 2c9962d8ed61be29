import json
import time
from base64 import b64encode
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from g4f_legacy.transport.redaction import (
    credentials_in_auth,
    credentials_in_url,
    encoded_variants,
    redact,
    secret_headers,
)


@pytest.mark.parametrize(
    "headers, secrets",
    [
        ({"Accept": "application/json", "Content-Type": "text/plain", "User-Agent": "mine/1.0", "Host": "a.host"}, []),
        ({"x-goog-api-key": "k3y", "Cookie": "a=b", "X-Empty": ""}, ["k3y", "a=b"]),
        ({"Authorization": "Bearer bWU6c2VjcmV0"}, ["bWU6c2VjcmV0"]),
        ({"Authorization": "basic bWU6czpjcmV0"}, ["bWU6czpjcmV0", "me:s:cret", "s:cret"]),
        ({"Authorization": b"Basic bWU6c2VjcmV0"}, ["bWU6c2VjcmV0", "me:secret", "secret"]),
        ({"Authorization": "Basic x"}, ["x"]),
    ],
)
def test_secret_headers(headers: dict[str, Any], secrets: list[str]) -> None:
    assert secret_headers(headers) == secrets


@pytest.mark.parametrize(
    "url, login",
    [
        ("http://me:s%40cret@a.host:1/x", ("me", "s@cret")),
        ("me:a:b@a.host", ("me", "a:b")),
        ("http://me@a.host", ("me", "")),
        ("http://a.host:1", None),
        (None, None),
    ],
)
def test_credentials_in_url(url: Any, login: Any) -> None:
    assert credentials_in_url(url) == login


@pytest.mark.parametrize(
    "auth, login",
    [
        (("me", "secret"), ("me", "secret")),
        (SimpleNamespace(username="me", password="secret"), ("me", "secret")),
        (("", "secret"), ("", "secret")),
        (SimpleNamespace(token="?"), None),
        (None, None),
    ],
)
def test_credentials_in_auth(auth: Any, login: Any) -> None:
    assert credentials_in_auth(auth) == login


PASSWORD = "pässwörter"


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        PASSWORD.encode().decode("latin-1"),
        quote(PASSWORD),
        quote(PASSWORD, encoding="latin-1"),
        b64encode(PASSWORD.encode()).decode(),
        b64encode(PASSWORD.encode("latin-1")).decode(),
        "пароль-и-всё",
    ],
)
def test_encodings_of_other_letters(text: str) -> None:
    assert redact(f"not {text}, no", encoded_variants([PASSWORD, "пароль-и-всё"])) == "not …, no"


QUOTED = "p\"ä's\\wörter"
IN_JSON = [json.dumps(QUOTED, ensure_ascii=ensure_ascii)[1:-1] for ensure_ascii in (True, False)]
IN_REPR = [repr(text)[1:-1] for text in (QUOTED, *IN_JSON, "p's\\wörter")]


@pytest.mark.parametrize("text", [QUOTED, *IN_JSON, *IN_REPR])
def test_quotes_and_backslashes(text: str) -> None:
    assert redact(f"not {text}, no", encoded_variants([QUOTED, "p's\\wörter"])) == "not …, no"


def test_many_truncated_secrets_are_redacted_in_linear_time() -> None:
    started = time.process_time()
    assert redact("a-secret " * 200_000, encoded_variants(["a-secret-key"])) == "… " * 200_000
    assert time.process_time() - started < 20  # about 1; it was 74 when the text was copied at each secret
