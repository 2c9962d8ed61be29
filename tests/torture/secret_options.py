"""Options of a call that hold secrets, in all the ways to give them, and wrong ones."""

from typing import Any

import requests
from every_server import base_url
from repeating_server import COOKIE, CREDENTIALS, HEADER, KEY, PASSWORD
from requests.cookies import RequestsCookieJar


def as_options(url: str, provider: str) -> dict[str, Any]:
    return {"base_url": base_url(url, provider), "auth": KEY, "cookies": {"mine": COOKIE}, "headers": {"X-One": HEADER}}


def as_cookie_texts(url: str, provider: str) -> dict[str, Any]:
    jar = RequestsCookieJar()
    jar.set("mine", COOKIE, domain="127.0.0.1", path="/")
    url_with_credentials = base_url(url, provider).replace("//", f"//{CREDENTIALS}@")
    return {"base_url": url_with_credentials, "access_token": f"token={KEY}; other=2", "cookies": jar}


def with_a_proxy(url: str, provider: str) -> dict[str, Any]:
    proxy = url.replace("//", f"//{CREDENTIALS}@")
    return {"base_url": base_url("http://chat.test", provider), "auth": KEY, "proxy": proxy}


def in_a_session(url: str, provider: str) -> dict[str, Any]:
    session = requests.Session()
    session.headers["X-One"] = HEADER
    session.cookies.set("mine", COOKIE)
    session.auth = ("user", PASSWORD)
    return {"base_url": base_url(url, provider), "session": session, "headers": {"Api-Key": KEY}}


OPTIONS = {make.__name__: make for make in (as_options, as_cookie_texts, with_a_proxy, in_a_session)}


def session_with(**headers: str) -> requests.Session:
    session = requests.Session()
    session.headers.update(headers)
    return session


WRONG: dict[str, dict[str, Any]] = {
    "a header as a name": {"headers": {f"Authorization: {KEY}": ""}},
    "a header over two lines": {"headers": {"Api-Key": f"{HEADER}\r\n"}},
    "a session's header over two lines": {"session": session_with(Authorization=f"{HEADER}\r\n")},
    "a key over two lines": {"auth": f"{KEY}\n{KEY}"},
    "a key in bytes": {"auth": KEY.encode()},
    "an invalid port": {"base_url": f"http://{CREDENTIALS}@127.0.0.1:x"},
    "an invalid host": {"base_url": f"http://{CREDENTIALS}@[127.0.0.1"},
    "a password that is not Latin-1": {"base_url": f"http://{CREDENTIALS}Ж@127.0.0.1:1"},
    "a key in a query": {"base_url": f"http://127.0.0.1/?key={KEY}"},
    "a proxy of another kind": {"proxy": f"ftp://{CREDENTIALS}@127.0.0.1"},
    "a proxy without a host": {"proxy": f"http://{CREDENTIALS}@"},
    "a proxy with a password that is not Latin-1": {"proxy": f"http://{CREDENTIALS}Ж@127.0.0.1:1"},
    "cookies in a text": {"cookies": COOKIE},
    "cookies in a list": {"cookies": [("a", COOKIE)]},
    "a cookie over two lines": {"cookies": {"a": f"{COOKIE}\n"}},
    "a timeout": {"timeout": "no", "auth": KEY},
    "a timeout, with everything": {
        "timeout": "no",
        "base_url": f"http://{CREDENTIALS}@127.0.0.1:1",
        "access_token": KEY,
        "cookies": {"a": COOKIE},
        "headers": {"X-One": HEADER},
        "proxy": f"http://{CREDENTIALS}@127.0.0.1:1",
    },
    "a parameter, with everything": {"x": b"", **as_cookie_texts("http://127.0.0.1:1", "OpenAI")},
}
