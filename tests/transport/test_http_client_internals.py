from io import BufferedReader, BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from raw_server import RawServer, response

from g4f_legacy.errors import RequestFailedError
from g4f_legacy.Provider import OpenAI
from g4f_legacy.transport.http_client_internals import get_deadline_reader


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_truncated_headers(end: int) -> None:
    headers = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nA: b\r\n" * 2
    with RawServer(lambda connection, _: connection.sendall(headers[:end])) as server:
        with pytest.raises(RequestFailedError, match="^OpenAI: no response: "):
            OpenAI._list_models(base_url=f"{server.url}/v1", retries=0)


@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_responses_are_skipped(status: int) -> None:
    interim = b"HTTP/1.1 %d Wait\r\nX-A: b\r\n\r\n" % status
    models = response(b'{"data": [{"id": "m"}]}')
    with RawServer(lambda connection, _: connection.sendall(interim * 2 + models)) as server:
        assert OpenAI._list_models(base_url=f"{server.url}/v1", retries=0) == ["m"]


@pytest.mark.parametrize("file", [None, object(), BufferedReader(BytesIO())])  # type: ignore[arg-type]
def test_a_response_without_the_known_file(file: Any) -> None:
    assert get_deadline_reader(SimpleNamespace(fp=file)) is None  # type: ignore[arg-type]
    assert get_deadline_reader(object()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("lengths", [b"Content-Length: 5, 6", b"Content-Length: 5\r\nContent-Length: 6"])
def test_different_lengths(lengths: bytes) -> None:
    ambiguous = b"HTTP/1.1 200 OK\r\n" + lengths + b"\r\n\r\nhello"
    with RawServer(lambda connection, _: connection.sendall(ambiguous)) as server:
        with pytest.raises(RequestFailedError, match="the headers contain different lengths"):
            OpenAI._list_models(base_url=f"{server.url}/v1", retries=0)


def test_a_connection_that_switches_protocols_is_not_used_again() -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    with RawServer(lambda connection, _: connection.sendall(switching) or True) as server:
        for _ in range(2):
            with pytest.raises(RequestFailedError, match="101 Switching Protocols"):
                OpenAI._list_models(base_url=f"{server.url}/v1", retries=0)
    assert server.connections == 2
