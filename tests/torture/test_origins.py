"""Credentials and cookies are sent only to the server that they are for."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from every_server import base_url
from protocols import MESSAGES, PROTOCOLS, is_for_text
from raw_server import RawServer, head, response
from replay import Sent
from requests.cookies import RequestsCookieJar

from g4f_legacy import ChatCompletion, registry
from g4f_legacy.errors import RequestFailedError
from g4f_legacy.Provider import OpenAI

# {own} and {other} are ports.
ELSEWHERE = {
    "another port": "http://127.0.0.1:{other}/x",
    "another name": "http://localhost:{own}/x",
    "another name for the address": "http://2130706433:{own}/x",
    "another name, another port": "http://localhost:{other}/x",
    "another scheme": "https://127.0.0.1:{own}/x",
    "the same scheme": "//127.0.0.1:{other}/x",
    "credentials that look like it": "http://127.0.0.1:{own}@127.0.0.1:{other}/x",
    "a backslash": "http://127.0.0.1:{other}\\@127.0.0.1:{own}/x",
    "a backslash, the same scheme": "//localhost:{other}\\@127.0.0.1:{own}/x",
    "two backslashes": "\\\\127.0.0.1:{other}/x",
    "a fragment": "http://127.0.0.1:{other}#@127.0.0.1:{own}/x",
    "a space": " http://127.0.0.1:{other} @127.0.0.1:{own}/x",
    "a tab": "http:\t//127.0.0.1:{other}\t@127.0.0.1:{own}/x",
    "a port out of range": "http://127.0.0.1:999999/x",
    "a port in letters": "http://127.0.0.1:x/x",
    "a file": "file:///etc/passwd",
}


@pytest.mark.parametrize("location", ELSEWHERE.values(), ids=ELSEWHERE)
def test_no_redirect_sends_credentials_elsewhere(location: str) -> None:
    def redirect(connection: socket.socket, sent: Sent) -> bool:
        ports = {"own": urlsplit(own.url).port, "other": urlsplit(other.url).port}
        connection.sendall(response(b"", status, f"Location: {location.format(**ports)}"))
        return True

    def accept(connection: socket.socket, sent: Sent) -> bool:
        connection.sendall(response(b"{}"))
        return True

    with RawServer(redirect) as own, RawServer(accept) as other:
        credentials = {"auth": "x", "cookies": {"a": "1"}, "headers": {"X-Key": "2"}, "retries": 0}
        for status in (301, 302, 303, 307, 308):
            for url in (f"{own.url}/v1", f"{own.url}/v1".replace("//", "//me:3@")):
                with pytest.raises(RequestFailedError):
                    registry.list_models(OpenAI, {**credentials, "base_url": url})
                with pytest.raises(RequestFailedError):
                    list(ChatCompletion.create("some", MESSAGES, "OpenAI", stream=True, base_url=url, **credentials))
    assert other.sent == []
    assert {sent.headers["host"] for sent in own.sent} == {own.url[7:]} and len(own.sent) >= 20


def test_a_redirect_within_the_origin_keeps_credentials() -> None:
    def respond(connection: socket.socket, sent: Sent) -> bool:
        if sent.path.startswith("/OpenAI"):
            connection.sendall(response(b"", 307, f"Location: http://127.0.0.1:{urlsplit(server.url).port}/moved"))
        else:
            connection.sendall(head("close") + b"".join(PROTOCOLS["OpenAI"].events("Hello")))
        return sent.path != "/moved"

    with RawServer(respond) as server:
        options: dict[str, Any] = {"base_url": base_url(server.url, "OpenAI"), "auth": "x", "cookies": {"a": "1"}}
        assert list(ChatCompletion.create("some", MESSAGES, "OpenAI", stream=True, **options)) == ["Hello"]
    credentials = [(sent.headers["authorization"], sent.headers["cookie"]) for sent in server.sent]
    assert credentials == [("Bearer x", "a=1")] * 2


def test_cookies_are_sent_only_to_their_own_servers() -> None:
    domains = ("localhost", ".localhost", "example.test", ".test", "2130706433", "127.0.0.2")
    cookies = [f"Set-Cookie: set{number}=1; Path=/; Domain={domain}" for number, domain in enumerate(domains)]

    def respond(connection: socket.socket, sent: Sent) -> bool:
        if is_for_text(sent):
            connection.sendall(head("close") + b"".join(PROTOCOLS["H2o"].events("Hello")))
            return False
        connection.sendall(response(b'{"conversationId": "1"}', 200, "Set-Cookie: own=1; Path=/", *cookies))
        return True

    jar = RequestsCookieJar()
    for domain in (*domains, "127.0.0.1"):
        jar.set("given", domain, domain=domain, path="/")
    session = requests.Session()
    with RawServer(respond) as first, RawServer(respond) as second, session:
        for url in (first.url, second.url.replace("127.0.0.1", "localhost")):
            options = {"base_url": base_url(url, "H2o"), "cookies": jar, "session": session}
            assert ChatCompletion.create("some", MESSAGES, "H2o", **options) == "Hello"
    assert sent_cookies(first) == ["given=127.0.0.1", "own=1"]
    assert not {"given=127.0.0.1", "given=example.test", "given=.test"} & {*sent_cookies(second)}
    assert second.sent[0].headers.get("cookie", "") in ("", "given=localhost", "given=.localhost")


def sent_cookies(server: RawServer) -> list[str]:
    return sorted({pair for sent in server.sent for pair in sent.headers.get("cookie", "").split("; ") if pair})
