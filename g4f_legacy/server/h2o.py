"""H2o's protocol of 2023, as chat-ui v0.4 in front of TGI speaks it."""

import secrets
import threading
from collections import OrderedDict
from typing import Any, Iterator, Optional, Set
from uuid import uuid4

from flask import Blueprint, Response, g, jsonify, redirect, request

from ..errors import StreamInterruptedError
from ..prompt import read_prompt
from ..Provider import H2o
from . import page, wire
from .engine import Answer, Engine, status_of

COOKIE = "h2o-chat"
HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client goes on waiting."""

_MOST_SESSIONS = 10_000
_MOST_CONVERSATIONS = 1_000
_A_YEAR = 365 * 24 * 3600


class _Conversation:
    """The model it is with, and what is being answered in it."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.under_way: Set[Answer] = set()


class _Session:
    """A visitor: whether the terms were accepted, and the conversations, of which the oldest are forgotten."""

    def __init__(self) -> None:
        self.accepted_terms = False
        self.conversations: "OrderedDict[str, _Conversation]" = OrderedDict()

    def begin(self, model: str) -> str:
        conversation_id = secrets.token_hex(12)
        self.conversations[conversation_id] = _Conversation(model)
        if len(self.conversations) > _MOST_CONVERSATIONS:
            self.conversations.popitem(last=False)
        return conversation_id


class _Sessions:
    """The visitors by their cookies. When there are too many, those that were here longest ago are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: "OrderedDict[str, _Session]" = OrderedDict()

    def get(self, cookie: str) -> _Session:
        with self._lock:
            session = self._sessions.pop(cookie, None) or _Session()
            self._sessions[cookie] = session
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return session


def blueprint(engine: Engine) -> Blueprint:
    """The routes of the protocol."""
    routes = Blueprint("h2o", __name__)
    sessions = _Sessions()

    @routes.before_request
    def know_the_visitor() -> None:
        g.cookie = request.cookies.get(COOKIE) or str(uuid4())
        g.session = sessions.get(g.cookie)

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
        g.session.accepted_terms = request.form.get("ethicsModalAccepted") == "true"
        if "text/html" in request.headers.get("Accept", ""):
            return redirect(referer, 303)
        return jsonify(type="redirect", status=303, location=referer)

    @routes.post("/conversation")
    def begin_conversation() -> Any:
        if not g.session.accepted_terms:
            return jsonify(error="You need to accept the welcome modal first"), 405
        model = wire.known_model(wire.body().get("model"), [*H2o.models.values()], engine)
        if model is None:
            return _internal_error()
        return jsonify(conversationId=g.session.begin(model))

    @routes.post("/conversation/<conversation_id>")
    def answer(conversation_id: str) -> Any:
        conversation = g.session.conversations.get(conversation_id)
        if conversation is None:
            return _not_found()
        asked = wire.body()
        prompt = asked.get("inputs")
        if not isinstance(prompt, str) or not prompt.strip():
            return _internal_error()
        parameters = asked.get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        reply = engine.start(conversation.model, read_prompt(prompt), parameters)
        conversation.under_way.add(reply)
        tokens = reply.read(HEARTBEAT, wire.client_is_gone())
        try:
            first = next(tokens, "")
        except Exception as error:
            conversation.under_way.discard(reply)
            status = status_of(error)
            kind = {429: "overloaded", 400: "validation"}.get(status, "generation")
            return jsonify(error=wire.failure_text(error), error_type=kind), status
        return wire.stream(_events(first, tokens, reply, conversation))

    @routes.post("/conversation/<conversation_id>/stop-generating")
    def stop(conversation_id: str) -> Any:
        conversation = g.session.conversations.get(conversation_id)
        if conversation is None:
            return _not_found()
        for reply in list(conversation.under_way):
            reply.stop()
        return ""

    @routes.delete("/conversation/<conversation_id>")
    def delete(conversation_id: str) -> Any:
        # As on the real host, what is being generated goes on; only the conversation is gone.
        return "" if g.session.conversations.pop(conversation_id, None) is not None else _not_found()

    return routes


def _events(
    first: Optional[str], tokens: Iterator[Optional[str]], reply: Answer, conversation: _Conversation
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
        conversation.under_way.discard(reply)
        reply.stop()


def _internal_error() -> Any:
    return jsonify(message="Internal Error"), 500


def _not_found() -> Any:
    return jsonify(message="Conversation not found"), 404
