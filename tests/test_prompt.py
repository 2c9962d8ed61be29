from typing import Any

import pytest

from g4f_legacy.prompt import Message, as_one_message, check_messages, format_prompt

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello\nПривет 👋"},
    {"role": "assistant", "content": "Hi: there"},
    {"role": "user", "content": ""},
]


def test_format_prompt() -> None:
    before = [dict(message) for message in CONVERSATION]
    assert format_prompt(CONVERSATION) == (
        "system: Be brief.\nuser: Hello\nПривет 👋\nassistant: Hi: there\nuser: \nassistant:"
    )
    assert CONVERSATION == before


def test_as_one_message() -> None:
    assert as_one_message([{"role": "user", "content": "Hello"}]) == "Hello"
    assert as_one_message(CONVERSATION[:2]) == "system: Be brief.\nuser: Hello\nПривет 👋\nassistant:"


def test_text_parts() -> None:
    content = [{"type": "text", "text": "one"}, {"text": "two"}, "three"]
    assert check_messages([{"role": "user", "content": content}]) == [Message("user", "one\ntwo\nthree")]


def test_a_tuple_of_messages_with_extra_keys() -> None:
    assert check_messages(({"role": "User", "content": "a", "name": "b"},)) == [Message("User", "a")]


@pytest.mark.parametrize(
    "messages, error_type, text",
    [
        (None, TypeError, "messages must be a list like [{'role': 'user', 'content': 'Hello'}], not NoneType"),
        ("Hello", TypeError, "messages must be a list like [{'role': 'user', 'content': 'Hello'}], not str"),
        ({"role": "user", "content": "a"}, TypeError, "messages must be a list"),
        ([], ValueError, "messages is empty"),
        (["Hello"], TypeError, "messages[0] must be a mapping with 'role' and 'content', not str"),
        ([{"role": "user", "content": "a"}, None], TypeError, "messages[1] must be a mapping"),
        ([{"content": "a"}], ValueError, "messages[0] has no 'role'"),
        ([{"role": "user"}], ValueError, "messages[0] has no 'content'"),
        ([{"role": None, "content": "a"}], TypeError, "messages[0]['role'] must be a string like 'user', not NoneType"),
        ([{"role": " ", "content": "a"}], ValueError, "messages[0]['role'] is empty"),
        (
            [{"role": "user", "content": None}],
            TypeError,
            "messages[0]['content'] must be a string or a list of text parts, not NoneType",
        ),
        ([{"role": "user", "content": 5}], TypeError, "messages[0]['content'] must be a string"),
        (
            [{"role": "user", "content": ["a", {"type": "image_url", "image_url": {}}]}],
            ValueError,
            "messages[0]['content'][1] is not a text part",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], ValueError, "messages[0]['content'][0] is not a text part"),
        ([{"role": "user", "content": [b"a"]}], ValueError, "messages[0]['content'][0] is not a text part"),
    ],
)
def test_messages_that_are_not_valid(messages: Any, error_type: Any, text: str) -> None:
    for function in (check_messages, format_prompt, as_one_message):
        with pytest.raises(error_type) as raised:
            function(messages)
        assert str(raised.value).startswith(text)
