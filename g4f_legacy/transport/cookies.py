"""The cookies of one completion: the caller's, and those that the host has set."""

from copy import copy
from http.cookiejar import CookieJar
from itertools import chain
import re
from typing import Any, Dict, Iterable, Union
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar


class Cookies:
    """What is sent to one host.

    Cookies marked Secure go over plain http too, where that is the address that was given: chat-ui marks its session
    cookie so, and without it every request is a new visitor's.

    Args:
        base_url: the host's address.
        session: the jar of the session, where what the host sets arrives. It is left alone.
        given: the caller's own for this call; a dict's are for this host.
    """

    def __init__(self, base_url: str, session: CookieJar, given: Union[Dict[str, str], CookieJar]) -> None:
        self._base_url = base_url
        self._session = session
        self._domain = _domain(base_url)
        self._given = RequestsCookieJar()
        if isinstance(given, dict):
            for name, value in given.items():
                self.set(name, value)
        else:
            self._given.update(given)

    def set(self, name: str, value: str) -> None:
        """Adds one for this host."""
        self._given.set(name, value, domain=self._domain)

    def outgoing(self) -> RequestsCookieJar:
        """All that may be sent; which of them are for a URL is decided by their domains and paths."""
        return self._over_http(chain(self._session, self._given))

    @property
    def has_cookies_for_server(self) -> bool:
        """Whether the session has one for the host."""
        cookies = self._over_http(self._session)
        return "Cookie" in requests.Request("GET", f"{self._base_url}/", cookies=cookies).prepare().headers

    def _over_http(self, cookies: Iterable[Any]) -> RequestsCookieJar:
        jar = RequestsCookieJar()
        own = self._domain if self._base_url.startswith("http:") else None
        for cookie in cookies:
            cookie = copy(cookie)
            cookie.secure = cookie.secure and cookie.domain != own
            jar.set_cookie(cookie)
        return jar


def _domain(base_url: str) -> str:
    """A host as http.cookiejar has it, so that a cookie of one name goes once."""
    url = requests.Request("GET", base_url).prepare().url
    host = re.sub(r":\d+$", "", urlsplit(str(url)).netloc).lower()
    return host if "." in host else f"{host}.local"
