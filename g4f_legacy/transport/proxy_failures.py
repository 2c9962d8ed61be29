"""Name the proxy in the errors that it causes, and where it is set."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError, ProxySchemeUnknown

from ..credentials import ELLIPSIS
from ..errors import Hint, RequestFailedError, describe_cause, root_cause, single_line
from .failures import collect_errors, strip_credentials

LOGIN_REQUIRED = 407
"""The status of a proxy that requires a login: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.8"""

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
    has_login: bool
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
    complete_url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        address = strip_credentials(complete_url).rstrip("/")
    except ValueError:  # it is not a URL
        address = ELLIPSIS
    return Proxy(address, "@" in complete_url, source)


def _find_source(proxy: str, scheme: str, session: requests.Session) -> str:
    for variable in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if os.environ.get(variable) == proxy:
            return variable
    return "session.proxies" if proxy in session.proxies.values() else "the proxy settings of the system"


def require_login(failure: RequestFailedError, proxy: Proxy) -> None:
    """Let the error for a response be about the proxy, which has sent it."""
    failure.proxy, failure.proxy_source = proxy.address, proxy.source
    failure.args = (f"{_describe_login(proxy)}: {failure.args[0]}",)
    failure.hint = Hint.GIVE_PROXY_LOGIN


def describe_proxy_failure(error: Exception, proxy: Proxy, connect: float) -> tuple[str, Hint] | None:
    """Return the message and the hint for a request that failed at its proxy; None if the server may be the cause.

    Args:
        error: what requests or urllib3 raised.
        proxy: what the request was sent through.
        connect: the connect timeout, in seconds.
    """
    if isinstance(root_cause(error), _UNUSABLE_PROXY):
        return f"cannot use the proxy {proxy.address}: {describe_cause(error)}", Hint.CHECK_PROXY
    if proxy.address.startswith("socks"):
        return _describe_socks_failure(error, proxy, connect)
    if not isinstance(error, requests.exceptions.ProxyError):
        return None
    refusal = _find_tunnel_refusal(error)
    if refusal:
        return _describe_refusal(refusal, int(refusal[:3]) == LOGIN_REQUIRED, proxy)
    if any(isinstance(inner, (ConnectTimeoutError, NewConnectionError)) for inner in collect_errors(error)):
        return _describe_unreachable(root_cause(error), proxy, connect)
    if proxy.address.startswith("https"):
        message, _ = _describe_unreachable(root_cause(error), proxy, connect)
        return message, Hint.CHECK_PROXY_TLS
    return None


def _describe_unreachable(cause: BaseException, proxy: Proxy, connect: float) -> tuple[str, Hint]:
    reason = f" within {connect:g} seconds" if isinstance(cause, TimeoutError) else f": {describe_cause(cause)}"
    return f"cannot reach the proxy {proxy.address}{reason}", Hint.CHECK_PROXY


def _describe_refusal(refusal: str, needs_login: bool, proxy: Proxy) -> tuple[str, Hint]:
    if needs_login:
        return f"{_describe_login(proxy)}: {refusal}", Hint.GIVE_PROXY_LOGIN
    return f"the proxy {proxy.address} did not connect to the server: {refusal}", Hint.CHECK_PROXY_OR_SERVER


def _describe_login(proxy: Proxy) -> str:
    return f"the proxy {proxy.address} {'refused the login' if proxy.has_login else 'requires a login'}"


def _find_tunnel_refusal(error: BaseException) -> str:
    """Return the status and the reason of a proxy that refused to connect (CONNECT); an empty text for other errors."""
    match = _TUNNEL_REFUSED.fullmatch(str(root_cause(error)))
    return single_line(match[1]) if match else ""


def get_tunnel_status(error: BaseException) -> int | None:
    """Return the status of a proxy that refused to connect to the server; None for other errors."""
    refusal = _find_tunnel_refusal(error)
    return int(refusal[:3]) if refusal else None


def _describe_socks_failure(error: Exception, proxy: Proxy, connect: float) -> tuple[str, Hint] | None:
    socks: Any = sys.modules.get("socks")  # PySocks, which urllib3 imports for these proxies
    if socks is None:
        return None
    errors = [inner for inner in collect_errors(error) if isinstance(inner, socks.ProxyError)]
    if not errors:
        is_unresolved = any(isinstance(inner, NewConnectionError) for inner in collect_errors(error))
        return _describe_unreachable(root_cause(error), proxy, connect) if is_unresolved else None
    chain = list(_unwrap_socks_errors(errors[0]))
    if isinstance(errors[0], socks.ProxyConnectionError):
        return _describe_unreachable(chain[-1], proxy, connect)
    if isinstance(chain[-1], TimeoutError):
        return None
    if isinstance(chain[-1], socket.gaierror):
        advice = "a socks5h:// or socks4a:// proxy resolves it itself"
        return f"cannot resolve the server's name: {describe_cause(chain[-1])}; {advice}", Hint.CHECK_SERVER
    return _describe_refusal(describe_cause(chain[-1]), isinstance(chain[-1], socks.SOCKS5AuthError), proxy)


def _unwrap_socks_errors(error: Any) -> Iterator[BaseException]:
    """Yield an error of PySocks, and those that are wrapped in it."""
    while error is not None:
        yield error
        error = getattr(error, "socket_err", None)
