"""The options of a call: what is the same for every provider, taken out of ``kwargs`` by name and checked.

Whatever else is in ``kwargs`` is a generation parameter and goes to the host as it is. Errors name the option; those
for options that can hold a secret do not show its value.
"""

from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from importlib.util import find_spec
import json
from numbers import Real
import os
import re
from types import ModuleType
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from .errors import AuthenticationRequiredError, Hint, env_variable

DEFAULT_TIMEOUT = (10.0, 120.0)
"""Seconds to wait for a connection, and for the next byte of an answer."""

DEFAULT_RETRIES = 2
"""How often a request is tried again before the first byte of its answer."""

OPTION_NAMES = (
    "base_url",
    "auth",
    "access_token",
    "cookies",
    "headers",
    "proxy",
    "timeout",
    "retries",
    "verify",
    "session",
)
"""The options of a call."""

_LONGEST_TIMEOUT = 2_000_000.0  # sockets take less than 2**31 milliseconds
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_LOGIN_HEADERS = {"authorization", "cookie", "api-key", "x-goog-api-key"}
_WHATEVER_IS_CONFIGURED = ("", "cookies", "token", "jwt")  # what old scripts pass as auth beside True


@dataclass(frozen=True)
class Options:
    """The options of one call. `parameters` is what is left of ``kwargs``: the generation parameters."""

    base_url: str
    basic_auth: Optional[Tuple[str, str]] = field(repr=False)
    auth: Optional[str] = field(repr=False)
    cookies: Union[Dict[str, str], CookieJar] = field(repr=False)
    headers: Dict[str, str] = field(repr=False)
    proxy: Optional[str] = field(repr=False)
    timeout: Tuple[float, float]
    retries: int
    verify: Union[bool, str, None]
    session: Optional[requests.Session]
    parameters: Dict[str, Any]


def env_variables(provider: ModuleType, option: str) -> List[str]:
    """The environment variables for ``"URL"`` or ``"AUTH"``, the first one first: this package's, then those that the
    provider's own users have set already."""
    name = provider.__name__.rpartition(".")[2]
    return [env_variable(name, option), *getattr(provider, f"_{option}_VARIABLES", ())]


def is_configured(provider: ModuleType) -> bool:
    """Whether the environment says where a provider points, or how to log in there."""
    return any(_configured(provider, option)[1] for option in ("URL", "AUTH"))


def base_url_of(provider: ModuleType) -> str:
    """Where a provider points now: what the environment says, or the module's `url`.

    Raises:
        TypeError, ValueError: that is no address.
    """
    return _base_url(None, provider)[0]


def is_public(provider: ModuleType, base_url: str) -> bool:
    """Whether an address is on a provider's public host."""
    public_url = getattr(provider, "_public_url", provider.url)
    return bool(urlsplit(base_url).hostname == urlsplit(public_url).hostname)


def read_options(provider: ModuleType, kwargs: Mapping[str, Any]) -> Options:
    """Takes the options of a call to a provider out of its ``kwargs``, which are left alone. None is: not given.

    Raises:
        TypeError, ValueError: an option, or a generation parameter, that cannot be used.
        AuthenticationRequiredError: the provider needs a login, and none is given or configured.
    """
    given = dict(kwargs)
    base_url, basic_auth = _base_url(given.pop("base_url", None), provider)
    options = Options(
        base_url=base_url,
        basic_auth=basic_auth,
        auth=_auth(given.pop("auth", None), given.pop("access_token", None), provider),
        cookies=_cookies(given.pop("cookies", None)),
        headers=_headers(given.pop("headers", None)),
        proxy=_proxy(given.pop("proxy", None)),
        timeout=_timeout(given.pop("timeout", None)),
        retries=_retries(given.pop("retries", None)),
        verify=_verify(given.pop("verify", None)),
        session=_session(given.pop("session", None)),
        parameters=_parameters(given),
    )
    if _needs_login(provider, base_url) and not has_credentials(options):
        everywhere = getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True)
        name = provider.__name__.rpartition(".")[2]
        raise AuthenticationRequiredError(
            f"{name} needs credentials",
            provider=name,
            auth_variables=env_variables(provider, "AUTH"),
            hint=Hint.GIVE_CREDENTIALS if everywhere else Hint.GIVE_CREDENTIALS_OR_SERVER,
        )
    return options


def _needs_login(provider: ModuleType, base_url: str) -> bool:
    everywhere = getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True)
    return bool(provider.needs_auth and (everywhere or is_public(provider, base_url)))


def _configured(provider: ModuleType, option: str) -> Tuple[str, str]:
    """The variable that is set for an option, and its text; an empty one where none is set."""
    names = env_variables(provider, option)
    name = next((name for name in names if os.environ.get(name, "").strip()), names[0])
    return name, os.environ.get(name, "").strip()


def _base_url(value: Any, provider: ModuleType) -> Tuple[str, Optional[Tuple[str, str]]]:
    """The address without a last slash, and the user and password that stood in it."""
    option = "base_url"
    if value is None:
        option, value = _configured(provider, "URL")
        value = value or provider.url
    if not isinstance(value, str):
        raise TypeError(f"{option} must be a text like 'http://127.0.0.1:1337', not {type(value).__name__}")
    value = value.strip().rstrip("/")
    if not value and not provider.url:
        return "", None  # a provider without a host
    parts = _split(value, ("http", "https"))
    if parts is None or parts.query or parts.fragment:
        raise ValueError(f"{option} must be the address of a host, like 'http://127.0.0.1:1337' or 'https://host/chat'")
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _split(url: str, schemes: Tuple[str, ...]) -> Optional[SplitResult]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and url.isprintable() and " " not in url else None


def _auth(auth: Any, access_token: Any, provider: ModuleType) -> Optional[str]:
    for option, value in (("auth", auth), ("access_token", access_token)):
        if value is None or isinstance(value, bool) or value in _WHATEVER_IS_CONFIGURED:
            continue
        if not isinstance(value, str):
            raise TypeError(f"{option} must be a token or a cookie text, not {type(value).__name__}")
        return _header_text(value.strip(), option)
    option, value = _configured(provider, "AUTH")
    return _header_text(value, option) or None


def _cookies(value: Any) -> Union[Dict[str, str], CookieJar]:
    if value is None:
        return {}
    if isinstance(value, CookieJar):
        for cookie in value:
            _header_text(cookie.value or "", "cookies")
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"cookies must be a dict or a CookieJar, not {type(value).__name__}")
    return {_header_text(name, "cookies"): _header_text(text, "cookies") for name, text in value.items()}


def _headers(value: Any) -> Dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"headers must be a dict, not {type(value).__name__}")
    for name in value:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", _header_text(name, "headers")):
            raise ValueError("headers has a name that is none")  # it is not shown, for all of a header may stand there
    return {name: _header_text(text, "headers").strip() for name, text in value.items()}


def _header_text(value: Any, option: str) -> str:
    """What may stand in a header: Latin-1 without control characters. It is not shown, for it may be secret."""
    if not isinstance(value, str):
        raise TypeError(f"{option} must hold texts, not {type(value).__name__}")
    if re.search(r"[^\t\x20-\x7e\xa0-\xff]", value):
        raise ValueError(f"{option} holds a line end, or another character that cannot stand in a header")
    return value


def _proxy(value: Any) -> Optional[str]:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(f"proxy must be a text like 'localhost:8080', not {type(value).__name__}")
    proxy = value if "://" in value else f"http://{value}"
    parts = _split(proxy, _PROXY_SCHEMES)
    if parts is None:
        raise ValueError("proxy must be like 'localhost:8080', 'http://user:password@host:8080' or 'socks5://host:80'")
    if parts.scheme.startswith("socks") and not find_spec("socks"):
        raise ValueError("proxy: a SOCKS proxy needs PySocks, that is: pip install requests[socks]")
    return proxy


def _timeout(value: Any) -> Tuple[float, float]:
    if value is None:
        return DEFAULT_TIMEOUT
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(seconds, Real) and not isinstance(seconds, bool) for seconds in both):
        raise TypeError(f"timeout must be seconds, or (connect, silence) in seconds, not {value!r}")
    if not all(seconds > 0 for seconds in both):
        raise ValueError(f"timeout must be more than 0 seconds, not {value!r}")
    connect, silence = (float(min(seconds, _LONGEST_TIMEOUT)) for seconds in both)
    return connect, silence


def _retries(value: Any) -> int:
    if value is None:
        return DEFAULT_RETRIES
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"retries must be a whole number, not {value!r}")
    if value < 0:
        raise ValueError(f"retries must be 0 or more, not {value!r}")
    return value


def _verify(value: Any) -> Union[bool, str, None]:
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"verify must be True, False or the path of a CA bundle, not {type(value).__name__}")
    path = os.fspath(value)
    if not os.path.exists(path):
        raise ValueError(f"verify: there is no CA bundle at {path!r}")
    return path


def _session(value: Any) -> Optional[requests.Session]:
    if value is not None and not isinstance(value, requests.Session):
        raise TypeError(f"session must be a requests.Session, not {type(value).__name__}")
    return value


def _parameters(given: Dict[str, Any]) -> Dict[str, Any]:
    for name, value in given.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{name} cannot be sent to a host as JSON: {error}") from error
    return given


def has_credentials(options: Options) -> bool:
    """Whether a login of any kind is given: auth, cookies, a header, or what the session has."""
    session = options.session
    headers = {name.lower() for name in (*options.headers, *(session.headers if session else ()))}
    jars = [options.cookies, session.cookies if session else ()]
    return bool(options.auth or any(map(list, jars)) or headers & _LOGIN_HEADERS)
