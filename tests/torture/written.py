"""Streams that were seen, but not recorded, or are known of other servers, with the outcome that each has to have."""

import json
from typing import Any, NamedTuple

from outcomes import Outcome

from g4f_legacy.errors import GenerationError, StreamInterruptedError
from g4f_legacy.tokens import Finish

_USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
_CONTENT = "Hi 😀! é"


class Written(NamedTuple):
    """A written stream.

    Attributes:
        recording: of the server that sends it instead of the recorded one.
        stream: the body.
        outcome: of the complete stream.
        variant: the name of the protocol, if it is not the recording's.
        changes: to the fields of the protocol.
        is_stored: whether a message of Open-Assistant's can be looked up when its events end early.
    """

    recording: str
    stream: bytes
    outcome: Outcome
    variant: str = ""
    changes: dict[str, Any] = {}
    is_stored: bool = True


def _json(payload: Any) -> str:
    return json.dumps(payload, separators=(",", ":"))


def _chat_ui(tokens: list[str], text: str, is_interrupted: bool = False) -> bytes:
    """Return a stream of chat-ui's. What follows the final text is on one line with the spaces after it."""
    lines: list[Any] = [{"type": "stream", "token": token.ljust(3, "\0")} for token in tokens]
    lines.append({"type": "finalAnswer", "text": text, "interrupted": is_interrupted})
    end = "    " + _json({"type": "status", "status": "finished"})
    return "\n".join([*map(_json, lines), end, ""]).encode()


def _h2o(*tokens: str, delimiter: str = "\n\n", end: str = "", **fields: Any) -> bytes:
    """Return a stream of text-generation-inference's; `fields` are those of its last event."""
    events: list[Any] = [{"token": {"text": token, "special": False}, "generated_text": None} for token in tokens]
    events[-1].update(fields)
    return "".join([f"data:{_json(event)}{delimiter}" for event in events] + [end]).encode()


def _openai(*choices: dict[str, Any]) -> bytes:
    """Return a stream of an OpenAI-compatible server's. A choice with usage is an event without choices."""
    events = [choice if "usage" in choice else {"choices": [{"index": 0, **choice}]} for choice in choices]
    return "".join(f"data: {data}\n\n" for data in [*map(_json, events), "[DONE]"]).encode()


def _open_assistant(*tokens: str, **end: Any) -> bytes:
    events = [{"event_type": "token", "text": token} for token in tokens] + [end]
    return "".join(f"data: {_json(event)}\r\n\r\n" for event in events).encode()


_ROLE = {"delta": {"role": "assistant"}, "finish_reason": None}
_TEXT = [{"delta": {"content": token}, "finish_reason": None} for token in ("Hi", " 👋")]
_TEXT_ONLY = [{"delta": {"content": token}} for token in ("Hi", " 👋")]
_USAGE_ONLY = {"choices": [], "usage": _USAGE}
_LENGTH = {"delta": {}, "finish_reason": "length"}
_COMPLETION = {"choices": [{"index": 0, "message": {"content": "Hi 👋"}, "finish_reason": "length"}], "usage": _USAGE}
_MESSAGE = {"event_type": "message", "message": {"state": "complete", "content": _CONTENT}}
_UNKNOWN = [" Hi", " \ufffd", "\ufffd\ufffd", "! ", "\ufffd"]
_FEW_UNKNOWN = ["Hi \ufffd", "! \ufffd"]

_TODAY, _V0_9_1, _OPEN_ASSISTANT = "hugging_chat/hello", "hugging_chat/v0_9_1_hello", "open_assistant/hello"

WRITTEN = {
    # v0.9.4 and later: a stop sequence of several tokens
    "stop sequence": Written(
        _TODAY,
        _chat_ui(["Hi", " you", ".", "\n", "User"], "Hi you."),
        Outcome(["Hi", " you", ".", "\n", "User"], None, Finish("stop", text="Hi you.")),
    ),
    # today's version
    "regeneration": Written(
        _TODAY,
        _chat_ui(["Hel", "lo", "Hel", "lo", " you"], "Hello you"),
        Outcome(["Hel", "lo", "Hel", "lo", " you"], None, Finish("stop", text="Hello you")),
    ),
    "another final text": Written(
        _TODAY,
        _chat_ui(["Hi", " you"], "Привет 👋"),
        Outcome(["Hi", " you"], None, Finish("stop", text="Привет 👋")),
    ),
    "interrupted": Written(
        _TODAY, _chat_ui(["Hi", " y", "ou "], "Hi you", True), Outcome(["Hi", " y", "ou "], StreamInterruptedError)
    ),
    "interrupted, with more text": Written(
        _TODAY, _chat_ui(["Hi"], "Hi you", True), Outcome(["Hi", " you"], StreamInterruptedError)
    ),
    "interrupted, with less text": Written(
        _TODAY, _chat_ui(["Hi.", "\nUser"], "Hi.", True), Outcome(["Hi.", "\nUser"], StreamInterruptedError)
    ),
    "interrupted, without tokens": Written(
        _TODAY, _chat_ui([], "Hi you", True), Outcome(["Hi you"], None, Finish(text="Hi you"))
    ),
    # v0.8.2 to v0.8.4
    "surrogate halves": Written(
        _V0_9_1,
        _chat_ui(["Hi \ud83d", "\udc4b, \ud83d", "\ude00", " \ud83d"], "Hi 👋, 😀 👋!"),
        Outcome(["Hi ", "👋, ", "😀", " ", "👋!"], None, Finish("stop", text="Hi 👋, 😀 👋!")),
    ),
    "surrogate halves, marked as interrupted": Written(
        _V0_9_1,
        _chat_ui(["\ud83d", "\udc4b"], "👋", True),
        Outcome(["👋"], None, Finish("interrupted", text="👋")),
    ),
    # servers of 2023
    "end of text that is not special": Written(
        "h2o/hello",
        _h2o("Hi", " 👋", "<|endoftext|>", generated_text="Hi 👋"),
        Outcome(["Hi", " 👋"], None, Finish("stop")),
    ),
    "end of text that is not the last": Written(
        "h2o/hello", _h2o("Hi", "<|endoftext|>", " not this"), Outcome(["Hi"], None, Finish("stop"))
    ),
    "no blank lines": Written(
        "h2o/hello",
        _h2o("Hi", " data:", " 👋", delimiter="\n", end="\n", generated_text="Hi data: 👋"),
        Outcome(["Hi", " data:", " 👋"], None, Finish("length")),
        changes={"event": "data:%s\n", "ends_with_next_line": True},
    ),
    "no blank lines, CRLF": Written(
        "h2o/hello",
        _h2o("Hi", " 👋", "<|endoftext|>", delimiter="\r\n", end="\r\n"),
        Outcome(["Hi", " 👋"], None, Finish("stop")),
        changes={"event": "data:%s\r\n", "ends_with_next_line": True},
    ),
    # llama-cpp-python
    "finish_reason is null": Written(
        "openai/stream", _openai(_ROLE, *_TEXT), Outcome(["Hi", " 👋"], StreamInterruptedError)
    ),
    "finish_reason is null, without tokens": Written(
        "openai/stream", _openai(_ROLE), Outcome([], StreamInterruptedError)
    ),
    "length and usage": Written(
        "openai/stream",
        _openai(_ROLE, *_TEXT, _LENGTH, _USAGE_ONLY),
        Outcome(["Hi", " 👋"], None, Finish("length", _USAGE)),
    ),
    "no finish_reason": Written(
        "openai/stream", _openai(_USAGE_ONLY, *_TEXT_ONLY), Outcome(["Hi", " 👋"], None, Finish(None, _USAGE))
    ),
    "length and usage, not streamed": Written(
        "openai/plain",
        json.dumps(_COMPLETION).encode(),
        Outcome(["Hi 👋"], None, Finish("length", _USAGE)),
        "OpenAI, not streamed",
    ),
    # Open-Assistant's worker
    "unknown characters": Written(
        _OPEN_ASSISTANT,
        _open_assistant(*_UNKNOWN, **_MESSAGE),
        Outcome([" Hi", " ", "😀! é"], None, Finish(text=_CONTENT)),
    ),
    "unknown characters, not stored": Written(
        _OPEN_ASSISTANT,
        _open_assistant(*_FEW_UNKNOWN, **_MESSAGE),
        Outcome(["Hi ", "😀! é"], None, Finish(text=_CONTENT)),
        is_stored=False,
    ),
    "unknown characters, then an error": Written(
        _OPEN_ASSISTANT,
        _open_assistant(*_FEW_UNKNOWN, event_type="error", error="out of memory"),
        Outcome(["Hi ", "\ufffd! \ufffd"], GenerationError),
    ),
    "another content": Written(
        _OPEN_ASSISTANT,
        _open_assistant("Hi", " you", **_MESSAGE),
        Outcome(["Hi", " you"], StreamInterruptedError, partial=_CONTENT),
    ),
}
