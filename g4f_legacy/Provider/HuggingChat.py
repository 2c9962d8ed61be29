"""HuggingChat, and the chat-ui that people run today: v0.7 and later. H2o speaks to those before.

Its oddities: tokens are padded with NUL, the whole text stands at the end once more, and keepAlive lines come for as
long as the model is silent.
"""

import json
import time
from contextlib import suppress
from typing import Any, Dict, Iterator, List
from urllib.parse import urlsplit

from ..chat_ui import IS_OF_2023, conversation, first_message, recognising
from ..document import field, message_of, rest_of
from ..errors import GenerationError, RateLimitError, RequestFailedError, StreamInterruptedError
from ..host import Host, log
from ..params import describe
from ..prompt import as_one_message, split_system
from ..stream import Answer, join, json_lines

url = "https://huggingface.co/chat"
model = ["OpenAssistant/oasst-sft-6-llama-30b-xor", "meta-llama/Llama-2-70b-chat-hf"]
models = {name: name for name in model}
supports_stream = True
needs_auth = True
working = False

_NEEDS_AUTH_EVERYWHERE = False


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, kwargs)
    yield from tokens if stream else [join(tokens)]


def _converse(model: str, messages: list, kwargs: Dict[str, Any]) -> Iterator[str]:
    with _open(kwargs) as host, recognising("got 'data:|^405 ", IS_OF_2023):
        system, others = split_system(messages)
        question = {"inputs": as_one_message(others), "is_retry": False, **host.parameters}
        begun = {"model": model or host.first_model(lambda: _listed(host)), **({"preprompt": system} if system else {})}
        with conversation(host, begun, lambda: _accept_terms(host)) as (path, made):
            parent, may_be_older = first_message(host, path, made)
            if parent:
                question["id"] = parent
            yield from _ask(host, path, question, may_be_older)


def _open(kwargs: Dict[str, Any]) -> Host:
    host = Host(__name__, kwargs)
    host.log_in("hf-chat")
    address = urlsplit(host.base_url)
    host.headers.update(Origin=f"{address.scheme}://{address.netloc}", Referer=f"{host.base_url}/")
    return host


def _accept_terms(host: Host) -> None:
    with recognising("^(400|404|415|500) |^expected ", IS_OF_2023):
        host.post("/settings", json={"ethicsModalAccepted": True})


def _ask(host: Host, path: str, question: Dict[str, Any], may_be_older: bool) -> Iterator[str]:
    """Asks as hosts have it since v0.9.2, and then, where the host may be older, as those have it."""
    multipart = {"files": {"data": (None, json.dumps(question))}}
    forms: List[Dict[str, Any]] = [multipart] * ("id" in question) + [{"json": question}] * may_be_older
    for form in forms:
        try:
            with host.stream(path, **form) as pieces:
                return (yield from _tokens(Answer(json_lines(pieces)), host.silence))
        except RequestFailedError as error:
            if error.status == 500 and "id" not in question:
                error.explain(IS_OF_2023)
            if error.status != 500 or form is forms[-1]:
                raise


def _tokens(answer: Answer, silence: float) -> Iterator[str]:
    came: List[str] = []
    heard = time.monotonic()
    for line in answer:
        kind, status, text = line.get("type"), line.get("status"), ""
        if kind == "stream":
            text = field(line, "token", str).rstrip("\0")
        elif kind == "finalAnswer":
            answer.is_whole = True
            text = _rest(field(line, "text", str), "".join(came))
        elif kind == "status" and status == "error":
            failed = RateLimitError if line.get("statusCode") == 429 else GenerationError
            raise failed(message_of(line) or "an error without a message")
        elif kind == "status" and status == "keepAlive":
            if time.monotonic() - heard > silence:
                raise StreamInterruptedError(f"nothing but keepAlive came for {silence:g} seconds") from TimeoutError()
            continue
        if text:
            came.append(text)
            yield text
        if answer.is_whole:
            return
        heard = time.monotonic()


def _rest(whole: str, came: str) -> str:
    """What of the whole text has not come. Where tools ran, what came need not be its beginning."""
    with suppress(StreamInterruptedError):
        return rest_of(whole, came)
    log.info("HuggingChat: the whole text is another than what came: %r", whole)
    return ""


def _listed(host: Host) -> List[str]:
    return [field(one, "id", str) for one in host.get("/api/models", list)]


def _list_models(**kwargs) -> List[str]:
    with _open(kwargs) as host:
        return _listed(host)


params = describe(__name__, _create_completion)
