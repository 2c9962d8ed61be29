"""H2o's hosted chat of 2023 (gone): chat-ui v0.3 to v0.6 in front of text-generation-inference, as anyone can run it.

A cookie, the terms, a conversation, the streamed answer, and the conversation deleted. Its oddity: at the length limit
no special token ends the stream; the last ordinary one carries `generated_text` instead.
"""

from functools import partial
from typing import Any, Iterator
from uuid import uuid4

from ..errors import Hint, RequestFailedError, ResponseFormatError
from ..params import format_params
from ..parsing.payload import extract_message, get_field, summarize
from ..prompt import format_prompt
from ..protocols.chat_ui import hint_if, open_conversation, page_url, shows_internal_error, shows_modern_server
from ..tokens import Tokens, yield_joined
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

_END_OF_TEXT = "<|endoftext|>"  # not every server marks it as special
_PARAMETERS = dict(
    temperature=0.4, truncate=2048, max_new_tokens=1024, do_sample=True, repetition_penalty=1.2, return_full_text=False
)
# What the protocol calls those of OpenAI's parameters that it has; read by `server.parameters`, as in other providers.
_OPENAI_PARAMETERS = {"max_tokens": "max_new_tokens"} | {
    name: name for name in ("temperature", "top_p", "seed", "stop")
}


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    tokens = _stream_tokens(model, messages, kwargs)
    return (yield from tokens if stream else yield_joined(tokens))


def _stream_tokens(model: str, messages: list, kwargs: dict[str, Any]) -> Tokens:
    with ServerClient(__name__, kwargs) as server, hint_if(shows_modern_server, Hint.USE_HUGGINGCHAT):
        server.set_auth()
        model_id = server.model_id(model)
        body = _create_body(format_prompt(messages), server.parameters)
        with open_conversation(
            server,
            {"model": model_id},
            accept_terms=partial(_accept_terms, server, model_id),
            terms_first=not server.has_session_cookie,  # with a cookie, they may be accepted already
        ) as conversation:  # deleted on exit
            if "conversation" in conversation.payload:  # as chat-ui sends it today: a tree of messages
                raise ResponseFormatError("the conversation is a tree of messages", hint=Hint.USE_HUGGINGCHAT)
            return (yield from _read_tokens(server, conversation.path, body))


def _create_body(prompt: str, parameters: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(parameters)
    options = {
        "id": parameters.pop("id", None) or str(uuid4()),
        "response_id": parameters.pop("response_id", None) or str(uuid4()),
        "is_retry": False,
        "use_cache": False,
        "web_search_id": "",
    }
    return {"inputs": prompt, "parameters": {**_PARAMETERS, **parameters}, "stream": True, "options": options}


def _read_tokens(server: ServerClient, path: str, body: dict[str, Any]) -> Tokens:
    has_text = is_special = False
    generated_text = None
    with server.stream(path, json=body) as stream:
        for event in stream.json_events():
            text = get_field(event, str, "token", "text")
            is_special = bool(event["token"].get("special")) or text == _END_OF_TEXT
            generated_text = event.get("generated_text")
            stream.set_complete(is_special or generated_text is not None)  # withdrawn if another token follows
            if text and not is_special:
                has_text = True
                yield text
            if generated_text is not None or text == _END_OF_TEXT:
                break
    is_stopped = is_special or _ends_with_stop_sequence(generated_text, body["parameters"])
    return server.finish("stop" if is_stopped else "length", has_text=has_text)


def _ends_with_stop_sequence(text: Any, parameters: dict[str, Any]) -> bool:
    stop = parameters.get("stop") or []
    sequences = stop if isinstance(stop, (list, tuple)) else [stop]
    endings = tuple(sequence for sequence in sequences if sequence and isinstance(sequence, str))
    return isinstance(text, str) and text.endswith(endings)


def _accept_terms(server: ServerClient, model_id: str) -> None:
    server.get_page("/")  # sets the session cookie
    form = {
        "ethicsModalAccepted": "true",
        "shareConversationsWithModelAuthors": "true",
        "ethicsModalAcceptedAt": "",
        "activeModel": model_id,
        "searchEnabled": "true",
    }
    # Success is a redirect, and following it would fetch the page again. A failure may be a 200 with the actual status.
    with hint_if(shows_internal_error, Hint.USE_HUGGINGCHAT):  # v0.7 takes JSON only (recorded: v0_7_settings_form)
        result = server.post("/settings", data=form, headers={"Referer": page_url(server)}, follow_redirects=False)
    if result.get("type") in ("error", "failure"):
        status = result.get("status")
        raise RequestFailedError(
            f"the terms were not accepted: {summarize(result)}",
            status=status if isinstance(status, int) else 200,
            detail=extract_message(result),
        )


params = format_params(__name__, _create_completion)
