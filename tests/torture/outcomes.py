"""What the payloads of a stream mean in each protocol, found without the parsers of the package."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from g4f_legacy.errors import (
    GenerationError,
    ProviderError,
    RateLimitError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.tokens import Finish, TokenStream

UNKNOWN = "\ufffd"
DONE = {"[DONE]": True}
LOST = {"event_type": "lost"}  # the events of Open-Assistant's message ended, and the message cannot be looked up

Payload = dict[str, Any]


class Outcome(NamedTuple):
    """The tokens of a completion and how it ended: the class of the error and its `partial`, or the `Finish`."""

    tokens: list[str]
    error: Any = None
    finish: Finish | None = None
    partial: str = ""

    def joined(self) -> "Outcome":
        """Return what the outcome is without streaming."""
        text = "".join(self.tokens)
        if self.error:
            return Outcome([], self.error, None, self.partial or text)
        stated = self.finish.text if self.finish else None
        return Outcome([text if stated is None else stated], None, self.finish)


def outcome(completion: Iterable[str]) -> Outcome:
    """Return the outcome of a completion."""
    tokens: list[str] = []
    stream = TokenStream(completion)
    try:
        for token in stream:
            tokens.append(token)
    except ProviderError as error:
        return Outcome(tokens, type(error), stream.finish, error.partial)
    except Exception as error:
        return Outcome(tokens, type(error), stream.finish)
    return Outcome(tokens, None, stream.finish)


def interpret_h2o(payloads: list[Payload]) -> Outcome:
    tokens: list[str] = []
    for payload in payloads:
        if "error" in payload:
            return Outcome(tokens, GenerationError)
        text = payload["token"]["text"]
        if payload["token"]["special"] or text == "<|endoftext|>":
            return Outcome(tokens, None, Finish("stop"))
        tokens.append(text)
        if payload.get("generated_text") is not None:
            return Outcome(tokens, None, Finish("length"))
    return Outcome(tokens, StreamInterruptedError)


def interpret_hugging_chat(payloads: list[Payload], prompt: str = "", is_legacy: bool = False) -> Outcome:
    """Return the outcome of a stream of chat-ui's.

    Args:
        payloads: of the stream.
        prompt: what v0.7 was asked, which it repeats as the final text where nothing was generated.
        is_legacy: whether the server is older than v0.9.2: there, `interrupted` is only the length limit.
    """
    tokens: list[str] = []
    received = raw = ""
    for payload in payloads:
        if payload["type"] == "stream":
            raw += payload["token"].rstrip("\0")
            text = _complete_characters(raw)
            if text != received:
                tokens.append(text[len(received) :])
            received = text
        elif payload["type"] == "status" and payload["status"] == "error":
            return Outcome(tokens, RateLimitError if payload.get("statusCode") == 429 else GenerationError)
        elif payload["type"] == "finalAnswer":
            if prompt and not tokens and payload["text"] == prompt:
                return Outcome([], GenerationError)
            return _end_hugging_chat(tokens, payload, is_legacy)
    return Outcome(tokens, StreamInterruptedError)


def _complete_characters(text: str) -> str:
    """Return a text with its surrogate pairs joined, without a first half at its end."""
    joined = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
    return joined[:-1] if "\ud800" <= joined[-1:] <= "\udbff" else joined


def _end_hugging_chat(tokens: list[str], end: Payload, is_legacy: bool) -> Outcome:
    received, final, is_interrupted = "".join(tokens), end["text"], end.get("interrupted")
    added = final[len(received) :] if final.startswith(received) else ""
    if added:
        tokens = [*tokens, added]
    if is_interrupted is False:
        return Outcome(tokens, None, Finish("stop", text=final))
    if not is_interrupted or not received:
        return Outcome(tokens, None, Finish(text=final))
    if is_legacy:
        return Outcome(tokens, None, Finish("interrupted", text=final))
    return Outcome(tokens, StreamInterruptedError)


def interpret_open_assistant(payloads: list[Payload]) -> Outcome:
    """Return the outcome of a stream. What follows the first U+FFFD is held back until the message ends."""
    tokens: list[str] = []
    held = ""
    for payload in payloads:
        kind, text = payload["event_type"], payload.get("text", "")
        if kind == "message":
            return _end_open_assistant(tokens, payload["message"]["content"])
        if kind in ("error", "lost"):
            error = GenerationError if kind == "error" else StreamInterruptedError
            return Outcome([*tokens, held] if held else tokens, error)
        known = "" if held else text.partition(UNKNOWN)[0]
        if known:
            tokens.append(known)
        held += text[len(known) :]
    return Outcome(tokens, StreamInterruptedError)


def _end_open_assistant(tokens: list[str], content: str) -> Outcome:
    received = "".join(tokens).lstrip()  # the server strips the content
    if not content.startswith(received):
        return Outcome(tokens, StreamInterruptedError, partial=content)
    rest = content[len(received) :]
    return Outcome([*tokens, rest] if rest else tokens, None, Finish(text=content))


def interpret_openai(payloads: list[Payload]) -> Outcome:
    tokens: list[str] = []
    reason = usage = None
    has_null_reason = False
    for payload in payloads:
        if payload is DONE:
            if not reason and has_null_reason:
                return Outcome(tokens, StreamInterruptedError)
            return Outcome(tokens, None, Finish(reason, usage))
        usage = payload.get("usage") or usage
        for choice in payload["choices"]:
            text = choice["delta"].get("content")
            tokens += [text] if text else []
            reason = choice.get("finish_reason") or reason
            has_null_reason = has_null_reason or choice.get("finish_reason", "") is None
    return Outcome(tokens, None, Finish(reason, usage)) if reason else Outcome(tokens, StreamInterruptedError)


def interpret_openai_completion(payloads: list[Payload]) -> Outcome:
    for payload in payloads:
        choice = payload["choices"][0]
        return Outcome([choice["message"]["content"]], None, Finish(choice["finish_reason"], payload.get("usage")))
    return Outcome([], ResponseFormatError)


def interpret_gemini(payloads: list[Payload]) -> Outcome:
    tokens: list[str] = []
    reason = usage = None
    for payload in payloads:
        candidate = payload["candidates"][0]
        tokens += [part["text"] for part in candidate["content"]["parts"] if part["text"]]
        usage = payload.get("usageMetadata") or usage
        reason = candidate.get("finishReason", reason)
    if not reason:
        return Outcome(tokens, StreamInterruptedError)
    return Outcome(tokens, None, Finish({"STOP": "stop", "MAX_TOKENS": "length"}[reason], usage))
