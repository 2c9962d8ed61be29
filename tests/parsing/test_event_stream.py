import json
from typing import Any, Dict, Iterator, List

import pytest

from g4f_legacy.errors import GenerationError, RateLimitError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing.event_stream import (
    DONE,
    EventStream,
    iter_json_events,
    iter_json_lines,
    join_tokens,
    raise_reported_error,
)


def test_documents() -> None:
    assert list(iter_json_events([b'data:{"a":1}\n\n: ping\n\ndata: {"b":\ndata: 2}\n\n'])) == [{"a": 1}, {"b": 2}]


def test_documents_of_a_stream_that_ends_within_one() -> None:
    stream = iter_json_events([b'data:{"a":1}\n\ndata:{"a"'])
    assert next(stream) == {"a": 1}
    with pytest.raises(StreamInterruptedError, match="within an event"):
        next(stream)


def test_documents_without_the_last_blank_line() -> None:
    assert list(iter_json_events([b'data:{"a":1}'])) == [{"a": 1}]


def test_documents_that_are_malformed() -> None:
    with pytest.raises(ResponseFormatError):
        list(iter_json_events([b"data:{]\n\n"]))


def test_an_error_in_a_list() -> None:
    assert list(iter_json_events([b'data: [{"error": "full"}]\n\ndata: {"a":1}\n\n'])) == [{"error": "full"}, {"a": 1}]


@pytest.mark.parametrize(
    "said, kind",
    [
        ({"message": "full"}, GenerationError),
        ({"error": {"message": "full"}}, GenerationError),
        ({"error": "full", "error_type": "overloaded"}, RateLimitError),
    ],
)
def test_an_event_named_error(said: Any, kind: Any) -> None:
    [found] = iter_json_events([f"event: error\ndata: {json.dumps(said)}\n\n".encode()])
    with pytest.raises(kind, match="^full") as raised:
        raise_reported_error(found)
    assert type(raised.value) is kind


def test_empty_events() -> None:
    assert list(iter_json_events([b'data:\n\ndata: {"a":1}\n\ndata: \n\n'])) == [{"a": 1}]


def test_the_done_event() -> None:
    found = list(iter_json_events([b'data: {"a":1}\n\ndata: [DONE]\n\n']))
    assert found == [{"a": 1}, {}] and found[1] is DONE
    assert next(iter_json_events([b"data: [DONE]"])) is next(iter_json_events([b"data:  [DONE] \n\n"])) is DONE


class TestBesideTheEvents:
    """What hosts write where an event should be."""

    error = {"error": {"message": "no memory"}}

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(error),
            json.dumps(error, indent=2),
            json.dumps([error], indent=2).replace("\n", "\r\n"),
            'error: {"message": "no memory"}\n\n',
            'color: red\nerror:{"message": "no memory"}',
            json.dumps(error, indent=2).replace("\n", "\n\n"),
        ],
    )
    @pytest.mark.parametrize("after", ["", "\n\ndata: [DONE]\n\n"])
    @pytest.mark.parametrize("before", [[], [{"a": 1}]])
    def test_an_error(self, before: List[Any], after: str, text: str) -> None:
        stream = "".join(f"data: {json.dumps(one)}\n\n" for one in before) + text + after
        assert list(iter_json_events([stream.encode()])) == [*before, self.error] + [DONE] * bool(after)
        assert list(iter_json_events(bytes([byte]) for byte in stream.encode())) == [*before, self.error] + [
            DONE
        ] * bool(after)

    @pytest.mark.parametrize("text", ['error: {"message": "no memory"}\n', json.dumps(error, indent=2) + "\n\n"])
    def test_an_error_before_the_stream_breaks_off(self, text: str) -> None:
        def pieces() -> Iterator[bytes]:
            yield b'data: {"a":1}\n\n'
            yield text.encode()
            raise StreamInterruptedError("reset")

        found = iter_json_events(pieces())
        assert [next(found), next(found)] == [{"a": 1}, self.error]
        with pytest.raises(StreamInterruptedError):
            next(found)

    def test_an_error_that_is_no_json(self) -> None:
        assert list(iter_json_events([b"error: no memory\n\ndata: [DONE]\n\n"])) == [{"error": " no memory"}, DONE]
        assert list(iter_json_events([b"error: \xff"])) == [{"error": " \ufffd"}]

    def test_lines_that_mean_nothing(self) -> None:
        stream = [b"color: red\n\n", b'data: {"a":1}\n\ndata:\n\n', b"5\n\nfree: text\n"]
        assert list(iter_json_events(stream)) == [{"a": 1}]

    @pytest.mark.parametrize("body", ["Internal Server Error", "5", "[1]", '{"a":'])
    def test_a_body_that_is_no_event_stream(self, body: str) -> None:
        with pytest.raises(ResponseFormatError) as raised:
            list(iter_json_events([body.encode()]))
        assert raised.value.args == (f"expected server-sent events, but got {body!r}",)

    @pytest.mark.parametrize("cut", ["", "d", "dat", "data", "data:", "data: ", ": ping", "\n"])
    def test_a_stream_that_hardly_began(self, cut: str) -> None:
        assert list(iter_json_events([cut.encode()])) == []

    def test_an_endless_one_is_not_kept(self) -> None:
        lines = b"x: " + b"y" * 10_000 + b"\n"
        assert list(iter_json_events([lines] * 1000 + [b'data: {"a":1}\n\n'])) == [{"a": 1}]


def test_json_lines() -> None:
    stream = b'{"a":1}\n\n  \n  {"b":2}\r\n{"c":3}'
    for pieces in ([stream], [bytes([byte]) for byte in stream]):
        assert list(iter_json_lines(pieces)) == [{"a": 1}, {"b": 2}, {"c": 3}]


@pytest.mark.parametrize(
    "behind, kind, message",
    [
        (b'{"b"', StreamInterruptedError, "the stream ended within a line: expected JSON, but got '{\"b\"'"),
        (b"no\n{}\n", ResponseFormatError, "expected JSON, but got 'no'"),
        (b"5\n{}", ResponseFormatError, "expected a JSON object, but got '5'"),
    ],
)
def test_json_lines_and_something_else(behind: bytes, kind: Any, message: str) -> None:
    found = iter_json_lines([b'{"a":1}\n' + behind])
    assert next(found) == {"a": 1}
    with pytest.raises(kind) as raised:
        next(found)
    assert type(raised.value) is kind and raised.value.args == (message,)


def read(found: List[Dict[str, Any]], whole_after: int = -1) -> List[Dict[str, Any]]:
    """Reads an answer that is whole once it has given so many objects."""
    answer = EventStream(found)
    came: List[Dict[str, Any]] = []
    for document in answer:
        came.append(document)
        answer.is_whole = answer.is_whole or len(came) == whole_after
    return came


class TestAnswer:
    def test_whole(self) -> None:
        assert read([{"a": 1}, {"b": 2}], whole_after=1) == [{"a": 1}, {"b": 2}]
        assert read([{"a": 1}, DONE, {"b": 2}]) == [{"a": 1}]

    def test_not_whole(self) -> None:
        with pytest.raises(StreamInterruptedError, match="without an end mark"):
            read([{"a": 1}])

    @pytest.mark.parametrize("found", [[], [DONE]])
    def test_empty(self, found: List[Any]) -> None:
        with pytest.raises(StreamInterruptedError, match="not a single event came"):
            read(found)

    @pytest.mark.parametrize("whole_after", [1, 2])
    def test_broken_off(self, whole_after: int) -> None:
        def found():  # type: ignore[no-untyped-def]
            yield {"a": 1}
            raise StreamInterruptedError("the answer broke off")

        if whole_after == 1:
            assert read(found(), whole_after) == [{"a": 1}]
        else:
            with pytest.raises(StreamInterruptedError, match="the answer broke off"):
                read(found(), whole_after)

    @pytest.mark.parametrize(
        "error, kind, message",
        [
            ({"error": "full"}, GenerationError, "full"),
            ({"error": {"message": "full", "type": "x"}}, GenerationError, "full"),
            ({"error": ["full"]}, GenerationError, "full"),
            ({"error": {"code": 5}}, GenerationError, 'an error without a message: \'{"error": {"code": 5}}\''),
            ({"error": True}, GenerationError, "an error without a message: '{\"error\": true}'"),
            ({"error": "full", "error_type": "overloaded"}, RateLimitError, "full"),
            ({"object": "error", "message": "full"}, GenerationError, "full"),
        ],
    )
    def test_an_error(self, error: Any, kind: Any, message: str) -> None:
        with pytest.raises(kind) as raised:
            read([{"a": 1}, error, DONE], whole_after=1)
        assert raised.value.args == (message,)

    @pytest.mark.parametrize("nothing", [None, "", False, {}, []])
    def test_an_error_that_is_none(self, nothing: Any) -> None:
        assert read([{"error": nothing}], whole_after=1) == [{"error": nothing}]


def test_join_keeps_what_had_come() -> None:
    def tokens(error: Exception) -> Iterator[str]:
        yield "a"
        yield "b"
        raise error

    assert join_tokens(["a", "b"]) == "ab"
    inner = GenerationError("x")
    inner.partial = "c"
    with pytest.raises(GenerationError) as raised:
        join_tokens(tokens(inner))
    assert raised.value.partial == "abc"
    with pytest.raises(ZeroDivisionError):
        join_tokens(tokens(ZeroDivisionError()))
