"""JSON helpers that raise descriptive errors when a payload has an unexpected shape."""

import json
from typing import Any, TypeVar

try:
    from orjson import loads as _orjson_loads
except ImportError:  # the extra `speed` is not installed
    _orjson_loads = None

from ..errors import MAX_BODY_LENGTH, ResponseFormatError, StreamInterruptedError, single_line

T = TypeVar("T")

EXCERPT_LENGTH = 200
"""How much of an unexpected response an error message quotes, in characters."""

MAX_MESSAGE_LENGTH = 1000
"""How much of a server's own message an error message quotes, in characters."""

_MAX_MESSAGES = 100  # quoted from a list, which may hold millions, all of them empty
_MAX_MESSAGE_DEPTH = 8
_MAX_FAST_LENGTH = 64 * 1024  # in characters or bytes: orjson needs a dozen times the memory of the text

_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19  # the shortest integer beyond 64 bits is -9223372036854775809

_MESSAGE_KEYS = ("message", "error", "detail", "msg", "error_description")
_TYPE_NAMES: dict[type, str] = {str: "a string", int: "an integer", dict: "a JSON object", list: "a JSON array"}


def parse_json(text: str | bytes, expected_type: type[T]) -> T:
    """Return the payload that a JSON text holds: an object (``dict``) or an array (``list``).

    Raises:
        ResponseFormatError: the text is not JSON, or holds another type; the message quotes its beginning.
    """
    try:
        payload = _loads_fast(text) if len(text) < _MAX_FAST_LENGTH else _loads_standard(text)
    except (TypeError, ValueError, RecursionError):
        payload = _loads_standard(text)
    if not isinstance(payload, expected_type):
        raise ResponseFormatError(
            f"expected {_TYPE_NAMES[expected_type]}, received {truncate(text)}", body=to_text(text)
        )
    return payload


def _loads_standard(text: str | bytes) -> Any:
    """Decide on what the fast decoders refuse: NaN, lone surrogates, surrounding whitespace and bytes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResponseFormatError(f"expected JSON, received {truncate(text)}", body=to_text(text)) from error


def _raw_loads(text: str | bytes) -> Any:
    """Decode as `json.loads` does, without what it does around the decoder: half of its time for a small event."""
    payload, end = _raw_decode(text)  # type: ignore[arg-type]
    if end != len(text):
        raise ValueError("extra data after the JSON value")
    return payload


def _checked_orjson_loads(text: str | bytes) -> Any:
    """Decode with orjson, but not what has a number of 19 digits or more: beyond 64 bits, it rounds integers."""
    encoded = text if isinstance(text, bytes) else text.encode()
    if encoded.translate(_DIGITS_TO_ZEROS).find(_LONG_NUMBER) >= 0:  # four times as fast as a regular expression
        return _loads_standard(text)
    return _orjson_loads(text)


_raw_decode = json.JSONDecoder().raw_decode
_loads_fast = _checked_orjson_loads if _orjson_loads else _raw_loads


def get_field(payload: dict[str, Any], expected_type: type[T], *path: str) -> T:
    """Return the value at a path such as ``"token", "text"`` in a JSON object.

    Raises:
        ResponseFormatError: the path does not exist, or its value has another type.
    """
    value: Any = payload
    try:
        for key in path:
            value = value[key]
    except (LookupError, TypeError):
        value = None
    if isinstance(value, expected_type):
        return value
    raise ResponseFormatError(
        f"expected {_TYPE_NAMES[expected_type]} at {'.'.join(path)!r}, received {truncate(payload)}",
        body=to_text(payload),
    )


def get_or_empty(payload: dict[str, Any], expected_type: type[T], key: str) -> T:
    """Return the value of a key in a JSON object; an empty value of the type if the key is missing or null.

    Raises:
        ResponseFormatError: the value has another type.
    """
    if payload.get(key) is None:
        return expected_type()
    return get_field(payload, expected_type, key)


def get_objects(payload: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the array of JSON objects at a key in a JSON object; an empty list if the key is missing or null.

    Raises:
        ResponseFormatError: the value is not an array, or an item is not an object.
    """
    items = get_or_empty(payload, list, key)
    for item in items:
        if not isinstance(item, dict):
            raise ResponseFormatError(f"expected JSON objects in {key!r}, received {truncate(item)}")
    return items


def remaining_text(complete_text: str, received: str) -> str:
    """Return what follows the received tokens in the complete text, whose ends the server may have stripped.

    Raises:
        StreamInterruptedError: the received tokens are not the beginning of the complete text.
    """
    for prefix in (received, received.lstrip(), received.rstrip(), received.strip()):
        if complete_text.startswith(prefix):
            return complete_text[len(prefix) :]
    raise StreamInterruptedError("the tokens received are not the beginning of the server's complete text")


def extract_message(value: Any, max_depth: int = _MAX_MESSAGE_DEPTH) -> str:
    """Return the server's message in an error payload as one printable line, or an empty string.

    Servers send it as a string, as an array of strings or of validation errors (``loc``, ``msg``), or as an object
    that holds one of these as ``message``, ``error``, ``error.message`` or ``detail``.
    """
    if isinstance(value, str):
        return single_line(value)[:MAX_MESSAGE_LENGTH]
    if max_depth == 0:
        return ""
    if isinstance(value, list):
        messages = (extract_message(item, max_depth - 1) for item in value[:_MAX_MESSAGES])
        return "; ".join(filter(None, messages))[:MAX_MESSAGE_LENGTH]
    if isinstance(value, dict):
        messages = (extract_message(value.get(key), max_depth - 1) for key in _MESSAGE_KEYS)
        return _prepend_location(value.get("loc"), next(filter(None, messages), ""))
    return ""


def _prepend_location(location: Any, message: str) -> str:
    """Return a validation error as ``body.messages.0: field required``."""
    if not message or not isinstance(location, list):
        return message
    path = ".".join(str(key) for key in location if isinstance(key, (str, int)))
    return extract_message(f"{path}: {message}")


def summarize(value: Any) -> str:
    """Return the server's message in a payload, or an excerpt of the payload if it has none."""
    return extract_message(value) or truncate(value)


def truncate(value: Any) -> str:
    """Return the first 200 characters of a text, of bytes, or of a payload as JSON, in quotes."""
    text = to_text(value)
    return repr(text[:EXCERPT_LENGTH]) if text else "nothing"


def to_text(value: Any) -> str:
    """Return at most ``MAX_BODY_LENGTH`` characters of a text, of bytes, or of a payload as JSON."""
    if isinstance(value, bytes):
        most_bytes = MAX_BODY_LENGTH * 4  # a character takes up to four in UTF-8
        return value[:most_bytes].decode("utf-8", "replace")[:MAX_BODY_LENGTH]
    if isinstance(value, str):
        return value[:MAX_BODY_LENGTH]
    try:
        return json.dumps(value, ensure_ascii=False)[:MAX_BODY_LENGTH]
    except RecursionError:
        return "something nested too deeply to show"
