"""Open-Assistant's chat of 2023 (closed in October 2023): the website's /api/chat in front of its inference server.
Its oddity: reading events consumes them, and a finished message has none left; what they lack is in the message itself.
"""

import logging
import time
from typing import Any, Iterator

from ..concurrency.worker import sleep
from ..errors import GenerationError, RequestFailedError, ResponseFormatError, StreamInterruptedError
from ..params import format_params
from ..parsing.event_stream import error_from_payload
from ..parsing.payload import get_field, get_or_empty, remaining_text, truncate
from ..prompt import as_one_message
from ..tokens import yield_joined
from ..transport.client import ServerClient

url = "https://open-assistant.io/chat"
model = ["OA_SFT_Llama_30B_6"]
models = {"OA_SFT_Llama_30B_6": "OA_SFT_Llama_30B_6"}
supports_stream = True
needs_auth = True
working = False

_SAMPLING_PARAMETERS = dict(
    top_k=50, top_p=None, typical_p=None, temperature=0.35, repetition_penalty=1.1111111111111112, max_new_tokens=1024
)
_TOP_LEVEL_FIELDS = ("plugins", "system_prompt", "user_profile", "user_response_instructions")
_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, kwargs: dict[str, Any]) -> Iterator[str]:
    with _open_client(kwargs) as server:
        prompt = as_one_message(messages)  # the server accepts no answers but its own
        chat = {"chat_id": get_field(server.post("/api/chat"), str, "id")}
        with server.deleted_on_exit("/api/chat", params=chat):
            question = server.post("/api/chat/prompter_message", json={**chat, "content": prompt, "parent_id": None})
            top_level = {name: server.parameters.pop(name) for name in _TOP_LEVEL_FIELDS if name in server.parameters}
            body = {
                **chat,
                "parent_id": get_field(question, str, "id"),
                "model_config_name": server.model_id(model),
                "sampling_parameters": {**_SAMPLING_PARAMETERS, **server.parameters},
                "plugins": [],
                **top_level,
            }
            answer = server.post("/api/chat/assistant_message", json=body)
            yield from _read_tokens(server, {**chat, "message_id": get_field(answer, str, "id")})


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs, page_path=r"(/api)?/chat")  # the API is not below the page
    server.set_auth(("__Secure-" if server.base_url.startswith("https:") else "") + "next-auth.session-token")
    return server


def _read_tokens(server: ServerClient, message: dict[str, str]) -> Iterator[str]:
    received: list[str] = []
    position = None
    try:
        with server.stream("/api/chat/events", params=message, retries=0) as stream:
            for event in stream.json_events(_raise_failure, every_event_is_progress=False):
                kind, last_position, position = event.get("event_type"), position, event.get("queue_position")
                if kind == "pending" and position == last_position:
                    continue
                stream.mark_progress()
                if kind == "pending" and isinstance(position, int) and isinstance(event.get("queue_size"), int):
                    _log.info("OpenAssistant: position %.20s of %.20s in the queue", position, event["queue_size"])
                elif kind == "token":
                    received.append(get_field(event, str, "text"))
                    yield received[-1]
                elif kind == "message":
                    content = get_field(event, str, "message", "content")
                    stream.mark_complete()
                    break
            else:  # it ended with [DONE], which means nothing here
                raise StreamInterruptedError("the stream ended without the message")
    except (RequestFailedError, ResponseFormatError, StreamInterruptedError) as interruption:
        _log.info("OpenAssistant: %s; asking for the message", interruption.args[0])
        try:
            content = _fetch_content(server, message)
        except (RequestFailedError, ResponseFormatError) as error:
            raise interruption from error
    if rest := remaining_text(content, "".join(received)):
        yield rest


def _raise_failure(event: dict[str, Any]) -> None:
    has_failed = event.get("event_type") == "error"
    if event.get("event_type") == "message":
        has_failed = get_or_empty(get_field(event, dict, "message"), str, "state") not in ("", "complete")
    if has_failed:
        raise error_from_payload(event)


def _fetch_content(server: ServerClient, message: dict[str, str]) -> str:
    deadline = time.monotonic() + server.read_timeout
    while True:
        payload = server.get("/api/chat/message", dict, params=message)
        state = get_field(payload, str, "state")
        if state == "complete":
            return get_field(payload, str, "content")
        if state not in ("pending", "in_progress"):
            raise GenerationError(f"the message ended as {truncate(state)}")
        if time.monotonic() >= deadline:
            raise StreamInterruptedError(f"the message is still {state} after {server.read_timeout:g} seconds")
        sleep(0.5)


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        return [get_field(listed, str, "name") for listed in server.get("/api/chat/models", list)]


params = format_params(__name__, _create_completion)
