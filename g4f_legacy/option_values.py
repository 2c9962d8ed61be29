"""The values of the options of a call: each is checked and converted by a function of its own.

Errors name the option; for options that can hold a secret they do not show its value.
"""

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar
from importlib.util import find_spec
from numbers import Real
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from .credentials import Secret
from .option_errors import OptionTypeError, OptionValueError

_MAX_TIMEOUT = 2_000_000.0  # sockets take less than 2**31 milliseconds
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_INCOMPLETE_SCHEME = re.compile("(?:(https?)[:/]+|/+)?(.*)", re.DOTALL)
_PROBABLE_ADDRESS = re.compile(
    r"(localhost|\[[0-9a-f.]*:[0-9a-f.:]*\]|([0-9]{1,3}\.){3}[0-9]{1,3}|([a-z0-9-]{1,20}\.){1,2}[a-z]{2,9})"
    r"(:[0-9]{1,5})?(/v1|/chat)?"
)
"""What is not a token or a password in the wrong place, which an error must not show: these are longer, or a word."""

INSTALL_SOCKS = "pip install PySocks"  # shells such as zsh expand the brackets of requests[socks]

_LOCAL_DOMAINS = (".internal", ".lan", ".local", ".localhost")
_USE_CONFIGURED_AUTH = ("", "cookies", "token", "jwt")  # values of auth in scripts of 2023, like True

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# https://www.rfc-editor.org/rfc/rfc9110#section-5.5, as Latin-1, which http.client encodes headers to
_NOT_IN_HEADERS = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")


class Server(NamedTuple):
    """The address of a server, and the credentials that it was given with."""

    base_url: str  # without a trailing slash, or empty
    basic_auth: tuple[str, str] | None


def parse_base_url(value: Any, name: str) -> Server:
    """Return the server that a URL names. A blank one is valid for a provider that has no server.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not the URL of a server.
    """
    if not isinstance(value, str):
        raise OptionTypeError(name, f"must be a string like 'http://127.0.0.1:1337', not {_type_name(value)}")
    value = Secret(value.strip().rstrip("/"))  # again, because `strip` returns an ordinary string; also below
    if not value:
        return Server("", None)
    if not _is_base_url(value):
        raise not_a_base_url(name, value)
    parts = urlsplit(value)
    base_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    basic_auth = (Secret(unquote(parts.username)), Secret(unquote(parts.password or ""))) if parts.username else None
    return Server(base_url, basic_auth)


def _is_base_url(value: str) -> bool:
    parts = _split_url(value, ("http", "https"))
    return parts is not None and not parts.query and not parts.fragment


def not_a_base_url(name: str, value: str = "") -> OptionValueError:
    """Return the error for a value that is not the URL of a server. It shows no credentials of the value's."""
    problem = "must be the URL of a server, like 'http://127.0.0.1:1337' or 'https://example.com/chat'"
    url = _complete_url(value)
    return OptionValueError(name, f"{problem}; did you mean {url!r}?" if url else problem)


def _complete_url(value: str) -> str | None:
    """Return the URL that an address without a complete scheme stands for, without credentials; None for other values,
    which may be a word, or a token in the wrong place."""
    match = _INCOMPLETE_SCHEME.fullmatch(value)
    assert match is not None  # any text matches
    scheme, address = match.groups()
    _, _, address = address.rpartition("@")
    parts = _split_url(f"http://{address}", ("http",))
    if parts is None or not _PROBABLE_ADDRESS.fullmatch(address):
        return None
    default_scheme = "http" if _is_local(parts.hostname or "") else "https"
    url = f"{scheme or default_scheme}://{address}"
    return url if _is_base_url(url) else None


def _is_local(hostname: str) -> bool:
    """Return whether a host name is probably one of this machine or the local network, where servers rarely have
    certificates."""
    try:
        return ipaddress.ip_address(hostname).is_private
    except ValueError:
        return "." not in hostname or hostname.endswith(_LOCAL_DOMAINS)


def _split_url(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_valid else None


def _parse_auth(value: Any, name: str) -> str | None:
    if isinstance(value, bool) or value in _USE_CONFIGURED_AUTH:
        return None
    if not isinstance(value, str):
        raise OptionTypeError(name, f"must be a token or a cookie text, not {_type_name(value)}")
    return check_header_text(Secret(value.strip()), name)


def parse_cookies(value: Any, name: str) -> dict[str, str] | CookieJar:
    """Return cookies that headers can hold.

    Raises:
        TypeError: they are neither a mapping nor a jar, or contain values that are not strings.
        ValueError: they contain characters that are not valid in a header.
    """
    if isinstance(value, CookieJar):
        for cookie in value:
            check_header_text(cookie.value or "", name)
        return value
    if not isinstance(value, Mapping):
        raise OptionTypeError(name, f"must be a dict or a CookieJar, not {_type_name(value)}")
    return {str(check_header_text(key, name)): check_header_text(text, name) for key, text in value.items()}


def _parse_headers(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise OptionTypeError(name, f"must be a dict, not {_type_name(value)}")
    for header in value:
        if not _HEADER_NAME.fullmatch(check_header_text(header, name)):
            raise OptionValueError(name, "contains an invalid header name")  # not shown: its value may be part of it
    return {str(header): Secret(check_header_text(text, name).strip()) for header, text in value.items()}


def check_header_text(value: Any, name: str) -> str:
    """Return a value that a header can hold. Errors do not show it, as it may be a secret."""
    if not isinstance(value, str):
        raise OptionTypeError(name, f"must contain strings, not {_type_name(value)}")
    if _NOT_IN_HEADERS.search(value):
        raise OptionValueError(name, "contains a line end, or another character that is not valid in a header")
    return value


def _parse_proxy(value: Any, name: str) -> str | None:
    if value == "":
        return None
    if not isinstance(value, str):
        raise OptionTypeError(name, f"must be a string like 'localhost:8080', not {_type_name(value)}")
    proxy = Secret(value if "://" in value else f"http://{value}")
    scheme = _get_proxy_scheme(proxy)
    if scheme is None:
        raise OptionValueError(
            name, "must be like 'localhost:8080', 'http://user:password@host:8080' or 'socks5://host:80'"
        )
    if scheme.startswith("socks") and not find_spec("socks"):
        raise OptionValueError(name, f"needs PySocks for a SOCKS proxy: {INSTALL_SOCKS}")
    return proxy


def _get_proxy_scheme(proxy: str) -> str | None:
    parts = _split_url(proxy, _PROXY_SCHEMES)
    return parts and parts.scheme


def _type_name(value: Any) -> str:
    """Return the name of a value's type, or of the one that was wrapped as a secret."""
    return next((kind.__name__ for kind in (bytes, str, dict) if isinstance(value, kind)), type(value).__name__)


def _parse_timeout(value: Any, name: str) -> tuple[float, float]:
    timeouts = value if isinstance(value, (tuple, list)) else (value, value)
    if len(timeouts) != 2 or not all(_is_number(seconds) for seconds in timeouts):
        raise OptionTypeError(name, f"must be seconds, or (connect, read) in seconds, not {value!r}")
    if not all(seconds > 0 for seconds in timeouts):  # NaN is not, either
        raise OptionValueError(name, f"must be greater than 0 seconds, not {value!r}")
    connect, read = timeouts
    return float(min(connect, _MAX_TIMEOUT)), float(min(read, _MAX_TIMEOUT))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _parse_retries(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionTypeError(name, f"must be an integer, not {value!r}")
    if value < 0:
        raise OptionValueError(name, f"must be 0 or more, not {value!r}")
    return value


def _parse_verify(value: Any, name: str) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise OptionTypeError(name, f"must be True, False or the path of a CA bundle, not {type(value).__name__}")
    path = os.fspath(value)
    if not os.path.exists(path):
        raise OptionValueError(name, f"names a CA bundle that does not exist: {path!r}")
    return path


def _parse_session(value: Any, name: str) -> requests.Session:
    if not isinstance(value, requests.Session):
        raise OptionTypeError(name, f"must be a requests.Session, not {type(value).__name__}")
    return value


def check_parameters(parameters: dict[str, Any]) -> None:
    """Raise a TypeError or a ValueError for a generation parameter that JSON cannot hold."""
    for name, value in parameters.items():
        try:
            json.dumps(value, allow_nan=False)
        except TypeError as error:
            raise OptionTypeError(name, f"cannot be sent to a server as JSON: {error}") from error
        except (ValueError, RecursionError) as error:
            raise OptionValueError(name, f"cannot be sent to a server as JSON: {error}") from error


OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "base_url": parse_base_url,
    "auth": _parse_auth,
    "access_token": _parse_auth,
    "cookies": parse_cookies,
    "headers": _parse_headers,
    "proxy": _parse_proxy,
    "timeout": _parse_timeout,
    "retries": _parse_retries,
    "verify": _parse_verify,
    "session": _parse_session,
}
"""The options of a call, each with the function that checks and converts its value, given that and the name."""
