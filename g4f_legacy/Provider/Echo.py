"""Repeat the last user message, word by word; needs no server and no network. Each word is a token.

A conversation without one is answered with its last message that has a text.
"""

import logging
import re
from typing import Any, Iterator

from ..params import format_params
from ..prompt import check_messages
from ..tokens import Finish, Tokens, describe_ending, yield_joined

url = ""
model = ["echo"]
models = {"echo": "echo"}
supports_stream = True
needs_auth = False
working = True

_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    checked = check_messages(messages)
    users = [message for message in checked if message.role.strip().lower() == "user"]
    texts = [message.content for message in users or checked if message.content]
    if not texts:
        raise ValueError("messages has no user message with a text to repeat")
    text = texts[-1]
    for sequence in _as_list(kwargs.get("stop")):
        text, _, _ = text.partition(sequence)
    prompt_tokens = sum(len(_split(message.content)) for message in checked)
    tokens = _repeat(_split(text), prompt_tokens, kwargs.get("max_tokens"))
    return (yield from tokens if stream else yield_joined(tokens))


def _as_list(stop: Any) -> list[str]:
    sequences = [] if stop is None else stop if isinstance(stop, (list, tuple)) else [stop]
    if not all(isinstance(sequence, str) for sequence in sequences):
        raise TypeError(f"stop must be a string or a list of strings, not {stop!r}")
    return [sequence for sequence in sequences if sequence]


def _split(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+", text)


def _repeat(tokens: list[str], prompt_tokens: int, max_tokens: Any) -> Tokens:
    if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens < 1):
        raise ValueError(f"max_tokens must be an integer of 1 or more, not {max_tokens!r}")
    kept = tokens[:max_tokens]
    yield from kept
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(kept),
        "total_tokens": prompt_tokens + len(kept),
    }
    reason = "length" if len(kept) < len(tokens) else "stop"
    if warning := describe_ending(reason, has_text=bool(kept)):
        _log.warning("Echo: %s", warning)
    return Finish(reason, usage)


params = format_params(__name__, _create_completion)
