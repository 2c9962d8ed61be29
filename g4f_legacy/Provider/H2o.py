"""H2o's hosted chat of 2023 (gone): chat-ui v0.3 to v0.6 in front of TGI, as anyone can run it.

A cookie, the terms, a conversation, the streamed answer, and the conversation deleted. Its oddity: at the length limit
no special token comes; the last ordinary one carries `generated_text` instead.
"""

from typing import Any, Dict, Iterator
from uuid import uuid4

from ..errors import Hint, RequestFailedError, ResponseFormatError
from ..params import format_params
from ..parsing.event_stream import EventStream, iter_json_events, join_tokens
from ..parsing.payload import extract_message, get_field, summarize
from ..prompt import format_prompt
from ..protocols.chat_ui import hint_if, is_modern_server, open_conversation, page_url
from ..transport.client import ServerClient

url = "https://gpt-gm.h2o.ai"
model = ["falcon-40b", "falcon-7b", "llama-13b"]
models = {
    "falcon-7b": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3",
    "falcon-40b": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1",
    "llama-13b": "h2oai/h2ogpt-gm-oasst1-en-2048-open-llama-13b",
}
supports_stream = True
needs_auth = False
working = False

_PARAMETERS = {
    "temperature": 0.4,
    "truncate": 2048,
    "max_new_tokens": 1024,
    "do_sample": True,
    "repetition_penalty": 1.2,
    "return_full_text": False,
}


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _converse(model, messages, kwargs)
    yield from tokens if stream else [join_tokens(tokens)]


def _converse(model: str, messages: list, kwargs: Dict[str, Any]) -> Iterator[str]:
    with ServerClient(__name__, kwargs) as host, hint_if(is_modern_server, Hint.USE_HUGGINGCHAT):
        host.set_auth()
        model_id, prompt, parameters = host.model_id(model), format_prompt(messages), host.parameters
        options = {
            "id": parameters.pop("id", None) or str(uuid4()),
            "response_id": parameters.pop("response_id", None) or str(uuid4()),
            "is_retry": False,
            "use_cache": False,
            "web_search_id": "",
        }
        body = {"inputs": prompt, "parameters": {**_PARAMETERS, **parameters}, "stream": True, "options": options}
        returning = host.has_session_cookie
        if not returning:
            _accept_terms(host, model_id)
        again = (lambda: _accept_terms(host, model_id)) if returning else None
        with open_conversation(host, {"model": model_id}, again) as (path, made):
            if "conversation" in made:
                raise ResponseFormatError("the conversation is a tree of messages", hint=Hint.USE_HUGGINGCHAT)
            with host.stream(path, json=body) as pieces:
                yield from _tokens(EventStream(iter_json_events(pieces), pieces.mark_progress))


def _accept_terms(host: ServerClient, model_id: str) -> None:
    host.visit("/")  # sets the session cookie
    form = {
        "ethicsModalAccepted": "true",
        "shareConversationsWithModelAuthors": "true",
        "ethicsModalAcceptedAt": "",
        "activeModel": model_id,
        "searchEnabled": "true",
    }
    # The redirect that this answers leads to the whole page again, for nothing.
    result = host.post("/settings", data=form, headers={"Referer": page_url(host)}, follow_redirects=False)
    if result.get("type") in ("error", "failure"):
        status = result.get("status")
        raise RequestFailedError(
            f"the terms were not accepted: {summarize(result)}",
            status=status if isinstance(status, int) else 200,
            detail=extract_message(result),
        )


def _tokens(answer: EventStream) -> Iterator[str]:
    for event in answer:
        text = get_field(event, str, "token", "text")
        answer.is_whole = bool(event["token"].get("special"))
        if not answer.is_whole:
            yield text
        if event.get("generated_text") is not None:
            return


params = format_params(__name__, _create_completion)
