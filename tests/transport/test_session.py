import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from raw_server import RawServer, chunk, head
from replay import exchange

from g4f_legacy.Provider import OpenAI
from g4f_legacy.transport import close_idle_connections
from g4f_legacy.transport.session import is_loopback, new_session

FIRST_EVENT = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
LAST_EVENTS = b'data: {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def test_sessions_share_connections_only() -> None:
    session, other_session = new_session(), new_session()
    assert session.get_adapter("http://") is other_session.get_adapter("https://")
    assert session.headers is not other_session.headers
    assert session.cookies is not other_session.cookies


@pytest.mark.parametrize(
    "hostname, expected",
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_is_loopback(hostname: str, expected: bool) -> None:
    assert is_loopback(hostname) is expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_opens_its_own_connections(play: Any) -> None:
    replay = play([exchange("GET", "/x", 200, ("{}",), content_length="?")] * 4)
    script = """
import os, sys
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.Provider import H2o

def send():
    ServerClient(H2o.__name__, {"base_url": sys.argv[1]}).get("/x", dict)

send()
child = os.fork()
send()
if child:
    assert os.waitpid(child, 0)[1] == 0
    send()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script, replay.url], check=True, timeout=30)
    assert len(replay.sent) == 4
    assert replay.connections == 2


def send_stream(connection: Any, _: Any) -> bool:
    parts = [chunk(part, "chunked") for part in (FIRST_EVENT, LAST_EVENTS, b"")]
    connection.sendall(head("chunked") + b"".join(parts))
    return True


def begin(url: str, **options: Any) -> Iterator[str]:
    return OpenAI._create_completion("m", [{"role": "user", "content": "x"}], True, base_url=url, **options)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestCloseIdleConnections:
    def test_the_next_completion_opens_a_new_connection(self) -> None:
        with RawServer(send_stream) as server:
            for count in range(1, 4):
                for _ in range(2):
                    assert list(begin(server.url)) == ["a", "b"]
                assert (server.connections, server.disconnected) == (count, count - 1)
                close_idle_connections()
                wait_until(lambda: server.disconnected == count)

    def test_all_servers_and_proxies(self) -> None:
        with RawServer(send_stream) as server, RawServer(send_stream) as other, RawServer(send_stream) as proxy:
            for tokens in (begin(server.url), begin(other.url), begin("http://a.test", proxy=proxy.url)):
                assert list(tokens) == ["a", "b"]
            close_idle_connections()
            wait_until(lambda: server.disconnected == other.disconnected == proxy.disconnected == 1)
            close_idle_connections()

    def test_a_completion_that_is_running_goes_on(self) -> None:
        is_closed = threading.Event()

        def respond(connection: Any, sent: Any) -> bool:
            if len(server.sent) > 1:
                return send_stream(connection, sent)
            connection.sendall(head("chunked") + chunk(FIRST_EVENT, "chunked"))
            assert is_closed.wait(10)
            connection.sendall(chunk(LAST_EVENTS, "chunked") + chunk(b"", "chunked"))
            return True

        with RawServer(respond) as server:
            tokens = begin(server.url)
            assert next(tokens) == "a"
            close_idle_connections()
            is_closed.set()
            assert list(tokens) == ["b"] == list(begin(server.url))[1:]
            assert (server.connections, server.disconnected) == (1, 0)

    def test_other_threads_use_the_connections(self) -> None:
        """Each request must be sent once, so that none fails or is repeated because of a closed connection."""
        rounds, threads = 40, 6

        def complete(_: int) -> None:
            assert list(begin(server.url, retries=0)) == ["a", "b"]

        with RawServer(send_stream) as server, ThreadPoolExecutor(threads) as executor:
            completions = [executor.submit(complete, number) for number in range(rounds * threads)]
            while not all(completion.done() for completion in completions):
                close_idle_connections()
            for completion in completions:
                completion.result()
            assert len(server.sent) == rounds * threads
            close_idle_connections()
            wait_until(lambda: server.disconnected == server.connections)
