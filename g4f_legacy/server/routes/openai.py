"""OpenAI's API: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``.

https://platform.openai.com/docs/api-reference
"""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify

from ..engine import ActiveCompletion, Engine, status_for
from ..exchange import error_message, format_event, get_disconnect_check, read_payload, stream_response

HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client's read timeout does not expire."""

_COMMENT = b": waiting\n\n"
_DONE = b"data: [DONE]\n\n"
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


def error_response(message: str, status: int, code: str | None = None, param: str | None = None) -> Any:
    """Create a response with an error in OpenAI's format."""
    return jsonify(error=_error_payload(message, status, code, param)), status


class OpenAIRoutes:
    """The routes of the API."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._created = int(time.time())

    def blueprint(self) -> Blueprint:
        routes = Blueprint("openai", __name__, url_prefix="/v1")
        routes.get("/models")(self.list_models)
        routes.get("/models/<path:name>")(self.show_model)
        routes.post("/chat/completions")(self.complete_chat)
        routes.post("/completions")(self.complete_prompt)
        return routes

    def list_models(self) -> Any:
        return jsonify(object="list", data=[self._describe_model(name) for name in self._engine.models])

    def show_model(self, name: str) -> Any:
        if name not in self._engine.models:
            return error_response(f"The model {name!r} does not exist", 404, "model_not_found", "model")
        return jsonify(self._describe_model(name))

    def complete_chat(self) -> Any:
        payload = read_payload()
        return self._complete(payload, payload.get("messages"), _ChatFormat())

    def complete_prompt(self) -> Any:
        payload = read_payload()
        prompt = payload.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            return error_response("prompt must be a single string", 400, param="prompt")
        return self._complete(payload, [{"role": "user", "content": prompt}], _TextFormat())

    def _describe_model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": f"g4f_legacy.{self._engine.name}"}

    def _complete(self, payload: dict[str, Any], messages: Any, style: "_TextFormat | _ChatFormat") -> Any:
        model = payload.get("model") or ""
        if not isinstance(model, str):
            return error_response("model must be a string", 400, param="model")
        if payload.get("n") not in (None, 1):
            return error_response("n must be 1: there is one choice per request", 400, param="n")
        parameters = {"max_tokens": payload.get("max_completion_tokens"), **payload}
        model_name = model or self._engine.models[0]
        try:
            completion = self._engine.prepare(model, messages, parameters)
            reply = _Reply(completion, messages, model_name, style)
            tokens = completion.read(HEARTBEAT, get_disconnect_check())
            if payload.get("stream"):
                return stream_response(reply.events(next(tokens, ""), tokens, _includes_usage(payload)))
            for _ in tokens:
                pass
        except Exception as error:
            return error_response(error_message(error), status_for(error))
        return reply.to_json()


class _TextFormat:
    """How ``/v1/completions`` represents a completion."""

    id_prefix = "cmpl"
    object_type = "text_completion"
    chunk_type = "text_completion"

    def completion(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def chunk(self, text: str | None, is_first: bool) -> dict[str, Any]:
        return {"text": text or ""}


class _ChatFormat:
    """How ``/v1/chat/completions`` represents a completion."""

    id_prefix = "chatcmpl"
    object_type = "chat.completion"
    chunk_type = "chat.completion.chunk"

    def completion(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def chunk(self, text: str | None, is_first: bool) -> dict[str, Any]:
        delta = {"role": "assistant"} if is_first else {}
        if text is not None:
            delta["content"] = text
        return {"delta": delta}


class _Reply:
    """What the API returns of a completion, as one object or as chunks."""

    def __init__(
        self, completion: ActiveCompletion, messages: Any, model: str, style: _TextFormat | _ChatFormat
    ) -> None:
        self._completion = completion
        self._messages = messages
        self._style = style
        self._header = {"id": f"{style.id_prefix}-{uuid4().hex}", "created": int(time.time()), "model": model}

    def to_json(self) -> Response:
        text = self._style.completion(self._completion.text)
        choice = {"index": 0, **text, "logprobs": None, "finish_reason": "stop"}
        return jsonify(**self._header, object=self._style.object_type, choices=[choice], usage=self._usage())

    def events(self, first: str | None, tokens: Iterator[str | None], include_usage: bool) -> Iterator[bytes]:
        try:
            yield self._chunk(first or "", is_first=True)
            for text in tokens:
                yield _COMMENT if text is None else self._chunk(text)
            yield self._chunk(None, finish_reason="stop")
            if include_usage:
                yield self._event(choices=[], usage=self._usage())
            yield _DONE
        except Exception as error:
            payload = _error_payload(error_message(error), status_for(error))
            yield format_event({"error": payload}, "data: ")
        finally:
            self._completion.stop()

    def _chunk(self, text: str | None, is_first: bool = False, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, **self._style.chunk(text, is_first), "logprobs": None, "finish_reason": finish_reason}
        return self._event(choices=[choice])

    def _event(self, **fields: Any) -> bytes:
        return format_event({**self._header, "object": self._style.chunk_type, **fields}, "data: ")

    def _usage(self) -> dict[str, int]:
        # The prompt is counted in words, because the model's tokenizer is not known.
        prompt_tokens = sum(len(str(message["content"]).split()) for message in self._messages)
        completion_tokens = len(self._completion.tokens)
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }


def _includes_usage(payload: dict[str, Any]) -> bool:
    options = payload.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _error_payload(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    error_type = _ERROR_TYPES.get(status, "server_error")
    return {"message": message, "type": error_type, "param": param, "code": code}
