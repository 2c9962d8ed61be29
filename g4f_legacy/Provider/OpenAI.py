"""Any OpenAI-compatible server: OpenAI itself, vLLM, llama.cpp, Ollama, TGI, LM Studio, OpenRouter, and so on.

Their oddity: they agree on how to answer, and each has a way of its own to fail.
"""

import os
from typing import Any, Callable, Dict, Iterator, List
from urllib.parse import urlsplit

from ..errors import GenerationError, ProviderError, RequestFailedError
from ..params import format_params
from ..parsing.event_stream import EventStream, iter_json_events, join_tokens, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_optional
from ..prompt import name_roles
from ..protocols.default_model import get_default_model
from ..transport.client import ServerClient, log

url = "https://api.openai.com/v1"
model = ["gpt-3.5-turbo", "gpt-4"]
models = {"gpt-3.5-turbo": "gpt-3.5-turbo", "gpt-4": "gpt-4"}
supports_stream = True
needs_auth = True
working = True

_NEEDS_AUTH_EVERYWHERE = False
_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_AUTH_VARIABLES = ("OPENAI_API_KEY",)
_ROLES = {role: role for role in ("system", "developer", "user", "assistant")}
_NO_TEXT = ("content_filter", "tool_calls", "function_call")


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, stream, kwargs)
    yield from tokens if stream else [join_tokens(tokens)]


def _converse(model: str, messages: list, stream: bool, kwargs: Dict[str, Any]) -> Iterator[str]:
    with _open(kwargs) as host:
        written = [message._asdict() for message in name_roles(messages, _ROLES)]
        name = model or os.environ.get("OPENAI_MODEL") or get_default_model(host, lambda: _listed(host))
        body = {"model": name, "messages": written, "stream": stream, **host.parameters}
        yield from _below_v1_too(host, lambda: _ask(host, body))


def _open(kwargs: Dict[str, Any]) -> ServerClient:
    host = ServerClient(__name__, kwargs, page="(/chat)?/completions|/models")
    host.set_auth_header("Authorization", "Bearer ")
    return host


def _ask(host: ServerClient, body: Dict[str, Any]) -> Iterator[str]:
    if body["stream"]:
        with host.stream("/chat/completions", json=body) as pieces:
            yield from _tokens(host, EventStream(iter_json_events(pieces), pieces.mark_progress))
    else:
        yield from _tokens(host, EventStream([host.post("/chat/completions", json=body)]))


def _tokens(host: ServerClient, answer: EventStream) -> Iterator[str]:
    came, reason = False, None
    for event in answer:
        choice = next(
            (choice for choice in get_objects(event, "choices") if not get_optional(choice, int, "index")), {}
        )
        said = get_optional(choice, dict, "delta") or get_optional(choice, dict, "message")
        text = get_optional(said, str, "content")
        if isinstance(reasoning := said.get("reasoning_content") or said.get("reasoning"), str):
            log.debug("OpenAI: reasoning: %s", reasoning)
        if text:
            came = True
            yield text
        reason = choice.get("finish_reason") or reason
        answer.is_whole = bool(reason or choice.get("message"))
        if reason == "error" or reason in _NO_TEXT and not came:
            raise GenerationError(f"the host ended the answer: {reason}")
    if not came:
        log.warning("OpenAI: the answer is whole, but without a text (finish_reason: %s)", host.said(reason))


def _below_v1_too(host: ServerClient, ask: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Asks where the address says; where the host has nothing there, below /v1, which people leave out."""
    came = False
    try:
        for token in ask():
            came = True
            yield token
        return
    except ProviderError as error:
        is_no_path = error.status in (404, 405) or "Unexpected endpoint" in error.detail  # LM Studio, with a 200
        if came or "/v1" in urlsplit(host.base_url).path or not is_no_path:
            raise
        first = error
    given, host.base_url = host.base_url, f"{host.base_url}/v1"
    log.info("OpenAI: nothing is there; trying %s", host.base_url)
    try:
        yield from ask()
    except RequestFailedError as error:
        if error.status == 404 and error.detail != first.detail:
            error.add_context(f"without /v1: {first.args[0]}")
        host.base_url = given
        raise


def _listed(host: ServerClient) -> List[str]:
    def ask() -> Iterator[str]:
        answer = host.get("/models", dict)
        raise_reported_error(answer)
        yield from (get_field(one, str, "id") for one in get_objects(answer, "data"))

    preferred = os.environ.get("OPENAI_MODEL")
    return sorted(_below_v1_too(host, ask), key=lambda name: (name != preferred, name not in models))


def _list_models(**kwargs) -> List[str]:
    with _open(kwargs) as host:
        return _listed(host)


params = format_params(__name__, _create_completion)
