"""OpenAI's API: ``/v1/chat/completions``, ``/v1/completions`` and ``/v1/models``.

Chat completions are passed on unchanged, requests and responses, if the engine speaks this API itself.

https://platform.openai.com/docs/api-reference
"""

import json
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from ...prompt import check_messages
from ..engine import ActiveCompletion, Engine
from ..exchange import format_event, get_disconnect_check, stream_response
from ..openai_errors import create_error_response, create_failure_response, describe_failure
from ..parameters import read_parameters

HEARTBEAT = 10.0
"""Seconds without a token after which a comment is sent, so that the client's read timeout does not expire."""

_COMMENT = b": waiting\n\n"
_CONTENT_TYPE = "text/event-stream; charset=utf-8"  # without it, requests takes the text for Latin-1
_DONE = b"data: [DONE]\n\n"
_FINISH_REASONS = {None: "stop", "interrupted": "length"}  # for those of `Finish` that the API lacks


class OpenAIRoutes:
    """The routes of the API."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._created = int(time.time())

    def blueprint(self) -> Blueprint:
        routes = Blueprint("openai", __name__, url_prefix="/v1")
        routes.register_error_handler(Exception, create_failure_response)
        routes.get("/models")(self.list_models)
        routes.get("/models/<path:name>")(self.show_model)
        routes.post("/chat/completions")(self.complete_chat)
        routes.post("/completions")(self.complete_prompt)
        return routes

    def list_models(self) -> Any:
        return jsonify(object="list", data=[self._describe_model(name) for name in self._engine.models])

    def show_model(self, name: str) -> Any:
        if name not in self._engine.models:
            return create_error_response(
                f"The model {name!r} does not exist", 404, code="model_not_found", param="model"
            )
        return jsonify(self._describe_model(name))

    def complete_chat(self) -> Any:
        payload = _require_payload()
        relayed = self._engine.relay(payload)
        if relayed is not None:
            return _relay(relayed, bool(payload.get("stream")))
        return self._complete(payload, _fill_content(payload.get("messages")), _ChatFormat())

    def complete_prompt(self) -> Any:
        payload = _require_payload()
        prompt = payload.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            return create_error_response("prompt must be a single string", 400, param="prompt")
        return self._complete(payload, [{"role": "user", "content": prompt}], _TextFormat())

    def _describe_model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": f"g4f_legacy.{self._engine.name}"}

    def _complete(self, payload: dict[str, Any], messages: Any, text_format: "_TextFormat | _ChatFormat") -> Any:
        model = payload.get("model") or ""
        if not isinstance(model, str):
            return create_error_response("model must be a string", 400, param="model")
        parameters = read_parameters(payload)
        self._engine.check_parameters(parameters)
        stream = bool(payload.get("stream"))
        completion = self._engine.prepare(model, messages, parameters, stream)
        reply = _Reply(completion, messages, model or self._engine.models[0], text_format)
        tokens = completion.read(HEARTBEAT, get_disconnect_check())
        if stream:
            first = next(tokens, "")  # before the response starts, so that an error has its own status
            return _stream(reply.events(first, tokens, _includes_usage(payload)), completion)
        for _ in tokens:
            pass
        return _stopped() if completion.is_stopped else reply.to_json()


def _relay(completion: ActiveCompletion, stream: bool) -> Any:
    """Create a response from the payloads of an engine that speaks this API."""
    payloads = completion.read(HEARTBEAT, get_disconnect_check())
    if stream:
        first = next(payloads, None)  # before the response starts, so that an error has its own status
        return _stream(map(_format_payload, chain([first], payloads)), completion)
    received = [payload for payload in payloads if payload is not None]
    return _stopped() if completion.is_stopped else jsonify(received[0])


def _stream(events: Iterator[bytes], completion: ActiveCompletion) -> Response:
    return stream_response(_end_stream(events, completion), _CONTENT_TYPE)


def _end_stream(events: Iterator[bytes], completion: ActiveCompletion) -> Iterator[bytes]:
    """Yield the events of a response, then ``[DONE]``, or the error that ended it."""
    try:
        yield from events
        if not completion.is_stopped:
            yield _DONE
    except Exception as error:
        yield format_event({"error": describe_failure(error)}, "data: ")
    finally:
        completion.stop()


def _stopped() -> Any:
    return create_error_response("The completion was stopped, because the server is stopping", 503)


def _format_payload(payload: Any) -> bytes:
    return _COMMENT if payload is None else format_event(payload, "data: ")


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
        self, completion: ActiveCompletion, messages: Any, model: str, text_format: _TextFormat | _ChatFormat
    ) -> None:
        self._completion = completion
        self._messages = messages
        self._format = text_format
        self._header = {"id": f"{text_format.id_prefix}-{uuid4().hex}", "created": int(time.time()), "model": model}

    def to_json(self) -> Response:
        content = self._format.completion(self._completion.text)
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": self._finish_reason}
        return jsonify(**self._header, object=self._format.object_type, choices=[choice], usage=self._usage())

    def events(self, first: str | None, tokens: Iterator[str | None], include_usage: bool) -> Iterator[bytes]:
        yield self._chunk(first or "", is_first=True)
        for text in tokens:
            yield _COMMENT if text is None else self._chunk(text)
        if self._completion.is_stopped:
            return
        yield self._chunk(None, finish_reason=self._finish_reason)
        if include_usage:
            yield self._event(choices=[], usage=self._usage())

    def _chunk(self, text: str | None, is_first: bool = False, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, **self._format.chunk(text, is_first), "logprobs": None, "finish_reason": finish_reason}
        return self._event(choices=[choice])

    def _event(self, **fields: Any) -> bytes:
        return format_event({**self._header, "object": self._format.chunk_type, **fields}, "data: ")

    @property
    def _finish_reason(self) -> str:
        reason = self._completion.finish.reason
        return _FINISH_REASONS.get(reason, str(reason))

    def _usage(self) -> dict[str, Any]:
        """Return the numbers of tokens that the provider reports, or else numbers of words."""
        counted = self._completion.finish.usage or {}
        if "completion_tokens" in counted:
            return counted
        if "candidatesTokenCount" in counted:
            return _gemini_usage(counted)
        prompt_tokens = sum(len(message.content.split()) for message in check_messages(self._messages))
        completion_tokens = len(self._completion.text.split())
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }


def _includes_usage(payload: dict[str, Any]) -> bool:
    options = payload.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _require_payload() -> dict[str, Any]:
    try:
        payload = json.loads(request.get_data(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The request's body is not valid JSON: {error}") from error
    if not isinstance(payload, dict):
        raise ValueError("The request's body is not a JSON object")
    return payload


def _fill_content(messages: Any) -> Any:
    """Set the content of messages that have none, such as tool calls, to an empty text."""
    if not isinstance(messages, list):
        return messages
    return [{**message, "content": ""} if _has_no_text(message) else message for message in messages]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value of JSON")


def _has_no_text(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("content") is not None:
        return False
    return "content" in message or "tool_calls" in message


def _gemini_usage(counted: dict[str, Any]) -> dict[str, Any]:
    # https://ai.google.dev/api/generate-content#UsageMetadata
    numbers = {name: value for name, value in counted.items() if isinstance(value, int)}
    return {
        "prompt_tokens": numbers.get("promptTokenCount", 0),
        "completion_tokens": numbers.get("candidatesTokenCount", 0) + numbers.get("thoughtsTokenCount", 0),
        "total_tokens": numbers.get("totalTokenCount", 0),
    }
