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

_SECRET_ARGUMENTS = ("auth", "access_token", "base_url", "cookies", "headers", "proxy")


class _Unshown:
    __slots__ = ()

    def __repr__(self) -> str:
        return ELLIPSIS

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return str, (ELLIPSIS,)  # pickling does not write the value

    def __copy__(self) -> "_Unshown":
        return self

    def __deepcopy__(self, memo: Any) -> "_Unshown":
        return self


class Secret(_Unshown, str):
    """A string whose `repr` and pickle do not show it. Those made from it, as by concatenation, are ordinary ones."""

    __slots__ = ()


class SecretBytes(_Unshown, bytes):
    """The same for bytes."""

    __slots__ = ()


class _SecretDict(dict[Any, Any]):
    def __repr__(self) -> str:
        return ELLIPSIS

    # https://github.com/getsentry/sentry-python/blob/2.20.0/sentry_sdk/serializer.py: it shows keys by `str`, which has
    # to be the value, and a header may have been given as a name only.
    __sentry_repr__ = __repr__


def wrap_secrets(arguments: dict[str, Any]) -> None:
    """Replace the credentials in the keyword arguments of a call by equal values whose `repr` does not show them.

    The dict is changed, so that frames which hold it do not show them either; dicts and jars in it are copied.
    """
    for name in _SECRET_ARGUMENTS:
        if name in arguments:
            arguments[name] = wrap_secret(arguments[name])


def wrap_secret(value: Any) -> Any:
    """Return a value that equals an option of a call, whatever its type, and whose `repr` does not show it."""
    if isinstance(value, (_Unshown, _SecretDict)):
        return value
    if isinstance(value, str):
        return Secret(value)
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
