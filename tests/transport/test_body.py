"""Bodies whose `raw` is not urllib3's: a caller's session may have an adapter of its own, as many tests do."""

import gzip
from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from raw_server import RawServer, response
from requests.adapters import BaseAdapter, HTTPAdapter

from g4f_legacy.Provider import OpenAI
from g4f_legacy.transport.body import ByteStream, read_body, read_prefix

MESSAGES = [{"role": "user", "content": "x"}]
STREAM = (
    b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)
COMPLETION = b'{"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}'


class OnlyRead:
    """A `raw` that has nothing else."""

    def __init__(self, body: bytes) -> None:
        self.read = BytesIO(body).read


class PlainRead1(OnlyRead):
    """One whose `read1` does not know `decode_content`, and returns less than there is."""

    def __init__(self, body: bytes) -> None:
        file = BytesIO(body)
        self.read1 = lambda size: file.read(min(size, 7))
        self.close = file.close

    def read(self, size: int | None = None) -> bytes:
        raise AssertionError("it would wait for all bytes")


RAWS: list[Callable[[bytes], Any]] = [BytesIO, OnlyRead, PlainRead1]


@pytest.fixture(params=RAWS, ids=lambda raw: raw.__name__)
def new_session(request: pytest.FixtureRequest) -> Callable[[], requests.Session]:
    """Return a function that returns a session whose responses have such a `raw`."""

    class Adapter(HTTPAdapter):
        def build_response(self, prepared: requests.PreparedRequest, raw: Any) -> requests.Response:
            built = super().build_response(prepared, raw)
            built.raw = request.param(raw.read(decode_content=False))
            return built

    def session() -> requests.Session:
        own = requests.Session()
        own.mount("http://", Adapter())
        request.addfinalizer(own.close)
        return own

    return session


ENCODINGS = {
    "plain": (bytes, []),
    "compressed": (gzip.compress, ["Content-Encoding: gzip"]),
    "already decoded": (bytes, ["Content-Encoding: gzip"]),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_completion(new_session: Any, stream: bool, encoding: str) -> None:
    encode, headers = ENCODINGS[encoding]
    body = encode(STREAM if stream else COMPLETION)
    content_type = "text/event-stream" if stream else "application/json"
    reply = response(body, 200, f"Content-Type: {content_type}", *headers)
    with RawServer(lambda client, _: client.sendall(reply) or True) as server:
        for _ in range(2):
            tokens = OpenAI._create_completion("m", MESSAGES, stream, base_url=server.url, session=new_session())
            assert list(tokens) == (["a", "b"] if stream else ["ab"])


def get(server: RawServer, session: requests.Session) -> requests.Response:
    return session.get(server.url, stream=True, timeout=5)


@pytest.mark.parametrize("body", [b"", b"a", b"{}", b"\x1f", b"\x1f\x8b no header names it", b"x" * 200_000])
def test_a_body(new_session: Any, body: bytes) -> None:
    with RawServer(lambda client, _: client.sendall(response(body)) or True) as server:
        assert b"".join(ByteStream(get(server, new_session()), 5)) == body
        assert read_body(get(server, new_session()), 5).content == body
        prefix = read_prefix(get(server, new_session()))
        assert body.startswith(prefix) and len(prefix) >= min(len(body), 64 * 1024)


def test_the_raw_is_closed_at_its_end() -> None:
    """A cassette of VCR.py gets its connection back by that."""
    fake = requests.Response()
    fake.raw = BytesIO(b"one")
    assert read_body(fake, 5).content == b"one" and fake.raw.closed


def test_chunks_are_yielded_as_they_arrive() -> None:
    chunks = [b"one", b"two"]
    fake = requests.Response()
    fake.raw = SimpleNamespace(read1=lambda size: chunks.pop(0) if chunks else b"", read=None)
    stream = iter(ByteStream(fake, 5))
    assert (next(stream), len(chunks)) == (b"one", 1)
    assert list(stream) == [b"two"]


def test_a_response_without_raw() -> None:
    """As many tests make one."""

    class Adapter(BaseAdapter):
        def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
            fake = requests.Response()
            fake.status_code, fake.url, fake.request = 200, str(request.url), request
            fake._content = COMPLETION
            return fake

        def close(self) -> None:
            pass

    with requests.Session() as session:
        session.mount("http://", Adapter())
        tokens = OpenAI._create_completion("m", MESSAGES, False, base_url="http://server.test", session=session)
        assert list(tokens) == ["ab"]
