"""OpenAI's API: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``.

Chat completions are passed on unchanged, requests and responses, if the engine speaks this API itself.

https://platform.openai.com/docs/api-reference
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ..engine import ActiveCompletion, Engine
from ..exchange import format_event, get_disconnect_check, stream_response
from ..failures import error_headers, error_message, openai_error, status_for
from ..parameters import UnsupportedParameterError, read_parameters

HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client's read timeout does not expire."""

_COMMENT = b": waiting\n\n"
_CONTENT_TYPE = "text/event-stream; charset=utf-8"  # without it, requests takes the text for Latin-1
_DONE = b"data: [DONE]\n\n"
_REASONS = {None: "stop", "interrupted": "length"}  # what the API calls endings that it does not know


def error_response(message: str, status: int, code: str | None = None, param: str | None = None) -> Any:
    """Create a response with an error in OpenAI's format."""
    return jsonify(error=_error_payload(message, status, code=code, param=param)), status


class OpenAIRoutes:
    """The routes of the API."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._created = int(time.time())

    def blueprint(self) -> Blueprint:
        routes = Blueprint("openai", __name__, url_prefix="/v1")
        routes.register_error_handler(Exception, _failure_response)
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
        payload = _read_payload()
        relayed = self._engine.relay(payload)
        if relayed is not None:
            return _relay(relayed, bool(payload.get("stream")))
        return self._complete(payload, _fill_content(payload.get("messages")), _ChatFormat())

    def complete_prompt(self) -> Any:
        payload = _read_payload()
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
        parameters = read_parameters(payload)
        self._engine.check_honoured(parameters)
        stream = bool(payload.get("stream"))
        completion = self._engine.prepare(model, messages, parameters, stream)
        reply = _Reply(completion, messages, model or self._engine.models[0], style)
        tokens = completion.read(HEARTBEAT, get_disconnect_check())
        if stream:
            return stream_response(reply.events(next(tokens, ""), tokens, _includes_usage(payload)), _CONTENT_TYPE)
        for _ in tokens:
            pass
        return reply.to_json()


def _relay(completion: ActiveCompletion, stream: bool) -> Any:
    payloads = completion.read(HEARTBEAT, get_disconnect_check())
    if stream:
        return stream_response(_relay_events(next(payloads, None), payloads, completion), _CONTENT_TYPE)
    received = [payload for payload in payloads if payload is not None]
    return jsonify(received[0] if received else {})


def _relay_events(first: Any, payloads: Iterator[Any], completion: ActiveCompletion) -> Iterator[bytes]:
    try:
        yield _COMMENT if first is None else format_event(first, "data: ")
        for payload in payloads:
            yield _COMMENT if payload is None else format_event(payload, "data: ")
        if not completion.is_stopped:
            yield _DONE
    except Exception as error:
        yield format_event({"error": _failure_payload(error)}, "data: ")
    finally:
        completion.stop()


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
        choice = {"index": 0, **text, "logprobs": None, "finish_reason": self._finish_reason}
        return jsonify(**self._header, object=self._style.object_type, choices=[choice], usage=self._usage())

    def events(self, first: str | None, tokens: Iterator[str | None], include_usage: bool) -> Iterator[bytes]:
        try:
            yield self._chunk(first or "", is_first=True)
            for text in tokens:
                yield _COMMENT if text is None else self._chunk(text)
            if self._completion.is_stopped:
                return
            yield self._chunk(None, finish_reason=self._finish_reason)
            if include_usage:
                yield self._event(choices=[], usage=self._usage())
            yield _DONE
        except Exception as error:
            yield format_event({"error": _failure_payload(error)}, "data: ")
        finally:
            self._completion.stop()

    def _chunk(self, text: str | None, is_first: bool = False, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, **self._style.chunk(text, is_first), "logprobs": None, "finish_reason": finish_reason}
        return self._event(choices=[choice])

    def _event(self, **fields: Any) -> bytes:
        return format_event({**self._header, "object": self._style.chunk_type, **fields}, "data: ")

    @property
    def _finish_reason(self) -> str:
        reason = self._completion.finish.reason
        return _REASONS.get(reason) or str(reason)

    def _usage(self) -> dict[str, Any]:
        """Return the engine's own count of tokens. Engines that do not count get words instead, an approximation."""
        counted = self._completion.finish.usage or {}
        if "completion_tokens" in counted:
            return counted
        if "candidatesTokenCount" in counted:
            return _gemini_usage(counted)
        prompt_tokens = sum(len(str(message["content"]).split()) for message in self._messages)
        completion_tokens = len(self._completion.text.split())
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }


def _includes_usage(payload: dict[str, Any]) -> bool:
    options = payload.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _read_payload() -> dict[str, Any]:
    try:
        payload = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The request's body is not valid JSON: {error}") from error
    if not isinstance(payload, dict):
        raise ValueError("The request's body is not a JSON object")
    return payload


def _fill_content(messages: Any) -> Any:
    """Give messages that hold something else than a text, such as tool calls, an empty one."""
    if not isinstance(messages, list):
        return messages
    return [{**message, "content": ""} if _has_no_text(message) else message for message in messages]


def _has_no_text(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("content") is not None:
        return False
    return "content" in message or "tool_calls" in message


def _gemini_usage(counted: dict[str, Any]) -> dict[str, Any]:
    # https://ai.google.dev/api/generate-content#UsageMetadata
    return {
        "prompt_tokens": counted.get("promptTokenCount", 0),
        "completion_tokens": counted["candidatesTokenCount"] + counted.get("thoughtsTokenCount", 0),
        "total_tokens": counted.get("totalTokenCount", 0),
    }


def _failure_response(error: Exception) -> Any:
    if isinstance(error, HTTPException):  # of Flask's, such as 413
        return error_response(f"{error.name}: {error.description}", error.code or 500)
    status = status_for(error)
    return jsonify(error=_failure_payload(error)), status, error_headers(error)


def _failure_payload(error: Exception) -> dict[str, Any]:
    status = status_for(error)
    if isinstance(error, UnsupportedParameterError):
        return _error_payload(error_message(error), status, param=error.parameter, code="unsupported_parameter")
    sent = openai_error(error)
    own_message = {} if status < 500 else {"message": error_message(error)}  # names the status that the server sent
    return {**_error_payload(error_message(error), status), **sent, **own_message}


def _error_payload(message: str, status: int, **known: Any) -> dict[str, Any]:
    if status == 429:
        error_type = "rate_limit_error"
    else:
        error_type = "invalid_request_error" if status < 500 else "server_error"
    return {"message": message, "type": error_type, "param": None, "code": None, **known}
