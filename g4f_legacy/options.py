"""The options of a call: the same for every provider, taken out of ``kwargs`` by name, and checked.

Everything else in ``kwargs`` is a generation parameter and goes to the server unchanged.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import requests

from .cookies_file import read_cookies
from .credentials import Secret, wrap_secret, wrap_secrets
from .errors import AuthenticationRequiredError, Hint, env_variable
from .near_misses import find_near_misses
from .option_errors import VariableName
from .option_values import (
    OPTIONS,
    Server,
    check_header_text,
    check_parameters,
    not_a_base_url,
    parse_base_url,
    parse_cookies,
)

DEFAULT_TIMEOUT = (10.0, 120.0)
"""Seconds to wait for a connection, and for the next byte of a response."""

DEFAULT_RETRIES = 2
"""How often a request is retried before the first byte of its response."""

_AUTH_HEADERS = {"authorization", "cookie", "api-key", "x-goog-api-key"}


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
    check_parameters(parameters)
    options = Options(server.base_url, server.basic_auth, auth, parameters, **given)
    cookie_domain = getattr(provider, "_COOKIE_DOMAIN", None)
    if cookie_domain and not has_credentials(options):
        options = replace(options, cookies=_read_cookies(cookie_domain, options.base_url))
    needs_auth_everywhere = getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True)
    needs_auth_here = provider.needs_auth and (needs_auth_everywhere or is_public(provider, options.base_url))
    if needs_auth_here and not has_credentials(options):
        hint = Hint.GIVE_CREDENTIALS if needs_auth_everywhere else Hint.GIVE_CREDENTIALS_OR_SERVER
        raise _needs_credentials(provider, parameters, hint)
    return options


def _needs_credentials(provider: ModuleType, parameters: Iterable[str], hint: Hint) -> AuthenticationRequiredError:
    name = provider_name(provider)
    near_misses = find_near_misses(parameters).items()
    questions = ", ".join(f"{given!r}: did you mean {option}?" for given, option in near_misses if option in OPTIONS)
    return AuthenticationRequiredError(
        f"{name} needs credentials ({questions})" if questions else f"{name} needs credentials",
        provider=name,
        auth_variables=env_variables(provider, "AUTH"),
        hint=hint,
    )


def _read_cookies(public_domain: str, base_url: str) -> dict[str, str] | CookieJar:
    cookies = wrap_secret(read_cookies(public_domain, urlsplit(base_url).hostname or ""))
    return parse_cookies(cookies, VariableName("G4F_LEGACY_COOKIES_FILE or G4F_LEGACY_COOKIES"))


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


def _read_env(provider: ModuleType, option: str) -> tuple[VariableName, Secret]:
    """Return the environment variable that configures an option, and its value; an empty value if none is set."""
    variables = [VariableName(name) for name in env_variables(provider, option)]
    for variable in variables:
        value = Secret(os.environ.get(variable, "").strip())
        if value:
            return variable, value
    return variables[0], Secret()


def _resolve_server(given: Server | None, provider: ModuleType) -> Server:
    """Return the given server, else the configured one, else the public one."""
    if given is not None:
        name, server = "base_url", given
    else:
        name, configured_url = _read_env(provider, "URL")
        server = parse_base_url(configured_url or provider.url, name)
    if not server.base_url and provider.url:
        raise not_a_base_url(name)
    return server


def _resolve_auth(auth: str | None, access_token: str | None, provider: ModuleType) -> str | None:
    if auth is not None:
        return auth
    if access_token is not None:
        return access_token
    variable, configured_auth = _read_env(provider, "AUTH")
    return check_header_text(configured_auth, variable) or None


OPTION_NAMES = tuple(OPTIONS)
"""The names of the options of a call."""
