"""The session of one completion: its connections are shared with all others, its cookies and headers with none."""

import atexit
from contextlib import suppress
from functools import lru_cache
import ipaddress
import os
from typing import Any, Callable, List

import requests
from requests.adapters import HTTPAdapter

from .._version import __version__
from .connection import POOLS, ConnectionStack

POOL_SIZE = 64
"""Connections to one host that are kept for the next completion, process-wide."""


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def build_response(self, request: requests.PreparedRequest, raw: Any) -> requests.Response:
        try:
            return super().build_response(request, raw)
        except Exception:  # requests 2.32 on a charset without a value
            raw.close()
            raise

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # PySocks connects in classes of its own
            manager.pool_classes_by_scheme = POOLS
        return manager


@lru_cache(maxsize=None)
def _shared_adapter() -> HTTPAdapter:
    return _Adapter(pool_maxsize=POOL_SIZE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared_adapter.cache_clear)


@atexit.register
def _close() -> None:
    ConnectionStack.closing = True
    _shared_adapter().close()


def new_session() -> requests.Session:
    """A session that needs no closing: what it opens belongs to the process."""
    session = requests.Session()
    session.headers["User-Agent"] = f"g4f-legacy/{__version__}"
    session.mount("https://", _shared_adapter())
    session.mount("http://", _shared_adapter())
    return session


def get_response_hooks(session: requests.Session) -> List[Callable[..., Any]]:
    """What the session does with each answer: requests takes one function, or a list of them."""
    hooks: Any = session.hooks.get("response") or []
    return [hooks] if callable(hooks) else list(hooks)


def keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that leaves the login as it is: without one, requests puts netrc's in its place."""
    return request


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine: the environment's proxies are not meant for it."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(hostname).is_loopback
    return False
