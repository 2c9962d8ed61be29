import json
import re
from typing import Any, Callable, Iterator, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from g4f_legacy.errors import ProviderError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing import sse
from g4f_legacy.parsing.event_stream import EventStream, iter_json_events, iter_json_lines
from g4f_legacy.parsing.payload import (
    MAX_MESSAGE_LENGTH,
    extract_message,
    get_field,
    get_objects,
    get_optional,
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
cuts = st.lists(st.integers(0, 300), max_size=12)

json_texts = st.text(max_size=8) | st.sampled_from(["data: a\n\n", "\u2028\x85\r\n", "[DONE]", "\0", "Привет 👋"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | json_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_texts, inner, max_size=3),
    max_leaves=12,
)
KEYS = ["message", "error", "detail", "msg", "loc", "error_description", "error_type", "object", "a"]
failures = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=1100) | st.just("error"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


def sliced(stream: bytes, at: List[int]) -> List[bytes]:
    places = [0, *sorted(at), len(stream)]
    return [stream[begin:end] for begin, end in zip(places, places[1:])]


def reference(stream: bytes) -> List[Event]:
    """The rules of the WHATWG, read from the whole text at once, and unterminated events as this package has them."""
    text = re.sub("\r\n?", "\n", stream.decode("utf-8-sig", "replace"))
    blocks, found, last_id = re.split("\n\n+", text.lstrip("\n")), [], ""
    for number, block in enumerate(blocks, 1):
        fields = re.findall("^([^:\n]+)(?:: ?([^\n]*))?$", block, re.MULTILINE)
        data = [value for name, value in fields if name == "data"]
        kind = [value for name, value in fields if name == "event"][-1:] or [""]
        last_id = ([last_id] + [value for name, value in fields if name == "id" and "\0" not in value])[-1]
        retry = [int(value) for name, value in fields if name == "retry" and re.fullmatch("[0-9]{1,15}", value)]
        if data:
            found.append(
                Event("\n".join(data), kind[0] or "message", last_id, (retry or [None])[-1], number < len(blocks))
            )
    return found


@given(streams, cuts)
@steady
def test_lines(stream: bytes, at: List[int]) -> None:
    expected = re.split(b"\r\n|\r|\n", stream)
    assert list(sse.iter_lines(sliced(stream, at))) == expected[: len(expected) - (not expected[-1])]


@given(streams, cuts)
@settings(steady, max_examples=400)
def test_events_are_those_of_the_standard(stream: bytes, at: List[int]) -> None:
    assert list(sse.iter_events(sliced(stream, at))) == reference(stream)


@given(streams, cuts)
@steady
def test_events_are_given_as_soon_as_they_are_whole(stream: bytes, at: List[int]) -> None:
    came: List[Event] = []

    def pieces() -> Iterator[bytes]:
        said = b""
        for piece in sliced(stream, at):
            assert [event for event in reference(said) if event.terminated] == came
            said += piece
            yield piece

    for event in sse.iter_events(pieces()):
        came.append(event)


def outcome(read: Callable[..., Iterator[Any]], pieces: List[bytes]) -> Tuple[List[Any], Any]:
    """The objects that came, and the class and text of the error that ended them."""
    came: List[Any] = []
    try:
        for one in read(pieces):
            came.append(one)
    except ProviderError as error:
        assert len(error.args[0]) < 2000
        return came, (type(error), error.args)
    return came, None


def answered(pieces: List[bytes]) -> Iterator[Any]:
    return iter(EventStream(iter_json_events(pieces)))


@pytest.mark.parametrize("read", [iter_json_events, iter_json_lines, answered])
def test_any_slicing_gives_the_same(read: Callable[..., Iterator[Any]]) -> None:
    @given(streams, cuts)
    @settings(steady, max_examples=200)
    def check(stream: bytes, at: List[int]) -> None:
        came, error = outcome(read, [stream])
        assert (came, error) == outcome(read, sliced(stream, at))
        assert all(isinstance(one, dict) for one in came)
        assert error is None or issubclass(error[0], ProviderError)

    check()


wanted = st.lists(st.dictionaries(json_texts, json_values, max_size=3), max_size=5)


@given(st.data(), wanted, st.sampled_from(["\n", "\r", "\r\n"]), cuts)
@settings(steady, max_examples=50)
def test_objects_in_events_however_they_are_written(data: Any, objects: List[Any], end: str, at: List[int]) -> None:
    stream = ""
    for one in objects:
        indent, ascii_only = data.draw(st.sampled_from([None, 1])), data.draw(st.booleans())
        stream += data.draw(
            st.sampled_from(["", ": ping\n", "\n\n", "data\n\n", "id: 7\nretry: 5\n", "x: y\n", "[\n", "event: a\n"])
        )
        written = json.dumps(one, indent=indent, ensure_ascii=ascii_only).split("\n")
        stream += "".join(f"data:{' ' * data.draw(st.integers(0, 1))}{line}\n" for line in written)
        stream += data.draw(st.sampled_from(["\n", ": ping\n\n", "\n\n\n"]))
    assert list(iter_json_events(sliced(stream.replace("\n", end).encode(), at))) == objects


@given(st.data(), wanted, st.sampled_from(["\n", "\r", "\r\n"]), cuts)
@settings(steady, max_examples=50)
def test_objects_in_lines_however_they_are_written(data: Any, objects: List[Any], end: str, at: List[int]) -> None:
    stream = ""
    for one in objects:
        stream += data.draw(st.sampled_from(["", end, f"  {end}{end}", " "]))
        stream += json.dumps(one, ensure_ascii=data.draw(st.booleans())) + data.draw(st.sampled_from(["", "  "])) + end
    assert list(iter_json_lines(sliced(stream.encode(), at))) == objects
    if objects:
        cut = stream.encode().rstrip()[:-1]
        came, error = outcome(iter_json_lines, sliced(cut, at))
        assert came == objects[:-1] and error[0] is StreamInterruptedError


@given(st.binary(max_size=200) | st.text(max_size=200) | json_values.map(json.dumps))
@steady
def test_a_document_is_parsed_or_refused(text: Any) -> None:
    for kind in (dict, list):
        try:
            assert type(parse_json(text, kind)) is kind
        except ResponseFormatError as error:
            assert len(error.args[0]) < 2000 and error.args[0].isprintable()


@given(json_values, st.sampled_from(["a", "a b", "a 0", "a 0 b", "0", "a -1"]), st.sampled_from([str, dict, list]))
@steady
def test_a_field_is_of_its_kind_or_refused(value: Any, keys: str, kind: Any) -> None:
    for document in ({"a": value}, {"a": {"b": value}}, {"a": [value]}, {"a": [{"b": value}]}):
        takes: List[Tuple[Any, Callable[[], Any]]] = [
            (kind, lambda: get_field(document, kind, *keys.split())),
            (kind, lambda: get_optional(document, kind, "a")),
            (list, lambda: get_objects(document, "a")),
        ]
        for expected, take in takes:
            try:
                assert isinstance(take(), expected)
            except ResponseFormatError as error:
                assert len(error.args[0]) < 2000


@given(failures)
@settings(steady, max_examples=100)
def test_what_a_host_says_is_one_short_printable_line(said: Any) -> None:
    message = extract_message(said)
    assert message.isprintable() and len(message) <= MAX_MESSAGE_LENGTH
    assert len(truncate(json.dumps(said))) < 2000


white = st.text(" \n\t", max_size=2)


@given(st.text("ab \n", max_size=8), st.text("ab \n", max_size=8), white, white)
@settings(steady, max_examples=100)
def test_the_rest_of_a_text(whole: str, other: str, before: str, after: str) -> None:
    for size in range(len(whole) + 1):
        assert remaining_text(whole, whole[:size]) == whole[size:]
    for came in (other, before + other + after):
        try:
            rest = remaining_text(whole, came)
        except StreamInterruptedError:
            assert not whole.startswith(came.strip())
        else:
            assert whole.endswith(rest)
            assert whole[: len(whole) - len(rest)].strip() == came.strip()


@pytest.mark.parametrize("line", [b"data:\n", b"data: " + b"x" * 100 + b"\n"])
def test_an_event_has_an_end(line: bytes) -> None:
    came = 0

    def pieces() -> Iterator[bytes]:
        nonlocal came
        while came < 100 * sse.MAX_LINE_LENGTH:
            came += 1000 * len(line)
            yield 1000 * line

    with pytest.raises(ResponseFormatError, match="an event of more than"):
        list(sse.iter_events(pieces()))
    assert came < 8 * sse.MAX_LINE_LENGTH
