import socket
from typing import Any

import pytest

from g4f_legacy.Provider import Echo
from g4f_legacy.tokens import Finish, TokenStream


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


def test_without_a_user_message_the_last_text_is_repeated() -> None:
    messages = [{"role": role, "content": content} for role, content in [("system", "a"), ("bot", "b"), ("bot", "")]]
    assert list(Echo._create_completion("", messages, True)) == ["b"]


@pytest.mark.parametrize("texts", [[("user", "")], [("system", "")], [("assistant", "a"), ("user", "")]])
def test_nothing_to_repeat(texts: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": content} for role, content in texts]
    with pytest.raises(ValueError, match="no user message with a text"):
        list(Echo._create_completion("", messages, True))


@pytest.mark.parametrize(
    "max_tokens, text, reason, count",
    [(None, "one two three", "stop", 3), (2, "one two", "length", 2), (3, "one two three", "stop", 3)],
)
def test_length_limit(max_tokens: int | None, text: str, reason: str, count: int) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
    for stream in (True, False):
        completion = TokenStream(Echo._create_completion("echo", messages, stream, max_tokens=max_tokens))
        assert "".join(completion) == text
        usage = {"prompt_tokens": 5, "completion_tokens": count, "total_tokens": 5 + count}
        assert completion.finish == Finish(reason, usage)


@pytest.mark.parametrize("max_tokens", [0, -1, "2", 1.5])
def test_invalid_length_limit(max_tokens: Any) -> None:
    with pytest.raises(ValueError, match="max_tokens must be an integer of 1 or more"):
        ask("one two", max_tokens=max_tokens)


@pytest.mark.parametrize(
    "stop, text", [("two", "one "), ("one", ""), (["x", "three", ""], "one two "), ([], "one two three")]
)
def test_stop(stop: Any, text: str) -> None:
    assert "".join(ask("one two three", stop=stop)) == text


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    assert ask("a", base_url="http://127.0.0.1:1", temperature=1) == ["a"]
