"""What the transport does with a version of http.client, urllib3 or requests that lacks an undocumented attribute."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from raw_server import FRAMINGS, RawServer, chunk, head, response
from urllib3.exceptions import ReadTimeoutError

from g4f_legacy.errors import RequestFailedError, StreamInterruptedError
from g4f_legacy.transport import http_client_internals, requests_internals, session, urllib3_internals
from g4f_legacy.transport.body import ByteStream, drain_redirect, get_socket, read_body, read_prefix
from g4f_legacy.transport.failures import error_from_response

Force = Callable[[pytest.MonkeyPatch], None]


def lack_known_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client_internals, "_has_known_file", lambda response: False)


def lack_original_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib3_internals, "get_http_client_response", lambda raw: None)


def lack_pool_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "install_pools", lambda manager: None)


def lack_content_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_internals, "HAS_CONTENT_ATTRIBUTES", False)


def lack_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For comparison: what the fallbacks have to do as well."""


FORCE: list[Force] = [
    lack_nothing,
    lack_known_file,
    lack_original_response,
    lack_pool_classes,
    lack_content_attributes,
]


@pytest.fixture(params=FORCE, ids=lambda force: force.__name__)
def lack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with each fallback, over connections of its own."""
    request.param(monkeypatch)
    adapter = session._Adapter()
    monkeypatch.setattr(session, "_shared_adapter", lambda: adapter)
    request.addfinalizer(adapter.close)
    return str(request.param.__name__)


def get(server: RawServer, timeout: float = 5, **options: Any) -> requests.Response:
    return session.new_session().get(server.url, stream=True, timeout=timeout, **options)


@contextmanager
def streaming(framing: str, *parts: bytes, pause: float = 0, hang: bool = False) -> Iterator[RawServer]:
    """A server that sends the parts of a body, and then closes the connection, or lets the client wait for more."""
    is_over = threading.Event()

    def respond(connection: socket.socket, _: Any) -> None:
        connection.sendall(head(framing, sum(map(len, parts)) + hang))
        for part in parts:
            connection.sendall(chunk(part, framing))
            time.sleep(pause)
        if hang:
            is_over.wait(10)

    with RawServer(respond) as server:
        try:
            yield server
        finally:
            is_over.set()


@pytest.mark.usefixtures("lack")
class TestWithAndWithoutPrivateAttributes:
    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_a_stream(self, framing: str) -> None:
        parts = [b"one", b"two" * 1000, b"three"] + [b""] * (framing == "chunked")
        with streaming(framing, *parts) as server:
            assert b"".join(ByteStream(get(server), 5)) == b"".join(parts)

    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_chunks_are_yielded_as_soon_as_they_arrive(self, framing: str) -> None:
        is_read = threading.Event()

        def respond(connection: socket.socket, _: Any) -> None:
            connection.sendall(head(framing, 6) + chunk(b"one", framing))
            assert is_read.wait(5)
            connection.sendall(chunk(b"two", framing) + chunk(b"", framing))

        with RawServer(respond) as server:
            chunks = iter(ByteStream(get(server), 5))
            assert next(chunks) == b"one"
            is_read.set()
            assert list(chunks) == [b"two"]

    @pytest.mark.parametrize("body", [b"5\r\nab", b"2\r\nab\r\n", b"2\r\nab\r\nx\r\n"])
    def test_a_truncated_or_invalid_chunked_body(self, body: bytes) -> None:
        with RawServer(lambda connection, _: connection.sendall(head("chunked") + body)) as server:
            chunks = iter(ByteStream(get(server), 5))
            assert next(chunks) == b"ab"
            with pytest.raises(StreamInterruptedError, match="truncated|connection was lost|invalid chunk size"):
                next(chunks)

    def test_a_truncated_body_with_a_length(self) -> None:
        with RawServer(lambda connection, _: connection.sendall(head("length", 9) + b"ab")) as server:
            with pytest.raises(RequestFailedError, match="the connection was lost"):
                read_body(get(server), 5)

    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_no_data(self, framing: str) -> None:
        with streaming(framing, b"one", hang=True) as server:
            response = get(server, 0.3)
            chunks = iter(ByteStream(response, 0.3, 3))
            assert next(chunks) == b"one"
            with pytest.raises(StreamInterruptedError, match="no data was received for 0.3 seconds"):
                next(chunks)
            response.close()

    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_no_event(self, framing: str) -> None:
        with streaming(framing, *[b":\n"] * 100, pause=0.03) as server:
            started = time.monotonic()
            stream = ByteStream(get(server), 2, 0.3)
            with pytest.raises(StreamInterruptedError, match="no event was received for 0.3 seconds") as raised:
                list(stream)
            stream.close()
        assert isinstance(raised.value.__cause__, (TimeoutError, ReadTimeoutError))  # so that clean-ups stop the server
        assert 0.2 < time.monotonic() - started < 2

    def test_progress_restarts_the_timeout(self) -> None:
        with streaming("chunked", *[b"x"] * 30, b"", pause=0.03) as server:
            stream = ByteStream(get(server), 2, 0.5)
            received = b""
            for data in stream:
                stream.mark_progress()
                received += data
        assert received == b"x" * 30

    def test_a_body_that_is_not_complete_in_time(self) -> None:
        with streaming("length", *[b" "] * 100, pause=0.03) as server:
            with pytest.raises(RequestFailedError, match="the response was not complete within 0.3 seconds"):
                read_body(get(server), 0.3)

    @pytest.mark.parametrize("framing", FRAMINGS)
    def test_draining_does_not_wait_for_the_server(self, framing: str) -> None:
        with streaming(framing, b"end marker", hang=True) as server:
            started = time.monotonic()
            stream = ByteStream(get(server), 5)
            assert next(iter(stream)) == b"end marker"
            stream.drain()
            assert time.monotonic() - started < 2

    def test_a_connection_is_used_again(self) -> None:
        def respond(connection: socket.socket, _: Any) -> bool:
            connection.sendall(head("chunked") + chunk(b"one", "chunked") + chunk(b"", "chunked"))
            return True

        with RawServer(respond) as server:
            for _ in range(3):
                assert read_body(get(server), 5).content == b"one"
        assert server.connections == 1

    def test_the_content_can_be_read_afterwards(self) -> None:
        body = response(b'{"a": "\xc3\xa4"}')
        with RawServer(lambda connection, _: connection.sendall(body) or True) as server:
            complete = read_body(get(server), 5)
            assert complete.json() == {"a": "ä"} and complete.content == complete.text.encode()
            beginning = get(server)
            assert read_prefix(beginning) == beginning.content
            assert error_from_response(get(server)).body == '{"a": "ä"}'

    def test_a_hook_has_read_the_body(self) -> None:
        hooks = {"response": lambda response, **_: response.text and None}
        with RawServer(lambda connection, _: connection.sendall(response(b"one"))) as server:
            assert read_body(get(server, hooks=hooks), 5).content == b"one"

    def test_a_hook_has_consumed_the_body(self) -> None:
        hooks = {"response": lambda response, **_: list(response.iter_content(100)) and None}
        with RawServer(lambda connection, _: connection.sendall(response(b"one"))) as server:
            assert b"".join(ByteStream(get(server, hooks=hooks), 5)) == b""

    def test_the_body_of_a_redirect_is_endless(self) -> None:
        def respond(connection: socket.socket, _: Any) -> None:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n")
            while True:
                connection.sendall(b"x" * 1000)

        with RawServer(respond) as server:
            started = time.monotonic()
            redirect = get(server, hooks={"response": drain_redirect}, allow_redirects=False)
            assert redirect.is_redirect and redirect.content == b""
            assert time.monotonic() - started < 5


def test_the_fallbacks_are_in_use(lack: str) -> None:
    with RawServer(lambda connection, _: connection.sendall(head("close") + b"x")) as server:
        with get(server) as response:
            reader = get_socket(response)
            assert (reader is None) == (lack in ("lack_known_file", "lack_original_response"))
            pool = response.connection.poolmanager.connection_from_url(server.url)
            assert (type(pool) is urllib3_internals._Pool) == (lack != "lack_pool_classes")
            response._content_consumed = False  # type: ignore[attr-defined]
            requests_internals.set_content(response, b"y")
            assert response._content_consumed is (lack != "lack_content_attributes")  # type: ignore[attr-defined]


def test_a_connection_that_the_server_has_closed(lack: str) -> None:
    def respond(connection: socket.socket, _: Any) -> bool | None:
        return None if len(server.sent) == 2 else connection.sendall(response(b"one")) or True

    with RawServer(respond) as server:
        assert read_body(get(server), 5).content == b"one"
        if lack in ("lack_known_file", "lack_pool_classes"):
            with pytest.raises(requests.ConnectionError):
                get(server)
        assert read_body(get(server), 5).content == b"one"
        assert (len(server.sent), server.connections) == (3, 2)


def test_idle_connections_are_closed(lack: str) -> None:
    with RawServer(lambda connection, _: connection.sendall(response(b"one")) or True) as server:
        for count in (1, 2):
            assert read_body(get(server), 5).content == b"one"
            session.close_idle_connections()
            assert read_body(get(server), 5).content == b"one"
            assert server.connections == count + 1, lack


def test_detection() -> None:
    assert requests_internals.HAS_CONTENT_ATTRIBUTES
    assert urllib3_internals.get_http_client_response(object()) is None
    manager: Any = SimpleNamespace()
    urllib3_internals.install_pools(manager)
    assert vars(manager) == {}
