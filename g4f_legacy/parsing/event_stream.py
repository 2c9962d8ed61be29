"""A streamed response: from chunks to JSON payloads, up to the end-of-stream marker, and not past an error."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..errors import GenerationError, ProviderError, RateLimitError, ResponseFormatError, StreamInterruptedError
from . import sse
from .json_lines import iter_json_lines
from .payload import extract_message, parse_json, to_text, truncate

DONE: dict[str, Any] = {}
"""The payload of the event ``[DONE]``, by which OpenAI-compatible servers end a stream. It is compared by identity."""


class EventStream:
    """The payloads of one streamed response.

    Args:
        chunks: the body.
        mark_progress: a function that resets the progress timeout.

    Attributes:
        is_complete (bool): whether the protocol's end-of-stream marker was received.
        mark_progress: the argument, for protocols where not every event is progress.
    """

    def __init__(self, chunks: Iterable[bytes], mark_progress: Callable[[], None] = lambda: None) -> None:
        self.is_complete = False
        self.mark_progress = mark_progress
        self._chunks = chunks

    def mark_complete(self) -> None:
        """Note that the end-of-stream marker was received. A stream that ends without it raises an error."""
        self.set_complete(True)

    def set_complete(self, is_complete: bool) -> None:
        """Like `mark_complete`, but can also be undone, where more text follows what looked like the marker."""
        self.is_complete = is_complete

    def json_events(
        self, raise_error: Callable[[dict[str, Any]], Any] | None = None, *, every_event_is_progress: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON payloads of server-sent events, until ``[DONE]`` or the end of the stream.

        Args:
            raise_error: is called with each payload, and raises the error that it reports; `raise_reported_error` by
                default.
            every_event_is_progress: False leaves it to the caller to call `mark_progress`.

        Raises:
            ProviderError: an event reports an error.
            ResponseFormatError: an event is not a JSON object.
            StreamInterruptedError: the stream ended or broke, and was not marked complete before.
        """
        return self._yield_checked(self._iter_payloads(), raise_error, every_event_is_progress)

    def _iter_payloads(self) -> Iterator[dict[str, Any]]:
        return iter_json_events(self._chunks)

    def json_lines(
        self, raise_error: Callable[[dict[str, Any]], Any], skip: Callable[[dict[str, Any]], bool]
    ) -> Iterator[dict[str, Any]]:
        """Like `json_events`, for a stream with one JSON object per line.

        Args:
            raise_error: is called with each object, and raises the error that it reports.
            skip: returns whether an object is not progress, and is to be left out.
        """
        return self._yield_checked((line for line in iter_json_lines(self._chunks) if not skip(line)), raise_error)

    def _yield_checked(
        self,
        payloads: Iterator[dict[str, Any]],
        raise_error: Callable[[dict[str, Any]], Any] | None = None,
        is_progress: bool = True,
    ) -> Iterator[dict[str, Any]]:
        raise_error = raise_error or raise_reported_error
        is_empty = True
        mark_progress = self.mark_progress
        try:
            for payload in payloads:
                if payload is DONE:
                    self.is_complete = not is_empty
                    break
                if is_progress:
                    mark_progress()
                raise_error(payload)
                is_empty = False
                yield payload
        except StreamInterruptedError:
            if not self.is_complete:  # nothing is missing if the connection was lost after the marker
                raise
        if is_empty:
            raise StreamInterruptedError("the server sent no events; it may have failed, or the prompt may be too long")
        if not self.is_complete:
            raise StreamInterruptedError("the stream ended without an end-of-stream marker")


class SinglePayload(EventStream):
    """A response that is one JSON payload, read like a stream with one event."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__([])
        self._payload = payload

    def _iter_payloads(self) -> Iterator[dict[str, Any]]:
        return iter([self._payload])


def iter_json_events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in the data of server-sent events, and `DONE` for ``[DONE]``. Blank events are skipped.

    Some servers write an object between the events or instead of them: in a field ``error:`` (llama.cpp until late
    2025), on a line of its own (another protocol), over several lines (errors of Gemini's), or as the complete body. It
    is yielded as well. Objects on consecutive ``data:`` lines are yielded one by one: servers of 2023 were known to
    leave out the blank lines between.

    Raises:
        ResponseFormatError: something else than JSON objects was received.
        StreamInterruptedError: the stream ended within an object.
    """
    extra_lines: list[bytes] = []  # lines that do not belong to an event
    extra_size = 0
    is_blank = True
    try:
        for event in sse.iter_events(chunks, splits_objects=True):
            if isinstance(event, bytes):
                if not extra_lines and (payload := _parse_object_line(event)):
                    is_blank = False
                    yield payload
                    continue
                extra_size += len(event) + 1
                if extra_size <= sse.MAX_LINE_LENGTH:
                    extra_lines.append(event)
                continue
            if extra_lines:
                yield from _parse_extra_lines(extra_lines)
                extra_lines.clear()
            try:
                payload = parse_json(event.data, dict)
            except ResponseFormatError:
                is_blank = is_blank and not event.data.strip()
                yield from _parse_unusual_data(event)
                continue
            is_blank = False
            if event.event == "error" and not payload.get("error"):
                payload = {"error": payload}  # only the type of the event says that it is an error
            yield payload
    except StreamInterruptedError:
        yield from _parse_extra_lines(extra_lines)  # what the server wrote before the connection broke may say why
        raise
    payloads = _parse_extra_lines(extra_lines)
    yield from payloads
    is_truncated_field = bool(extra_lines) and b"data".startswith(extra_lines[0])
    if is_blank and extra_lines and not payloads and not is_truncated_field:
        body = b" ".join(extra_lines)
        raise ResponseFormatError(
            f"expected server-sent events, received {truncate(body)}", body=body.decode("utf-8", "replace")
        )


def _parse_object_line(line: bytes) -> dict[str, Any] | None:
    """Parse a line that is a complete JSON object. It need not wait for what follows, and the body may never end."""
    if not line.startswith(b'{"'):
        return None
    with suppress(ResponseFormatError):
        return parse_json(line, dict)
    return None


def _parse_unusual_data(event: sse.Event) -> list[dict[str, Any]]:
    """Parse the data of an event that is not a JSON object."""
    data = event.data.strip()
    if not data:
        return []
    if data == "[DONE]":
        return [DONE]
    payloads = _parse_extra_lines([event.data.encode()])  # Gemini may wrap its errors in a list
    if not payloads and not event.terminated:
        raise StreamInterruptedError(f"the stream ended within an event: {truncate(event.data)}")
    return payloads or [parse_json(event.data, dict)]  # raises


def _parse_extra_lines(lines: list[bytes]) -> list[dict[str, Any]]:
    """Parse lines that do not belong to an event: an object, a list of objects, or else nothing."""
    text = b"\n".join(lines).decode("utf-8", "replace")
    error = re.search(r"^error:(.*)$", text, re.MULTILINE)
    try:
        payload = parse_json(error.group(1) if error else text, object)
    except ResponseFormatError:
        return [{"error": error.group(1)}] if error else []
    if error:
        return [{"error": payload}]
    items = payload if isinstance(payload, list) else [payload]
    return [item for item in items if isinstance(item, dict)]


def raise_reported_error(payload: dict[str, Any]) -> None:
    """Raise the error that a payload reports, under ``error`` or, as older versions of vLLM do, as its ``object``.

    Raises:
        RateLimitError: the error type is "overloaded" (text-generation-inference).
        GenerationError: any other error.
    """
    if payload.get("error") or payload.get("object") == "error":
        is_overloaded = payload.get("error_type") == "overloaded"
        raise error_from_payload(payload, RateLimitError if is_overloaded else GenerationError)


def error_from_payload(payload: dict[str, Any], kind: type[ProviderError] = GenerationError) -> ProviderError:
    """Return an error with the server's message, from a payload that reports a failure."""
    detail = extract_message(payload)
    return kind(detail or f"an error without a message: {truncate(payload)}", detail=detail, body=to_text(payload))
