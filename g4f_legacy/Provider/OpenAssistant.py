"""Open-Assistant's chat of 2023 (closed in October 2023): the website's /api/chat in front of its inference server.

Its oddities: reading events consumes them, and what they lack is in the message itself; nothing stops a generation.
"""

import logging
from typing import Any, Iterator

from ..errors import RequestFailedError, ResponseFormatError, StreamInterruptedError
from ..params import format_params
from ..parsing.payload import get_field
from ..prompt import as_one_message
from ..protocols.open_assistant import Message, open_chat
from ..protocols.open_assistant_text import yield_text
from ..tokens import Tokens, yield_joined
from ..transport.client import ServerClient

url = "https://open-assistant.io/chat"
model = ["OA_SFT_Llama_30B_6"]
models = {"OA_SFT_Llama_30B_6": "OA_SFT_Llama_30B_6"}
supports_stream = True
needs_auth = True
working = False

_COOKIE_DOMAIN = "open-assistant.io"  # of a cookies.txt, as scripts of 2023 used one; read by `options`
_SAMPLING_PARAMETERS = dict(
    top_k=50, top_p=None, typical_p=None, temperature=0.35, repetition_penalty=1.1111111111111112, max_new_tokens=1024
)
_OPENAI_PARAMETERS = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_new_tokens"}
_TOP_LEVEL_FIELDS = ("plugins", "system_prompt", "user_profile", "user_response_instructions")
_log = logging.getLogger(__name__)


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, kwargs: dict[str, Any]) -> Tokens:
    with _open_client(kwargs) as server:
        prompt = as_one_message(messages)  # the server accepts no answers but its own
        with open_chat(server) as chat:
            question_id = chat.add_question(prompt)
            top_level = {name: server.parameters.pop(name) for name in _TOP_LEVEL_FIELDS if name in server.parameters}
            body = {
                "parent_id": question_id,
                "model_config_name": server.model_id(model),
                "sampling_parameters": {**_SAMPLING_PARAMETERS, **server.parameters},
                "plugins": [],
                **top_level,
            }
            message = chat.add_answer(body)
            yield from yield_text(message, _read_tokens(server, message))
            return server.finish(text=message.content, has_text=bool(message.content and message.content.strip()))


def _open_client(kwargs: dict[str, Any]) -> ServerClient:
    server = ServerClient(__name__, kwargs, page_path=r"(/api)?/chat")  # the API is not below the page
    server.set_auth(("__Secure-" if server.base_url.startswith("https:") else "") + "next-auth.session-token")
    return server


def _read_tokens(server: ServerClient, message: Message) -> Tokens:
    position = None
    look_up = message.look_up_if_due
    try:
        with server.stream("/api/chat/events", params=message.fields, retries=0, on_chunk=look_up) as stream:
            for event in stream.json_events(message.note_end, every_event_is_progress=False):
                kind, last_position, position = event.get("event_type"), position, event.get("queue_position")
                if kind == "pending" and position == last_position:
                    continue
                stream.mark_progress()
                if kind == "pending":
                    message.note_queue()
                    if isinstance(position, int) and isinstance(event.get("queue_size"), int):
                        _log.info("OpenAssistant: position %.20s of %.20s in the queue", position, event["queue_size"])
                    continue
                message.has_progress = True
                if kind == "token":
                    yield get_field(event, str, "text")
                elif kind == "message":
                    stream.mark_complete()
                    break
            else:  # it ended with [DONE], which means nothing here
                raise StreamInterruptedError("the stream ended without the message")
    except (RequestFailedError, ResponseFormatError, StreamInterruptedError) as interruption:
        _log.info("OpenAssistant: %s; asking for the message", interruption.args[0])
        message.complete_after(interruption)


def _list_models(**kwargs) -> list[str]:
    with _open_client(kwargs) as server:
        return [get_field(listed, str, "name") for listed in server.get("/api/chat/models", list)]


params = format_params(__name__, _create_completion)
