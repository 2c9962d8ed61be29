"""Any OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, TGI, LM Studio, OpenRouter, and so on.

Their oddity: they agree on successful responses, and differ in how they report errors.
"""

import logging
import os
from typing import Any, Generator, Iterator

from ..errors import GenerationError
from ..params import format_params
from ..parsing.event_stream import EventStream, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_or_empty
from ..prompt import name_roles
from ..protocols.default_model import get_default_model
from ..protocols.openai_chat import Ending, iter_payloads, open_client, open_response
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
_FAILURES = ("content_filter", "tool_calls", "function_call")  # as a finish_reason, if there is no text
_ROLES = {role: role for role in ("system", "developer", "user", "assistant")}
_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, stream, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, stream: bool, kwargs: dict[str, Any]) -> Tokens:
    with open_client(__name__, kwargs) as server:
        named = [message._asdict() for message in name_roles(messages, _ROLES)]
        body = {"model": _choose_model(model, server), "messages": named, "stream": stream, **server.parameters}
        return (yield from try_also_below_v1(server, lambda: _request_tokens(server, body)))


def _relay_completion(body: dict[str, Any], **kwargs) -> Iterator[dict[str, Any]]:
    """Send a request that the local server has received, and yield the payloads of the response unchanged.

    The model and parameters that the server was started with replace the client's.
    """
    with open_client(__name__, kwargs) as server:
        body = {**body, "model": _choose_model(body.get("model"), server), **server.parameters}
        yield from try_also_below_v1(server, lambda: iter_payloads(server, body))


def _choose_model(model: Any, server: ServerClient) -> Any:
    return model or os.environ.get("OPENAI_MODEL") or get_default_model(server, _list_ids)


def _request_tokens(server: ServerClient, body: dict[str, Any]) -> Tokens:
    with open_response(server, body) as stream:
        return (yield from _read_tokens(server, stream))


def _read_tokens(server: ServerClient, stream: EventStream) -> Tokens:
    has_text = has_reasoning = False
    usage = None
    ending = Ending()
    for event in stream.json_events():
        usage = event.get("usage") or usage
        choice = _get_first_choice(event)
        message = get_or_empty(choice, dict, "delta") or get_or_empty(choice, dict, "message")
        text = get_or_empty(message, str, "content")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if reasoning and isinstance(reasoning, str):
            has_reasoning = True
            _log.debug("OpenAI: reasoning: %s", reasoning)
        if text:
            has_text = True
            yield text
        ending.update(choice)
        if ending.is_complete:
            stream.mark_complete()
            if ending.reason == "error" or (ending.reason in _FAILURES and not has_text):
                raise GenerationError(f"the server ended the completion: {ending.reason}")
    ending.check()
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("completion_tokens_details")
    has_reasoning = has_reasoning or isinstance(details, dict) and bool(details.get("reasoning_tokens"))
    return server.finish(ending.reason, usage or None, has_text=has_text, has_reasoning=has_reasoning)


def _get_first_choice(event: dict[str, Any]) -> dict[str, Any]:
    for choice in get_objects(event, "choices"):
        if not get_or_empty(choice, int, "index"):  # 0, or no index
            return choice
    return {}


def _list_ids(server: ServerClient) -> list[str]:
    def fetch() -> Generator[str, None, None]:
        payload = server.get("/models", dict)
        raise_reported_error(payload)
        yield from (get_field(listed, str, "id") for listed in get_objects(payload, "data"))

    # The first becomes the default model, and the order of OpenAI's list is arbitrary: the models that this provider
    # names come first. OPENAI_MODEL comes before them in listings; a completion reads it before it asks for a list.
    preferred = os.environ.get("OPENAI_MODEL")
    return sorted(try_also_below_v1(server, fetch), key=lambda name: (name != preferred, name not in models))


def _list_models(**kwargs) -> list[str]:
    with open_client(__name__, kwargs) as server:
        return _list_ids(server)


params = format_params(__name__, _create_completion)
