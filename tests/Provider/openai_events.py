"""What OpenAI-compatible servers send."""

import json
from typing import Any

PATH = "/v1/chat/completions"

RECORDED_TOKENS = {
    "stream": ' a| of|x|\x1b| Привет| a|"| мир|ޒ| мир|T|é| Привет|{| a| data:'.split("|"),
    "plain": ["\x0f a"],
}


def data(payload: Any) -> str:
    return f"data: {json.dumps(payload)}\n\n"


def chunk(text: Any = None, reason: Any = None, **fields: Any) -> str:
    """Return an event, as OpenAI names it; `fields` are added to its payload, or replace some of it."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return data({"id": "1", "object": "chat.completion.chunk", "choices": [choice], **fields})


DONE = "data: [DONE]\n\n"
TOKENS = ["a", "b"]
TOKEN_CHUNKS = [chunk(token) for token in TOKENS]
END = [chunk(reason="stop"), DONE]
COMPLETE_STREAM = (*TOKEN_CHUNKS, *END)
