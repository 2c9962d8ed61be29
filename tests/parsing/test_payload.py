import json
import time
from typing import Any

import pytest

from g4f_legacy.errors import ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing.payload import (
    MAX_MESSAGE_LENGTH,
    extract_message,
    get_field,
    get_objects,
    parse_json,
    remaining_text,
    truncate,
)


def test_parse() -> None:
    assert parse_json('{"a": "Привет"}', dict) == parse_json('{"a": "Привет"}'.encode(), dict) == {"a": "Привет"}
    assert parse_json("[1]", list) == [1]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected JSON, but got nothing"),
        ("<html>", "expected JSON, but got '<html>'"),
        (b"\xff{", "expected JSON, but got '\ufffd{'"),
        ("x" * 300, "expected JSON, but got " + repr("x" * 200)),
        ("[1]", "expected a JSON object, but got '[1]'"),
        ("null", "expected a JSON object, but got 'null'"),
        ("[" * 100_000, "expected JSON, but got " + repr("[" * 200)),
        ("9" * 5000, None),
    ],
)
def test_parse_what_is_no_json_object(text: Any, message: str) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        parse_json(text, dict)
    assert message is None or raised.value.args == (message,)


def test_field() -> None:
    assert get_field({"a": {"b": "c"}}, str, "a", "b") == "c"
    assert get_field({"a": {"b": "c"}}, dict, "a") == {"b": "c"}


@pytest.mark.parametrize("path", [("a", "b"), ("a", "0")])
@pytest.mark.parametrize(
    "document", [{}, {"a": None}, {"a": []}, {"a": "ы"}, {"a": {"b": None}}, {"a": {"b": 5}}, {"a": 5}, {"a": [5]}]
)
def test_field_of_another_shape(document: Any, path: Any) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        get_field(document, str, *path)
    shown = json.dumps(document, ensure_ascii=False)
    assert raised.value.args == (f"expected a text at {'.'.join(path)!r}, but got {shown!r}",)


def test_field_of_something_deep() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ResponseFormatError, match="nested too deeply"):
        get_field({"b": deep}, str, "a")
    while deep:  # taken apart by hand: the interpreter may not free it at once
        deep = deep.pop()


MESSAGES = {
    "text": ("No such model\n", "No such model"),
    "chat-ui": ({"message": "Conversation not found"}, "Conversation not found"),
    "TGI": ({"error": "Model is overloaded", "error_type": "overloaded"}, "Model is overloaded"),
    "OpenAI": ({"error": {"message": "Bad key", "type": "x", "code": None}}, "Bad key"),
    "FastAPI": ({"detail": "Not Found"}, "Not Found"),
    "OAuth": ({"error_description": "Token expired"}, "Token expired"),
    "validation errors": (
        {"message": [{"loc": ["body", "x", 0], "msg": "not a float", "type": "t"}, {"loc": ["y"], "msg": "missing"}]},
        "body.x.0: not a float; y: missing",
    ),
    "list of texts": ({"message": ["one", "two"]}, "one; two"),
    "the first that says anything": ({"message": "", "error": None, "detail": "this"}, "this"),
    "control characters": ({"message": "a\x1b[31m\r\nb\0"}, "a[31m b"),
    "control characters in a place": (
        {"msg": "a", "loc": ["\x1b[2J", 1, None, [[]], "x" * 5000]},
        f"[2J.1.{'x' * 994}",
    ),
    "too long": ("x" * 5000, "x" * MAX_MESSAGE_LENGTH),
    "nothing": (None, ""),
    "number": ({"error": 5}, ""),
    "empty": ({}, ""),
    "a list that is too deep": ({"error": json.loads("[" * 300 + '"x"' + "]" * 300)}, ""),
    "a place without a message": ({"detail": [{"loc": ["body"], "type": "t"}]}, ""),
    "deep": (json.loads('{"error":' * 20 + '"x"' + "}" * 20), ""),
}


@pytest.mark.parametrize("said, message", MESSAGES.values(), ids=MESSAGES)
def test_message_of(said: Any, message: str) -> None:
    assert extract_message(said) == message


def test_message_of_millions() -> None:
    began = time.process_time()
    assert extract_message({"error": [[{}, []] * 1_000_000, "said"]}) == "said"
    assert time.process_time() - began < 1  # to look at all of them took about 2


@pytest.mark.parametrize("depth", [10, 900, 995, 1000, 1010, 1023, 5000])
def test_excerpt_of_something_deep(depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    assert truncate(deep) in (
        repr(("[" * (depth + 1) + "]" * (depth + 1))[:200]),
        "'something nested too deeply to show'",
    )


@pytest.mark.parametrize(
    "whole, came, rest",
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
def test_rest_of(whole: str, came: str, rest: str) -> None:
    assert remaining_text(whole, came) == rest


def test_rest_of_another_text() -> None:
    with pytest.raises(StreamInterruptedError):
        remaining_text("Hello!", "Hel!")


def test_objects() -> None:
    assert get_objects({"a": [{}, {"b": 1}]}, "a") == [{}, {"b": 1}]
    assert get_objects({"a": None}, "a") == get_objects({}, "a") == get_objects({"a": []}, "a") == []


@pytest.mark.parametrize(
    "value, message",
    [
        (5, "a JSON list at 'a', but got '{\"a\": 5}'"),
        ({"b": 1}, "a JSON list at 'a', but got '{\"a\": {\"b\": 1}}'"),
        ([5], "JSON objects in 'a', but got '5'"),
        ([{}, None], "JSON objects in 'a', but got 'null'"),
        ([[]], "JSON objects in 'a', but got '[]'"),
    ],
)
def test_objects_of_another_shape(value: Any, message: str) -> None:
    with pytest.raises(ResponseFormatError) as raised:
        get_objects({"a": value}, "a")
    assert raised.value.args == (f"expected {message}",)


def test_excerpt() -> None:
    assert truncate("") == "nothing"
    assert truncate("a\n\x1b") == r"'a\n\x1b'"
    assert truncate("\ud83d") == r"'\ud83d'"
    assert truncate("П".encode() * 300) == repr("П" * 200)
