import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from replay import exchange
from socket_server import hang, listen, read_request

from g4f_legacy.cli.arguments import spell_flag
from g4f_legacy.errors import Hint, RequestFailedError
from g4f_legacy.Provider import H2o
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.transport.connection_failures import is_transient


def fail(base_url: str, **options: Any) -> RequestFailedError:
    options = {"timeout": (0.3, 5), "retries": 0, **options}
    with pytest.raises(RequestFailedError) as raised:
        ServerClient(H2o.__name__, {"base_url": base_url, **options}).get("/x", dict)
    return raised.value


class TestHttpsToAServerOfHttp:
    def test_it_waits_for_a_line(self) -> None:
        with listen(hang) as port:
            error = fail(f"https://127.0.0.1:{port}", retries=2)  # which would be three timeouts, and two waits
        assert str(error) == (
            f"H2o: no TLS connection within 0.3 seconds (https://127.0.0.1:{port}/x). Does the server speak https at "
            "this port? If not, give its address with http://."
        )
        assert error.hint is Hint.USE_HTTP

    @pytest.mark.parametrize("response", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b""], ids=["it refuses", "it closes"])
    def test_it_ends_the_connection(self, response: bytes) -> None:
        def serve(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(response)

        with listen(serve) as port:
            error = fail(f"https://127.0.0.1:{port}")
        assert error.hint is Hint.USE_HTTP and f"(https://127.0.0.1:{port}/x)" in str(error)

    def test_it_resets_the_connection(self) -> None:
        with listen(lambda connection: connection.recv(1)) as port:  # the rest is not read
            assert fail(f"https://127.0.0.1:{port}").hint is Hint.USE_HTTP

    def test_nothing_listens(self) -> None:
        with listen(hang) as port:
            pass
        assert fail(f"https://127.0.0.1:{port}").hint is Hint.CHECK_SERVER


class TestHttpToAServerOfHttps:
    @pytest.mark.parametrize(
        "page",
        [
            "<center>The plain HTTP request was sent to HTTPS port</center>",
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
            "Client sent an HTTP request to an HTTPS server.\n",
        ],
        ids=["nginx", "Apache", "Go"],
    )
    @pytest.mark.parametrize("status", [400, 500])
    def test_it_refuses(self, page: str, status: int, play: Any) -> None:
        error = fail(play([exchange("GET", "/x", status, (page,), content_type="text/html")]).url)
        assert error.hint is (Hint.USE_HTTPS if status == 400 else None)

    def test_it_sends_an_alert(self) -> None:
        def serve(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(b"\x15\x03\x01\0\2\2\x46")

        with listen(serve) as port:
            error = fail(f"http://127.0.0.1:{port}")
        assert error.hint is Hint.USE_HTTPS
        assert str(error).endswith(" The server speaks https at this port: give its address with https://.")

    def test_it_closes_the_connection(self) -> None:
        with listen(read_request) as port:
            assert fail(f"http://127.0.0.1:{port}").hint is Hint.CHECK_SERVER


class TestCertificates:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A file with a new key, and its certificate for 127.0.0.1."""
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl")
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
        key, own = tmp_path / "key.pem", tmp_path / "own.pem"
        subprocess.run([*command.split(), "-keyout", key, "-out", own], check=True, capture_output=True)
        own.write_text(own.read_text() + key.read_text())
        return own

    @pytest.fixture
    def port(self, certificate: Path) -> Iterator[int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def serve(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                read_request(secure)
                secure.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

        with listen(serve) as port:
            yield port

    def test_a_certificate_that_is_not_trusted(self, port: int) -> None:
        error = fail(f"https://127.0.0.1:{port}", timeout=5)
        assert error.hint is Hint.CHECK_CERTIFICATE and "self-signed certificate" in str(error)
        assert "verify=" in str(error) and "-o verify=…" in error.describe(spell_flag)

    def test_one_for_another_host(self, port: int, certificate: Path) -> None:
        error = fail(f"https://localhost:{port}", timeout=5, verify=certificate)
        assert error.hint is Hint.CHECK_CERTIFICATE

    def test_one_that_is_trusted(self, port: int, certificate: Path) -> None:
        assert fail(f"https://127.0.0.1:{port}", timeout=5, verify=certificate).status == 503


def test_a_timeout_of_a_proxy_is_not_transient() -> None:
    error = RequestFailedError("no connection")
    error.__cause__ = requests.exceptions.ProxyError(TimeoutError())
    assert not is_transient(error)
    error.__cause__ = requests.exceptions.ProxyError(ConnectionRefusedError())
    assert is_transient(error)
