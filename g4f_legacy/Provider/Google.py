"""Google's Gemini API. Its oddities: only `finishReason` ends a stream, and a bad key is answered with 400."""

import logging
from itertools import groupby
from operator import itemgetter
from typing import Any, Iterator

from ..errors import GenerationError
from ..params import format_params
from ..parsing.payload import get_field, get_objects, get_or_empty, summarize
from ..prompt import name_roles, split_system
from ..tokens import Tokens, yield_joined
from ..transport.client import ServerClient, quote_segment

url = "https://generativelanguage.googleapis.com"
model = ["gemini-flash-latest", "gemini-pro-latest"]
models = {"gemini-flash-latest": "gemini-flash-latest", "gemini-pro-latest": "gemini-pro-latest"}
supports_stream = True
needs_auth = True
working = True

_AUTH_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_ROLES = {"user": "user", "assistant": "model", "model": "model"}
_PARAMETERS = {
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}  # to the words of the other protocols
_TOP_LEVEL_FIELDS = ("safetySettings", "tools", "toolConfig", "cachedContent")
_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, kwargs: dict[str, Any]) -> Tokens:
    with _open_client(kwargs) as server:
        body = {**_contents(messages), **_configuration(server.parameters)}
        model_id = server.model_id(model)
        resource = model_id if "/" in model_id else f"models/{model_id}"
        path = "/v1beta/" + "/".join(map(quote_segment, resource.split("/"))) + ":streamGenerateContent"
        return (yield from _read_tokens(server, path, body))


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs, page_path="/v1(beta)?")
    server.set_auth_header("x-goog-api-key")
    return server


def _read_tokens(server: ServerClient, path: str, body: dict[str, Any]) -> Tokens:
    has_text, reason, usage = False, None, dict[str, Any]()
    with server.stream(path, params={"alt": "sse"}, json=body) as stream:
        for event in stream.json_events():
            candidate = _first_candidate(event)
            if isinstance(event.get("usageMetadata"), dict):
                usage = event["usageMetadata"]
            for text in _read_texts(candidate):
                has_text = True
                yield text
            reason = get_or_empty(candidate, str, "finishReason") or reason
            stream.set_complete(reason is not None)
            if reason is not None and reason not in _REASONS:
                details = [detail for detail in (reason, candidate.get("finishMessage")) if detail]
                raise GenerationError(": ".join(["the server ended the completion", *map(summarize, details)]))
    has_reasoning = bool(usage.get("thoughtsTokenCount"))
    return server.finish(_REASONS.get(reason or ""), usage or None, has_text=has_text, has_reasoning=has_reasoning)


def _contents(messages: list) -> dict[str, Any]:
    system, others = split_system(messages)
    by_role = groupby(name_roles(others, _ROLES), key=itemgetter(0))  # roles have to alternate
    contents = [{"role": role, "parts": [{"text": text} for _, text in group]} for role, group in by_role]
    return {"contents": contents, **({"systemInstruction": {"parts": [{"text": system}]}} if system else {})}


def _configuration(parameters: dict[str, Any]) -> dict[str, Any]:
    top_level = {name: parameters.pop(name) for name in _TOP_LEVEL_FIELDS if name in parameters}
    generation = {_PARAMETERS.get(name, name): value for name, value in parameters.items()}
    if isinstance(generation.get("stopSequences"), str):
        generation["stopSequences"] = [generation["stopSequences"]]
    return {"generationConfig": generation, **top_level}


def _first_candidate(event: dict[str, Any]) -> dict[str, Any]:
    block_reason = get_or_empty(event, dict, "promptFeedback").get("blockReason")
    candidates = get_objects(event, "candidates")
    first = next((candidate for candidate in candidates if not get_or_empty(candidate, int, "index")), None)
    if first is None and block_reason:
        raise GenerationError(f"the prompt was blocked: {summarize(block_reason)}")
    return first or {}


def _read_texts(candidate: dict[str, Any]) -> Iterator[str]:
    for part in get_objects(get_or_empty(candidate, dict, "content"), "parts"):
        text = get_or_empty(part, str, "text")
        if part.get("thought"):
            _log.debug("Google: reasoning: %s", text)
        elif text:
            yield text


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        listed = get_objects(server.get("/v1beta/models", dict, params={"pageSize": "1000"}), "models")
    chats = [entry for entry in listed if "generateContent" in get_or_empty(entry, list, "supportedGenerationMethods")]
    return [get_field(entry, str, "name").rpartition("models/")[2] for entry in chats]


params = format_params(__name__, _create_completion)
