"""Servers that close an idle connection at the moment when it is used again, on real sockets."""

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
from raw_server import RawServer, Sent, reset, response

from g4f_legacy.concurrency.worker import StreamWorker
from g4f_legacy.errors import RequestFailedError
from g4f_legacy.Provider import H2o, OpenAI
from g4f_legacy.transport import requester, session
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.transport.connection import ConnectionStack

Close = Callable[[socket.socket], None]

MESSAGES = [{"role": "user", "content": "x"}]
STREAM = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def fin(connection: socket.socket) -> None:
    """Do nothing: `RawServer` closes the connection afterwards, which sends a FIN."""


ENDS = [fin, reset]


class ClosingServer(RawServer):
    """Respond to the first request on each connection, and end the connection when another arrives.

    Args:
        end: what ends the connection, given its socket.
        body: the responses'.

    Attributes:
        processed: the requests that were responded to.
    """

    def __init__(self, end: Close = fin, body: bytes = b'{"a": 1}') -> None:
        super().__init__(self._respond_once)
        self.processed: list[Sent] = []
        self._end, self._body = end, body
        self._used: list[socket.socket] = []

    def _respond_once(self, connection: socket.socket, sent: Sent) -> bool:
        if connection in self._used:
            self._end(connection)
            return False
        self._used.append(connection)
        self.processed.append(sent)
        connection.sendall(response(self._body, 200, "Content-Type: application/json"))
        return True


def new_client(url: str, **options: Any) -> ServerClient:
    return ServerClient(H2o.__name__, {"base_url": url, "retries": 0, "timeout": 5, **options})


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between retries, in seconds, which are skipped."""
    seconds: list[float] = []
    monkeypatch.setattr(requester, "sleep", seconds.append)
    return seconds


def get_object(client: ServerClient) -> Any:
    return client.get("/x", dict)


def post_json(client: ServerClient) -> Any:
    return client.post("/x", json={"b": "ä" * 100_000})


def post_form(client: ServerClient) -> Any:
    return client.post("/x", data={"b": "c"})


def post_multipart(client: ServerClient) -> Any:
    return client.post("/x", files={"data": (None, "ä")})


def delete(client: ServerClient) -> Any:
    client.send_quietly("DELETE", "/x")
    return {"a": 1}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("send", [get_object, post_json, post_form, post_multipart, delete])
def test_a_request_is_sent_again(send: Callable[[ServerClient], Any], end: Close, waits: list[float]) -> None:
    with ClosingServer(end) as server, new_client(server.url) as client:
        assert get_object(client) == send(client) == {"a": 1}
        assert len(server.processed) == 2 and len(server.sent) == 3 and waits == []
        assert server.sent[1] == server.sent[2]  # the body as well


@pytest.mark.parametrize("pause", [0, 0.002, 0.005, 0.05])
@pytest.mark.parametrize("end", ENDS)
def test_the_server_closes_its_connections_soon(end: Close, pause: float) -> None:
    processed = []

    def respond(connection: socket.socket, sent: Sent) -> None:
        processed.append(sent)
        connection.sendall(response(b'{"a": 1}'))
        time.sleep(0.005)
        end(connection)

    with RawServer(respond) as server, new_client(server.url) as client:
        for _ in range(30):
            assert post_form(client) == {"a": 1}
            time.sleep(pause)
        assert len(processed) == 30


def test_completions_over_a_server_that_closes_its_connections_soon() -> None:
    """As llama-cpp-python 0.3.36 was seen to do after a stream that failed."""

    def respond(connection: socket.socket, _: Sent) -> None:
        connection.sendall(response(STREAM, 200, "Content-Type: text/event-stream"))
        time.sleep(0.005)

    with RawServer(respond) as server:
        for _ in range(20):
            tokens = OpenAI._create_completion("m", MESSAGES, True, base_url=f"{server.url}/v1", retries=0)
            assert list(tokens) == ["a"]
        assert server.connections == 20


def test_completions_over_connections_that_are_always_stale(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    options = {"auth": "s3cr3t-t0ken", "retries": 0}
    with ClosingServer(body=STREAM) as server:
        for _ in range(2):
            tokens = OpenAI._create_completion("m", MESSAGES, True, base_url=f"{server.url}/v1", **options)
            assert list(tokens) == ["a"]
        assert len(server.processed) == 2
    records = [record for record in caplog.records if "closed an idle connection" in record.getMessage()]
    assert [record.levelname for record in records] == ["DEBUG"] and "s3cr3t" not in caplog.text


@pytest.mark.parametrize("end", ENDS)
def test_a_new_connection_is_not_repeated(end: Close) -> None:
    with RawServer(lambda connection, _: end(connection)) as server, new_client(server.url) as client:
        with pytest.raises(RequestFailedError, match="no response"):
            post_form(client)
        assert len(server.sent) == 1


def test_a_connection_that_was_closed_while_idle_is_new() -> None:
    """urllib3 notices it, and connects the same object again."""

    def respond(connection: socket.socket, _: Sent) -> None:
        if server.connections == 1:
            connection.sendall(response(b'{"a": 1}'))

    with RawServer(respond) as server, new_client(server.url) as client:
        assert get_object(client) == {"a": 1}
        time.sleep(0.1)
        with pytest.raises(RequestFailedError, match="no response"):
            post_form(client)
        assert (len(server.sent), server.connections) == (2, 2)


@pytest.fixture(
    params=[ConnectionAbortedError("aborted"), ssl.SSLEOFError("aborted"), ssl.SSLZeroReturnError("aborted")], ids=repr
)
def fail_to_send(request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets the request of a number fail while it is sent, as on Windows, or over TLS.

    urllib3 handles BrokenPipeError and ConnectionResetError in the same way.
    """
    send = HTTPConnection.send
    sent: list[bytes] = []

    def fail(number: int) -> None:
        def send_or_fail(connection: HTTPConnection, data: bytes) -> None:
            sent.append(data)
            send(connection, data)
            if len(sent) == number:
                raise request.param

        monkeypatch.setattr(HTTPConnection, "send", send_or_fail)

    return fail


def test_sending_fails_on_a_new_connection(fail_to_send: Callable[[int], None]) -> None:
    fail_to_send(1)
    with ClosingServer() as server, new_client(server.url) as client:
        with pytest.raises(RequestFailedError, match="no response: .*aborted"):
            get_object(client)


def test_sending_fails_on_a_connection_that_was_used(fail_to_send: Callable[[int], None]) -> None:
    fail_to_send(2)
    with ClosingServer() as server, new_client(server.url) as client:
        for _ in range(2):
            assert get_object(client) == {"a": 1}
        assert len(server.processed) == 2


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_request_is_repeated_once_and_uses_up_no_retry(retries: int, waits: list[float]) -> None:
    """The server dies after its first response: the request meets one idle connection, then new ones."""
    first: list[Sent] = []

    def respond(connection: socket.socket, sent: Sent) -> bool | None:
        if first:
            return None
        first.append(sent)
        return connection.sendall(response(b'{"a": 1}')) or True

    with RawServer(respond) as server, new_client(server.url, retries=retries) as client:
        assert get_object(client) == {"a": 1}
        with pytest.raises(RequestFailedError, match="no response"):
            post_form(client)
        assert len(server.sent) == 1 + 2 + retries and len(waits) == retries


@pytest.mark.parametrize("beginning", [b"H", b"HTTP/1.1 2", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_a_response_that_has_started_is_not_repeated(beginning: bytes) -> None:
    with ClosingServer(lambda connection: connection.sendall(beginning)) as server:
        with new_client(server.url) as client:
            assert get_object(client) == {"a": 1}
            with pytest.raises(RequestFailedError, match="no response"):
                post_form(client)
            assert len(server.sent) == 2


def test_a_timeout_is_not_repeated() -> None:
    is_over = threading.Event()
    with ClosingServer(lambda connection: is_over.wait(5) and None) as server:
        with new_client(server.url, timeout=(5, 0.3)) as client:
            assert get_object(client) == {"a": 1}
            with pytest.raises(RequestFailedError, match="no response within 0.3 seconds"):
                post_form(client)
            assert len(server.sent) == 2
        is_over.set()


def test_a_connection_is_reused_after_the_repetition() -> None:
    def respond(connection: socket.socket, _: Sent) -> bool | None:
        return None if len(server.sent) == 2 else connection.sendall(response(b'{"a": 1}')) or True

    with RawServer(respond) as server, new_client(server.url) as client:
        for _ in range(5):
            assert get_object(client) == {"a": 1}
        assert (len(server.sent), server.connections) == (6, 2)


@pytest.mark.parametrize("end", ENDS)
def test_all_idle_connections_are_stale(end: Close) -> None:
    count = 6
    with ClosingServer(end) as server, new_client(server.url) as client, ThreadPoolExecutor(count) as executor:
        responses = [session.new_session().get(server.url, stream=True, timeout=5) for _ in range(count)]
        for idle in responses:
            assert idle.content
        assert server.connections == count
        assert post_form(client) == {"a": 1}  # not on the next idle connection
        assert (len(server.sent), server.connections) == (count + 2, count + 1)
        for _ in range(3):
            assert list(executor.map(post_form, [client] * count)) == [{"a": 1}] * count
        assert len(server.processed) == count + 1 + 3 * count


def test_another_thread_takes_the_place_of_a_stale_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 puts None into its queue for each connection that it closes, and connects for the next None it gets."""
    put = ConnectionStack.put
    monkeypatch.setattr(ConnectionStack, "put", lambda stack, connection, **_: connection and put(stack, connection))
    with ClosingServer() as server, new_client(server.url) as client:
        responses = [session.new_session().get(server.url, stream=True, timeout=5) for _ in range(3)]
        for idle in responses:
            assert idle.content
        assert post_form(client) == {"a": 1}
        assert (len(server.sent), server.connections) == (3 + 2, 3 + 1)


def test_many_stale_connections_leave_the_pool_as_it_was() -> None:
    count = 2 * session.POOL_SIZE
    used: list[socket.socket] = []

    def respond(connection: socket.socket, _: Sent) -> bool:
        if server.connections <= count and connection in used:
            return False
        used.append(connection)
        return connection.sendall(response(b'{"a": 1}')) or True

    with RawServer(respond) as server, new_client(server.url) as client:
        for _ in range(count + 5):
            assert get_object(client) == {"a": 1}
        assert server.connections == count + 1  # idle connections are still kept


@pytest.mark.parametrize("end", ENDS)
def test_a_body_that_cannot_be_sent_again(end: Close) -> None:
    with ClosingServer(end) as server, new_client(server.url) as client:
        assert get_object(client) == {"a": 1}
        with pytest.raises(RequestFailedError, match="no response"):
            client.post("/x", data=iter([b"b", b"c"]))
        assert len(server.processed) == 1 and len(server.sent) <= 2


def test_a_response_that_arrives_although_the_body_could_not_be_sent() -> None:
    """The server refuses a request by its headers, and does not read the body."""

    def refuse(connection: socket.socket, sent: Sent) -> bool:
        too_large = int(sent.headers.get("content-length", 0)) > 1000
        connection.sendall(response(b'{"a": 1}', 413 if too_large else 200))
        return not too_large

    class HeadersOnly(RawServer):
        def _serve(self, connection: socket.socket) -> None:
            with suppress(OSError), connection:
                while data := connection.recv(2000):
                    headers = data.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
                    length = headers.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
                    sent = Sent("", "", {"content-length": length}, "")
                    self.sent.append(sent)
                    if not refuse(connection, sent):
                        connection.shutdown(socket.SHUT_WR)
                        time.sleep(0.1)
                        break
            self._open.remove(connection)

    with HeadersOnly(refuse) as server, new_client(server.url) as client:
        assert get_object(client) == {"a": 1}
        with pytest.raises(RequestFailedError) as raised:
            client.post("/x", data=b"x" * 20_000_000)
        assert raised.value.status in (413, None) and len(server.sent) == 2  # None: by RST, the response is lost


def test_a_stopped_completion_is_not_repeated() -> None:
    waiting, is_over = threading.Event(), threading.Event()

    def hang(_: socket.socket) -> None:
        waiting.set()
        is_over.wait(5)

    ended_by = []

    def tokens() -> Iterator[str]:
        with new_client(server.url) as client:
            assert get_object(client) == {"a": 1}
            try:
                yield str(post_form(client))
            except BaseException as error:
                ended_by.append(type(error))
                raise

    with ClosingServer(hang) as server:
        worker = StreamWorker(tokens())  # type: ignore[arg-type]
        token = worker.next()
        assert waiting.wait(5)
        worker.stop().result(5)
        assert token.done() and ended_by == [GeneratorExit]
        is_over.set()
        assert len(server.sent) == 2


def test_a_forwarding_proxy() -> None:
    with ClosingServer() as proxy, new_client("http://server.test", proxy=proxy.url) as client:
        assert get_object(client) == post_form(client) == {"a": 1}
        assert [sent.path for sent in proxy.sent] == ["http://server.test/x"] * 3


def test_the_response_of_a_session_of_ones_own() -> None:
    """urllib3's own pools do not know: docs/guarantees.rst mentions it."""
    with requests.Session() as own, ClosingServer() as server:
        with new_client(server.url, session=own, retries=1) as client:
            assert get_object(client) == post_form(client) == {"a": 1}
        with new_client(server.url, session=own) as client, pytest.raises(RequestFailedError, match="no response"):
            post_form(client)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a new key, and its certificate for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path / "server.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", path, "-out", tmp_path / "own.pem"], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "own.pem").read_text())
    return path


class SecureServer(ClosingServer):
    """The same over TLS."""

    def __init__(self, certificate: Path, end: Close) -> None:
        super().__init__(end)
        self.url = self.url.replace("http", "https")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    def _serve(self, connection: socket.socket) -> None:
        secure = self._context.wrap_socket(connection, server_side=True)
        self._open[self._open.index(connection)] = secure
        super()._serve(secure)


def close_notify(connection: socket.socket) -> None:
    """End TLS as the protocol wants it; `fin` leaves that out."""
    assert isinstance(connection, ssl.SSLSocket)
    with suppress(OSError):
        connection.settimeout(0.1)
        connection.unwrap()


@pytest.mark.parametrize("end", [*ENDS, close_notify])
@pytest.mark.parametrize("send", [get_object, post_json])
def test_tls(send: Callable[[ServerClient], Any], end: Close, certificate: Path) -> None:
    with SecureServer(certificate, end) as server, new_client(server.url, verify=str(certificate)) as client:
        for _ in range(3):
            assert send(client) == {"a": 1}
        assert (len(server.processed), server.connections) == (3, 3)


def relay(connection: socket.socket, sent: Sent) -> None:
    """Connect to where a CONNECT asks for, and pass on what is sent."""
    host, _, port = sent.path.partition(":")

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with socket.create_connection((host, int(port))) as server:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        thread = threading.Thread(target=copy, args=(connection, server))
        thread.start()
        copy(server, connection)
        thread.join(5)


def test_a_tunnel_through_a_proxy(certificate: Path) -> None:
    with SecureServer(certificate, fin) as server, RawServer(relay) as proxy:
        with new_client(server.url, verify=str(certificate), proxy=proxy.url) as client:
            assert get_object(client) == post_form(client) == {"a": 1}
        assert [sent.method for sent in proxy.sent] == ["CONNECT"] * 2
        assert len(server.processed) == 2
