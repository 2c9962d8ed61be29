"""Any OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, TGI, LM Studio, OpenRouter, and so on.

Their oddity: they agree on how to answer, and each has its own way to fail.
"""

import logging
import os
from typing import Any, Callable, Iterator
from urllib.parse import urlsplit

from ..errors import GenerationError, ProviderError, RequestFailedError
from ..params import format_params
from ..parsing.event_stream import EventStream, SinglePayload, join_tokens, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_or_empty
from ..prompt import name_roles
from ..protocols.default_model import get_default_model
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
    yield from tokens if stream else [join_tokens(tokens)]


def _stream_tokens(model: str, messages: list, stream: bool, kwargs: dict[str, Any]) -> Iterator[str]:
    with _open_client(kwargs) as server:
        named = [message._asdict() for message in name_roles(messages, _ROLES)]
        model = model or os.environ.get("OPENAI_MODEL") or get_default_model(server, _list_ids)
        body = {"model": model, "messages": named, "stream": stream, **server.parameters}
        yield from _try_also_below_v1(server, lambda: _request_tokens(server, body))


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs, page_path="(/chat)?/completions|/models")
    server.set_auth_header("Authorization", "Bearer ")
    return server


def _request_tokens(server: ServerClient, body: dict[str, Any]) -> Iterator[str]:
    if body["stream"]:
        with server.stream("/chat/completions", json=body) as stream:
            yield from _read_tokens(server, stream)
    else:
        yield from _read_tokens(server, SinglePayload(server.post("/chat/completions", json=body)))


def _read_tokens(server: ServerClient, stream: EventStream) -> Iterator[str]:
    has_text, reason = False, None
    for event in stream.json_events():
        choices = get_objects(event, "choices")
        choice = next((choice for choice in choices if not get_or_empty(choice, int, "index")), {})  # 0, or no index
        message = get_or_empty(choice, dict, "delta") or get_or_empty(choice, dict, "message")
        text = get_or_empty(message, str, "content")
        if isinstance(reasoning := message.get("reasoning_content") or message.get("reasoning"), str):
            _log.debug("OpenAI: reasoning: %s", reasoning)
        if text:
            has_text = True
            yield text
        reason = choice.get("finish_reason") or reason
        stream.set_complete(bool(reason or choice.get("message")))
        if reason == "error" or (reason in ("content_filter", "tool_calls", "function_call") and not has_text):
            raise GenerationError(f"the server ended the completion: {reason}")
    if not has_text:
        _log.warning("OpenAI: the completion has no text (finish_reason: %s)", server.redact(reason))


def _try_also_below_v1(server: ServerClient, request: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield from `request`. Where nothing is at the server's address, try below /v1, which people leave out."""
    has_yielded = False
    try:
        for item in request():
            has_yielded = True
            yield item
        return
    except ProviderError as error:
        is_lm_studio = "Unexpected endpoint" in error.detail + error.body  # its answer to an unknown path, with a 200
        is_wrong_path = error.status in (404, 405) or is_lm_studio
        if has_yielded or not is_wrong_path or "/v1" in urlsplit(server.base_url).path:
            raise
        first_failure, first_message = (error.status, error.detail), server.redact(error.args[0])
    with server.try_base_path("/v1"):
        _log.info("OpenAI: nothing is there; trying %s", server.base_url)
        try:
            yield from request()
        except RequestFailedError as error:
            if error.status == 404 and (error.status, error.detail) != first_failure:
                error.add_context(f"without /v1: {first_message}")  # either address may have been the right one
            raise


def _list_ids(server: ServerClient) -> list[str]:
    def fetch() -> Iterator[str]:
        payload = server.get("/models", dict)
        raise_reported_error(payload)
        yield from (get_field(listed, str, "id") for listed in get_objects(payload, "data"))

    # The first is the default model, and OpenAI's list is in no useful order; OPENAI_MODEL matters to listings only.
    preferred = os.environ.get("OPENAI_MODEL")
    return sorted(_try_also_below_v1(server, fetch), key=lambda name: (name != preferred, name not in models))


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        return _list_ids(server)


params = format_params(__name__, _create_completion)
