"""H2o's protocol of 2023: chat-ui v0.4 in front of TGI.

https://github.com/huggingface/chat-ui/tree/v0.4.0/src/routes
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, g, jsonify, redirect, request

from ...errors import StreamInterruptedError
from ...prompt import read_prompt
from ...Provider import H2o
from .. import page
from ..engine import ActiveCompletion, Engine
from ..exchange import (
    add_process_hint,
    format_event,
    get_disconnect_check,
    read_payload_or_empty,
    resolve_model,
    stream_response,
)
from ..failures import get_headers, get_message, get_status

COOKIE = "h2o-chat"
HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client's read timeout does not expire."""

MAX_SESSIONS = 10_000
MAX_CONVERSATIONS = 10_000
_MAX_COOKIE_LENGTH = 100
_COOKIE_MAX_AGE = 365 * 24 * 3600
_COMMENT = b":\n\n"
_ERROR_TYPES = {429: "overloaded", 400: "validation"}


class _Conversation:
    """A conversation: its model, and the completions that are running in it."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.active: set[ActiveCompletion] = set()


class _SessionStore:
    """The sessions by their cookies: which have accepted the terms, and their conversations.

    The least recently used sessions and the oldest conversations are dropped when there are too many.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: OrderedDict[str, bool] = OrderedDict()
        self._conversations: OrderedDict[tuple[str, str], _Conversation] = OrderedDict()

    def set_accepted(self, cookie: str, accepted: bool) -> None:
        with self._lock:
            self._accepted[cookie] = accepted
            self._accepted.move_to_end(cookie)
            if len(self._accepted) > MAX_SESSIONS:
                self._accepted.popitem(last=False)

    def has_accepted(self, cookie: str) -> bool:
        with self._lock:
            if cookie in self._accepted:
                self._accepted.move_to_end(cookie)
            return self._accepted.get(cookie, False)

    def create_conversation(self, cookie: str, model: str) -> str:
        conversation_id = secrets.token_hex(12)
        with self._lock:
            self._conversations[cookie, conversation_id] = _Conversation(model)
            if len(self._conversations) > MAX_CONVERSATIONS:
                self._conversations.popitem(last=False)
        return conversation_id

    def get_conversation(self, cookie: str, conversation_id: str) -> _Conversation | None:
        return self._conversations.get((cookie, conversation_id))

    def delete_conversation(self, cookie: str, conversation_id: str) -> bool:
        """Return whether there was such a conversation."""
        with self._lock:
            return self._conversations.pop((cookie, conversation_id), None) is not None


class H2oRoutes:
    """The routes of the protocol."""

    def __init__(self, engine: Engine, check_referer: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._check_referer = check_referer
        self._sessions = _SessionStore()

    def blueprint(self) -> Blueprint:
        routes = Blueprint("h2o", __name__)
        routes.before_request(self.identify_session)
        routes.after_request(self.set_cookie)
        routes.get("/")(self.show_page)
        routes.post("/settings")(self.accept_terms)
        routes.post("/conversation")(self.create_conversation)
        routes.post("/conversation/<conversation_id>")(self.complete)
        routes.post("/conversation/<conversation_id>/stop-generating")(self.stop_generating)
        routes.delete("/conversation/<conversation_id>")(self.delete_conversation)
        return routes

    def identify_session(self) -> None:
        cookie = request.cookies.get(COOKIE, "")
        g.cookie = cookie if 0 < len(cookie) <= _MAX_COOKIE_LENGTH else str(uuid4())

    def set_cookie(self, response: Response) -> Response:
        if response.status_code not in (403, 405) and "cookie" in g:
            response.set_cookie(
                COOKIE,
                g.cookie,
                max_age=_COOKIE_MAX_AGE,
                httponly=True,
                secure=request.is_secure,
                samesite="None" if request.is_secure else "Lax",
            )
        return response

    def show_page(self) -> str:
        return page.render(self._engine)

    def accept_terms(self) -> Any:
        referer = request.headers.get("Referer", "")
        if not referer:
            return Response("Non-JSON form requests need to have a referer", 403, content_type="text/plain")
        refusal = self._check_referer(referer)
        if refusal:
            return Response(f"Wrong referer: {refusal}", 403, content_type="text/plain")
        if request.is_json:
            return _server_error()  # chat-ui of that time takes a form only
        self._sessions.set_accepted(g.cookie, request.form.get("ethicsModalAccepted") == "true")
        if "text/html" in request.headers.get("Accept", ""):
            return redirect(referer, 303)
        return jsonify(type="redirect", status=303, location=referer)

    def create_conversation(self) -> Any:
        if not self._sessions.has_accepted(g.cookie):
            return jsonify(error=add_process_hint("You need to accept the welcome modal first")), 405
        model = resolve_model(read_payload_or_empty().get("model"), [*H2o.models.values()], self._engine)
        if model is None:
            return _server_error()
        return jsonify(conversationId=self._sessions.create_conversation(g.cookie, model))

    def complete(self, conversation_id: str) -> Any:
        conversation = self._sessions.get_conversation(g.cookie, conversation_id)
        if conversation is None:
            return _not_found()
        payload = read_payload_or_empty()
        prompt = payload.get("inputs")
        if not isinstance(prompt, str) or not prompt.strip():
            return _server_error()
        parameters = payload.get("parameters")
        if not isinstance(parameters, dict):
            parameters = {}
        completion = self._engine.prepare(conversation.model, read_prompt(prompt), parameters)
        conversation.active.add(completion)
        tokens = completion.read(HEARTBEAT, get_disconnect_check())
        try:
            first = next(tokens, "")
        except Exception as error:
            conversation.active.discard(completion)
            status = get_status(error)
            error_type = _ERROR_TYPES.get(status, "generation")
            return jsonify(error=get_message(error), error_type=error_type), status, get_headers(error)
        return stream_response(_events(first, tokens, completion, conversation))

    def stop_generating(self, conversation_id: str) -> Any:
        conversation = self._sessions.get_conversation(g.cookie, conversation_id)
        if conversation is None:
            return _not_found()
        for completion in list(conversation.active):
            completion.stop()
        return ""

    def delete_conversation(self, conversation_id: str) -> Any:
        # As in chat-ui, completions that are running in the conversation go on.
        return "" if self._sessions.delete_conversation(g.cookie, conversation_id) else _not_found()


def _events(
    first: str | None, tokens: Iterator[str | None], completion: ActiveCompletion, conversation: _Conversation
) -> Iterator[bytes]:
    """Yield TGI's events: one for each token, and a last one with the complete text.

    Its token is ``</s>``, which is special, unless the completion ended at the length limit: clients tell the two apart
    by it.
    """
    number = 0
    try:
        yield _format_token(number, first) if first else _COMMENT
        for text in tokens:
            number += 1
            yield _COMMENT if text is None else _format_token(number, text)
        is_at_limit = completion.finish.reason == "length"
        yield _format_token(number, "" if is_at_limit else "</s>", completion.text, special=not is_at_limit)
    except StreamInterruptedError as error:
        # The provider's stream was truncated, so this one is, too: an OSError makes waitress close the connection
        # without a last chunk (https://github.com/Pylons/waitress/blob/v3.0.2/src/waitress/task.py, `Task.service`).
        raise ConnectionAbortedError("the provider's stream was truncated") from error
    except Exception as error:
        yield format_event({"error": get_message(error), "error_type": "generation"})
    finally:
        conversation.active.discard(completion)
        completion.stop()


def _format_token(number: int, text: str, generated_text: str | None = None, special: bool = False) -> bytes:
    token = {"id": number, "text": text, "logprob": 0.0, "special": special}
    return format_event({"token": token, "generated_text": generated_text, "details": None})


def _server_error() -> Any:
    return jsonify(message="Internal Error"), 500


def _not_found() -> Any:
    return jsonify(message=add_process_hint("Conversation not found")), 404
