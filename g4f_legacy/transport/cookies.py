"""The cookies of one completion: the caller's, and those that the server has set."""

import re
from collections.abc import Iterable
from copy import copy
from http.cookiejar import CookieJar
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar


class Cookies:
    """The cookies for one server.

    Cookies marked Secure are also sent over plain http, if that is the scheme of the base URL: chat-ui marks its
    session cookie so, and without it every request starts a new session. The policy of a jar (`secure_protocols`)
    cannot allow it, because requests merges all jars into a new one with the default policy:
    https://github.com/psf/requests/blob/v2.32.3/src/requests/sessions.py (`prepare_request`)

    Args:
        base_url: the address of the server.
        session: the jar of the session, into which requests puts the cookies that the server sets. It is not changed.
        given: the caller's cookies for this call; those in a dict are for this server.
    """

    def __init__(self, base_url: str, session: CookieJar, given: dict[str, str] | CookieJar) -> None:
        self._base_url = base_url
        self._session = session
        self._domain = _get_domain(base_url)
        self._given = RequestsCookieJar()
        if isinstance(given, dict):
            for name, value in given.items():
                self.set(name, value)
        else:
            self._given.update(given)

    def set(self, name: str, value: str) -> None:
        """Add a cookie for this server."""
        self._given.set(name, value, domain=self._domain)

    def outgoing(self) -> RequestsCookieJar:
        """Return all cookies. requests sends those whose domain and path match the URL."""
        return self._allow_secure_over_http(chain(self._session, self._given))

    @property
    def has_cookies_for_server(self) -> bool:
        """Whether the session already has a cookie for the server."""
        cookies = self._allow_secure_over_http(self._session)
        request = requests.Request("GET", f"{self._base_url}/", cookies=cookies).prepare()
        return "Cookie" in request.headers

    def _allow_secure_over_http(self, cookies: Iterable[Any]) -> RequestsCookieJar:
        jar = RequestsCookieJar()
        is_http = self._base_url.startswith("http:")
        for cookie in cookies:
            cookie = copy(cookie)
            if is_http and cookie.domain == self._domain:
                cookie.secure = False
            jar.set_cookie(cookie)
        return jar


def _get_domain(base_url: str) -> str:
    """Return the domain that `http.cookiejar` gives the cookies of this server.

    Then a cookie that the server sets replaces one of the same name, instead of being sent as well. Names without a dot
    end with ".local": https://github.com/python/cpython/blob/3.13/Lib/http/cookiejar.py (`eff_request_host`)
    """
    url = requests.Request("GET", base_url).prepare().url
    hostname = re.sub(r":\d+$", "", urlsplit(str(url)).netloc).lower()
    return hostname if "." in hostname else f"{hostname}.local"
