"""One streamed answer: from server-sent events to JSON objects, up to the end mark, and not past an error."""

from contextlib import suppress
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from . import sse
from ..errors import GenerationError, ProviderError, RateLimitError, ResponseFormatError, StreamInterruptedError
from .payload import extract_message, parse_json, truncate

DONE: Dict[str, Any] = {}
"""Stands for the event ``[DONE]``, with which OpenAI-compatible servers end a stream."""


def iter_json_events(pieces: Iterable[bytes]) -> Iterator[Dict[str, Any]]:
    """Reads the JSON objects that the data of server-sent events hold; `DONE` stands for ``[DONE]``. Empty events are
    skipped.

    Some hosts write an object beside the events, or in their place: as a field ``error:`` (llama.cpp until late 2025),
    over several lines (Gemini's errors), or as the whole body. It is given too.

    Raises:
        ResponseFormatError: something else than JSON objects came; as `sse.events`, too.
        StreamInterruptedError: the stream ended in the middle of an object.
    """
    beside: List[bytes] = []
    is_empty = True
    try:
        for event in sse.iter_events(pieces, beside):
            if beside:
                yield from _objects(beside)
                beside.clear()
            try:
                document = parse_json(event.data, dict)
            except ResponseFormatError as error:
                data = event.data.strip()
                is_empty = is_empty and not data
                if data == "[DONE]":
                    yield DONE
                elif data:
                    found = _objects([event.data.encode()])  # Gemini's errors may stand in a list
                    yield from found
                    if event.terminated and not found:
                        raise
                    if not found:
                        raise StreamInterruptedError(
                            f"the stream ended within an event: {truncate(event.data)}"
                        ) from error
            else:
                is_empty = False
                yield document if event.event != "error" or document.get("error") else {"error": document}
    except StreamInterruptedError:  # what the host said before it broke off may be the reason
        yield from _objects(beside)
        raise
    found = _objects(beside)
    yield from found
    if is_empty and beside and not found and not b"data".startswith(beside[0]):
        body = b" ".join(beside)
        raise ResponseFormatError(
            f"expected server-sent events, but got {truncate(body)}", body=body.decode("utf-8", "replace")
        )


def iter_json_lines(pieces: Iterable[bytes]) -> Iterator[Dict[str, Any]]:
    """Reads the JSON objects that stand on a line each. Spaces before them, and lines of nothing else, are skipped.

    Raises:
        ResponseFormatError: a line is no JSON object; as `sse.lines`, too.
        StreamInterruptedError: the stream ended in the middle of a line.
    """
    wrong = b""  # a line that is no object, unless it is the last one, and cut
    for line in sse.iter_lines(pieces):
        if wrong:
            parse_json(wrong, dict)
        if not line.strip():
            continue
        try:
            document = parse_json(line, dict)
        except ResponseFormatError:
            wrong = line
        else:
            yield document
    if wrong:
        try:
            parse_json(wrong, dict)
        except ResponseFormatError as error:
            raise StreamInterruptedError(f"the stream ended within a line: {error.args[0]}") from error


def _objects(lines: List[bytes]) -> List[Dict[str, Any]]:
    """What lines that are no events hold: an object, or a list of objects; nothing where they are something else."""
    text = b"\n".join(lines).decode("utf-8", "replace")
    error = re.search(r"^error:(.*)$", text, re.MULTILINE)
    with suppress(ResponseFormatError):
        found = parse_json(error.group(1) if error else text, object)
        if error:
            return [{"error": found}]
        listed = found if isinstance(found, list) else [found]
        return [item for item in listed if isinstance(item, dict)]
    return [{"error": error.group(1)}] if error else []


class EventStream:
    """The JSON objects of one answer, until it is whole.

    Args:
        found: the objects.
        heard: is called at each: the `heard` of the pieces that they come from.
        check: is called with each, and raises the error that it reports; `check_error`, unless another one is given.

    Attributes:
        is_whole (bool): to be set by who reads, once the protocol's end mark has come.
    """

    def __init__(
        self,
        found: Iterable[Dict[str, Any]],
        heard: Callable[[], None] = lambda: None,
        check: Optional[Callable[..., Any]] = None,
    ) -> None:
        self.is_whole = False
        self._found = found
        self._heard = heard
        self._check = check or raise_reported_error

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        """Gives the objects up to `DONE`, or to the end of the stream when the answer is whole by then.

        Raises:
            GenerationError, RateLimitError: the host reports an error.
            StreamInterruptedError: the stream ended or broke before the answer was whole.
        """
        is_empty = True
        heard, check = self._heard, self._check
        try:
            for document in self._found:
                if document is DONE:
                    self.is_whole = not is_empty
                    break
                heard()
                check(document)
                is_empty = False
                yield document
        except StreamInterruptedError:
            if not self.is_whole:
                raise
        if is_empty:
            raise StreamInterruptedError("not a single event came: the host failed, or the prompt is too long for it")
        if not self.is_whole:
            raise StreamInterruptedError("the stream ended without an end mark")


def join_tokens(tokens: Iterable[str]) -> str:
    """The whole text. A `ProviderError` on the way keeps what had come as its `partial`."""
    came: List[str] = []
    try:
        for token in tokens:
            came.append(token)
    except ProviderError as error:
        error.partial = "".join(came) + error.partial
        raise
    return "".join(came)


def raise_reported_error(document: Dict[str, Any]) -> None:
    """Finds the error that an object of a host's reports: under ``error``, or as older vLLMs do.

    Raises:
        GenerationError, RateLimitError: it reports one.
    """
    if document.get("error") or document.get("object") == "error":
        kind = RateLimitError if document.get("error_type") == "overloaded" else GenerationError
        detail = extract_message(document)
        raise kind(detail or f"an error without a message: {truncate(document)}", detail=detail)
