import logging
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.errors import AuthenticationRequiredError, ProviderNotFoundError
from g4f_legacy.server import create_app
from g4f_legacy.server.app import MAX_REQUEST_SIZE

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def test_provider_by_name() -> None:
    assert create_app("Echo")
    with pytest.raises(ProviderNotFoundError):
        create_app("Nope")


def test_options_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="base_url"):
        create_app("H2o", base_url="nowhere")
    with pytest.raises(AuthenticationRequiredError):
        create_app("OpenAssistant")


def test_security_headers(serve: Any) -> None:
    response = requests.get(serve("Echo"))
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


class TestOtherSites:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost:1", "[::1]:80", "192.168.0.7", "chat.example:8"])
    def test_allowed_host_names(self, name: str, serve: Any) -> None:
        url = serve("Echo", hosts=["Chat.Example"])
        assert requests.get(f"{url}/v1/models", headers={"Host": name}).status_code == 200

    @pytest.mark.parametrize(
        "name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[", "a b", "x:y"]
    )
    def test_refused_host_names(self, name: str, serve: Any) -> None:
        response = requests.get(f"{serve('Echo')}/v1/models", headers={"Host": name})
        assert response.status_code in (400, 403)
        assert "echo" not in response.text

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["])
    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/settings", "/api/chat", "/"])
    def test_refused_origins(self, origin: str, path: str, serve: Any) -> None:
        provider = scripted_provider("a")
        response = requests.post(serve(provider) + path, headers={"Origin": origin}, json=HELLO)
        assert response.status_code == 403
        assert provider.calls == []

    def test_own_origin(self, serve: Any) -> None:
        url = serve("Echo")
        assert requests.post(f"{url}/v1/chat/completions", headers={"Origin": url}, json=HELLO).status_code == 200

    def test_refusals_say_what_to_do(self, serve: Any) -> None:
        url = serve("Echo")
        response = requests.post(f"{url}/v1/chat/completions", headers={"Host": "chat.example"}, json=HELLO)
        assert "--allow-host chat.example" in response.json()["error"]["message"]
        response = requests.post(f"{url}/v1/chat/completions", headers={"Origin": "http://chat.example:8"}, json=HELLO)
        assert "--allow-host chat.example" in response.json()["error"]["message"]
        response = requests.post(f"{url}/v1/chat/completions", headers={"Origin": "http://127.0.0.1:8"}, json=HELLO)
        assert "--allow-host" not in response.text and "Host header" in response.text


OTHER_SITES = [
    # A page of this server, or a program, directly
    ("127.0.0.1:1337", "http://127.0.0.1:1337", "", 200),
    ("localhost:1337", "http://127.0.0.1:1337", "", 200),
    ("127.0.0.1:1337", "http://localhost:1337", "", 200),
    ("[::1]:1337", "http://localhost:1337", "", 200),
    ("192.168.0.7:1337", "http://192.168.0.7:1337", "", 200),
    ("127.0.0.1:1337", "http://127.0.0.1:1337", "same-origin", 200),
    ("localhost:1337", "http://localhost:1337", "same-origin", 200),
    # Through a proxy: with another name, another port, or without the port
    ("127.0.0.1:1337", "http://localhost:8080", "same-origin", 200),
    ("127.0.0.1:1337", "https://192.168.0.7", "same-origin", 200),
    ("127.0.0.1:1337", "https://chat.example", "same-origin", 200),
    ("127.0.0.1:1337", "https://chat.example:8443", "", 200),
    ("chat.example", "https://chat.example", "", 200),
    ("192.168.0.7", "http://192.168.0.7:8080", "", 200),
    ("localhost", "http://localhost:8080", "", 200),
    # Another program on this machine, and another server under the same address
    ("localhost:1337", "http://localhost:9999", "", 403),
    ("localhost:1337", "http://localhost:9999", "same-site", 403),
    ("localhost:1337", "http://localhost", "", 403),
    ("localhost:1337", "https://localhost", "", 403),
    ("192.168.0.7:1337", "http://192.168.0.7:9999", "", 403),
    ("192.168.0.7:1337", "http://192.168.0.8:1337", "", 403),
    ("localhost", "http://localhost:8080", "same-site", 403),
    # Another site
    ("127.0.0.1:1337", "http://evil.example", "", 403),
    ("127.0.0.1:1337", "http://evil.example:1337", "cross-site", 403),
    ("127.0.0.1:1337", "http://localhost.evil.example:1337", "", 403),
    ("127.0.0.1:1337", "http://127.0.0.1.evil.example:1337", "", 403),
    ("127.0.0.1:1337", "http://localhost:1337", "cross-site", 200),
    ("127.0.0.1:1337", "https://chat.example", "cross-site", 403),
    ("127.0.0.1:1337", "http://192.168.0.8:1337", "cross-site", 403),
    ("127.0.0.1:1337", "chrome-extension://abcdef", "", 403),
    # A sandboxed frame, and a form of a page without a Referrer-Policy
    ("127.0.0.1:1337", "null", "", 403),
    ("127.0.0.1:1337", "null", "cross-site", 403),
    ("127.0.0.1:1337", "null", "same-origin", 403),
    # DNS rebinding, also through a proxy that replaces the Host
    ("evil.example:1337", "http://evil.example:1337", "same-origin", 403),
    ("evil.example:1337", "", "same-origin", 403),
    ("127.0.0.1:1337", "http://evil.example", "same-origin", 403),
    # What is no origin
    ("127.0.0.1:1337", "http://[", "", 403),
    ("127.0.0.1:1337", "http://127.0.0.1:99999", "", 403),
    ("127.0.0.1:1337", "http://127.0.0.1:x", "same-origin", 403),
    ("127.0.0.1:1337", "http://", "same-origin", 403),
    # A browser's own request, and a program that sends neither
    ("127.0.0.1:1337", "", "none", 200),
    ("127.0.0.1:1337", "", "", 200),
    ("127.0.0.1:1337", "", "cross-site", 403),
    ("127.0.0.1:1337", "", "new-in-2030", 403),
]


class TestOrigins:
    """What the server does not listen on is a proxy's: the tests name the port 1337 for whatever it is."""

    @pytest.mark.parametrize("host, origin, site, status", OTHER_SITES)
    def test_pages(self, host: str, origin: str, site: str, status: int) -> None:
        client = create_app("Echo", hosts=["chat.example"]).test_client()
        headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": site}
        response = client.post(
            "/v1/chat/completions",
            json=HELLO,
            headers={name: value for name, value in headers.items() if value},
            environ_overrides={"SERVER_PORT": "1337"},
        )
        assert response.status_code == status

    @pytest.mark.parametrize(
        "forwarded, origin, status",
        [
            ("192.168.0.7:8080", "http://192.168.0.7:8080", 200),
            ("192.168.0.7", "http://192.168.0.7:8080", 200),
            ("192.168.0.7:8080, 10.0.0.1", "http://192.168.0.7:8080", 200),
            ("192.168.0.7:8080", "http://192.168.0.7:9999", 403),
            ("evil.example", "http://evil.example", 403),  # DNS rebinding to the proxy
            ("", "http://192.168.0.7:8080", 403),
            ("[", "http://192.168.0.7:8080", 403),
        ],
    )
    def test_forwarded_host(self, forwarded: str, origin: str, status: int) -> None:
        headers = {"Host": "127.0.0.1:1337", "X-Forwarded-Host": forwarded, "Origin": origin}
        response = create_app("Echo").test_client().post("/v1/chat/completions", headers=headers, json=HELLO)
        assert response.status_code == status

    def test_forwarded_host_at_the_real_server(self, serve: Any) -> None:
        url = serve("Echo")
        for forwarded, status in (("192.168.0.7:8080", 200), ("192.168.0.7:9999", 403)):
            headers = {"X-Forwarded-Host": forwarded, "Origin": "http://192.168.0.7:8080"}
            assert requests.post(f"{url}/v1/chat/completions", headers=headers, json=HELLO).status_code == status

    def test_default_port(self) -> None:
        """A server on port 80 itself: its Host has no port, and no other port is its own."""
        client = create_app("Echo").test_client()
        for origin, status in (("http://localhost", 200), ("http://localhost:80", 200), ("http://localhost:81", 403)):
            headers = {"Host": "localhost", "Origin": origin}
            assert client.post("/v1/chat/completions", json=HELLO, headers=headers).status_code == status

    def test_preflight_is_refused(self, serve: Any) -> None:
        headers = {
            "Origin": "http://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-forwarded-host",
        }
        response = requests.options(f"{serve('Echo')}/v1/chat/completions", headers=headers)
        assert response.status_code == 403
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]

    @pytest.mark.parametrize(
        "method, mode, destination, status",
        [
            ("GET", "navigate", "document", 200),
            ("GET", "navigate", "iframe", 403),
            ("GET", "no-cors", "script", 403),
            ("GET", "cors", "empty", 403),
            ("POST", "navigate", "document", 403),
        ],
    )
    def test_links_from_other_sites(self, method: str, mode: str, destination: str, status: int, serve: Any) -> None:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
        assert requests.request(method, serve("Echo"), headers=headers).status_code == status


class TestToken:
    def test_required(self, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer s3cr3tЖ".encode()}):
            response = requests.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert requests.post(f"{url}/conversation", json={}, headers=headers).status_code == 401

    def test_accepted(self, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        headers = {"Authorization": "Bearer s3cr3t"}
        assert requests.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers).status_code == 200

    @pytest.mark.parametrize("cookie, status", [("s3cr3t", 200), ("wrong", 403), ("", 403)])
    def test_cookie_of_open_assistant(self, cookie: str, status: int, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        cookies = {"next-auth.session-token": cookie}
        assert requests.post(f"{url}/api/chat", cookies=cookies).status_code == status

    def test_not_required_for_the_page(self, serve: Any) -> None:
        assert requests.get(serve("Echo", token="s3cr3t")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat/prompter_message"])
def test_body_size_limit(path: str, serve: Any) -> None:
    url = serve("Echo")
    cookies = {"next-auth.session-token": "a"}
    response = requests.post(url + path, data="x" * (MAX_REQUEST_SIZE + 1), cookies=cookies)
    assert response.status_code == 413
    assert "Request Entity Too Large" in str(response.json()["error"])
    assert requests.post(url + path, data="x" * MAX_REQUEST_SIZE, cookies=cookies).status_code in (400, 500)


def test_large_body_is_refused_before_it_is_sent(serve: Any) -> None:
    url = serve("Echo")
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(b"POST /settings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        connection.settimeout(5)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert requests.get(f"{url}/v1/models").status_code == 200


def test_unknown_paths(serve: Any) -> None:
    url = serve("Echo")
    response = requests.get(f"{url}/nope")
    assert response.status_code == 404 and response.json()["error"].startswith("Not Found: ")
    response = requests.get(f"{url}/v1/nope")
    assert response.status_code == 404 and response.json()["error"]["type"] == "invalid_request_error"


def test_log_has_one_line_per_request_and_no_secrets(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = serve("Echo", token="s3cr3t")
    headers = {"Authorization": "Bearer s3cr3t", "Cookie": "h2o-chat=s3cr3t"}
    requests.post(f"{url}/v1/chat/completions?key=s3cr3t", json=HELLO, headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "g4f_legacy.server.app"]
    assert len(lines) == 1 and lines[0].startswith("POST /v1/chat/completions 200, answered in ")
    assert "s3cr3t" not in caplog.text


def test_log_lines_cannot_be_forged(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    requests.get(f"{serve('Echo')}/%0aPOST%20/forged%1b[31m")
    [line] = [record.getMessage() for record in caplog.records if record.name == "g4f_legacy.server.app"]
    assert line.startswith("GET /%0APOST%20/forged%1B%5B31m 404, ")


def test_deeply_nested_body(serve: Any) -> None:
    response = requests.post(f"{serve('Echo')}/v1/chat/completions", data="[" * 200_000)
    assert response.status_code == 400


@pytest.mark.parametrize("name", ["chat.example:8443", "http://chat.example", "chat.example/llm"])
def test_invalid_host_names(name: str) -> None:
    with pytest.raises(ValueError, match="is not a host name: give it without a scheme and a port"):
        create_app("Echo", hosts=[name])
