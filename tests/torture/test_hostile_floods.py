import socket
import time
import tracemalloc
from typing import Any, Callable, Dict, Iterator, List, Tuple

from protocols import ANSWERS, Recorded, ask, is_question
import pytest
from raw_host import RawHost, head, whole
from replay import Sent

from g4f_legacy.errors import RequestFailedError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing import sse
from g4f_legacy.transport import body

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize("name, stream", [(name, way) for name, one in ANSWERS.items() for way in one.ways])
def test_the_longest_object(name: str, stream: bool) -> None:
    answers = Recorded(name)
    said = answers.stream
    begin, end = answers.documents()[-2 if name == "HuggingChat" else -1]  # the one that ends it
    longest = sse.MAX_LINE_LENGTH if answers.kind != "application/json" else body.MAX_BODY_SIZE
    line = said.rfind(b"\n", 0, begin) + 1
    for more in (0, 1):
        padding = b'{"padding": "%s", ' % (b"x" * (longest + more - (end - line) - len('"padding": "", ')))
        with RawHost(saying(answers, said[:begin] + padding + said[begin + 1 :])) as host:
            text, raised = ask(name, host.url, stream)
        if more:
            assert type(raised) is ResponseFormatError and text == answers.text_of(said[:line])
        else:
            assert (text, raised) == (answers.text, None)


def saying(answers: Recorded, said: bytes) -> Callable[[socket.socket, Sent], bool]:
    """A host that says this for the text, and to everything else what it should."""

    def answer(connection: socket.socket, sent: Sent) -> bool:
        connection.sendall(whole(said if is_question(sent) else answers.to(sent)))
        return True

    return answer


BLOCK = 64 * 1024
STREAMED, CHUNKED = head("close"), head("chunked")
FLOODS: Dict[str, Tuple[bytes, bytes]] = {
    "a line": (STREAMED, b"x" * BLOCK),
    "a line of data": (STREAMED + b"data: ", b"x" * BLOCK),
    "an event": (STREAMED, (b"data: " + b"x" * 4089 + b"\n") * 16),
    "an object": (STREAMED + b'data: {"a": "', b"x" * BLOCK),
    "lists": (STREAMED + b'data: {"a": ', b"[" * BLOCK),
    "chunks": (CHUNKED, b"10000\r\n" + b"x" * BLOCK + b"\r\n"),
    "a chunk's size": (CHUNKED, b"0" * BLOCK),
    "a chunk's extension": (CHUNKED + b"5;", b"x" * BLOCK),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * BLOCK),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * (BLOCK // 6)),
    "a page": (head("close", kind="text/html"), b"<p>" * (BLOCK // 3)),
    "a refusal": (b"HTTP/1.1 500 No\r\n\r\n", b'["' * (BLOCK // 2)),
    "a redirect": (b"HTTP/1.1 302 Go\r\nLocation: http://example.test/\r\n\r\n", b"x" * BLOCK),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("first, more", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_left_before_it_fills_the_memory(first: bytes, more: bytes, name: str, memory: Any) -> None:
    answers = Recorded(name)
    for where in (is_question, lambda _: True):
        heard_all: List[Sent] = []

        def answer(connection: socket.socket, sent: Sent) -> bool:
            if not where(sent):
                connection.sendall(whole(answers.to(sent)))
                return True
            connection.sendall(first)
            for _ in range(64 * MEBIBYTE // BLOCK):
                connection.sendall(more)
            heard_all.append(sent)
            return False

        began = time.monotonic()
        with RawHost(answer) as host:
            text, raised = ask(name, host.url, ANSWERS[name].ways[0])
        assert text == "" and isinstance(raised, (ResponseFormatError, RequestFailedError, StreamInterruptedError))
        assert heard_all == [] and time.monotonic() - began < 30
        is_document = answers.kind == "application/json" or where != is_question
        assert memory() < (2.5 * body.MAX_BODY_SIZE if is_document else 6 * sse.MAX_LINE_LENGTH)


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    """The most bytes in use since the test began, or since it was asked last."""

    def peak() -> int:
        found = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.clear_traces()
        return found

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield peak
    tracemalloc.stop()


BESIDE = {
    "comments": b": " + b"x" * 1022 + b"\n",
    "unknown fields": b"x" * 1000 + b": y\n",
    "ids": b"id: " + b"x" * 1000 + b"\n",
    "spaces": b" " * 1023 + b"\n",
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("between", BESIDE.values(), ids=BESIDE)
def test_what_means_nothing_takes_no_memory(between: bytes, name: str, memory: Any) -> None:
    answers = Recorded(name)
    if answers.kind in ("application/json", "application/jsonl") and between.strip():
        between = b" " * 1022 + b"\r\n"
    begin = answers.documents()[-1][0]
    line = answers.stream.rfind(b"\n", 0, begin) + 1

    def answer(connection: socket.socket, sent: Sent) -> bool:
        if not is_question(sent):
            connection.sendall(whole(answers.to(sent)))
            return True
        connection.sendall(head("close") + answers.stream[:line])
        for _ in range(8 * MEBIBYTE // len(between) // 64):
            connection.sendall(between * 64)
        connection.sendall(answers.stream[line:])
        return False

    with RawHost(answer) as host:
        assert ask(name, host.url, ANSWERS[name].ways[-1]) == (answers.text, None)
    assert memory() < (3 * body.MAX_BODY_SIZE if answers.kind == "application/json" else 4 * sse.MAX_LINE_LENGTH)
