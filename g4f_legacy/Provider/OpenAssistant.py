"""OpenAssistant's chat of 2023 (closed in October 2023): the website's /api/chat in front of its inference server.

Its oddity: reading events uses them up, and a finished message has none left; what they lack is in the message itself.
"""

import time
from typing import Any, Callable, Dict, Generator, Iterable, Iterator, List

from ..concurrency.worker import sleep
from ..errors import GenerationError, RequestFailedError, ResponseFormatError, StreamInterruptedError
from ..params import format_params
from ..parsing.event_stream import iter_json_events, join_tokens
from ..parsing.payload import extract_message, get_field, get_optional, remaining_text, truncate
from ..prompt import as_one_message
from ..transport.client import ServerClient, log

url = "https://open-assistant.io/chat"
model = ["OA_SFT_Llama_30B_6"]
models = {"OA_SFT_Llama_30B_6": "OA_SFT_Llama_30B_6"}
supports_stream = True
needs_auth = True
working = False

_SAMPLING_PARAMETERS = {
    "top_k": 50,
    "top_p": None,
    "typical_p": None,
    "temperature": 0.35,
    "repetition_penalty": 1.1111111111111112,
    "max_new_tokens": 1024,
}
_BESIDE_SAMPLING = ("plugins", "system_prompt", "user_profile", "user_response_instructions")


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, kwargs)
    yield from tokens if stream else [join_tokens(tokens)]


def _converse(model: str, messages: list, kwargs: Dict[str, Any]) -> Iterator[str]:
    with _open(kwargs) as host:
        content = as_one_message(messages)  # the host takes no answers but its own
        beside = {name: host.parameters.pop(name) for name in _BESIDE_SAMPLING if name in host.parameters}
        chat = {"chat_id": get_field(host.post("/api/chat"), str, "id")}
        with host.deleted_on_exit("/api/chat", params=chat):
            question = host.post("/api/chat/prompter_message", json={**chat, "content": content, "parent_id": None})
            answer = {
                **chat,
                "parent_id": get_field(question, str, "id"),
                "model_config_name": host.model_id(model),
                "sampling_parameters": {**_SAMPLING_PARAMETERS, **host.parameters},
                "plugins": [],
                **beside,
            }
            message_id = get_field(host.post("/api/chat/assistant_message", json=answer), str, "id")
            yield from _answer(host, {**chat, "message_id": message_id})


def _open(kwargs: Dict[str, Any]) -> ServerClient:
    host = ServerClient(__name__, kwargs, page=r"(/api)?/chat")  # the API is beside the page
    host.set_auth("__Secure-" * host.base_url.startswith("https:") + "next-auth.session-token")
    return host


def _answer(host: ServerClient, message: Dict[str, str]) -> Iterator[str]:
    came: List[str] = []
    try:
        with host.stream("/api/chat/events", params=message, retries=0) as pieces:
            whole = yield from _tokens(iter_json_events(pieces), pieces.mark_progress, came)
    except (RequestFailedError, ResponseFormatError, StreamInterruptedError) as interruption:
        log.info("OpenAssistant: %s; asking for the message", interruption.args[0])
        try:
            whole = _finished_text(host, message)
        except (RequestFailedError, ResponseFormatError) as error:
            raise interruption from error
    if rest := remaining_text(whole, "".join(came)):
        yield rest


def _tokens(events: Iterable[Dict[str, Any]], heard: Callable[[], None], came: List[str]) -> Generator[str, None, str]:
    """Yields the tokens, notes them in `came`, and returns the whole text. A queue that does not move is no news."""
    place = None
    for event in events:
        kind, last_place, place = event.get("event_type"), place, event.get("queue_position")
        if kind != "pending" or place != last_place:
            heard()
        if kind == "token":
            came.append(get_field(event, str, "text"))
            yield came[-1]
        elif kind == "message" and get_optional(get_field(event, dict, "message"), str, "state") in ("", "complete"):
            return get_field(event, str, "message", "content")
        elif kind in ("message", "error"):
            detail = extract_message(event)
            raise GenerationError(detail or f"an error without a message: {truncate(event)}", detail=detail)
        elif kind == "pending" and place != last_place and type(place) is type(size := event.get("queue_size")) is int:
            log.info("OpenAssistant: position %.20s of %.20s in the queue", place, size)
    raise StreamInterruptedError("the events ended without the message")


def _finished_text(host: ServerClient, message: Dict[str, str]) -> str:
    deadline = time.monotonic() + host.read_timeout
    while True:
        answer = host.get("/api/chat/message", dict, params=message)
        state = get_field(answer, str, "state")
        if state == "complete":
            return get_field(answer, str, "content")
        if state not in ("pending", "in_progress"):
            raise GenerationError(f"the message ended as {truncate(state)}")
        if time.monotonic() >= deadline:
            raise StreamInterruptedError(f"the message is still {state} after {host.read_timeout:g} seconds")
        sleep(0.5)


def _list_models(**kwargs) -> List[str]:
    with _open(kwargs) as host:
        return [get_field(listed, str, "name") for listed in host.get("/api/chat/models", list)]


params = format_params(__name__, _create_completion)
