import pickle
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from socket_server import Serve, hang, listen, read_request, reply_with

from g4f_legacy.cli.arguments import spell_flag
from g4f_legacy.errors import Hint, RequestFailedError
from g4f_legacy.Provider import H2o
from g4f_legacy.transport import requester
from g4f_legacy.transport.client import ServerClient

LOGIN = "me:s3cr3t-password@"
TARGETS = ["http://chat.test", "https://chat.test"]


def fail(proxy: str | None, base_url: str = "http://chat.test", **options: Any) -> RequestFailedError:
    options = {"timeout": (0.3, 0.6), "retries": 0, **options}
    with pytest.raises(RequestFailedError) as raised:
        ServerClient(H2o.__name__, {"base_url": base_url, "proxy": proxy, **options}).get("/x", dict)
    error = raised.value
    assert "s3cr3t" not in f"{error} {error!r} {vars(error)} {error.__cause__}"
    assert vars(pickle.loads(pickle.dumps(error)))["proxy"] == error.proxy
    return error


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port without a server, reserved for the test."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose server accepts no connection: the next one waits until the connect timeout."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        yield address[1]
        for client in waiting:
            client.close()


class TestHttp:
    @pytest.mark.parametrize("base_url", TARGETS)
    def test_nothing_listens(self, base_url: str, dead_port: int) -> None:
        error = fail(f"{LOGIN}127.0.0.1:{dead_port}", base_url)
        address = f"http://127.0.0.1:{dead_port}"
        assert str(error) == f"H2o: cannot reach the proxy {address}: Connection refused ({base_url}/x). Check proxy=."
        assert error.describe(spell_flag).endswith(" Check -o proxy=….")
        assert (error.hint, error.proxy, error.proxy_source) == (Hint.CHECK_PROXY, address, "proxy")
        assert error.status is None

    @pytest.mark.parametrize("scheme", ["http", "socks5h"])
    @pytest.mark.parametrize("base_url", TARGETS)
    def test_an_unknown_host(self, base_url: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("socks", reason="needs PySocks")
        lookup = socket.gaierror(-2, "Name or service not known")
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(lookup))
        error = fail(f"{scheme}://{LOGIN}nowhere.test:1", base_url)
        assert f"cannot reach the proxy {scheme}://nowhere.test:1: Name or service not known" in str(error)
        assert error.hint is Hint.CHECK_PROXY

    @pytest.mark.parametrize("scheme", ["http", "socks5h"])
    def test_no_connection_in_time(self, scheme: str, full_port: int) -> None:
        pytest.importorskip("socks", reason="needs PySocks")
        error = fail(f"{scheme}://127.0.0.1:{full_port}", retries=2)  # which would be three timeouts, and two waits
        assert f"cannot reach the proxy {scheme}://127.0.0.1:{full_port} within 0.3 seconds" in str(error)
        assert error.hint is Hint.CHECK_PROXY

    @pytest.mark.parametrize("base_url, seconds", [(TARGETS[0], 0.6), (TARGETS[1], 0.3)])
    def test_no_response_in_time(self, base_url: str, seconds: float) -> None:
        with listen(hang) as port:
            error = fail(f"{LOGIN}127.0.0.1:{port}", base_url)
        assert f"no response through the proxy http://127.0.0.1:{port} within {seconds} seconds" in str(error)
        assert error.hint is Hint.CHECK_PROXY_OR_SERVER

    @pytest.mark.parametrize("base_url", TARGETS)
    def test_the_connection_is_closed(self, base_url: str) -> None:
        with listen(read_request) as port:
            error = fail(f"{LOGIN}127.0.0.1:{port}", base_url)
        assert f"no response through the proxy http://127.0.0.1:{port}: Remote end closed" in str(error)
        assert error.hint is Hint.CHECK_PROXY_OR_SERVER

    @pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway"])
    def test_a_tunnel_is_refused(self, status: str) -> None:
        with listen(reply_with(status)) as port:
            error = fail(f"{LOGIN}127.0.0.1:{port}", "https://chat.test")
        assert f"the proxy http://127.0.0.1:{port} did not connect to the server: {status} (https://" in str(error)
        assert (error.hint, error.status) == (Hint.CHECK_PROXY_OR_SERVER, None)

    @pytest.mark.parametrize("login, message", [("", "requires a login"), (LOGIN, "refused the login")])
    @pytest.mark.parametrize("base_url", TARGETS)
    def test_a_login(self, base_url: str, login: str, message: str) -> None:
        status = "407 Proxy Authentication Required"
        with listen(reply_with(status, "Proxy-Authenticate: Basic realm=x")) as port:
            error = fail(f"{login}127.0.0.1:{port}", base_url)
        assert f"the proxy http://127.0.0.1:{port} {message}: {status} ({base_url}/x)" in str(error)
        assert error.hint is Hint.GIVE_PROXY_CREDENTIALS and error.describe(spell_flag).endswith("set -o proxy=….")

    @pytest.mark.parametrize(
        "status, hint", [("403 Forbidden", Hint.CHECK_CREDENTIALS), ("502 Bad Gateway", None), ("404 Not Found", None)]
    )
    def test_a_refusal_that_may_be_the_proxys(
        self, status: str, hint: Hint | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with listen(reply_with(status)) as port:
            address = f"http://127.0.0.1:{port}"
            error = fail(f"{LOGIN}127.0.0.1:{port}")
            assert (error.hint, error.proxy, error.proxy_source) == (hint, address, "proxy")
            assert f"{status}; sent through the proxy {address}, which may have refused it (" in str(error)
            monkeypatch.setenv("HTTP_PROXY", f"http://{LOGIN}127.0.0.1:{port}")
            assert f"; sent through the proxy {address} (HTTP_PROXY), which " in str(fail(None))

    @pytest.mark.parametrize("separator", "/#?")
    @pytest.mark.parametrize("password", ["1{}s3cr3t", "1{}s3cr3t-password", "s3cr3t-password{}"])
    @pytest.mark.parametrize("by_variable", [False, True])
    def test_a_password_that_is_not_escaped(
        self, separator: str, password: str, by_variable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lookup = socket.gaierror(-2, "Name or service not known")
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(lookup))
        proxy = f"http://me:{password.format(separator)}@127.0.0.1:1"
        if not by_variable and password.startswith("s3cr3t"):
            with pytest.raises(ValueError, match="^proxy must be like 'localhost:8080', 'http://user:") as raised:
                fail(proxy)
            assert "s3cr3t" not in str(raised.value)
            return
        monkeypatch.setenv("HTTP_PROXY", proxy)
        error = fail(None if by_variable else proxy)
        assert error.proxy == "http://127.0.0.1:1" and "the proxy http://127.0.0.1:1: " in str(error)

    def test_the_message_shows_no_part_of_a_short_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://me:Pw/1@127.0.0.1:1")
        error = fail(None)
        assert "cannot use the proxy http://127.0.0.1:1: it is not a URL, in which '/'" in str(error)
        assert "Pw" not in str(error)

    def test_a_login_that_a_server_requires(self) -> None:
        with listen(reply_with("407 Proxy Authentication Required")) as port:
            error = fail(None, f"http://127.0.0.1:{port}")
        assert (error.hint, error.proxy, error.status) == (None, None, 407)

    @pytest.mark.parametrize("base_url", TARGETS)
    def test_a_proxy_that_does_not_speak_https(self, base_url: str) -> None:
        def refuse(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        for serve, reason in ((refuse, ": "), (hang, " within 0.3 seconds")):
            with listen(serve) as port:
                error = fail(f"https://{LOGIN}127.0.0.1:{port}", base_url)
            assert f"cannot reach the proxy https://127.0.0.1:{port}{reason}" in str(error)
            assert error.hint is Hint.CHECK_PROXY_TLS

    @pytest.mark.parametrize("status, count", [("403 Forbidden", 1), ("407 Login", 1), ("503 Busy", 2)])
    def test_only_what_may_change_is_tried_again(
        self, status: str, count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requester, "sleep", lambda seconds: None)
        requests_seen = []

        def serve(connection: socket.socket) -> None:
            requests_seen.append(connection)
            reply_with(status)(connection)

        with listen(serve) as port:
            fail(f"127.0.0.1:{port}", "https://chat.test", retries=1)
        assert len(requests_seen) == count


class TestSource:
    @pytest.mark.parametrize(
        "base_url, variable, others",
        [
            (TARGETS[0], "http_proxy", {"HTTPS_PROXY": "http://other.test"}),
            (TARGETS[0], "HTTP_PROXY", {"ALL_PROXY": "http://other.test"}),
            (TARGETS[1], "HTTPS_PROXY", {"HTTP_PROXY": "http://other.test"}),
            (TARGETS[1], "https_proxy", {"HTTPS_PROXY": "http://other.test"}),
            (TARGETS[1], "ALL_PROXY", {}),
            (TARGETS[0], "all_proxy", {"NO_PROXY": "other.test"}),
        ],
    )
    def test_an_environment_variable(
        self, base_url: str, variable: str, others: Any, dead_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, f"http://{LOGIN}127.0.0.1:{dead_port}")
        for name, value in others.items():
            monkeypatch.setenv(name, value)
        error = fail(None, base_url)
        assert f"cannot reach the proxy http://127.0.0.1:{dead_port}: " in str(error)
        assert error.proxy_source == variable
        assert error.describe(spell_flag).endswith(f" Check {variable}.") and str(error).endswith(f" Check {variable}.")

    def test_a_session(self, dead_port: int) -> None:
        session = requests.Session()
        session.proxies["http"] = f"127.0.0.1:{dead_port}"
        error = fail(None, session=session)
        assert error.proxy_source == "session.proxies" and str(error).endswith(" Check session.proxies.")
        assert error.proxy == f"http://127.0.0.1:{dead_port}"

    def test_an_option_takes_precedence(self, dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://other.test")
        session = requests.Session()
        session.proxies["http"] = "http://another.test"
        assert fail(f"127.0.0.1:{dead_port}", session=session).proxy_source == "proxy"

    def test_a_server_that_is_not_reached_through_the_proxy(
        self, dead_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        error = fail(None, f"http://127.0.0.1:{dead_port}")
        assert (error.hint, error.proxy, error.proxy_source) == (Hint.CHECK_SERVER, None, None)
        assert "proxy" not in str(error)

    @pytest.mark.parametrize("proxy", [f"ftp://{LOGIN}127.0.0.1", "http://", "http://[::1"])
    def test_an_invalid_variable(self, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        error = fail(None)
        assert "cannot use the proxy " in str(error)
        assert (error.hint, error.proxy_source) == (Hint.CHECK_PROXY, "HTTP_PROXY")


class TestThePublicServer:
    def test_a_dead_proxy(self, dead_port: int) -> None:
        assert fail(f"127.0.0.1:{dead_port}", H2o.url).hint is Hint.CHECK_PROXY

    def test_a_proxy_that_does_not_reach_it(self) -> None:
        with listen(reply_with("502 Bad Gateway")) as port:
            error = fail(f"127.0.0.1:{port}", H2o.url)
        assert error.hint is Hint.SERVER_GONE and "did not connect to the server: 502" in str(error)


def socks5(reply: bytes, method: bytes = b"\0", login_reply: bytes = b"") -> Serve:
    """Return a SOCKS server: https://www.rfc-editor.org/rfc/rfc1928."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"\5" + method)
        if login_reply:
            connection.recv(1024)
            connection.sendall(login_reply)
        if connection.recv(1024):
            connection.sendall(b"\5" + reply + b"\0\1" + bytes(6))
            hang(connection)

    return serve


def socks4(connection: socket.socket) -> None:
    connection.recv(1024)
    connection.sendall(b"\0\x5b" + bytes(6))
    hang(connection)


class TestSocks:
    @pytest.fixture(autouse=True)
    def needs_socks(self) -> None:
        pytest.importorskip("socks", reason="needs PySocks")

    @pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
    def test_nothing_listens(self, scheme: str, dead_port: int) -> None:
        error = fail(f"{scheme}://{LOGIN}127.0.0.1:{dead_port}")
        assert f"cannot reach the proxy {scheme}://127.0.0.1:{dead_port}: Connection refused (http" in str(error)
        assert (error.hint, error.proxy_source) == (Hint.CHECK_PROXY, "proxy")

    @pytest.mark.parametrize("base_url", TARGETS)
    @pytest.mark.parametrize(
        "scheme, serve, message, hint",
        [
            ("socks5h", socks5(b"\5"), "did not connect to the server: 0x05: Connection r", Hint.CHECK_PROXY_OR_SERVER),
            ("socks5h", socks5(b"\1"), "did not connect to the server: 0x01: General SO", Hint.CHECK_PROXY_OR_SERVER),
            ("socks4a", socks4, "did not connect to the server: 0x5b: Request rejected", Hint.CHECK_PROXY_OR_SERVER),
            (
                "socks5h",
                socks5(b"", b"\xff"),
                "refused the login: All offered SOCKS5 auth",
                Hint.GIVE_PROXY_CREDENTIALS,
            ),
            (
                "socks5h",
                socks5(b"", b"\2", b"\1\1"),
                "refused the login: SOCKS5 authentication",
                Hint.GIVE_PROXY_CREDENTIALS,
            ),
            (
                "socks5h",
                lambda connection: connection.recv(1024),
                "did not connect to the server: Connection closed",
                Hint.CHECK_PROXY_OR_SERVER,
            ),
        ],
        ids=["refused", "failed", "SOCKS 4", "no method", "wrong login", "closed"],
    )
    def test_a_refusal(self, scheme: str, serve: Serve, message: str, hint: Hint, base_url: str) -> None:
        with listen(serve) as port:
            error = fail(f"{scheme}://{LOGIN}127.0.0.1:{port}", base_url)
        assert f"H2o: the proxy {scheme}://127.0.0.1:{port} {message}" in str(error)
        assert error.hint is hint

    def test_a_login_is_required(self) -> None:
        with listen(socks5(b"", b"\2", b"\1\1")) as port:
            error = fail(f"socks5h://127.0.0.1:{port}")
        assert "requires a login" in str(error) and error.hint is Hint.GIVE_PROXY_CREDENTIALS

    @pytest.mark.parametrize("base_url", TARGETS)
    def test_no_answer_in_time(self, base_url: str) -> None:
        with listen(hang) as port:
            error = fail(f"socks5h://{LOGIN}127.0.0.1:{port}", base_url)
        assert f"no connection through the proxy socks5h://127.0.0.1:{port} within 0.3 seconds" in str(error)
        assert error.hint is Hint.CHECK_PROXY_OR_SERVER

    def test_a_server_that_cannot_be_resolved_without_the_proxy(self) -> None:
        with listen(socks5(b"\0")) as port:
            error = fail(f"socks5://127.0.0.1:{port}", "http://chat.invalid")
        assert "cannot resolve the server's name: " in str(error) and "a socks5h://" in str(error)
        assert error.hint is Hint.CHECK_SERVER

    def test_an_environment_variable(self, dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://{LOGIN}127.0.0.1:{dead_port}")
        assert str(fail(None)).endswith(" Check ALL_PROXY.")


def test_a_socks_proxy_in_a_variable_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", _missing)
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    error = fail(None, session=requests.Session())
    assert (
        "cannot use the proxy socks5h://127.0.0.1:1: Missing dependencies for SOCKS support: pip install PySocks ("
        in str(error)
    )
    assert (error.hint, error.proxy_source) == (Hint.CHECK_PROXY, "ALL_PROXY")


def _missing(*_: Any, **__: Any) -> Any:
    raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")  # as requests does
