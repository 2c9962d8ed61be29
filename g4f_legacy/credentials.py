"""Credentials in the arguments of a call, as values whose `repr` does not show them.

Error reporters show the local variables of all frames that an error passed through, such as Sentry by default and
IPython in its verbose mode. They show the `repr` of each value, and the items of mappings and sequences.
"""

from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

from requests.cookies import RequestsCookieJar

ELLIPSIS = "…"
"""What is shown instead of a secret."""

AUTH_ALIASES = ("api_key", "apikey", "auth_token", "authorization", "bearer_token", "token")
"""What other clients call the option ``auth``."""

_SECRET_ARGUMENTS = ("auth", "access_token", "base_url", "cookies", "headers", "proxy", *AUTH_ALIASES)


class _Redacted:
    __slots__ = ()

    def __repr__(self) -> str:
        return ELLIPSIS


class Secret(_Redacted, str):
    """A string that `repr` redacts, and its slices. Others made from it, as by concatenation, are ordinary strings."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> "Secret":
        return Secret(super().__getitem__(key))  # tools that show locals show the beginning of a long string


class SecretBytes(_Redacted, bytes):
    """The same for bytes."""

    __slots__ = ()


class _SecretDict(dict[Any, Any]):
    def __repr__(self) -> str:
        return ELLIPSIS

    # Sentry shows the keys of a dict with `str`, which must return the value. A key is a secret if a header line was
    # given as a name. https://github.com/getsentry/sentry-python/blob/2.20.0/sentry_sdk/serializer.py
    __sentry_repr__ = __repr__


def wrap_secrets(arguments: dict[str, Any]) -> None:
    """Wrap the credentials in the keyword arguments of a call.

    The dict is changed in place, because the calling frame holds it. Dicts and jars in it are replaced by copies.
    """
    for name in _SECRET_ARGUMENTS:
        if name in arguments:
            arguments[name] = wrap_secret(arguments[name])


def wrap_secret(value: Any) -> Any:
    """Return an equal value that `repr` redacts. Values that cannot hold text are returned unchanged."""
    if isinstance(value, (_Redacted, _SecretDict)):
        return value
    if isinstance(value, str):
        return Secret(str.__str__(value))  # not `str(value)`: that of an enum, say, is another text
    if isinstance(value, bytes):
        return SecretBytes(value)
    if isinstance(value, CookieJar):
        return _wrap_cookies(value)
    if isinstance(value, Mapping):
        return _SecretDict({wrap_secret(name): wrap_secret(item) for name, item in value.items()})
    if isinstance(value, list):
        return [wrap_secret(item) for item in value]
    if isinstance(value, tuple):
        return tuple(wrap_secret(item) for item in value)
    return value


def _wrap_cookies(jar: CookieJar) -> RequestsCookieJar:
    wrapped = RequestsCookieJar()
    wrapped.update(jar)  # copies the cookies
    for cookie in wrapped:
        cookie.value = wrap_secret(cookie.value)
    return wrapped
