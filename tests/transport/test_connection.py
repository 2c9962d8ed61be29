import socket
import threading
import time
from collections import deque
from io import BufferedReader
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest
from raw_server import RawServer, response

from g4f_legacy.Provider import OpenAI
from g4f_legacy.transport import connection, session
from g4f_legacy.transport.connection import NEW_CONNECTION, ConnectionStack, DeadlineError, DeadlineReader

STREAM = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n'


def test_the_garbage_collector_closes_a_completion_within_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    abandoned: list[Any] = []

    class CollectingDeque(deque):  # type: ignore[type-arg]
        def pop(self) -> Any:  # type: ignore[override]
            while abandoned:
                abandoned.pop().close()
            return super().pop()

    monkeypatch.setattr(connection, "deque", CollectingDeque)
    monkeypatch.setattr(session, "_shared_adapter", lambda adapter=session._Adapter(): adapter)
    with RawServer(lambda client, _: client.sendall(response(STREAM)) or True) as server:

        def begin() -> Any:
            messages = [{"role": "user", "content": "x"}]
            return OpenAI._create_completion("m", messages, True, base_url=f"{server.url}/v1")

        for _ in range(3):
            tokens = begin()
            assert next(tokens) == "a"
            abandoned.append(tokens)
        assert list(begin()) == ["a"] and abandoned == []


def test_a_new_connection_takes_the_place_of_an_idle_one() -> None:
    closed = []
    idle = [SimpleNamespace(close=lambda number=number: closed.append(number)) for number in range(2)]
    stack = ConnectionStack(3)
    for stored in (*idle, None):
        stack.put(stored)
    assert stack.get(timeout=NEW_CONNECTION) is None and closed == []
    assert stack.get(timeout=NEW_CONNECTION) is idle[1] and closed == [1]
    assert stack.get() is idle[0] and closed == [1]
    with pytest.raises(Empty):
        stack.get(timeout=NEW_CONNECTION)


class TestDeadlineReader:
    @pytest.fixture
    def pair(self) -> Any:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(30)
            yield ours, theirs

    @pytest.fixture
    def reader(self, pair: Any) -> Any:
        with DeadlineReader(socket.SocketIO(pair[0], "rb"), pair[0]) as reader:
            yield reader

    def test_without_a_deadline_the_timeout_of_the_socket_applies(self, pair: Any, reader: Any) -> None:
        pair[0].settimeout(0.1)
        with pytest.raises(TimeoutError) as raised:
            reader.read(1)
        assert type(raised.value) is TimeoutError

    def test_no_data(self, reader: Any) -> None:
        reader.set_deadline(10, 0.1)
        with pytest.raises(TimeoutError) as raised:
            reader.read(1)
        assert type(raised.value) is TimeoutError

    def test_data_until_the_deadline(self, pair: Any, reader: Any) -> None:
        is_over = threading.Event()

        def send() -> None:
            while not is_over.wait(0.05):
                pair[1].sendall(b"x")

        thread = threading.Thread(target=send)
        thread.start()
        started = time.monotonic()
        reader.set_deadline(0.4, 0.3)
        with pytest.raises(DeadlineError):
            while True:
                assert reader.read(1) == b"x"
        assert 0.3 < time.monotonic() - started < 5
        is_over.set()
        thread.join()

    def test_a_deadline_in_the_past(self, pair: Any, reader: Any) -> None:
        pair[1].sendall(b"x")
        reader.set_deadline(0)
        with pytest.raises(DeadlineError):
            reader.read(1)

    def test_the_socket_gets_its_timeout_back(self, pair: Any, reader: Any) -> None:
        reader.set_deadline(5)
        pair[1].sendall(b"x")
        assert reader.read(1) == b"x" and pair[0].gettimeout() < 5.1
        reader.clear_deadline()
        assert pair[0].gettimeout() == 30

    def test_end_of_file(self, pair: Any, reader: Any) -> None:
        pair[1].sendall(b"x")
        pair[1].close()
        assert (reader.read(1), reader.at_eof) == (b"x", False)
        assert (reader.read(1), reader.at_eof) == (b"", True)

    def test_buffered_bytes_are_returned_before_the_socket_is_read(self, pair: Any) -> None:
        buffered = BufferedReader(socket.SocketIO(pair[0], "rb"), 16)  # type: ignore[arg-type]
        pair[1].sendall(b"hello")
        assert buffered.read(1) == b"h"
        with DeadlineReader(buffered, pair[0]) as reader:
            reader.set_deadline(0.1)
            assert reader.read(100) == b"ello"
