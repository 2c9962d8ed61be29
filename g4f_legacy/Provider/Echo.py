"""Repeat the last user message, word by word; needs no server and no network."""

import re
from typing import Iterator

from ..params import format_params
from ..prompt import check_messages
from ..tokens import Finish, Tokens, yield_joined

url = ""
model = ["echo"]
models = {"echo": "echo"}
supports_stream = True
needs_auth = False
working = True


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    user_texts = [message.content for message in check_messages(messages) if message.role.strip().lower() == "user"]
    if not user_texts or not user_texts[-1]:
        raise ValueError("messages has no user message with a text to repeat")
    tokens = _repeat(user_texts[-1])
    return (yield from tokens if stream else yield_joined(tokens))


def _repeat(text: str) -> Tokens:
    yield from re.findall(r"\s*\S+|\s+", text)
    return Finish("stop")


params = format_params(__name__, _create_completion)
