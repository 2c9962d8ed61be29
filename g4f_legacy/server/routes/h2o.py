"""H2o's protocol of 2023, as chat-ui v0.4 in front of TGI speaks it."""

from collections import OrderedDict
import secrets
import threading
from typing import Any, Iterator, Optional, Set, Tuple
from uuid import uuid4

from flask import Blueprint, Response, g, jsonify, redirect, request

from .. import http as wire
from .. import page
from ...Provider import H2o
from ...errors import StreamInterruptedError
from ...prompt import read_prompt
from ..engine import ActiveCompletion, Engine, status_for

COOKIE = "h2o-chat"
HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client goes on waiting."""

_MOST_SESSIONS = 10_000
_MOST_CONVERSATIONS = 10_000
_LONGEST_COOKIE = 100
_A_YEAR = 365 * 24 * 3600


class _Conversation:
    """The model it is with, and what is being answered in it."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.active: Set[ActiveCompletion] = set()


class _Visitors:
    """The visitors by their cookies: who has accepted the terms, and the conversations. Those that were here longest
    ago, and the oldest conversations, are forgotten when there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: "OrderedDict[str, bool]" = OrderedDict()
        self._conversations: "OrderedDict[Tuple[str, str], _Conversation]" = OrderedDict()

    def accept(self, cookie: str, accepts: bool) -> None:
        with self._lock:
            self._accepted[cookie] = accepts
            self._accepted.move_to_end(cookie)
            if len(self._accepted) > _MOST_SESSIONS:
                self._accepted.popitem(last=False)

    def has_accepted(self, cookie: str) -> bool:
        with self._lock:
            if cookie in self._accepted:
                self._accepted.move_to_end(cookie)
            return self._accepted.get(cookie, False)

    def begin(self, cookie: str, model: str) -> str:
        conversation_id = secrets.token_hex(12)
        with self._lock:
            self._conversations[cookie, conversation_id] = _Conversation(model)
            if len(self._conversations) > _MOST_CONVERSATIONS:
                self._conversations.popitem(last=False)
        return conversation_id

    def find(self, cookie: str, conversation_id: str) -> Optional[_Conversation]:
        return self._conversations.get((cookie, conversation_id))

    def forget(self, cookie: str, conversation_id: str) -> bool:
        """Whether there was such a conversation."""
        with self._lock:
            return self._conversations.pop((cookie, conversation_id), None) is not None


def blueprint(engine: Engine) -> Blueprint:
    """The routes of the protocol."""
    routes = Blueprint("h2o", __name__)
    visitors = _Visitors()

    @routes.before_request
    def know_the_visitor() -> None:
        given = request.cookies.get(COOKIE, "")
        g.cookie = given if 0 < len(given) <= _LONGEST_COOKIE else str(uuid4())

    @routes.after_request
    def set_the_cookie(response: Response) -> Response:
        if response.status_code not in (403, 405) and "cookie" in g:
            same_site = "None" if request.is_secure else "Lax"
            response.set_cookie(
                COOKIE, g.cookie, max_age=_A_YEAR, httponly=True, secure=request.is_secure, samesite=same_site
            )
        return response

    @routes.get("/")
    def show_page() -> str:
        return page.render(engine)

    @routes.post("/settings")
    def accept_terms() -> Any:
        referer = request.headers.get("Referer", "")
        if wire.split(referer).netloc != request.host:
            text = "Non-JSON form requests need to have a referer" if not referer else "Wrong referer"
            return Response(text, 403, content_type="text/plain")
        visitors.accept(g.cookie, request.form.get("ethicsModalAccepted") == "true")
        if "text/html" in request.headers.get("Accept", ""):
            return redirect(referer, 303)
        return jsonify(type="redirect", status=303, location=referer)

    @routes.post("/conversation")
    def begin_conversation() -> Any:
        if not visitors.has_accepted(g.cookie):
            return jsonify(error="You need to accept the welcome modal first"), 405
        model = wire.known_model(wire.body().get("model"), [*H2o.models.values()], engine)
        if model is None:
            return _internal_error()
        return jsonify(conversationId=visitors.begin(g.cookie, model))

    @routes.post("/conversation/<conversation_id>")
    def answer(conversation_id: str) -> Any:
        conversation = visitors.find(g.cookie, conversation_id)
        if conversation is None:
            return _not_found()
        asked = wire.body()
        prompt = asked.get("inputs")
        if not isinstance(prompt, str) or not prompt.strip():
            return _internal_error()
        parameters = asked.get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        reply = engine.start(conversation.model, read_prompt(prompt), parameters)
        conversation.active.add(reply)
        tokens = reply.read(HEARTBEAT, wire.client_is_gone())
        try:
            first = next(tokens, "")
        except Exception as error:
            conversation.active.discard(reply)
            status = status_for(error)
            kind = {429: "overloaded", 400: "validation"}.get(status, "generation")
            return jsonify(error=wire.failure_text(error), error_type=kind), status
        return wire.stream(_events(first, tokens, reply, conversation))

    @routes.post("/conversation/<conversation_id>/stop-generating")
    def stop(conversation_id: str) -> Any:
        conversation = visitors.find(g.cookie, conversation_id)
        if conversation is None:
            return _not_found()
        for reply in list(conversation.active):
            reply.stop()
        return ""

    @routes.delete("/conversation/<conversation_id>")
    def delete(conversation_id: str) -> Any:
        # As on the real host, what is being generated goes on; only the conversation is gone.
        return "" if visitors.forget(g.cookie, conversation_id) else _not_found()

    return routes


def _events(
    first: Optional[str], tokens: Iterator[Optional[str]], reply: ActiveCompletion, conversation: _Conversation
) -> Iterator[bytes]:
    """TGI's events: a token each, and a special one that carries the whole text at the end."""
    number = 0

    def token(text: str, whole: Optional[str] = None) -> bytes:
        one = {"id": number, "text": text, "logprob": 0.0, "special": whole is not None}
        return wire.event({"token": one, "generated_text": whole, "details": None})

    try:
        yield token(first) if first else b":\n\n"
        for text in tokens:
            number += 1
            yield b":\n\n" if text is None else token(text)
        yield token("</s>", reply.text)
    except StreamInterruptedError as error:
        # The engine's answer was cut, and so is this one: no end that looks like one.
        raise ConnectionAbortedError("the engine's answer broke off") from error
    except Exception as error:
        yield wire.event({"error": wire.failure_text(error), "error_type": "generation"})
    finally:
        conversation.active.discard(reply)
        reply.stop()


def _internal_error() -> Any:
    return jsonify(message="Internal Error"), 500


def _not_found() -> Any:
    return jsonify(message="Conversation not found"), 404
