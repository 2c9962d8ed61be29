import socket
from typing import Any

import pytest

from g4f_legacy.Provider import Echo


def ask(content: str, stream: bool = True, **kwargs: Any) -> list[str]:
    return list(Echo._create_completion("echo", [{"role": "user", "content": content}], stream, **kwargs))


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("Hello", ["Hello"]),
        ("Hello big world", ["Hello", " big", " world"]),
        (" Привет,\n  мир 👋\n", [" Привет,", "\n  мир", " 👋", "\n"]),
        ("  ", ["  "]),
    ],
)
def test_each_word_is_a_token(text: str, tokens: list[str]) -> None:
    assert ask(text) == tokens
    assert ask(text, stream=False) == [text]


def test_the_last_user_message_is_repeated() -> None:
    roles = [("system", "a"), ("User", "b"), ("user ", "c"), ("assistant", "d")]
    messages = [{"role": role, "content": content} for role, content in roles]
    assert list(Echo._create_completion("", messages, True)) == ["c"]


@pytest.mark.parametrize("message", [{"role": "user", "content": ""}, {"role": "system", "content": "a"}])
def test_nothing_to_repeat(message: Any) -> None:
    with pytest.raises(ValueError, match="no user message with a text"):
        list(Echo._create_completion("", [message], True))


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    assert ask("a", base_url="http://127.0.0.1:1", temperature=1) == ["a"]
