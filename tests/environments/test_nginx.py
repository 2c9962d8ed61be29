"""The local server behind nginx, as its documentation shows it: no directive there is for streams."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import test_page
from environments.web_servers import (
    HELLO,
    ask,
    find_program,
    free_port,
    hang_up,
    interruptible_pause,
    pause_until,
    running,
    start_stream,
    wait_until,
)
from scripted_provider import scripted_provider

from g4f_legacy.server import chat_store, create_app, serve_in_background

NGINX = find_program("nginx")
browser = test_page.browser
OPENSSL = shutil.which("openssl")
OPENSSL_REQUEST = [str(OPENSSL), "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=127.0.0.1"]
PROTOCOLS = ["H2o", "OpenAssistant", "OpenAI"]
LOCATIONS = {
    "default": "location / {{ proxy_pass {url}; }}",
    "name only": "location / {{ proxy_pass {url}; proxy_set_header Host $host; }}",
    "name and port": "location / {{ proxy_pass {url}; proxy_set_header Host $http_host; }}",
    "keep-alive": 'location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_set_header Connection ""; }}',
    "prefix": "location /llm/ {{ proxy_pass {url}/; }} location = /llm {{ proxy_pass {url}/; }}",
}
CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port}{tls};
        {location}
    }}
}}
"""
TLS = " ssl; ssl_certificate {directory}/cert.pem; ssl_certificate_key {directory}/key.pem"

Proxied = Callable[..., str]


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    """Return a function that starts the local server and nginx in front of it, and returns the URL at nginx."""
    with ExitStack() as servers:

        def start(provider: Any, location: str = "default", **options: Any) -> str:
            upstream = servers.enter_context(serve_in_background(create_app(provider, **options), threads=16))
            port = free_port()
            place = LOCATIONS[location if location in LOCATIONS else "default"].format(url=upstream)
            tls = TLS.format(directory=tmp_path) if location == "https" else ""
            text = CONFIGURATION.format(directory=tmp_path, port=port, tls=tls, location=place)
            (tmp_path / "nginx.conf").write_text(text)
            command = [NGINX, "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
            url = servers.enter_context(running(command, port, tmp_path / "nginx.log"))
            return url + ("/llm" if location == "prefix" else "")

        yield start


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tokens_are_sent_at_once(protocol: str, location: str, proxied: Proxied) -> None:
    gate = threading.Event()
    tokens = ask(protocol, proxied(scripted_provider("a", pause_until(gate), "b"), location))
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


@pytest.mark.parametrize("location", ["default", "keep-alive"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_disconnecting_stops_the_completion(
    protocol: str, location: str, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 1)
    provider = scripted_provider("a", interruptible_pause(60))
    hang_up(protocol, proxied(provider, location))
    assert wait_until(lambda: provider.stopped == 1)


def test_headers_of_streams(proxied: Proxied) -> None:
    for protocol in PROTOCOLS:
        headers = start_stream(protocol, proxied(scripted_provider("a"), "keep-alive")).headers
        assert headers["Cache-Control"] == "no-store"


class TestOrigin:
    """What browsers send, also those that send no Sec-Fetch-Site."""

    def post(self, url: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO}, headers=named)

    @pytest.mark.parametrize("location", LOCATIONS)
    def test_own_page(self, location: str, proxied: Proxied) -> None:
        url = proxied(scripted_provider("a"), location)
        origin = url.removesuffix("/llm")
        assert self.post(url, Origin=origin, Sec_Fetch_Site="same-origin").status_code == 200
        is_port_known = location in ("name only", "name and port")
        assert self.post(url, Origin=origin).status_code == (200 if is_port_known else 403)

    @pytest.mark.parametrize("location", LOCATIONS)
    def test_other_pages(self, location: str, proxied: Proxied) -> None:
        provider = scripted_provider("a")
        url = proxied(provider, location)
        for origin in ("http://evil.example", "null", "http://192.168.0.7"):
            assert self.post(url, Origin=origin).status_code == 403
            assert self.post(url, Origin=origin, Sec_Fetch_Site="cross-site").status_code == 403
        assert self.post(url, Origin="http://localhost:9", Sec_Fetch_Site="same-site").status_code == 403
        # DNS rebinding: the browser takes both for one site
        assert self.post(url, Origin="http://evil.example", Sec_Fetch_Site="same-origin").status_code == 403
        assert provider.calls == []

    def test_public_name(self, proxied: Proxied) -> None:
        url = proxied(scripted_provider("a"), hosts=["chat.example"])
        for origin in ("https://chat.example", "http://chat.example:8080"):
            assert self.post(url, Origin=origin).status_code == 200
            assert self.post(url, Origin=origin, Sec_Fetch_Site="same-origin").status_code == 200
            form = {"ethicsModalAccepted": "true"}
            response = requests.post(f"{url}/settings", form, headers={"Referer": f"{origin}/llm/"})
            assert response.status_code == 200


class TestPage(test_page.TestBrowser):
    """The tests of the page, at a prefix, which the browser may open without its trailing slash."""

    @pytest.fixture(params=["", "/"])
    def serve(self, request: pytest.FixtureRequest, proxied: Proxied) -> Proxied:
        return lambda provider, **options: proxied(provider, "prefix", **options) + request.param

    def test_https(self, browser: Any, proxied: Proxied, tmp_path: Path) -> None:
        if OPENSSL is None:
            pytest.skip("openssl is not installed")
        command = [*OPENSSL_REQUEST, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
        subprocess.run(command, check=True, capture_output=True)
        url = proxied(scripted_provider("a"), "https").replace("http:", "https:")
        self.ask(browser, url, "x")
        self.wait(browser, lambda: self.texts(browser, "assistant") == ["a"] and self.is_done(browser))
        assert f"curl {url}/v1/chat/completions " in browser.find_element("css selector", "body").text
