"""Name the proxy in the errors that it causes, and where it is set."""

import os
import re
import socket
import sys
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError, ProxySchemeUnknown

from ..credentials import ELLIPSIS
from ..errors import Hint, RequestFailedError, describe_cause, root_cause, single_line
from ..option_values import INSTALL_SOCKS
from .failures import collect_errors, strip_credentials

_UNUSABLE_PROXY = (
    LocationParseError,  # of a server's URL, requests raises an error of its own instead
    ProxySchemeUnknown,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
)
"""What requests and urllib3 raise for the address of a proxy, and for one that needs PySocks."""

# https://github.com/python/cpython/blob/3.13/Lib/http/client.py (`HTTPConnection._tunnel`), and likewise in urllib3
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3}.*)", re.DOTALL)


class Proxy(NamedTuple):
    """The proxy of a request."""

    address: str  # without credentials
    has_credentials: bool
    source: str  # as in `ProviderError.proxy_source`


def find_proxy(session: requests.Session, url: str, proxies: dict[str, str], option: str | None) -> Proxy | None:
    """Return the proxy that a request was sent through, if any.

    Args:
        session: the session that sent it.
        url: its URL.
        proxies: its `proxies`.
        option: the option ``proxy`` of the call.
    """
    settings: Any = session.merge_environment_settings(url, dict(proxies), None, None, None)
    proxy = select_proxy(url, settings["proxies"])
    if not proxy:
        return None
    source = "proxy" if proxy == option else _find_source(proxy, urlsplit(url).scheme, session)
    scheme, _, rest = (proxy if "://" in proxy else f"http://{proxy}").partition("://")
    # A password may contain an unescaped "/", "#" or "?", where urllib.parse ends the host.
    _, at, address = rest.rpartition("@")
    try:
        address = strip_credentials(f"{scheme}://{address}").rstrip("/")
    except ValueError:  # it is not a URL
        address = ELLIPSIS
    return Proxy(address, bool(at), source)


def _find_source(proxy: str, scheme: str, session: requests.Session) -> str:
    for variable in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if os.environ.get(variable) == proxy:
            return variable
    return "session.proxies" if proxy in session.proxies.values() else "the proxy settings of the system"


def blame_proxy(failure: RequestFailedError, proxy: Proxy) -> None:
    """Attribute the error for a response to the proxy that sent it."""
    failure.proxy, failure.proxy_source = proxy.address, proxy.source
    failure.args = (f"{_describe_login(proxy)}: {failure.args[0]}",)
    failure.hint = Hint.GIVE_PROXY_CREDENTIALS


def mention_proxy(failure: RequestFailedError, proxy: Proxy) -> None:
    """Add the proxy to the error for a response that the proxy or the server behind it sent."""
    failure.proxy, failure.proxy_source = proxy.address, proxy.source
    source = "" if proxy.source == "proxy" else f" ({proxy.source})"
    message = str(failure.args[0]).rstrip(".")
    failure.args = (f"{message}; sent through the proxy {proxy.address}{source}, which may have refused it",)


def describe_proxy_failure(error: Exception, proxy: Proxy, connect_timeout: float) -> tuple[str, Hint] | None:
    """Return the message and the hint for a request that failed at its proxy; None if the server may be the cause.

    Args:
        error: what requests or urllib3 raised.
        proxy: what the request was sent through.
        connect_timeout: in seconds.
    """
    if isinstance(root_cause(error), _UNUSABLE_PROXY):
        return f"cannot use the proxy {proxy.address}: {_describe_unusable(error, proxy)}", Hint.CHECK_PROXY
    if proxy.address.startswith("socks"):
        return _describe_socks_failure(error, proxy, connect_timeout)
    if isinstance(error, requests.exceptions.ProxyError):
        return _describe_http_failure(error, proxy, connect_timeout)
    return None


def _describe_unusable(error: Exception, proxy: Proxy) -> str:
    cause = root_cause(error)
    if proxy.has_credentials and isinstance(cause, LocationParseError):  # whose message may show part of a password
        return "it is not a URL, in which '/', '#' and '?' in a user name or password are percent-encoded"
    reason = describe_cause(error)
    # https://github.com/psf/requests/blob/v2.32.3/src/requests/adapters.py (`SOCKSProxyManager`)
    is_package_missing = proxy.address.startswith("socks") and isinstance(cause, requests.exceptions.InvalidSchema)
    return f"{reason.rstrip('.')}: {INSTALL_SOCKS}" if is_package_missing else reason


def _describe_http_failure(error: Exception, proxy: Proxy, connect_timeout: float) -> tuple[str, Hint] | None:
    tunnel_status = get_tunnel_status(error)
    if tunnel_status is not None:
        needs_credentials = tunnel_status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        return _describe_refusal(_find_tunnel_refusal(error), needs_credentials, proxy)
    message = _describe_unreachable(root_cause(error), proxy, connect_timeout)
    if any(isinstance(inner, (ConnectTimeoutError, NewConnectionError)) for inner in collect_errors(error)):
        return message, Hint.CHECK_PROXY
    return (message, Hint.CHECK_PROXY_TLS) if proxy.address.startswith("https") else None


def _describe_unreachable(cause: BaseException, proxy: Proxy, connect_timeout: float) -> str:
    is_timeout = isinstance(cause, TimeoutError)
    reason = f" within {connect_timeout:g} seconds" if is_timeout else f": {describe_cause(cause)}"
    return f"cannot reach the proxy {proxy.address}{reason}"


def _describe_refusal(refusal: str, needs_credentials: bool, proxy: Proxy) -> tuple[str, Hint]:
    if needs_credentials:
        return f"{_describe_login(proxy)}: {refusal}", Hint.GIVE_PROXY_CREDENTIALS
    return f"the proxy {proxy.address} did not connect to the server: {refusal}", Hint.CHECK_PROXY_OR_SERVER


def _describe_login(proxy: Proxy) -> str:
    return f"the proxy {proxy.address} {'refused the login' if proxy.has_credentials else 'requires a login'}"


def _find_tunnel_refusal(error: BaseException) -> str:
    """Return the status and the reason of a proxy that refused to connect (CONNECT); an empty text for other errors."""
    match = _TUNNEL_REFUSED.fullmatch(str(root_cause(error)))
    return single_line(match[1]) if match else ""


def get_tunnel_status(error: BaseException) -> int | None:
    """Return the status of a proxy that refused to connect to the server; None for other errors."""
    refusal = _find_tunnel_refusal(error)
    return int(refusal[:3]) if refusal else None


def _describe_socks_failure(error: Exception, proxy: Proxy, connect_timeout: float) -> tuple[str, Hint] | None:
    socks: Any = sys.modules.get("socks")  # PySocks, which urllib3 imports for these proxies
    if socks is None:
        return None
    errors = collect_errors(error)
    socks_error = next((inner for inner in errors if isinstance(inner, socks.ProxyError)), None)
    if socks_error is None:  # the proxy's name cannot be resolved, or the failure is not the proxy's
        is_unresolved = any(isinstance(inner, NewConnectionError) for inner in errors)
        message = _describe_unreachable(root_cause(error), proxy, connect_timeout)
        return (message, Hint.CHECK_PROXY) if is_unresolved else None
    cause = _find_socks_cause(socks_error)
    if isinstance(socks_error, socks.ProxyConnectionError):
        return _describe_unreachable(cause, proxy, connect_timeout), Hint.CHECK_PROXY
    if isinstance(cause, socket.gaierror):
        advice = "a socks5h:// or socks4a:// proxy resolves it itself"
        return f"cannot resolve the server's name: {describe_cause(cause)}; {advice}", Hint.CHECK_SERVER
    if isinstance(cause, TimeoutError):
        return None
    return _describe_refusal(describe_cause(cause), isinstance(cause, socks.SOCKS5AuthError), proxy)


def _find_socks_cause(error: BaseException) -> BaseException:
    """Return the innermost of the errors that PySocks wraps in each other."""
    while inner := getattr(error, "socket_err", None):
        error = inner
    return error
