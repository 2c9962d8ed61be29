"""The options of a call: the same for every provider, taken out of ``kwargs`` by name, and checked.

Everything else in ``kwargs`` is a generation parameter and goes to the server unchanged. Errors name the option; for
options that can hold a secret they do not show its value.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar
from importlib.util import find_spec
from numbers import Real
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from .cookies_file import read_cookies
from .credentials import Secret, wrap_secret, wrap_secrets
from .errors import AuthenticationRequiredError, Hint, env_variable

DEFAULT_TIMEOUT = (10.0, 120.0)
"""Seconds to wait for a connection, and for the next byte of a response."""

DEFAULT_RETRIES = 2
"""How often a request is retried before the first byte of its response."""

_MAX_TIMEOUT = 2_000_000.0  # sockets take less than 2**31 milliseconds
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_AUTH_HEADERS = {"authorization", "cookie", "api-key", "x-goog-api-key"}
_USE_CONFIGURED_AUTH = ("", "cookies", "token", "jwt")  # values of auth in scripts of 2023, like True

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# https://www.rfc-editor.org/rfc/rfc9110#section-5.5, as Latin-1, which http.client encodes headers to
_NOT_IN_HEADERS = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")


@dataclass(frozen=True)
class Options:
    """The options of one call. `parameters` are the generation parameters."""

    base_url: str
    basic_auth: tuple[str, str] | None = field(repr=False)
    auth: str | None = field(repr=False)
    parameters: dict[str, Any]
    cookies: dict[str, str] | CookieJar = field(default_factory=dict, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)
    timeout: tuple[float, float] = DEFAULT_TIMEOUT
    retries: int = DEFAULT_RETRIES
    verify: bool | str | None = None
    session: requests.Session | None = None


def read_options(provider: ModuleType, kwargs: Mapping[str, Any]) -> Options:
    """Return the options in the ``kwargs`` of a call to a provider. An option that is None counts as not given.

    Raises:
        TypeError: an option or a generation parameter has a wrong type.
        ValueError: an option or a generation parameter has a wrong value.
        AuthenticationRequiredError: the provider needs credentials, and none are given or configured.
        OSError: the configured ``cookies.txt`` cannot be read.
    """
    kwargs = parameters = dict(kwargs)  # both names, because a traceback may show the caller's dict as well
    wrap_secrets(parameters)
    given = {}
    for name, parse in OPTIONS.items():
        value = parameters.pop(name, None)
        if value is not None:
            given[name] = parse(value, name)
    server = _resolve_server(given.pop("base_url", None), provider)
    auth = _resolve_auth(given.pop("auth", None), given.pop("access_token", None), provider)
    _check_parameters(parameters)
    options = Options(server.base_url, server.basic_auth, auth, parameters, **given)
    cookie_domain = getattr(provider, "_COOKIE_DOMAIN", None)
    if cookie_domain and not has_credentials(options):
        options = replace(options, cookies=_read_cookies(cookie_domain, options.base_url))
    needs_auth_everywhere = getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True)
    needs_auth_here = provider.needs_auth and (needs_auth_everywhere or is_public(provider, options.base_url))
    if needs_auth_here and not has_credentials(options):
        name = provider_name(provider)
        raise AuthenticationRequiredError(
            f"{name} needs credentials",
            provider=name,
            auth_variables=env_variables(provider, "AUTH"),
            hint=Hint.GIVE_CREDENTIALS if needs_auth_everywhere else Hint.GIVE_CREDENTIALS_OR_SERVER,
        )
    return options


def _read_cookies(public_domain: str, base_url: str) -> dict[str, str] | CookieJar:
    cookies = wrap_secret(read_cookies(public_domain, urlsplit(base_url).hostname or ""))
    return _parse_cookies(cookies, "G4F_LEGACY_COOKIES_FILE or G4F_LEGACY_COOKIES")


def has_credentials(options: Options) -> bool:
    """Return whether credentials of any kind are given: auth, cookies, a header, or those of the session."""
    if options.auth or options.cookies or _has_auth_header(options.headers):
        return True
    session = options.session
    return session is not None and bool(session.cookies or _has_auth_header(session.headers))


def _has_auth_header(headers: Iterable[str | bytes]) -> bool:
    return any(name.lower() in _AUTH_HEADERS for name in headers)


def env_variables(provider: ModuleType, option: str) -> list[str]:
    """Return the environment variables for ``"URL"`` or ``"AUTH"``, in order of precedence.

    This package's own is the first; the others are those that users of the provider's service have already set.
    """
    return [env_variable(provider_name(provider), option), *getattr(provider, f"_{option}_VARIABLES", ())]


def is_configured(provider: ModuleType) -> bool:
    """Return whether the environment holds the address of a provider's server, or the credentials for it."""
    return any(_read_env(provider, option)[1] for option in ("URL", "AUTH"))


def get_base_url(provider: ModuleType) -> str:
    """Return the configured address of a provider's server, or the module's `url`.

    Raises:
        ValueError: it is not a URL.
    """
    return _resolve_server(None, provider).base_url


def has_working_public_server(provider: ModuleType) -> bool:
    """Return whether the public server of a provider still responds: what the provider's module says as `working`.

    The attribute of a `compat.provider_module.ProviderModule` tells more: whether a call would reach any server.
    """
    return bool(vars(provider).get("working", True))


def is_public(provider: ModuleType, base_url: str) -> bool:
    """Return whether a URL has the host name of a provider's public server."""
    public_url = getattr(provider, "_public_url", provider.url)
    return bool(urlsplit(base_url).hostname == urlsplit(public_url).hostname)


def provider_name(provider: Any) -> str:
    """Return the name of a provider without its package, which the `__name__` of a script's own module may contain.

    The provider may be an instance of a class of the script's, too.
    """
    return str(getattr(provider, "__name__", type(provider).__name__)).rpartition(".")[2]


def _read_env(provider: ModuleType, option: str) -> tuple[str, Secret]:
    """Return the environment variable that configures an option, and its value; an empty value if none is set."""
    variables = env_variables(provider, option)
    for variable in variables:
        value = Secret(os.environ.get(variable, "").strip())
        if value:
            return variable, value
    return variables[0], Secret()


class _Server(NamedTuple):
    base_url: str  # without a trailing slash, or empty
    basic_auth: tuple[str, str] | None


def _resolve_server(given: _Server | None, provider: ModuleType) -> _Server:
    """Return the given server, else the configured one, else the public one."""
    if given is not None:
        name, server = "base_url", given
    else:
        name, configured_url = _read_env(provider, "URL")
        server = _parse_base_url(configured_url or provider.url, name)
    if not server.base_url and provider.url:
        raise _not_a_base_url(name)
    return server


def _resolve_auth(auth: str | None, access_token: str | None, provider: ModuleType) -> str | None:
    if auth is not None:
        return auth
    if access_token is not None:
        return access_token
    variable, configured_auth = _read_env(provider, "AUTH")
    return _check_header_text(configured_auth, variable) or None


def _parse_base_url(value: Any, name: str) -> _Server:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string like 'http://127.0.0.1:1337', not {_type_name(value)}")
    value = Secret(value.strip().rstrip("/"))  # again, because `strip` returns an ordinary string; also below
    if not value:
        return _Server("", None)  # valid for a provider that has no server
    if not _is_base_url(value):
        raise _not_a_base_url(name)
    parts = urlsplit(value)
    base_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    basic_auth = (Secret(unquote(parts.username)), Secret(unquote(parts.password or ""))) if parts.username else None
    return _Server(base_url, basic_auth)


def _is_base_url(value: str) -> bool:
    parts = _split_url(value, ("http", "https"))
    return parts is not None and not parts.query and not parts.fragment


def _not_a_base_url(name: str) -> ValueError:
    return ValueError(f"{name} must be the URL of a server, like 'http://127.0.0.1:1337' or 'https://example.com/chat'")


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
        raise TypeError(f"{name} must be a token or a cookie text, not {_type_name(value)}")
    return _check_header_text(Secret(value.strip()), name)


def _parse_cookies(value: Any, name: str) -> dict[str, str] | CookieJar:
    if isinstance(value, CookieJar):
        for cookie in value:
            _check_header_text(cookie.value or "", name)
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict or a CookieJar, not {_type_name(value)}")
    return {str(_check_header_text(key, name)): _check_header_text(text, name) for key, text in value.items()}


def _parse_headers(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {_type_name(value)}")
    for header in value:
        if not _HEADER_NAME.fullmatch(_check_header_text(header, name)):
            raise ValueError(f"{name} contains an invalid header name")  # not shown: its value may be part of it
    return {str(header): Secret(_check_header_text(text, name).strip()) for header, text in value.items()}


def _check_header_text(value: Any, name: str) -> str:
    """Return a value that a header can hold. Errors do not show it, as it may be a secret."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must contain strings, not {_type_name(value)}")
    if _NOT_IN_HEADERS.search(value):
        raise ValueError(f"{name} contains a line end, or another character that is not valid in a header")
    return value


def _parse_proxy(value: Any, name: str) -> str | None:
    if value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string like 'localhost:8080', not {_type_name(value)}")
    proxy = Secret(value if "://" in value else f"http://{value}")
    scheme = _get_proxy_scheme(proxy)
    if scheme is None:
        raise ValueError(
            f"{name} must be like 'localhost:8080', 'http://user:password@host:8080' or 'socks5://host:80'"
        )
    if scheme.startswith("socks") and not find_spec("socks"):
        raise ValueError(f"{name}: SOCKS proxies need PySocks: pip install requests[socks]")
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
        raise TypeError(f"{name} must be seconds, or (connect, read) in seconds, not {value!r}")
    if not all(seconds > 0 for seconds in timeouts):  # NaN is not, either
        raise ValueError(f"{name} must be greater than 0 seconds, not {value!r}")
    connect, read = timeouts
    return float(min(connect, _MAX_TIMEOUT)), float(min(read, _MAX_TIMEOUT))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _parse_retries(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value!r}")
    return value


def _parse_verify(value: Any, name: str) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be True, False or the path of a CA bundle, not {type(value).__name__}")
    path = os.fspath(value)
    if not os.path.exists(path):
        raise ValueError(f"{name}: there is no CA bundle at {path!r}")
    return path


def _parse_session(value: Any, name: str) -> requests.Session:
    if not isinstance(value, requests.Session):
        raise TypeError(f"{name} must be a requests.Session, not {type(value).__name__}")
    return value


def _check_parameters(parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        try:
            json.dumps(value, allow_nan=False)
        except TypeError as error:
            raise TypeError(f"{name} cannot be sent to a server as JSON: {error}") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} cannot be sent to a server as JSON: {error}") from error


OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "base_url": _parse_base_url,
    "auth": _parse_auth,
    "access_token": _parse_auth,
    "cookies": _parse_cookies,
    "headers": _parse_headers,
    "proxy": _parse_proxy,
    "timeout": _parse_timeout,
    "retries": _parse_retries,
    "verify": _parse_verify,
    "session": _parse_session,
}
"""The options of a call, each with the function that checks and converts its value, given that and the name."""

OPTION_NAMES = tuple(OPTIONS)
"""The names of the options of a call."""
