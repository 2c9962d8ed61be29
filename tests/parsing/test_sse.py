from collections.abc import Iterator

import pytest

from g4f_legacy.errors import ResponseFormatError
from g4f_legacy.parsing import sse
from g4f_legacy.parsing.sse import Event


def events_of(chunks: list[bytes]) -> list[Event]:
    return [event for event in sse.iter_events(chunks) if isinstance(event, Event)]


LINES = {
    "nothing": ([], []),
    "empty chunks": ([b"", b""], []),
    "LF": ([b"a\nb\n"], [b"a", b"b"]),
    "CR": ([b"a\rb\r"], [b"a", b"b"]),
    "CRLF": ([b"a\r\nb\r\n"], [b"a", b"b"]),
    "CRLF split between two chunks": ([b"a\r", b"\nb"], [b"a", b"b"]),
    "CRLF split, with an empty chunk between": ([b"a\r", b"", b"\nb"], [b"a", b"b"]),
    "CR at the end of a chunk, without LF": ([b"a\r", b"b"], [b"a", b"b"]),
    "CR CR": ([b"a\r\rb"], [b"a", b"", b"b"]),
    "CRLF split, then LF": ([b"a\r", b"\n", b"\nb"], [b"a", b"", b"b"]),
    "CR, then CRLF split": ([b"a\r\r", b"\n"], [b"a", b""]),
    "LF CR ends two lines": ([b"a\n\rb"], [b"a", b"", b"b"]),
    "CRLF LF split after CR": ([b"a\r", b"\n\nb"], [b"a", b"", b"b"]),
    "one byte at a time": ([bytes([byte]) for byte in b"ab\r\n\r\nc"], [b"ab", b"", b"c"]),
    "a line over several chunks": ([b"a", b"b", b"c\nd"], [b"abc", b"d"]),
    "a last line without an end": ([b"a\nb"], [b"a", b"b"]),
    "U+2028 and U+0085 are not line ends": ([" \u2028 \x85\n".encode()], [" \u2028 \x85".encode()]),
    "form feed and vertical tab are not line ends": ([b"a\x0b\x0c\x1cb\n"], [b"a\x0b\x0c\x1cb"]),
}


@pytest.mark.parametrize("chunks, lines", LINES.values(), ids=LINES)
def test_lines(chunks: list[bytes], lines: list[bytes]) -> None:
    assert list(sse.iter_lines(chunks)) == lines


EVENTS = {
    "no space after the colon": ([b"data:a\n\n"], [Event("a")]),
    "one space is removed": ([b"data: a\n\n"], [Event("a")]),
    "only one space is removed": ([b"data:  a\n\n"], [Event(" a")]),
    "a tab is kept": ([b"data:\ta\n\n"], [Event("\ta")]),
    "CRLF": ([b"data: a\r\n\r\n"], [Event("a")]),
    "CR": ([b"data: a\r\r"], [Event("a")]),
    "the CRLF of a blank line split": ([b"data: a\r\n\r", b"\ndata: b\r\n\r\n"], [Event("a"), Event("b")]),
    "data over several lines": ([b"data: a\ndata\ndata: b\n\n"], [Event("a\n\nb")]),
    "a field name in the data": ([b"data:data: a\n\n"], [Event("data: a")]),
    "a colon in the value": ([b"data: a: b\n\n"], [Event("a: b")]),
    "empty data is an event": ([b"data\n\n"], [Event("")]),
    "comments": ([b": ping\n\n:\n\n:data: a\n\n"], []),
    "a comment inside an event": ([b"data: a\n: ping\ndata: b\n\n"], [Event("a\nb")]),
    "unknown fields": ([b"color: red\n data: a\nDATA: b\n\n"], [b"color: red", b" data: a", b"DATA: b"]),
    "several blank lines": ([b"\n\ndata: a\n\n\n\n"], [Event("a")]),
    "event, id, retry": (
        [b"event: e\nid: 7\nretry: 10\ndata: a\n\ndata: b\n\n"],
        [Event("a", "e", "7", 10), Event("b", id="7")],
    ),
    "a type without data is discarded": ([b"event: e\n\ndata: a\n\n"], [Event("a")]),
    "an empty type means message": ([b"event:\ndata: a\n\n"], [Event("a")]),
    "an empty id resets the id": ([b"id: 1\ndata: a\n\nid\ndata: b\n\n"], [Event("a", id="1"), Event("b")]),
    "an id with NUL is ignored": ([b"id: 1\0\ndata: a\n\n"], [Event("a")]),
    "retry that is not a number": ([b"retry: soon\nretry: -1\nretry: 1e3\ndata: a\n\n"], [Event("a")]),
    "a number in an unknown field": ([b"color: 10\ndata: a\n\n"], [b"color: 10", Event("a")]),
    "retry of absurd length": ([b"retry: " + b"9" * 5000 + b"\ndata: a\n\n"], [Event("a")]),
    "BOM": ([b"\xef\xbb\xbfdata: a\n\n"], [Event("a")]),
    "BOM split": ([b"\xef", b"\xbb", b"\xbfdata: a\n\n"], [Event("a")]),
    "only a leading BOM is removed": ([b"\n\xef\xbb\xbfdata: a\n\n"], [b"\xef\xbb\xbfdata: a"]),
    "UTF-8 split within a character": ([b"data: \xd0", b"\x9f\xf0\x9f", b"\x91\x8b\n\n"], [Event("П👋")]),
    "invalid UTF-8": ([b"data: \xff\xfe\n\n"], [Event("\ufffd\ufffd")]),
    "NUL": ([b"data: a\0b\n\n"], [Event("a\0b")]),
    "unterminated: no blank line": ([b"data: a\n"], [Event("a", terminated=False)]),
    "unterminated: no line end": ([b"data: a"], [Event("a", terminated=False)]),
    "unterminated: a truncated field name": ([b"data: a\nda"], [b"da", Event("a", terminated=False)]),
    "unterminated: all fields": (
        [b"event: e\nid: 7\nretry: 10\ndata: a\ndata: b"],
        [Event("a\nb", "e", "7", 10, terminated=False)],
    ),
    "unterminated: without data": ([b"event: a\nid: 5\n"], []),
}


@pytest.mark.parametrize("chunks, events", EVENTS.values(), ids=EVENTS)
def test_events(chunks: list[bytes], events: list[Event | bytes]) -> None:
    assert list(sse.iter_events(chunks)) == events


@pytest.mark.parametrize("chunks, events", EVENTS.values(), ids=EVENTS)
def test_events_at_every_chunk_boundary(chunks: list[bytes], events: list[Event | bytes]) -> None:
    stream = b"".join(chunks)
    for boundary in range(len(stream)):
        assert list(sse.iter_events([stream[:boundary], stream[boundary:]])) == events
    assert list(sse.iter_events(bytes([byte]) for byte in stream)) == events


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r"])
def test_an_event_is_yielded_as_soon_as_it_is_complete(end: bytes) -> None:
    received: list[str] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            yield b"data: %d%s" % (number, end)
            assert received == [str(number) for number in range(number + 1)]

    for event in sse.iter_events(chunks()):
        assert isinstance(event, Event)
        received.append(event.data)
    assert len(received) == 3


def test_the_longest_line() -> None:
    longest = b"data:" + b"x" * (sse.MAX_LINE_LENGTH - 5)
    assert len(list(sse.iter_lines([longest]))[0]) == sse.MAX_LINE_LENGTH
    assert [len(event.data) for event in events_of([longest, b"\n\n"])] == [sse.MAX_LINE_LENGTH - 5]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"x" * (sse.MAX_LINE_LENGTH + 1)],
        [b"x" * (sse.MAX_LINE_LENGTH + 1) + b"\n"],
        [b"x" * sse.MAX_LINE_LENGTH, b"x", b"\n"],
        [b"x" * sse.MAX_LINE_LENGTH, b"x\n"],
    ],
    ids=["without an end", "with an end", "over two chunks", "over two chunks, with an end"],
)
def test_a_line_that_is_too_long(chunks: list[bytes]) -> None:
    with pytest.raises(ResponseFormatError, match="a line of more than 1048576 bytes"):
        list(sse.iter_lines(chunks))


def test_the_longest_event() -> None:
    event = b"data:" + b"x" * (sse.MAX_LINE_LENGTH - 8) + b"\ndata:" + b"y" * 6 + b"\n\n"
    assert [len(event.data) for event in events_of([event, event])] == [sse.MAX_LINE_LENGTH - 1] * 2
    with pytest.raises(ResponseFormatError, match="an event of more than 1048576 bytes"):
        list(sse.iter_events([event.replace(b"yy", b"yyy")]))


def test_unknown_lines_keep_their_place_among_the_events() -> None:
    stream = b"color: red\n: ping\n:\nid: \0\nretry: soon\nevent: e\n\ndata: a\n\nb\ndata: c\n  {\n"
    assert list(sse.iter_events([stream])) == [b"color: red", Event("a"), b"b", b"  {", Event("c", terminated=False)]


def test_unknown_lines_have_no_limit_in_total() -> None:
    line = b"x" * (sse.MAX_LINE_LENGTH // 4)
    assert list(sse.iter_events([line + b"\n"] * 10)) == [line] * 10


def test_lines_before_one_that_is_too_long() -> None:
    lines = sse.iter_lines([b"a\nb\n" + b"x" * (sse.MAX_LINE_LENGTH + 1) + b"\nc\n"])
    assert [next(lines), next(lines)] == [b"a", b"b"]
    with pytest.raises(ResponseFormatError, match="a line of more than 1048576 bytes"):
        next(lines)


@pytest.mark.parametrize(
    "line", [b"data:" + b"x" * (sse.MAX_LINE_LENGTH // 2) + b"\n", b"data\n" * (sse.MAX_LINE_LENGTH // 2)]
)
def test_an_event_that_is_too_long(line: bytes) -> None:
    with pytest.raises(ResponseFormatError, match="an event of more than 1048576 bytes"):
        list(sse.iter_events([line, line, line]))


def test_the_limits_do_not_apply_to_the_stream() -> None:
    beginning = b"data: " + b"x" * 100_000
    chunks = [beginning[:50_000], beginning[50_000:] + b"\n\n"] * 30
    assert sum(len(event.data) for event in events_of(chunks)) == 3_000_000


def test_nothing_is_read_ahead() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"data: a\n\ndata: b\n\n"
        raise AssertionError("read ahead")

    events = sse.iter_events(chunks())
    assert [next(events), next(events)] == [Event("a"), Event("b")]


class TestObjectsWithoutABlankLine:
    """`splits_objects`: data lines that can only be a JSON object each are events of their own."""

    @pytest.mark.parametrize(
        "stream, expected",
        [
            (b'data:{"a":1}\ndata: {"b":2}\n\n', ['{"a":1}', '{"b":2}']),
            (b'data:{"a":1}\ndata:{"b":2}\ndata:{"c":3}\n', ['{"a":1}', '{"b":2}', '{"c":3}']),
            (b'data:{"a":1}\r\ndata:{"b":2}\r\n\r\ndata:{"c":3}\r\n\r\n', ['{"a":1}', '{"b":2}', '{"c":3}']),
            # One object, or something else, on several lines.
            (b'data:{"a":\ndata:{"b":2}}\n\n', ['{"a":\n{"b":2}}']),
            (b'data:{"a":{}\ndata:,"b":{}}\n\n', ['{"a":{}\n,"b":{}}']),
            (b'data:{"a":1}\ndata:[DONE]\n\n', ['{"a":1}\n[DONE]']),
            (b"data:{a\ndata:{b\n\n", ["{a\n{b"]),
            (b"data:a\ndata:b\n\n", ["a\nb"]),
        ],
    )
    def test_events(self, stream: bytes, expected: list[str]) -> None:
        for chunks in ([stream], [bytes([byte]) for byte in stream]):
            events = list(sse.iter_events(chunks, splits_objects=True))
            assert [event.data for event in events if isinstance(event, Event)] == expected

    def test_the_specification_does_not_split_them(self) -> None:
        stream = b'data:{"a":1}\ndata: {"b":2}\n\n'
        assert [event.data for event in sse.iter_events([stream])] == ['{"a":1}\n{"b":2}']  # type: ignore[union-attr]

    def test_each_is_yielded_when_the_next_one_begins(self) -> None:
        received = []

        def chunks() -> Iterator[bytes]:
            yield b'data:{"a":1}\ndata:{"b":2}\n'
            assert received == ['{"a":1}']
            yield b"\n"

        for event in sse.iter_events(chunks(), splits_objects=True):
            received.append(event.data)  # type: ignore[union-attr]
        assert received == ['{"a":1}', '{"b":2}']

    def test_they_may_be_longer_together_than_one_event(self) -> None:
        line = b'data:{"a":"%s"}\n' % (b"x" * 1000)
        assert len(list(sse.iter_events([line] * 2000, splits_objects=True))) == 2000
