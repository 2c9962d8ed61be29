"""Google's Gemini API.

Its oddities: no mark but `finishReason` ends a stream, and a bad key is a status of 400.
"""

from typing import Any, Dict, Iterator, List

from ..errors import GenerationError
from ..params import format_params
from ..parsing.event_stream import EventStream, iter_json_events, join_tokens
from ..parsing.payload import get_field, get_objects, get_optional, summarize
from ..prompt import name_roles, split_system
from ..transport.client import ServerClient, log, quote_segment

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
_BESIDE_PARAMETERS = ("safetySettings", "tools", "toolConfig", "cachedContent")


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, kwargs)
    yield from tokens if stream else [join_tokens(tokens)]


def _converse(model: str, messages: list, kwargs: Dict[str, Any]) -> Iterator[str]:
    with _open(kwargs) as host:
        body = {**_contents(messages), **_parameters(host.parameters)}
        path = f"/v1beta/{_resource(host.model_id(model))}:streamGenerateContent"
        with host.stream(path, params={"alt": "sse"}, json=body) as pieces:
            yield from _tokens(EventStream(iter_json_events(pieces), pieces.mark_progress))


def _open(kwargs: Dict[str, Any]) -> ServerClient:
    host = ServerClient(__name__, kwargs, page="/v1(beta)?")
    host.set_auth_header("x-goog-api-key")
    return host


def _contents(messages: list) -> Dict[str, Any]:
    system, others = split_system(messages)
    contents: List[Dict[str, Any]] = []
    for role, text in name_roles(others, _ROLES):
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"].append({"text": text})
        else:
            contents.append({"role": role, "parts": [{"text": text}]})
    return {"contents": contents, **({"systemInstruction": {"parts": [{"text": system}]}} if system else {})}


def _parameters(given: Dict[str, Any]) -> Dict[str, Any]:
    beside = {name: given.pop(name) for name in _BESIDE_PARAMETERS if name in given}
    named = {_PARAMETERS.get(name, name): value for name, value in given.items()}
    if isinstance(named.get("stopSequences"), str):
        named["stopSequences"] = [named["stopSequences"]]
    return {"generationConfig": named, **beside}


def _resource(model_id: str) -> str:
    return "/".join(map(quote_segment, (model_id if "/" in model_id else f"models/{model_id}").split("/")))


def _tokens(answer: EventStream) -> Iterator[str]:
    came, reason = False, None
    for event in answer:
        candidate = next((one for one in get_objects(event, "candidates") if not get_optional(one, int, "index")), None)
        blocked = get_optional(event, dict, "promptFeedback").get("blockReason")
        if blocked and candidate is None:
            raise GenerationError(f"the prompt was blocked: {summarize(blocked)}")
        for part in get_objects(get_optional(candidate or {}, dict, "content"), "parts"):
            text = get_optional(part, str, "text")
            if part.get("thought"):
                log.debug("Google: reasoning: %s", text)
            elif text:
                came = True
                yield text
        reason = (candidate or {}).get("finishReason") or reason
        answer.is_whole = reason is not None
        if reason not in (None, "STOP", "MAX_TOKENS"):
            message = get_optional(candidate or {}, str, "finishMessage")
            raise GenerationError(
                f"the host ended the answer: {summarize(reason)}" + (f": {summarize(message)}" if message else "")
            )
    if not came:
        log.warning("Google: the answer is whole, but without a text (finishReason: %s)", reason)


def _list_models(**kwargs) -> List[str]:
    with _open(kwargs) as host:
        listed = get_objects(host.get("/v1beta/models", dict, params={"pageSize": "1000"}), "models")
    chats = [one for one in listed if "generateContent" in get_optional(one, list, "supportedGenerationMethods")]
    return [get_field(one, str, "name").rpartition("models/")[2] for one in chats]


params = format_params(__name__, _create_completion)
