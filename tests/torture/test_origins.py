"""Logins and cookies stay with the host that they are for."""

import socket
from typing import Any, Dict, List
from urllib.parse import urlsplit

from every_host import base_url
from protocols import MESSAGES, PROTOCOLS, is_question
import pytest
from raw_host import RawHost, head, whole
from replay import Sent
import requests
from requests.cookies import RequestsCookieJar

from g4f_legacy import ChatCompletion, registry
from g4f_legacy.Provider import OpenAI
from g4f_legacy.errors import RequestFailedError

# {own} and {other} are ports.
ELSEWHERE = {
    "another port": "http://127.0.0.1:{other}/x",
    "another name": "http://localhost:{own}/x",
    "another name for the address": "http://2130706433:{own}/x",
    "another name, another port": "http://localhost:{other}/x",
    "another scheme": "https://127.0.0.1:{own}/x",
    "the same scheme": "//127.0.0.1:{other}/x",
    "a login that looks like it": "http://127.0.0.1:{own}@127.0.0.1:{other}/x",
    "a backslash": "http://127.0.0.1:{other}\\@127.0.0.1:{own}/x",
    "a backslash, the same scheme": "//localhost:{other}\\@127.0.0.1:{own}/x",
    "two backslashes": "\\\\127.0.0.1:{other}/x",
    "a fragment": "http://127.0.0.1:{other}#@127.0.0.1:{own}/x",
    "a space": " http://127.0.0.1:{other} @127.0.0.1:{own}/x",
    "a tab": "http:\t//127.0.0.1:{other}\t@127.0.0.1:{own}/x",
    "a port that is none": "http://127.0.0.1:999999/x",
    "a port in letters": "http://127.0.0.1:x/x",
    "a file": "file:///etc/passwd",
}


@pytest.mark.parametrize("location", ELSEWHERE.values(), ids=ELSEWHERE)
def test_no_redirect_leads_a_login_elsewhere(location: str) -> None:
    def redirect(connection: socket.socket, sent: Sent) -> bool:
        ports = {"own": urlsplit(own.url).port, "other": urlsplit(other.url).port}
        connection.sendall(whole(b"", status, f"Location: {location.format(**ports)}"))
        return True

    def take(connection: socket.socket, sent: Sent) -> bool:
        connection.sendall(whole(b"{}"))
        return True

    with RawHost(redirect) as own, RawHost(take) as other:
        login = {"auth": "x", "cookies": {"a": "1"}, "headers": {"X-Key": "2"}, "retries": 0}
        for status in (301, 302, 303, 307, 308):
            for url in (f"{own.url}/v1", f"{own.url}/v1".replace("//", "//me:3@")):
                with pytest.raises(RequestFailedError):
                    registry.list_models(OpenAI, {**login, "base_url": url})
                with pytest.raises(RequestFailedError):
                    list(ChatCompletion.create("some", MESSAGES, "OpenAI", stream=True, base_url=url, **login))
    assert other.sent == []
    assert {sent.headers["host"] for sent in own.sent} == {own.url[7:]} and len(own.sent) >= 20


def test_a_redirect_within_the_host_keeps_the_login() -> None:
    def answer(connection: socket.socket, sent: Sent) -> bool:
        if sent.path.startswith("/OpenAI"):
            connection.sendall(whole(b"", 307, f"Location: http://127.0.0.1:{urlsplit(host.url).port}/moved"))
        else:
            connection.sendall(head("close") + b"".join(PROTOCOLS["OpenAI"].events("Hello")))
        return sent.path != "/moved"

    with RawHost(answer) as host:
        options: Dict[str, Any] = {"base_url": base_url(host.url, "OpenAI"), "auth": "x", "cookies": {"a": "1"}}
        assert list(ChatCompletion.create("some", MESSAGES, "OpenAI", stream=True, **options)) == ["Hello"]
    assert [(sent.headers["authorization"], sent.headers["cookie"]) for sent in host.sent] == [("Bearer x", "a=1")] * 2


def test_cookies_go_to_their_own_hosts_only() -> None:
    domains = ("localhost", ".localhost", "example.test", ".test", "2130706433", "127.0.0.2")
    cookies = [f"Set-Cookie: set{number}=1; Path=/; Domain={domain}" for number, domain in enumerate(domains)]

    def answer(connection: socket.socket, sent: Sent) -> bool:
        if is_question(sent):
            connection.sendall(head("close") + b"".join(PROTOCOLS["H2o"].events("Hello")))
            return False
        connection.sendall(whole(b'{"conversationId": "1"}', 200, "Set-Cookie: own=1; Path=/", *cookies))
        return True

    jar = RequestsCookieJar()
    for domain in (*domains, "127.0.0.1"):
        jar.set("given", domain, domain=domain, path="/")
    session = requests.Session()
    with RawHost(answer) as first, RawHost(answer) as second, session:
        for url in (first.url, second.url.replace("127.0.0.1", "localhost")):
            options = {"base_url": base_url(url, "H2o"), "cookies": jar, "session": session}
            assert ChatCompletion.create("some", MESSAGES, "H2o", **options) == "Hello"
    assert sent_cookies(first) == ["given=127.0.0.1", "own=1"]
    assert not {"given=127.0.0.1", "given=example.test", "given=.test"} & {*sent_cookies(second)}
    assert second.sent[0].headers.get("cookie", "") in ("", "given=localhost", "given=.localhost")


def sent_cookies(host: RawHost) -> List[str]:
    return sorted({pair for sent in host.sent for pair in sent.headers.get("cookie", "").split("; ") if pair})
