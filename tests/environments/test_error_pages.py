"""The error pages of nginx and HAProxy as messages, and when a request is sent again after them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from environments.web_servers import find_program, free_port, running
from raw_server import RawServer

from g4f_legacy.errors import RequestFailedError, ResponseFormatError
from g4f_legacy.Provider import Google, H2o
from g4f_legacy.transport import requester
from g4f_legacy.transport.client import ServerClient

HELLO = [{"role": "user", "content": "Hello"}]
CONFIGURATIONS = {
    "nginx": """
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
    proxy_read_timeout 200ms;
    types {{ text/html html; }}
    server {{
        listen 127.0.0.1:{port};
        root {directory}/pages;
        location / {{ proxy_pass {upstream}; }}
        location /pages {{ error_page 405 =200 $uri; }}
        location /missing {{ }}
    }}
}}
""",
    "haproxy": """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 200ms
    retries 0
frontend public
    bind 127.0.0.1:{port}
    default_backend local
backend local
    server local {address}
""",
}


@contextmanager
def gateway(name: str, upstream: str, directory: Path) -> Iterator[str]:
    """Run a gateway in front of a server, and yield its URL."""
    program = find_program(name)
    port = free_port()
    address = upstream.removeprefix("http://")
    configuration = directory / "configuration"
    configuration.write_text(
        CONFIGURATIONS[name].format(directory=directory, port=port, upstream=upstream, address=address)
    )
    arguments = ["-p", str(directory), "-c"] if name == "nginx" else ["-db", "-f"]
    with running([program, *arguments, str(configuration)], port, directory / "log") as url:
        yield url


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between retries, in seconds, which are skipped."""
    seconds: list[float] = []
    monkeypatch.setattr(requester, "sleep", seconds.append)
    return seconds


def closed_server() -> str:
    """Return the URL of a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return "http://127.0.0.1:%d" % listener.getsockname()[1]


def call_h2o(url: str) -> RequestFailedError:
    with pytest.raises(RequestFailedError) as raised:
        list(H2o._create_completion("", HELLO, True, base_url=url, retries=0))
    return raised.value


def test_nginx_without_a_server(tmp_path: Path) -> None:
    with gateway("nginx", closed_server(), tmp_path) as url:
        error = call_h2o(url)
        assert error.status == 502 and error.args[0].startswith("502 Bad Gateway: nginx/")
        assert error.detail.startswith("502 Bad Gateway – nginx/") and "<" not in str(error)
        assert error.body.startswith("<html>\r\n<head><title>502 Bad Gateway</title></head>")
        missing = call_h2o(f"{url}/missing")
        assert missing.status == 404 and missing.args[0].startswith("404 Not Found: nginx/")


def test_nginx_with_a_page(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/pages").mkdir()
    (tmp_path / "pages/pages/x.html").write_text("<!doctype html><title>Sign in</title><p>Please <b>sign in</b>.")
    with gateway("nginx", closed_server(), tmp_path) as url:
        client = ServerClient(H2o.__name__, {"base_url": f"{url}/pages"})
        with pytest.raises(ResponseFormatError) as raised:
            client.get("/x.html", dict)
        assert raised.value.args == ("expected JSON, received a page: Sign in – Please sign in.",)
        with pytest.raises(ResponseFormatError) as raised, client.stream("/x.html"):
            raise AssertionError("not reached")
        assert raised.value.args == ("expected a stream, received a page: Sign in – Please sign in.",)


def test_haproxy_without_a_server(tmp_path: Path) -> None:
    with gateway("haproxy", closed_server(), tmp_path) as url:
        error = call_h2o(url)
    message = "503 Service Unavailable: No server is available to handle this request."
    assert error.status == 503 and error.args == (message,)
    assert error.body.startswith("<html><body><h1>503 Service Unavailable</h1>\n")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_timeout_of_a_gateway(name: str, tmp_path: Path, waits: list[float]) -> None:
    def hang(connection: Any, sent: Any) -> bool:
        received.append(sent.path)
        return bool(connection.recv(1))  # until the gateway has closed the connection

    received: list[str] = []
    with RawServer(hang) as server, gateway(name, server.url, tmp_path) as url:
        with pytest.raises(RequestFailedError) as raised:
            list(Google._create_completion("m", HELLO, True, base_url=url, auth="any"))
        assert raised.value.status == 504 and received == ["/v1beta/models/m:streamGenerateContent?alt=sse"]
        assert raised.value.args[0].startswith("504 Gateway Time-out") and "<" not in raised.value.args[0]
        with pytest.raises(RequestFailedError):
            Google._list_models(base_url=url, auth="any")
    assert received[1:] == ["/v1beta/models?pageSize=1000"] * 3 and waits == [0.5, 1]
