"""The `requests.Session` of one completion: connections are shared by all completions, cookies and headers by none."""

import atexit
import ipaddress
import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .._version import __version__
from .connection import ConnectionStack
from .urllib3_internals import are_connections_patched, close_pooled_connections, install_pools

POOL_SIZE = 64
"""The maximum number of idle connections to one server, in the process."""


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        install_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        is_socks = proxy.lower().startswith("socks")
        if not is_socks:  # urllib3.contrib.socks connects in pool classes of its own
            install_pools(manager)
        return manager

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        try:
            return super().build_response(request, raw)
        except Exception:
            # Some versions of requests fail at "Content-Type: text/html; charset", and would leave the socket open.
            raw.close()
            raise


@lru_cache(maxsize=None)
def _shared_adapter() -> HTTPAdapter:
    return _Adapter(pool_maxsize=POOL_SIZE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared_adapter.cache_clear)  # two processes cannot use one connection


@atexit.register
def _close_connections() -> None:
    ConnectionStack.closing = True
    _shared_adapter().close()


def new_session() -> requests.Session:
    """Return a session that need not be closed: its connections belong to the process.

    Within a cassette of VCR.py, they belong to the session instead, so that a cassette has all its requests.
    """
    session = requests.Session()
    session.headers["User-Agent"] = f"g4f-legacy/{__version__}"
    if are_connections_patched():
        return session
    session.mount("https://", _shared_adapter())
    session.mount("http://", _shared_adapter())
    return session


def close_idle_connections() -> None:
    """Close the connections that completions have left open for later ones, which open new ones instead.

    It is meant for tests: in a fixture, before a fork, or before the open sockets are counted. Completions that are
    running in other threads are not affected: their connections stay open, and are available again when they end.
    Connections of a caller's own ``session`` are not closed; that is what ``session.close()`` does.
    """
    adapter = _shared_adapter()
    for manager in [adapter.poolmanager, *adapter.proxy_manager.values()]:
        close_pooled_connections(manager)


def get_response_hooks(session: requests.Session) -> list[Callable[..., Any]]:
    """Return the response hooks of a session, which may be one function or a list."""
    hooks: Any = session.hooks.get("response") or []
    return [hooks] if callable(hooks) else list(hooks)


def keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is. This is an `auth` for requests.

    Without an `auth`, requests replaces the header Authorization with the credentials of the netrc file:
    https://github.com/psf/requests/blob/v2.32.3/src/requests/sessions.py (`prepare_request`)
    """
    return request


def is_loopback(hostname: str) -> bool:
    """Return whether a host name is this machine's, which the proxies of the environment cannot reach."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(hostname).is_loopback
    return False
