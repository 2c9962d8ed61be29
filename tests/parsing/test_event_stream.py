import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from g4f_legacy.errors import GenerationError, RateLimitError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing.event_stream import (
    DONE,
    EventStream,
    SinglePayload,
    iter_json_events,
    raise_reported_error,
)

NO_MARKER = "the stream ended without an end-of-stream marker"
NO_EVENTS = "the server sent no events; it may have failed, or the prompt may be too long"


class TestObjectLines:
    """An object on a line of its own is yielded at once, whatever follows."""

    def test_the_body_need_not_end(self) -> None:
        def chunks() -> Iterator[bytes]:
            yield b'{"type":"status"}\n'
            raise AssertionError("read on")

        assert next(iter_json_events(chunks())) == {"type": "status"}

    @pytest.mark.parametrize(
        "stream, expected",
        [
            (b'{"a":1}\n{"b":2}\n', [{"a": 1}, {"b": 2}]),
            (b'{"a":1}\n\ndata:{"b":2}\n\n', [{"a": 1}, {"b": 2}]),
            (b'{"a":\n{"b":2}\n}\n', [{"a": {"b": 2}}]),
            (b'[\n{"a":1},\n{"b":2}\n]\n', [{"a": 1}, {"b": 2}]),
        ],
    )
    def test_payloads(self, stream: bytes, expected: list[Any]) -> None:
        for chunks in ([stream], [bytes([byte]) for byte in stream]):
            assert list(iter_json_events(chunks)) == expected


class TestJSONEvents:
    def test_events(self) -> None:
        stream = b'data:{"a":1}\n\n: ping\n\ndata: {"b":\ndata: 2}\n\n'
        assert list(iter_json_events([stream])) == [{"a": 1}, {"b": 2}]

    def test_a_stream_that_ends_within_an_event(self) -> None:
        payloads = iter_json_events([b'data:{"a":1}\n\ndata:{"a"'])
        assert next(payloads) == {"a": 1}
        with pytest.raises(StreamInterruptedError, match="within an event"):
            next(payloads)

    def test_a_stream_without_the_last_blank_line(self) -> None:
        assert list(iter_json_events([b'data:{"a":1}'])) == [{"a": 1}]

    @pytest.mark.parametrize("stream", [b"data:{]\n\n", b"data: 5\n\n", b"data: []\n\n"])
    def test_data_that_is_not_an_object(self, stream: bytes) -> None:
        with pytest.raises(ResponseFormatError):
            list(iter_json_events([stream]))

    def test_an_error_in_a_list(self) -> None:
        stream = b'data: [{"error": "full"}]\n\ndata: {"a":1}\n\n'
        assert list(iter_json_events([stream])) == [{"error": "full"}, {"a": 1}]

    @pytest.mark.parametrize(
        "payload, kind",
        [
            ({"message": "full"}, GenerationError),
            ({"error": {"message": "full"}}, GenerationError),
            ({"error": "full", "error_type": "overloaded"}, RateLimitError),
        ],
    )
    def test_an_event_of_the_type_error(self, payload: Any, kind: Any) -> None:
        [received] = iter_json_events([f"event: error\ndata: {json.dumps(payload)}\n\n".encode()])
        with pytest.raises(kind, match="^full") as raised:
            raise_reported_error(received)
        assert type(raised.value) is kind

    def test_empty_events(self) -> None:
        assert list(iter_json_events([b'data:\n\ndata: {"a":1}\n\ndata: \n\n'])) == [{"a": 1}]

    def test_the_done_event(self) -> None:
        payloads = list(iter_json_events([b'data: {"a":1}\n\ndata: [DONE]\n\n']))
        assert payloads == [{"a": 1}, {}] and payloads[1] is DONE
        assert next(iter_json_events([b"data: [DONE]"])) is DONE
        assert next(iter_json_events([b"data:  [DONE] \n\n"])) is DONE


class TestExtraLines:
    """What servers write where an event should be."""

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
    @pytest.mark.parametrize("is_done", [False, True])
    @pytest.mark.parametrize("payloads", [[], [{"a": 1}]])
    def test_an_error(self, payloads: list[Any], is_done: bool, text: str) -> None:
        events = "".join(f"data: {json.dumps(payload)}\n\n" for payload in payloads)
        stream = (events + text + ("\n\ndata: [DONE]\n\n" if is_done else "")).encode()
        expected = [*payloads, self.error, *([DONE] if is_done else [])]
        assert list(iter_json_events([stream])) == expected
        assert list(iter_json_events(bytes([byte]) for byte in stream)) == expected

    @pytest.mark.parametrize("text", ['error: {"message": "no memory"}\n', json.dumps(error, indent=2) + "\n\n"])
    def test_an_error_before_the_connection_is_lost(self, text: str) -> None:
        def chunks() -> Iterator[bytes]:
            yield b'data: {"a":1}\n\n'
            yield text.encode()
            raise StreamInterruptedError("reset")

        payloads = iter_json_events(chunks())
        assert [next(payloads), next(payloads)] == [{"a": 1}, self.error]
        with pytest.raises(StreamInterruptedError):
            next(payloads)

    def test_an_error_that_is_not_json(self) -> None:
        assert list(iter_json_events([b"error: no memory\n\ndata: [DONE]\n\n"])) == [{"error": " no memory"}, DONE]
        assert list(iter_json_events([b"error: \xff"])) == [{"error": " \ufffd"}]

    def test_lines_without_meaning(self) -> None:
        stream = [b"color: red\n\n", b'data: {"a":1}\n\ndata:\n\n', b"5\n\nfree: text\n"]
        assert list(iter_json_events(stream)) == [{"a": 1}]

    @pytest.mark.parametrize("body", ["Internal Server Error", "5", "[1]", '{"a":'])
    def test_a_body_that_is_not_an_event_stream(self, body: str) -> None:
        with pytest.raises(ResponseFormatError) as raised:
            list(iter_json_events([body.encode()]))
        assert raised.value.args == (f"expected server-sent events, received {body!r}",)
        assert raised.value.body == body

    @pytest.mark.parametrize("beginning", ["", "d", "dat", "data", "data:", "data: ", ": ping", "\n"])
    def test_a_stream_truncated_within_its_first_field(self, beginning: str) -> None:
        assert list(iter_json_events([beginning.encode()])) == []

    def test_any_number_of_extra_lines(self) -> None:
        lines = b"x: " + b"y" * 10_000 + b"\n"
        assert list(iter_json_events([lines] * 1000 + [b'data: {"a":1}\n\n'])) == [{"a": 1}]


def events(payloads: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a chunk with an event for each payload."""
    for payload in payloads:
        yield b"data: [DONE]\n\n" if payload is DONE else f"data: {json.dumps(payload)}\n\n".encode()


def read(chunks: Iterable[bytes], complete_after: int = -1) -> list[dict[str, Any]]:
    """Read a stream, and mark it complete after so many payloads."""
    stream = EventStream(chunks)
    payloads: list[dict[str, Any]] = []
    for payload in stream.json_events():
        payloads.append(payload)
        if len(payloads) == complete_after:
            stream.mark_complete()
    assert stream.is_complete
    return payloads


class TestEventStream:
    def test_complete(self) -> None:
        assert read(events([{"a": 1}, {"b": 2}]), complete_after=1) == [{"a": 1}, {"b": 2}]
        assert read(events([{"a": 1}, DONE, {"b": 2}])) == [{"a": 1}]

    def test_no_marker(self) -> None:
        with pytest.raises(StreamInterruptedError) as raised:
            read(events([{"a": 1}]))
        assert raised.value.args == (NO_MARKER,)

    def test_a_marker_that_is_taken_back(self) -> None:
        stream = EventStream(events([{"a": 1}, {"b": 2}]))
        with pytest.raises(StreamInterruptedError) as raised:
            for payload in stream.json_events():
                stream.set_complete("a" in payload)
        assert raised.value.args == (NO_MARKER,) and not stream.is_complete

    @pytest.mark.parametrize("payloads", [[], [DONE]])
    def test_no_events(self, payloads: list[Any]) -> None:
        with pytest.raises(StreamInterruptedError) as raised:
            read(events(payloads))
        assert raised.value.args == (NO_EVENTS,)

    def test_a_connection_lost_after_the_marker(self) -> None:
        assert read(self.lose_connection(), complete_after=1) == [{"a": 1}]

    def test_a_connection_lost_before_the_marker(self) -> None:
        with pytest.raises(StreamInterruptedError, match="^the connection was lost"):
            read(self.lose_connection(), complete_after=2)

    def lose_connection(self) -> Iterator[bytes]:
        yield from events([{"a": 1}])
        raise StreamInterruptedError("the connection was lost")

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
            read(events([{"a": 1}, error, DONE]), complete_after=1)
        assert type(raised.value) is kind and raised.value.args == (message,)

    @pytest.mark.parametrize("value", [None, "", False, {}, []])
    def test_an_empty_error(self, value: Any) -> None:
        assert read(events([{"error": value}]), complete_after=1) == [{"error": value}]

    def test_each_event_is_progress(self) -> None:
        marked: list[int] = []
        stream = EventStream(events([{"a": 1}, {"b": 2}, DONE]), lambda: marked.append(1))
        assert [(payload, len(marked)) for payload in stream.json_events()] == [({"a": 1}, 1), ({"b": 2}, 2)]

    def test_the_caller_decides_what_is_progress(self) -> None:
        marked: list[int] = []
        stream = EventStream(events([{"a": 1}, {"b": 2}, DONE]), lambda: marked.append(1))
        for payload in stream.json_events(every_event_is_progress=False):
            if "b" in payload:
                stream.mark_progress()
        assert len(marked) == 1

    def test_the_caller_raises_errors(self) -> None:
        stream = EventStream(events([{"error": "of a tool"}, {"b": 2}]))
        payloads = stream.json_events(raise_for_b)
        assert next(payloads) == {"error": "of a tool"}
        with pytest.raises(GenerationError, match="^b"):
            next(payloads)

    def test_json_lines(self) -> None:
        marked: list[int] = []
        stream = EventStream([b'{"a":1}\n{"keepAlive":1}\n{"error":"of a tool"}\n{"b":2}\n'], lambda: marked.append(1))
        payloads = stream.json_lines(raise_for_b, skip=lambda payload: "keepAlive" in payload)
        assert [(next(payloads), len(marked)) for _ in range(2)] == [({"a": 1}, 1), ({"error": "of a tool"}, 2)]
        with pytest.raises(GenerationError, match="^b"):
            next(payloads)

    def test_json_lines_without_a_marker(self) -> None:
        with pytest.raises(StreamInterruptedError) as raised:
            list(EventStream([b'{"a":1}\n']).json_lines(raise_for_b, skip=lambda _: False))
        assert raised.value.args == (NO_MARKER,)

    def test_json_lines_that_are_all_skipped(self) -> None:
        with pytest.raises(StreamInterruptedError) as raised:
            list(EventStream([b'{"a":1}\n']).json_lines(raise_for_b, skip=lambda _: True))
        assert raised.value.args == (NO_EVENTS,)


def raise_for_b(payload: dict[str, Any]) -> None:
    if "b" in payload:
        raise GenerationError("b")


class TestSinglePayload:
    def test_complete(self) -> None:
        stream = SinglePayload({"a": 1})
        for payload in stream.json_events():
            assert payload == {"a": 1}
            stream.mark_complete()
        assert stream.is_complete

    def test_no_marker(self) -> None:
        with pytest.raises(StreamInterruptedError) as raised:
            list(SinglePayload({}).json_events())
        assert raised.value.args == (NO_MARKER,)

    def test_an_error(self) -> None:
        with pytest.raises(GenerationError, match="^full"):
            list(SinglePayload({"error": "full"}).json_events())
