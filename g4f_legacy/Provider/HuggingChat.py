"""HuggingChat, and the chat-ui that people run today: v0.7 and later. H2o speaks to those before.

Several turns go as one prompt, as H2o's do, for the host makes the answers of a conversation itself. Its oddities:
tokens are padded with NUL, the whole text comes once more at the end, and keepAlive lines while the model is silent.
"""

import json
from typing import Any, Dict, Iterator, List

from ..errors import GenerationError, Hint, RateLimitError, RequestFailedError
from ..params import format_params
from ..parsing.event_stream import EventStream, join_tokens
from ..parsing.payload import extract_message, get_field
from ..prompt import as_one_message, split_system
from ..protocols import chat_ui
from ..protocols.default_model import get_default_model
from ..transport.client import ServerClient

url = "https://huggingface.co/chat"
model = ["OpenAssistant/oasst-sft-6-llama-30b-xor", "meta-llama/Llama-2-70b-chat-hf"]
models = {name: name for name in model}
supports_stream = True
needs_auth = True
working = False

_NEEDS_AUTH_EVERYWHERE = False


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, kwargs)
    yield from tokens if stream else [join_tokens(tokens)]


def _converse(model: str, messages: list, kwargs: Dict[str, Any]) -> Iterator[str]:
    with _open(kwargs) as host, chat_ui.hint_if(chat_ui.is_legacy_server, Hint.USE_H2O):
        system, others = split_system(messages)
        question = {"is_retry": False, **host.parameters, "inputs": as_one_message(others)}
        begun = {
            "model": model or get_default_model(host, lambda: _listed(host)),
            **({"preprompt": system} if system else {}),
        }
        with chat_ui.open_conversation(host, begun, lambda: _accept_terms(host)) as (path, made):
            parent, may_be_older = chat_ui.find_parent_id(host, path, made)
            if parent:
                question["id"] = parent
            yield from _ask(host, path, question, may_be_older)


def _open(kwargs: Dict[str, Any]) -> ServerClient:
    host = ServerClient(__name__, kwargs)
    host.set_auth("hf-chat")
    host.headers.update(Origin="/".join(chat_ui.page_url(host).split("/", 3)[:3]), Referer=chat_ui.page_url(host))
    return host


def _accept_terms(host: ServerClient) -> None:
    with chat_ui.hint_if(chat_ui.refuses_json_settings, Hint.USE_H2O):
        host.post("/settings", json={"ethicsModalAccepted": True})


def _ask(host: ServerClient, path: str, question: Dict[str, Any], may_be_older: bool) -> Iterator[str]:
    """Asks as hosts have it since v0.9.2, and then, where the host may be older, as those have it."""
    if "id" in question:
        try:
            return (yield from _answer(host, path, files={"data": (None, json.dumps(question))}))
        except RequestFailedError as error:
            if error.status != 500 or not may_be_older:
                raise
            as_multipart = error
        try:
            yield from _answer(host, path, json=question)
        except RequestFailedError as error:
            if error.status == 500:
                error.add_context(f"and as multipart: {as_multipart.args[0]}")
            raise
    else:
        with chat_ui.hint_if(chat_ui.is_internal_error, Hint.USE_H2O):
            yield from _answer(host, path, json=question)


def _answer(host: ServerClient, path: str, **question: Any) -> Iterator[str]:
    came: List[str] = []
    since_tool = 0
    with host.stream(path, patience=1, **question) as pieces:  # keepAlive is silence
        answer = EventStream(chat_ui.iter_answer_lines(pieces), pieces.mark_progress, chat_ui.raise_line_error)
        for line in answer:
            kind, text = line.get("type"), ""
            if kind == "stream":
                text = get_field(line, str, "token").rstrip("\0")
            elif kind == "finalAnswer":
                answer.is_whole = True
                text = chat_ui.missing_text(get_field(line, str, "text"), came, since_tool)
            elif kind == "tool":
                since_tool = len(came)
            elif kind == "status" and line.get("status") == "error":
                failed = RateLimitError if line.get("statusCode") == 429 else GenerationError
                raise failed(extract_message(line) or "an error without a message", detail=extract_message(line))
            if text:
                came.append(text)
                yield text
            if answer.is_whole and came:
                return


def _listed(host: ServerClient) -> List[str]:
    return [get_field(one, str, "id") for one in host.get("/api/models", list)]


def _list_models(**kwargs) -> List[str]:
    with _open(kwargs) as host:
        return _listed(host)


params = format_params(__name__, _create_completion)
