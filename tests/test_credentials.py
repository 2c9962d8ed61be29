import copy
import json
import pickle
from enum import Enum
from http.cookiejar import CookieJar
from typing import Any

import pytest
from requests.cookies import RequestsCookieJar

from g4f_legacy.credentials import Secret, wrap_secret, wrap_secrets


def jar() -> RequestsCookieJar:
    cookies = RequestsCookieJar()
    cookies.set("name", "s3cr3t", domain="127.0.0.1")
    return cookies


def test_a_secret_is_a_string() -> None:
    secret = Secret("s3cr3t")
    assert secret == "s3cr3t" and hash(secret) == hash("s3cr3t") and isinstance(secret, str)
    assert (f"{secret}", str(secret), "%s" % secret, "Bearer " + secret) == (*["s3cr3t"] * 3, "Bearer s3cr3t")
    assert type(str(secret)) is str
    assert json.dumps({"key": secret}) == '{"key": "s3cr3t"}' and secret.encode() == b"s3cr3t"
    assert copy.copy(secret) == copy.deepcopy([secret])[0] == "s3cr3t"


def test_a_secret_is_not_shown() -> None:
    secret = Secret("s3cr3t")
    assert (repr(secret), f"{secret!r}", f"{[secret]}") == ("…", "…", "[…]")
    assert repr(secret[:3]) == repr(secret[-1]) == "…" and secret[:3] == "s3c"  # as tools show a long string


def test_a_secret_reaches_another_process() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps([Secret("s3cr3t")], protocol)) == ["s3cr3t"]


class Key(str, Enum):
    KEY = "s3cr3t"


class Masked(str):
    def __str__(self) -> str:
        return "***"


@pytest.mark.parametrize("value", [Key.KEY, Masked("s3cr3t")])
def test_strings_of_other_classes(value: str) -> None:
    assert wrap_secret(value) == "s3cr3t" and f"{wrap_secret(value)}" == "s3cr3t"


@pytest.mark.parametrize("name", ["auth", "access_token", "authorization", "base_url", "bearer_token", "proxy"])
@pytest.mark.parametrize("value", ["s3cr3t", b"s3cr3t", ["s3cr3t"], ("s3cr3t", b"s3cr3t")])
def test_wrap_texts(name: str, value: Any) -> None:
    arguments = {name: value, "timeout": 5}
    wrap_secrets(arguments)
    assert arguments == {name: value, "timeout": 5} and type(arguments[name]) in (
        type(value),
        *type(value).__subclasses__(),
    )
    assert "s3cr3t" not in repr(arguments) and "'timeout': 5" in repr(arguments)


@pytest.mark.parametrize("name", ["cookies", "headers"])
def test_wrap_a_dict(name: str) -> None:
    given = {"a: s3cr3t": "s3cr3t"}
    arguments = {name: given}
    wrap_secrets(arguments)
    assert arguments[name] == given and arguments[name] is not given
    assert repr(arguments) == f"{{'{name}': …}}" and repr(list(arguments[name].items())) == "[(…, …)]"
    assert repr(given) == "{'a: s3cr3t': 's3cr3t'}"


@pytest.mark.parametrize("kind", [RequestsCookieJar, CookieJar])
def test_wrap_a_jar(kind: Any) -> None:
    given = kind()
    for cookie in jar():
        given.set_cookie(cookie)
    arguments = {"cookies": given}
    wrap_secrets(arguments)
    wrapped: Any = arguments["cookies"]
    assert [(cookie.name, cookie.value, cookie.domain) for cookie in wrapped] == [("name", "s3cr3t", "127.0.0.1")]
    assert "s3cr3t" not in f"{wrapped!r} {wrapped.items()}" and "s3cr3t" in repr(given)


@pytest.mark.parametrize("value", [None, True, 5, object()])
def test_other_values_remain(value: Any) -> None:
    arguments = {"auth": value}
    wrap_secrets(arguments)
    assert arguments["auth"] is value


def test_wrapping_again_changes_nothing() -> None:
    arguments: dict[str, Any] = {"auth": "s3cr3t", "headers": {"a": "s3cr3t"}}
    wrap_secrets(arguments)
    wrapped = dict(arguments)
    wrap_secrets(arguments)
    assert all(arguments[name] is wrapped[name] for name in wrapped)
