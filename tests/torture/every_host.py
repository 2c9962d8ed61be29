"""What a host of each provider answers when all goes well, as far as the providers look at it."""

import json
from typing import Any, List, Optional

from raw_host import whole
from replay import Sent

PROVIDERS = ("H2o", "HuggingChat", "OpenAssistant", "OpenAI", "Google")

_STREAMS = {
    "H2o": "POST /conversation/",
    "HuggingChat": "POST /conversation/",
    "OpenAssistant": "POST /api/chat/events",
    "OpenAI": "POST /v1/chat/completions",
    "Google": "POST /v1beta/models/",
}
_ROOT = json.dumps({"json": {"rootMessageId": "first"}})


def base_url(url: str, provider: str) -> str:
    """The address of a provider's host on a server that is all of them."""
    return f"{url}/{provider}" + "/v1" * (provider == "OpenAI")


def provider_of(sent: Sent) -> str:
    return next(name for name in PROVIDERS if f"/{name}/" in sent.path)


def is_stream(sent: Sent) -> bool:
    """Whether a request is the one that a stream answers."""
    name = provider_of(sent)
    step = f"{sent.method} {sent.path.partition(f'/{name}')[2]}"
    return step.startswith(_STREAMS[name]) and not step.endswith("/stop-generating")


def other_answer(sent: Sent, mark: str = "one", cookie: str = "") -> bytes:
    """The answer to any other request. Ids and the cookie that it gives have a mark in them."""
    name = provider_of(sent)
    made: Any = {"id": f"id-{mark}", "conversationId": f"id-{mark}", "data": [{"id": "some"}]}
    if name == "HuggingChat":
        made["conversation"] = _ROOT
    return whole(json.dumps(made).encode(), 200, f"Set-Cookie: seen={cookie or mark}; Path=/")


def stream(provider: str, words: List[str]) -> List[bytes]:
    """The pieces of a stream: one for each word, and the end mark."""
    line = {"HuggingChat": "%s\n"}.get(provider, "data: %s\n\n")
    text = "".join(words)
    say: Any = {
        "H2o": lambda word: {"token": {"text": word, "special": False}},
        "HuggingChat": lambda word: {"type": "stream", "token": word},
        "OpenAssistant": lambda word: {"event_type": "token", "text": word},
        "OpenAI": lambda word: {"choices": [{"delta": {"content": word}}]},
        "Google": lambda word: {"candidates": [{"content": {"parts": [{"text": word}]}}]},
    }[provider]
    end: Any = {
        "H2o": {"token": {"text": "</s>", "special": True}, "generated_text": text},
        "HuggingChat": {"type": "finalAnswer", "text": text},
        "OpenAssistant": {"event_type": "message", "message": {"content": text}},
        "OpenAI": {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        "Google": {"candidates": [{"finishReason": "STOP"}]},
    }[provider]
    return [(line % json.dumps(one)).encode() for one in (*map(say, words), end)]


def mark_of(sent: Sent) -> Optional[str]:
    return sent.headers.get("x-mark")
