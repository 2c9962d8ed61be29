"""HuggingChat, and the chat-ui that people run today: v0.7 and later. H2o speaks to the versions before.

Several messages are sent as one prompt, as H2o's are, because the server writes the answers of a conversation itself.
Its oddities: tokens are padded with NUL and may differ from the final text at the end, `keepAlive` lines are sent while
the model generates nothing, and a prompt is JSON before v0.9.2, multipart since.
"""

import json
from functools import partial
from typing import Any, Iterator

from ..errors import GenerationError, Hint, RateLimitError, RequestFailedError
from ..params import format_params
from ..parsing.event_stream import error_from_payload
from ..parsing.payload import get_field
from ..prompt import as_one_message, split_system
from ..protocols import chat_ui
from ..protocols.chat_ui_text import ReceivedText
from ..protocols.default_model import get_default_model
from ..tokens import Tokens, yield_joined
from ..transport.client import ServerClient

url = "https://huggingface.co/chat"
model = ["OpenAssistant/oasst-sft-6-llama-30b-xor", "meta-llama/Llama-2-70b-chat-hf"]
models = {name: name for name in model}
supports_stream = True
needs_auth = True
working = False

_NEEDS_AUTH_EVERYWHERE = False  # only at the public server; read by `options`
_OPENAI_PARAMETERS: dict[str, str] = {}  # none of them is sent; read by `server.parameters`


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, stream, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, stream: bool, kwargs: dict[str, Any]) -> Tokens:
    with _open_client(kwargs) as server, chat_ui.hint_if(chat_ui.shows_legacy_server, Hint.USE_H2O):
        system, others = split_system(messages)
        prompt = {"is_retry": False, **server.parameters, "inputs": as_one_message(others)}
        model = model or get_default_model(server, chat_ui.list_model_ids, has_no_list=chat_ui.has_no_model_list)
        body = {"model": model, **({"preprompt": system} if system else {})}
        with chat_ui.open_conversation(server, body, accept_terms=partial(_accept_terms, server)) as conversation:
            parent = chat_ui.find_parent(server, conversation)
            with chat_ui.hint_at_prompt(prompt["inputs"], parent, conversation):
                return (yield from _send_prompt(server, conversation.path, prompt, parent, stream))


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs)
    server.set_auth("hf-chat")
    page = chat_ui.page_url(server)
    server.headers.update(Origin="/".join(page.split("/", 3)[:3]), Referer=page)
    return server


def _accept_terms(server: ServerClient) -> None:
    with chat_ui.hint_if(chat_ui.shows_form_settings, Hint.USE_H2O):
        server.post("/settings", json={"ethicsModalAccepted": True})


def _send_prompt(
    server: ServerClient, path: str, prompt: dict[str, Any], parent: chat_ui.Parent, stream: bool
) -> Tokens:
    if not parent.message_id:  # v0.7, whose responses never end
        received = ReceivedText(stream, prompt=prompt["inputs"], marks_length_limit=True)
        return (yield from _read_tokens(server, path, received, body_ends=False, json=prompt))
    prompt = {**prompt, "id": parent.message_id}
    try:
        multipart = {"data": (None, json.dumps(prompt))}
        return (yield from _read_tokens(server, path, ReceivedText(stream), files=multipart))
    except RequestFailedError as error:
        if error.status != 500 or not parent.may_take_json:
            raise
        multipart_failure = error.args[0]
    try:
        received = ReceivedText(stream, marks_length_limit=True)
        return (yield from _read_tokens(server, path, received, json=prompt))
    except RequestFailedError as error:
        if error.status == 500:
            error.add_context(f"and as multipart: {multipart_failure}")
        raise


def _read_tokens(
    server: ServerClient, path: str, received: ReceivedText, body_ends: bool = True, **request: Any
) -> Tokens:
    # Keep-alives arrive ten times a second, so that the read timeout has to be that of progress.
    with server.stream(path, progress_timeout=server.read_timeout, body_ends=body_ends, **request) as stream:
        for line in chat_ui.iter_lines(stream):
            text = ""
            match line.get("type"):
                case "stream":
                    text = received.add_token(get_field(line, str, "token"))
                case "finalAnswer":
                    stream.mark_complete()
                    text = received.add_final_text(get_field(line, str, "text"), line.get("interrupted"))
                case "tool":
                    received.mark_tool()
                case "status" if line.get("status") == "error":
                    raise error_from_payload(line, RateLimitError if line.get("statusCode") == 429 else GenerationError)
            if text:
                yield text
            # After an empty final text, an error may follow.
            if stream.is_complete and (received.has_text or not body_ends):
                break
        received.check_complete()
    return server.finish(received.reason, text=received.final_text, has_text=received.has_text)


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        return chat_ui.list_model_ids(server)


params = format_params(__name__, _create_completion)
