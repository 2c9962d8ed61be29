import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from g4f_legacy.errors import ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing import payload
from g4f_legacy.parsing.payload import (
    MAX_MESSAGE_LENGTH,
    extract_message,
    get_field,
    get_objects,
    parse_json,
    remaining_text,
    truncate,
)


def test_parse_json() -> None:
    assert parse_json('{"a": "Привет"}', dict) == parse_json('{"a": "Привет"}'.encode(), dict) == {"a": "Привет"}
    assert parse_json("[1]", list) == [1]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected JSON, received nothing"),
        ("<html>", "expected JSON, received '<html>'"),
        (b"\xff{", "expected JSON, received '\ufffd{'"),
        ("x" * 300, "expected JSON, received " + repr("x" * 200)),
        ("[1]", "expected a JSON object, received '[1]'"),
        ("null", "expected a JSON object, received 'null'"),
        ("[" * 100_000, "expected JSON, received " + repr("[" * 200)),
        ("9" * 5000, None),
    ],
)
def test_parse_json_errors(text: Any, message: str) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        parse_json(text, dict)
    assert message is None or raised.value.args == (message,)


NUMBERS = [
    *("0", "-0", "-0.0", "1e5", "1e400", "-1e400", "0.1234567890123456789012", "12345678901234567890.5", "1E-400"),
    *("9223372036854775807", "-9223372036854775808", "18446744073709551615", "9999999999999999999"),
    *("-9223372036854775809", "18446744073709551616", "123456789012345678901234567890", "-" + "7" * 40),
    *("1" * 308, "1" * 309, "1" * 4300, "1" * 4301, "9" * 5000, "00", "-", "1" * 30 + "x", "१" * 19),
]


class TestNumbers:
    """Integers of any size are exact, also with orjson, which makes floats of those beyond 64 bits."""

    @pytest.fixture(params=["json", "orjson"])
    def decoder(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "orjson":
            pytest.importorskip("orjson")
        fast = payload._checked_orjson_loads if request.param == "orjson" else payload._raw_loads
        monkeypatch.setattr(payload, "_loads_fast", fast)

    @pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number[:32]}, {len(number)} characters")
    @pytest.mark.parametrize("form", ['{"a":%s}', '{"a": [%s, 1]}', ' {"é👋": {"b": %s}}\n'])
    def test_like_the_standard_library(self, form: str, number: str, decoder: None) -> None:
        text = form % number
        try:
            expected = json.loads(text)
        except ValueError:
            for refused in (text, text.encode()):
                with pytest.raises(ResponseFormatError):
                    parse_json(refused, dict)
        else:
            assert repr(parse_json(text, dict)) == repr(parse_json(text.encode(), dict)) == repr(expected)

    @given(st.integers(-(10**25), 10**25), st.integers(0, 60))
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_at_any_position(self, decoder: None, number: int, offset: int) -> None:
        assert parse_json('{"%s": %d}' % ("x" * offset, number), dict) == {"x" * offset: number}


def test_get_field() -> None:
    assert get_field({"a": {"b": "c"}}, str, "a", "b") == "c"
    assert get_field({"a": {"b": "c"}}, dict, "a") == {"b": "c"}


@pytest.mark.parametrize("path", [("a", "b"), ("a", "0")])
@pytest.mark.parametrize(
    "payload", [{}, {"a": None}, {"a": []}, {"a": "ы"}, {"a": {"b": None}}, {"a": {"b": 5}}, {"a": 5}, {"a": [5]}]
)
def test_get_field_errors(payload: Any, path: Any) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        get_field(payload, str, *path)
    shown = json.dumps(payload, ensure_ascii=False)
    assert raised.value.args == (f"expected a string at {'.'.join(path)!r}, received {shown!r}",)


def test_get_field_of_a_deeply_nested_payload() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ResponseFormatError, match="nested too deeply"):
        get_field({"b": deep}, str, "a")
    while deep:  # not at once: the interpreter may overflow its stack when it frees nested lists
        deep = deep.pop()


MESSAGES = {
    "string": ("No such model\n", "No such model"),
    "chat-ui": ({"message": "Conversation not found"}, "Conversation not found"),
    "TGI": ({"error": "Model is overloaded", "error_type": "overloaded"}, "Model is overloaded"),
    "OpenAI": ({"error": {"message": "Bad key", "type": "x", "code": None}}, "Bad key"),
    "FastAPI": ({"detail": "Not Found"}, "Not Found"),
    "OAuth": ({"error_description": "Token expired"}, "Token expired"),
    "validation errors": (
        {"message": [{"loc": ["body", "x", 0], "msg": "not a float", "type": "t"}, {"loc": ["y"], "msg": "missing"}]},
        "body.x.0: not a float; y: missing",
    ),
    "list of strings": ({"message": ["one", "two"]}, "one; two"),
    "the first message that is not empty": ({"message": "", "error": None, "detail": "this"}, "this"),
    "control characters": ({"message": "a\x1b[31m\r\nb\0"}, "a[31m b"),
    "control characters in a location": (
        {"msg": "a", "loc": ["\x1b[2J", 1, None, [[]], "x" * 5000]},
        f"[2J.1.{'x' * 994}",
    ),
    "too long": ("x" * 5000, "x" * MAX_MESSAGE_LENGTH),
    "nothing": (None, ""),
    "number": ({"error": 5}, ""),
    "empty": ({}, ""),
    "a list nested too deeply": ({"error": json.loads("[" * 300 + '"x"' + "]" * 300)}, ""),
    "a location without a message": ({"detail": [{"loc": ["body"], "type": "t"}]}, ""),
    "objects nested too deeply": (json.loads('{"error":' * 20 + '"x"' + "}" * 20), ""),
}


@pytest.mark.parametrize("payload, message", MESSAGES.values(), ids=MESSAGES)
def test_extract_message(payload: Any, message: str) -> None:
    assert extract_message(payload) == message


def test_extract_message_of_millions_of_items() -> None:
    began = time.process_time()
    assert extract_message({"error": [[{}, []] * 1_000_000, "full"]}) == "full"
    assert time.process_time() - began < 1  # seconds; looking at all of them takes about 2


@pytest.mark.parametrize("depth", [10, 900, 995, 1000, 1010, 1023, 5000])
def test_truncate_a_deeply_nested_payload(depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    assert truncate(deep) in (
        repr(("[" * (depth + 1) + "]" * (depth + 1))[:200]),
        "'something nested too deeply to show'",
    )


@pytest.mark.parametrize(
    "complete_text, received, remaining",
    [
        ("Hello", "Hel", "lo"),
        ("Hello", " Hel", "lo"),
        (" Hello", " Hello\n", ""),
        ("Hello", " Hello\n", ""),
        (" Hello", " Hel", "lo"),
        ("Hel lo", " Hel ", "lo"),
        ("", "", ""),
    ],
)
def test_remaining_text(complete_text: str, received: str, remaining: str) -> None:
    assert remaining_text(complete_text, received) == remaining


def test_remaining_text_of_another_text() -> None:
    with pytest.raises(StreamInterruptedError):
        remaining_text("Hello!", "Hel!")


def test_get_objects() -> None:
    assert get_objects({"a": [{}, {"b": 1}]}, "a") == [{}, {"b": 1}]
    assert get_objects({"a": None}, "a") == get_objects({}, "a") == get_objects({"a": []}, "a") == []


@pytest.mark.parametrize(
    "value, message",
    [
        (5, "a JSON array at 'a', received '{\"a\": 5}'"),
        ({"b": 1}, "a JSON array at 'a', received '{\"a\": {\"b\": 1}}'"),
        ([5], "JSON objects in 'a', received '5'"),
        ([{}, None], "JSON objects in 'a', received 'null'"),
        ([[]], "JSON objects in 'a', received '[]'"),
    ],
)
def test_get_objects_errors(value: Any, message: str) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        get_objects({"a": value}, "a")
    assert raised.value.args == (f"expected {message}",)


def test_truncate() -> None:
    assert truncate("") == "nothing"
    assert truncate("a\n\x1b") == r"'a\n\x1b'"
    assert truncate("\ud83d") == r"'\ud83d'"
    assert truncate("П".encode() * 300) == repr("П" * 200)


def test_errors_keep_the_body() -> None:
    for text in ("<html>", b"<html>"):
        with pytest.raises(ResponseFormatError) as raised:
            parse_json(text, dict)
        assert raised.value.body == "<html>"
    with pytest.raises(ResponseFormatError) as raised:
        get_field({"a": "Ж"}, str, "b")
    assert raised.value.body == '{"a": "Ж"}'


def test_nan_and_lone_surrogates_are_accepted() -> None:
    assert parse_json('{"a": Infinity, "b": "\\ud83d"}', dict) == {"a": float("inf"), "b": "\ud83d"}
    assert parse_json(" \n{} ", dict) == {}
