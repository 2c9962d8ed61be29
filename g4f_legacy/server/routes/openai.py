"""The API that OpenAI-compatible clients speak: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``."""

import time
from typing import Any, Dict, Iterator, List, Optional
from uuid import uuid4

from flask import Blueprint, jsonify

from .. import http as wire
from ..engine import ActiveCompletion, Engine, status_for

HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client goes on waiting."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


def error(message: str, status: int, code: Optional[str] = None, param: Optional[str] = None) -> Any:
    """An error in OpenAI's shape."""
    return jsonify(error=_error(message, status, code, param)), status


def blueprint(engine: Engine) -> Blueprint:
    """The routes of the API."""
    routes = Blueprint("openai", __name__, url_prefix="/v1")
    created = int(time.time())

    @routes.get("/models")
    def list_models() -> Any:
        owner = f"g4f_legacy.{engine.name}"
        data = [{"id": name, "object": "model", "created": created, "owned_by": owner} for name in engine.models]
        return jsonify(object="list", data=data)

    @routes.get("/models/<path:name>")
    def show_model(name: str) -> Any:
        if name not in engine.models:
            return error(f"The model {name!r} does not exist", 404, "model_not_found", "model")
        return jsonify(id=name, object="model", created=created, owned_by=f"g4f_legacy.{engine.name}")

    @routes.post("/chat/completions")
    def chat() -> Any:
        asked = wire.body()
        return _answer(engine, asked, asked.get("messages"), _Chat)

    @routes.post("/completions")
    def complete() -> Any:
        asked = wire.body()
        prompt = asked.get("prompt")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        if not isinstance(prompt, str):
            return error("prompt must be one text", 400, param="prompt")
        return _answer(engine, asked, [{"role": "user", "content": prompt}], _Text)

    return routes


class _Chat:
    """How ``/v1/chat/completions`` writes its answers."""

    prefix, object, chunk = "chatcmpl", "chat.completion", "chat.completion.chunk"

    @staticmethod
    def whole(text: str) -> Dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    @staticmethod
    def piece(text: Optional[str], is_first: bool) -> Dict[str, Any]:
        delta = {"role": "assistant"} if is_first else {}
        return {"delta": delta if text is None else {**delta, "content": text}}


class _Text:
    """How ``/v1/completions`` writes its answers."""

    prefix, object, chunk = "cmpl", "text_completion", "text_completion"

    @staticmethod
    def whole(text: str) -> Dict[str, Any]:
        return {"text": text}

    @staticmethod
    def piece(text: Optional[str], is_first: bool) -> Dict[str, Any]:
        return {"text": text or ""}


def _answer(engine: Engine, asked: Dict[str, Any], messages: Any, shape: Any) -> Any:
    model = asked.get("model") or ""
    if not isinstance(model, str):
        return error("model must be a text", 400, param="model")
    if asked.get("n") not in (None, 1):
        return error("only one answer can be given: n must be 1", 400, param="n")
    parameters = {"max_tokens": asked.get("max_completion_tokens"), **asked}
    said = {"id": f"{shape.prefix}-{uuid4().hex}", "created": int(time.time()), "model": model or engine.models[0]}
    try:
        reply = engine.start(model, messages, parameters)
        tokens = reply.read(HEARTBEAT, wire.client_is_gone())
        if asked.get("stream"):
            options = asked.get("stream_options")
            wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
            return wire.stream(_chunks(next(tokens, ""), tokens, reply, shape, said, messages if wants_usage else None))
        for _ in tokens:
            pass
    except Exception as failure:
        return error(wire.failure_text(failure), status_for(failure))
    choice = {"index": 0, **shape.whole(reply.text), "logprobs": None, "finish_reason": "stop"}
    return jsonify(**said, object=shape.object, choices=[choice], usage=_usage(messages, reply))


def _chunks(
    first: Optional[str],
    tokens: Iterator[Optional[str]],
    reply: ActiveCompletion,
    shape: Any,
    said: Dict[str, Any],
    counted: Any,
) -> Iterator[bytes]:
    def chunk(text: Optional[str], is_first: bool = False, reason: Optional[str] = None) -> bytes:
        choice = {"index": 0, **shape.piece(text, is_first), "logprobs": None, "finish_reason": reason}
        return wire.event({**said, "object": shape.chunk, "choices": [choice]}, "data: ")

    try:
        yield chunk(first or "", is_first=True)
        for text in tokens:
            yield b": waiting\n\n" if text is None else chunk(text)
        yield chunk(None, reason="stop")
        if counted:
            yield wire.event({**said, "object": shape.chunk, "choices": [], "usage": _usage(counted, reply)}, "data: ")
        yield b"data: [DONE]\n\n"
    except Exception as failure:
        yield wire.event({"error": _error(wire.failure_text(failure), status_for(failure))}, "data: ")
    finally:
        reply.stop()


def _usage(messages: List[Dict[str, Any]], reply: ActiveCompletion) -> Dict[str, int]:
    """In words asked and pieces answered: an engine's own tokens are not known here."""
    asked = sum(len(str(message["content"]).split()) for message in messages)
    return {"prompt_tokens": asked, "completion_tokens": len(reply.tokens), "total_tokens": asked + len(reply.tokens)}


def _error(message: str, status: int, code: Optional[str] = None, param: Optional[str] = None) -> Dict[str, Any]:
    kind = _TYPES.get(status, "server_error")
    return {"message": message, "type": kind, "param": param, "code": code}
