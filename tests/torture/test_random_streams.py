"""Random bytes and payloads, sliced anywhere: the parsers follow the standard, or raise a readable error."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4f_legacy.errors import ProviderError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing import sse
from g4f_legacy.parsing.event_stream import EventStream, iter_json_events
from g4f_legacy.parsing.json_lines import iter_json_lines
from g4f_legacy.parsing.payload import (
    MAX_MESSAGE_LENGTH,
    extract_message,
    get_field,
    get_objects,
    get_or_empty,
    parse_json,
    remaining_text,
    truncate,
)
from g4f_legacy.parsing.sse import Event

steady = settings(derandomize=True, deadline=None, database=None, max_examples=100)

FIELDS = [b"data:", b"data: ", b"data", b"event: ", b"id:", b"retry: ", b": ping", b"error: ", b"color: red", b"dat"]
ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\n"]
VALUES = [
    b"a",
    b" ",
    b":",
    b"7",
    b"10",
    b"-1",
    b"9" * 20,
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xd0",
    "П👋\u2028\x85".encode(),
]
VALUES += [
    b'{"a":',
    b'{"a": 1}',
    b"[DONE]",
    b"[",
    b"]",
    b'"',
    b"null",
    b'[{"error": "full"}]',
    b'{"error": "full"}',
    b"\x0b\x0c\x1c",
]
streams = st.lists(st.sampled_from(FIELDS + ENDS * 2 + VALUES) | st.binary(max_size=5), max_size=40).map(b"".join)
places = st.lists(st.integers(0, 300), max_size=12)

json_texts = st.text(max_size=8) | st.sampled_from(["data: a\n\n", "\u2028\x85\r\n", "[DONE]", "\0", "Привет 👋"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=12,
)
KEYS = ["message", "error", "detail", "msg", "loc", "error_description", "error_type", "object", "a"]
error_reports = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=1100) | st.just("error"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


def sliced(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(places), len(stream)]
    return [stream[start:end] for start, end in zip(bounds, bounds[1:])]


def reference(stream: bytes) -> list[Event]:
    """Return the events of a complete stream by the WHATWG's rules, and unterminated events as this package does."""
    text = re.sub("\r\n?", "\n", stream.decode("utf-8-sig", "replace"))
    blocks, events, last_id = re.split("\n\n+", text.lstrip("\n")), [], ""
    for number, block in enumerate(blocks, 1):
        fields = re.findall("^([^:\n]+)(?:: ?([^\n]*))?$", block, re.MULTILINE)
        data = [value for name, value in fields if name == "data"]
        event_types = ["", *(value for name, value in fields if name == "event")]
        ids = [last_id, *(value for name, value in fields if name == "id" and "\0" not in value)]
        retries = [int(value) for name, value in fields if name == "retry" and re.fullmatch("[0-9]{1,15}", value)]
        last_id = ids[-1]
        if data:
            retry = retries[-1] if retries else None
            is_terminated = number < len(blocks)
            events.append(Event("\n".join(data), event_types[-1] or "message", last_id, retry, is_terminated))
    return events


def events_in(chunks: Iterable[bytes]) -> Iterator[Event]:
    return (event for event in sse.iter_events(chunks) if isinstance(event, Event))


@given(streams, places)
@steady
def test_lines(stream: bytes, places: list[int]) -> None:
    expected = re.split(b"\r\n|\r|\n", stream)
    assert list(sse.iter_lines(sliced(stream, places))) == (expected if expected[-1] else expected[:-1])


@given(streams, places)
@settings(steady, max_examples=400)
def test_events_are_those_of_the_standard(stream: bytes, places: list[int]) -> None:
    assert list(events_in(sliced(stream, places))) == reference(stream)


@given(streams, places)
@steady
def test_events_are_yielded_as_soon_as_they_are_complete(stream: bytes, places: list[int]) -> None:
    received: list[Event] = []

    def chunks() -> Iterator[bytes]:
        sent = b""
        for chunk in sliced(stream, places):
            assert [event for event in reference(sent) if event.terminated] == received
            sent += chunk
            yield chunk

    for event in events_in(chunks()):
        received.append(event)


def outcome(read: Callable[..., Iterator[Any]], chunks: list[bytes]) -> tuple[list[Any], Any]:
    """Return the payloads that were read, and the class and message of the error that ended them."""
    payloads: list[Any] = []
    try:
        for payload in read(chunks):
            payloads.append(payload)
    except ProviderError as error:
        assert len(error.args[0]) < 2000
        return payloads, (type(error), error.args)
    return payloads, None


def read_stream(chunks: list[bytes]) -> Iterator[Any]:
    return EventStream(chunks).json_events()


@pytest.mark.parametrize("read", [iter_json_events, iter_json_lines, read_stream])
def test_slices_make_no_difference(read: Callable[..., Iterator[Any]]) -> None:
    @given(streams, places)
    @settings(steady, max_examples=200)
    def check(stream: bytes, places: list[int]) -> None:
        payloads, error = outcome(read, [stream])
        assert (payloads, error) == outcome(read, sliced(stream, places))
        assert all(isinstance(payload, dict) for payload in payloads)
        assert error is None or issubclass(error[0], ProviderError)

    check()


json_objects = st.lists(st.dictionaries(json_texts, json_values, max_size=3), max_size=5)
line_ends = st.sampled_from(["\n", "\r", "\r\n"])
before_events = st.sampled_from(
    ["", ": ping\n", "\n\n", "data\n\n", "id: 7\nretry: 5\n", "x: y\n", "[\n", "event: a\n"]
)


@given(st.data(), json_objects, line_ends, places)
@settings(steady, max_examples=50)
def test_objects_in_events(data: Any, objects: list[Any], line_end: str, places: list[int]) -> None:
    stream = ""
    for object_ in objects:
        indent, ascii_only = data.draw(st.sampled_from([None, 1])), data.draw(st.booleans())
        stream += data.draw(before_events)
        lines = json.dumps(object_, indent=indent, ensure_ascii=ascii_only).split("\n")
        stream += "".join(f"data:{' ' * data.draw(st.integers(0, 1))}{line}\n" for line in lines)
        stream += data.draw(st.sampled_from(["\n", ": ping\n\n", "\n\n\n"]))
    assert list(iter_json_events(sliced(stream.replace("\n", line_end).encode(), places))) == objects


@given(st.data(), json_objects, line_ends, places)
@settings(steady, max_examples=50)
def test_objects_in_lines(data: Any, objects: list[Any], line_end: str, places: list[int]) -> None:
    stream = ""
    for object_ in objects:
        stream += data.draw(st.sampled_from(["", line_end, f"  {line_end}{line_end}", " "]))
        stream += json.dumps(object_, ensure_ascii=data.draw(st.booleans()))
        stream += data.draw(st.sampled_from(["", "  "])) + line_end
    assert list(iter_json_lines(sliced(stream.encode(), places))) == objects
    if objects:
        truncated = stream.encode().rstrip()[:-1]
        payloads, error = outcome(iter_json_lines, sliced(truncated, places))
        assert payloads == objects[:-1] and error[0] is StreamInterruptedError


@given(st.binary(max_size=200) | st.text(max_size=200) | json_values.map(json.dumps))
@steady
def test_a_payload_is_parsed_or_refused(text: Any) -> None:
    for expected_type in (dict, list):
        try:
            assert type(parse_json(text, expected_type)) is expected_type
        except ResponseFormatError as error:
            assert len(error.args[0]) < 2000 and error.args[0].isprintable()


@given(json_values, st.sampled_from(["a", "a b", "a 0", "a 0 b", "0", "a -1"]), st.sampled_from([str, dict, list]))
@steady
def test_a_field_has_its_type_or_is_refused(value: Any, path: str, expected_type: Any) -> None:
    for payload in ({"a": value}, {"a": {"b": value}}, {"a": [value]}, {"a": [{"b": value}]}):
        calls: list[tuple[Any, Callable[[], Any]]] = [
            (expected_type, partial(get_field, payload, expected_type, *path.split())),
            (expected_type, partial(get_or_empty, payload, expected_type, "a")),
            (list, partial(get_objects, payload, "a")),
        ]
        for result_type, call in calls:
            try:
                assert isinstance(call(), result_type)
            except ResponseFormatError as error:
                assert len(error.args[0]) < 2000


@given(error_reports)
@settings(steady, max_examples=100)
def test_an_error_report_becomes_one_short_printable_line(report: Any) -> None:
    message = extract_message(report)
    assert message.isprintable() and len(message) <= MAX_MESSAGE_LENGTH
    assert len(truncate(json.dumps(report))) < 2000


white_space = st.text(" \n\t", max_size=2)


@given(st.text("ab \n", max_size=8), st.text("ab \n", max_size=8), white_space, white_space)
@settings(steady, max_examples=100)
def test_the_remaining_text(complete_text: str, other: str, before: str, after: str) -> None:
    for size in range(len(complete_text) + 1):
        assert remaining_text(complete_text, complete_text[:size]) == complete_text[size:]
    for received in (other, before + other + after):
        try:
            rest = remaining_text(complete_text, received)
        except StreamInterruptedError:
            assert not complete_text.startswith(received.strip())
        else:
            assert complete_text.endswith(rest)
            assert complete_text[: len(complete_text) - len(rest)].strip() == received.strip()


@pytest.mark.parametrize("line", [b"data:\n", b"data: " + b"x" * 100 + b"\n"])
def test_the_size_of_an_event_is_limited(line: bytes) -> None:
    size = 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        while size < 100 * sse.MAX_LINE_LENGTH:
            size += 1000 * len(line)
            yield 1000 * line

    with pytest.raises(ResponseFormatError, match="an event of more than"):
        list(sse.iter_events(chunks()))
    assert size < 8 * sse.MAX_LINE_LENGTH
