"""Says the last user message back, word by word; needs no host and no network."""

import re
from typing import Iterator

from ..params import format_params
from ..prompt import check_messages

url = ""
model = ["echo"]
models = {"echo": "echo"}
supports_stream = True
needs_auth = False
working = True


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    said = [message.content for message in check_messages(messages) if message.role.strip().lower() == "user"]
    if not said or not said[-1]:
        raise ValueError("messages has no user message with a text to say back")
    yield from re.findall(r"\s*\S+|\s+", said[-1]) if stream else [said[-1]]


params = format_params(__name__, _create_completion)
