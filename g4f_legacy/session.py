"""The session of one completion: its connections are shared with all others, its cookies and headers with none."""

import atexit
import ipaddress
import os
from contextlib import suppress
from functools import lru_cache

import requests
from requests.adapters import HTTPAdapter

from . import __version__

POOL_SIZE = 64
"""Connections to one host that are kept for the next completion, process-wide."""


@lru_cache(maxsize=None)
def _shared_adapter() -> HTTPAdapter:
    return HTTPAdapter(pool_maxsize=POOL_SIZE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared_adapter.cache_clear)
atexit.register(lambda: _shared_adapter().close())


class _Session(requests.Session):
    def get_redirect_target(self, response: requests.Response) -> None:
        """Keeps requests from reading redirects to their end, which may never come. `Host` follows them."""


def new_session() -> requests.Session:
    """A session that needs no closing: what it opens belongs to the process."""
    session = _Session()
    session.headers["User-Agent"] = f"g4f-legacy/{__version__}"
    session.mount("https://", _shared_adapter())
    session.mount("http://", _shared_adapter())
    return session


def keep_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that leaves the login as it is: without one, requests puts netrc's in its place."""
    return request


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine: the environment's proxies are not meant for it."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(hostname).is_loopback
    return False
