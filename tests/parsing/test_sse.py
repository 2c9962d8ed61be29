from typing import List

import pytest

from g4f_legacy.errors import ResponseFormatError
from g4f_legacy.parsing import sse
from g4f_legacy.parsing.sse import Event

LINES = {
    "nothing": ([], []),
    "empty pieces": ([b"", b""], []),
    "LF": ([b"a\nb\n"], [b"a", b"b"]),
    "CR": ([b"a\rb\r"], [b"a", b"b"]),
    "CRLF": ([b"a\r\nb\r\n"], [b"a", b"b"]),
    "CRLF cut between CR and LF": ([b"a\r", b"\nb"], [b"a", b"b"]),
    "CRLF cut with an empty piece between": ([b"a\r", b"", b"\nb"], [b"a", b"b"]),
    "CR at a piece's end, then no LF": ([b"a\r", b"b"], [b"a", b"b"]),
    "CR CR": ([b"a\r\rb"], [b"a", b"", b"b"]),
    "CRLF cut, then LF": ([b"a\r", b"\n", b"\nb"], [b"a", b"", b"b"]),
    "CR, then CRLF cut": ([b"a\r\r", b"\n"], [b"a", b""]),
    "LF CR is two ends": ([b"a\n\rb"], [b"a", b"", b"b"]),
    "CRLF LF cut after CR": ([b"a\r", b"\n\nb"], [b"a", b"", b"b"]),
    "one byte at a time": ([bytes([byte]) for byte in b"ab\r\n\r\nc"], [b"ab", b"", b"c"]),
    "a line over many pieces": ([b"a", b"b", b"c\nd"], [b"abc", b"d"]),
    "no end at the end": ([b"a\nb"], [b"a", b"b"]),
    "U+2028 and U+0085 end no line": ([" \u2028 \x85\n".encode()], [" \u2028 \x85".encode()]),
    "form feed and vertical tab end no line": ([b"a\x0b\x0c\x1cb\n"], [b"a\x0b\x0c\x1cb"]),
}


@pytest.mark.parametrize("pieces, lines", LINES.values(), ids=LINES)
def test_lines(pieces: List[bytes], lines: List[bytes]) -> None:
    assert list(sse.iter_lines(pieces)) == lines


EVENTS = {
    "no space after the colon": ([b"data:a\n\n"], [Event("a")]),
    "one space is taken off": ([b"data: a\n\n"], [Event("a")]),
    "only one space is taken off": ([b"data:  a\n\n"], [Event(" a")]),
    "a tab is kept": ([b"data:\ta\n\n"], [Event("\ta")]),
    "CRLF": ([b"data: a\r\n\r\n"], [Event("a")]),
    "CR": ([b"data: a\r\r"], [Event("a")]),
    "the blank line's CRLF cut": ([b"data: a\r\n\r", b"\ndata: b\r\n\r\n"], [Event("a"), Event("b")]),
    "data over several lines": ([b"data: a\ndata\ndata: b\n\n"], [Event("a\n\nb")]),
    "data: in the data": ([b"data:data: a\n\n"], [Event("data: a")]),
    "a colon in the value": ([b"data: a: b\n\n"], [Event("a: b")]),
    "empty data is an event": ([b"data\n\n"], [Event("")]),
    "comments": ([b": ping\n\n:\n\n:data: a\n\n"], []),
    "a comment inside an event": ([b"data: a\n: ping\ndata: b\n\n"], [Event("a\nb")]),
    "unknown fields": ([b"color: red\n data: a\nDATA: b\n\n"], []),
    "several blank lines": ([b"\n\ndata: a\n\n\n\n"], [Event("a")]),
    "event, id, retry": (
        [b"event: e\nid: 7\nretry: 10\ndata: a\n\ndata: b\n\n"],
        [Event("a", "e", "7", 10), Event("b", id="7")],
    ),
    "an event's type needs data": ([b"event: e\n\ndata: a\n\n"], [Event("a")]),
    "an empty type is message": ([b"event:\ndata: a\n\n"], [Event("a")]),
    "an id is taken back": ([b"id: 1\ndata: a\n\nid\ndata: b\n\n"], [Event("a", id="1"), Event("b")]),
    "an id with NUL is none": ([b"id: 1\0\ndata: a\n\n"], [Event("a")]),
    "retry that is no number": ([b"retry: soon\nretry: -1\nretry: 1e3\ndata: a\n\n"], [Event("a")]),
    "a number in another field": ([b"color: 10\ndata: a\n\n"], [Event("a")]),
    "retry of absurd length": ([b"retry: " + b"9" * 5000 + b"\ndata: a\n\n"], [Event("a")]),
    "BOM": ([b"\xef\xbb\xbfdata: a\n\n"], [Event("a")]),
    "BOM cut": ([b"\xef", b"\xbb", b"\xbfdata: a\n\n"], [Event("a")]),
    "only the first BOM": ([b"\n\xef\xbb\xbfdata: a\n\n"], []),
    "UTF-8 cut within a character": ([b"data: \xd0", b"\x9f\xf0\x9f", b"\x91\x8b\n\n"], [Event("П👋")]),
    "invalid UTF-8": ([b"data: \xff\xfe\n\n"], [Event("\ufffd\ufffd")]),
    "NUL": ([b"data: a\0b\n\n"], [Event("a\0b")]),
    "unterminated: no blank line": ([b"data: a\n"], [Event("a", terminated=False)]),
    "unterminated: no line end": ([b"data: a"], [Event("a", terminated=False)]),
    "unterminated: half a line more": ([b"data: a\nda"], [Event("a", terminated=False)]),
    "unterminated: all of it": (
        [b"event: e\nid: 7\nretry: 10\ndata: a\ndata: b"],
        [Event("a\nb", "e", "7", 10, terminated=False)],
    ),
    "unterminated: without data": ([b"event: a\nid: 5\n"], []),
}


@pytest.mark.parametrize("pieces, events", EVENTS.values(), ids=EVENTS)
def test_events(pieces: List[bytes], events: List[Event]) -> None:
    assert list(sse.iter_events(pieces)) == events


@pytest.mark.parametrize("pieces, events", EVENTS.values(), ids=EVENTS)
def test_every_boundary(pieces: List[bytes], events: List[Event]) -> None:
    stream = b"".join(pieces)
    for at in range(len(stream)):
        assert list(sse.iter_events([stream[:at], stream[at:]])) == events
    assert list(sse.iter_events(bytes([byte]) for byte in stream)) == events


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r"])
def test_an_event_is_given_as_soon_as_it_is_whole(end: bytes) -> None:
    came = []

    def pieces():  # type: ignore[no-untyped-def]
        for number in range(3):
            yield b"data: %d%s" % (number, end)
            assert came == [str(number) for number in range(number + 1)]

    for event in sse.iter_events(pieces()):
        came.append(event.data)
    assert len(came) == 3


def test_the_longest_line() -> None:
    longest = b"data:" + b"x" * (sse.MAX_LINE_LENGTH - 5)
    assert len(list(sse.iter_lines([longest]))[0]) == sse.MAX_LINE_LENGTH
    assert [len(event.data) for event in sse.iter_events([longest, b"\n\n"])] == [sse.MAX_LINE_LENGTH - 5]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"x" * (sse.MAX_LINE_LENGTH + 1)],
        [b"x" * (sse.MAX_LINE_LENGTH + 1) + b"\n"],
        [b"x" * sse.MAX_LINE_LENGTH, b"x", b"\n"],
        [b"x" * sse.MAX_LINE_LENGTH, b"x\n"],
    ],
    ids=["without an end", "with an end", "over two pieces", "over two pieces, with an end"],
)
def test_a_line_that_is_too_long(pieces: List[bytes]) -> None:
    with pytest.raises(ResponseFormatError, match="a line of more than 1048576 bytes"):
        list(sse.iter_lines(pieces))


def test_the_longest_event() -> None:
    event = b"data:" + b"x" * (sse.MAX_LINE_LENGTH - 8) + b"\ndata:" + b"y" * 6 + b"\n\n"
    assert [len(event.data) for event in sse.iter_events([event, event])] == [sse.MAX_LINE_LENGTH - 1] * 2
    with pytest.raises(ResponseFormatError, match="an event of more than 1048576 bytes"):
        list(sse.iter_events([event.replace(b"yy", b"yyy")]))


def test_lines_beside_the_events() -> None:
    beside: List[bytes] = []
    stream = b"color: red\n: ping\n:\nid: \0\nretry: soon\nevent: e\n\ndata: a\n  {\n"
    assert list(sse.iter_events([stream], beside)) == [Event("a", terminated=False)]
    assert beside == [b"color: red", b"  {"]


def test_only_so_many_lines_beside_the_events() -> None:
    beside: List[bytes] = []
    long, short = b"x" * (sse.MAX_LINE_LENGTH - 4), b"ab"
    assert list(sse.iter_events([b"\n".join([long, short, b"", short, b"", b""])], beside)) == []
    assert beside == [long, short]


@pytest.mark.parametrize(
    "line", [b"data:" + b"x" * (sse.MAX_LINE_LENGTH // 2) + b"\n", b"data\n" * (sse.MAX_LINE_LENGTH // 2)]
)
def test_an_event_that_is_too_long(line: bytes) -> None:
    with pytest.raises(ResponseFormatError, match="an event of more than 1048576 bytes"):
        list(sse.iter_events([line, line, line]))


def test_a_long_stream_of_short_lines_and_events() -> None:
    piece = b"data: " + b"x" * 100_000
    pieces = [piece[:50_000], piece[50_000:] + b"\n\n"] * 30
    assert sum(len(event.data) for event in sse.iter_events(pieces)) == 3_000_000


def test_nothing_is_read_ahead() -> None:
    def pieces():  # type: ignore[no-untyped-def]
        yield b"data: a\n\ndata: b\n\n"
        raise AssertionError("read ahead")

    events = sse.iter_events(pieces())
    assert [next(events).data, next(events).data] == ["a", "b"]
