"""Any OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, TGI, LM Studio, OpenRouter, and so on.

Their oddity: they agree on how to answer, and each has its own way to fail.
"""

import logging
import os
from typing import Any, Iterator

from ..errors import GenerationError, StreamInterruptedError
from ..params import format_params
from ..parsing.event_stream import EventStream, SinglePayload, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_or_empty
from ..prompt import name_roles
from ..protocols.default_model import get_default_model
from ..protocols.v1_path import try_also_below_v1
from ..tokens import Tokens, yield_joined
from ..transport.client import ServerClient

url = "https://api.openai.com/v1"
model = ["gpt-3.5-turbo", "gpt-4"]
models = {"gpt-3.5-turbo": "gpt-3.5-turbo", "gpt-4": "gpt-4"}
supports_stream = True
needs_auth = True
working = True

_NEEDS_AUTH_EVERYWHERE = False  # only at the public server; this and the next two are read by `options`
_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_AUTH_VARIABLES = ("OPENAI_API_KEY",)
_ROLES = {role: role for role in ("system", "developer", "user", "assistant")}
_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, stream, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, stream: bool, kwargs: dict[str, Any]) -> Tokens:
    with _open_client(kwargs) as server:
        named = [message._asdict() for message in name_roles(messages, _ROLES)]
        model = model or os.environ.get("OPENAI_MODEL") or get_default_model(server, _list_ids)
        body = {"model": model, "messages": named, "stream": stream, **server.parameters}
        return (yield from try_also_below_v1(server, lambda: _request_tokens(server, body)))


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs, page_path="(/chat)?/completions|/models")
    server.set_auth_header("Authorization", "Bearer ")
    return server


def _request_tokens(server: ServerClient, body: dict[str, Any]) -> Tokens:
    if body["stream"]:
        with server.stream("/chat/completions", json=body) as stream:
            return (yield from _read_tokens(server, stream))
    return (yield from _read_tokens(server, SinglePayload(server.post("/chat/completions", json=body))))


def _read_tokens(server: ServerClient, stream: EventStream) -> Tokens:
    has_text = has_reasoning = has_message = promises_reason = False
    reason = usage = None
    for event in stream.json_events():
        usage = event.get("usage") or usage
        choices = get_objects(event, "choices")
        choice = next((choice for choice in choices if not get_or_empty(choice, int, "index")), {})  # 0, or no index
        message = get_or_empty(choice, dict, "delta") or get_or_empty(choice, dict, "message")
        text = get_or_empty(message, str, "content")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if reasoning and isinstance(reasoning, str):
            has_reasoning = True
            _log.debug("OpenAI: reasoning: %s", reasoning)
        if text:
            has_text = True
            yield text
        if "finish_reason" in choice:  # some servers leave it out until the end; null promises that one follows
            promises_reason = choice["finish_reason"] is None
            if not promises_reason:
                reason = get_field(choice, str, "finish_reason") or reason
        has_message = has_message or bool(choice.get("message"))  # not a stream, but a complete payload
        stream.set_complete(bool(reason) or has_message)
        if reason == "error" or (reason in ("content_filter", "tool_calls", "function_call") and not has_text):
            raise GenerationError(f"the server ended the completion: {reason}")
    if promises_reason and not (reason or has_message):
        # Despite [DONE]: llama-cpp-python 0.3.36 was seen to end a stream so when another request arrives.
        raise StreamInterruptedError("the stream ended although its finish_reason was still null")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("completion_tokens_details")
    has_reasoning = has_reasoning or isinstance(details, dict) and bool(details.get("reasoning_tokens"))
    return server.finish(reason, usage or None, has_text=has_text, has_reasoning=has_reasoning)


def _list_ids(server: ServerClient) -> list[str]:
    def fetch() -> Tokens:
        payload = server.get("/models", dict)
        raise_reported_error(payload)
        yield from (get_field(listed, str, "id") for listed in get_objects(payload, "data"))

    # The first becomes the default model, and the order of OpenAI's list is arbitrary: the models that this provider
    # names come first. OPENAI_MODEL comes before them in listings; a completion reads it before it asks for a list.
    preferred = os.environ.get("OPENAI_MODEL")
    return sorted(try_also_below_v1(server, fetch), key=lambda name: (name != preferred, name not in models))


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        return _list_ids(server)


params = format_params(__name__, _create_completion)
