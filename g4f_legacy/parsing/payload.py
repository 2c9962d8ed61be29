"""What hosts answer: JSON, taken apart with a word on what came instead of what was expected."""

import json
from typing import Any, Callable, Dict, List, Type, TypeVar, Union

try:
    from orjson import loads as _orjson
except ImportError:  # it is the extra `speed`
    _orjson = None

from ..errors import MAX_BODY, ResponseFormatError, StreamInterruptedError

T = TypeVar("T")

EXCERPT_LENGTH = 200
"""How much of an unexpected answer an error shows, in characters."""

MAX_MESSAGE_LENGTH = 1000
"""How much of a host's own message an error shows, in characters."""

_MOST_MESSAGES = 100  # of a list of them: there may be millions, all of them empty

_LONG = 64 * 1024  # characters or bytes: orjson takes a dozen times the memory of a text
_NAMES: Dict[Any, str] = {str: "a text", int: "a whole number", dict: "a JSON object", list: "a JSON list"}
_MESSAGE_KEYS = ("message", "error", "detail", "msg", "error_description")


def parse_json(text: Union[str, bytes], kind: Type[T]) -> T:
    """Reads a JSON document of one kind: an object (``dict``) or a list.

    Raises:
        ResponseFormatError: it is no JSON, or of another kind; the error shows the first 200 characters.
    """
    try:
        document = _quickly(text) if len(text) < _LONG else _thoroughly(text)
    except (TypeError, ValueError, RecursionError):
        document = _thoroughly(text)
    if not isinstance(document, kind):
        raise ResponseFormatError(f"expected {_NAMES[kind]}, but got {truncate(text)}", body=_beginning(text))
    return document


def _thoroughly(text: Union[str, bytes]) -> Any:
    """Has the last word: on NaN, half a surrogate pair, white space around, and bytes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResponseFormatError(f"expected JSON, but got {truncate(text)}", body=_beginning(text)) from error


def _decode(text: Union[str, bytes]) -> Any:
    """As `json.loads` for most texts, in half the time."""
    document, end = _raw_decode(text)  # type: ignore[arg-type]
    if end != len(text):
        raise ValueError("there is more behind the document")
    return document


_raw_decode = json.JSONDecoder().raw_decode
_quickly: Callable[[Union[str, bytes]], Any] = _orjson or _decode


def get_field(document: Dict[str, Any], kind: Type[T], *path: str) -> T:
    """Takes the value at a path like ``"token", "text"`` out of a JSON object.

    Raises:
        ResponseFormatError: there is nothing at the path, or a value of another kind.
    """
    value: Any = document
    try:
        for key in path:
            value = value[key]
    except (LookupError, TypeError):
        value = None
    if isinstance(value, kind):
        return value
    raise ResponseFormatError(
        f"expected {_NAMES[kind]} at {'.'.join(path)!r}, but got {truncate(document)}", body=_beginning(document)
    )


def get_optional(document: Dict[str, Any], kind: Type[T], key: str) -> T:
    """Takes the value of a key out of a JSON object; an empty one of its kind where there is none, or null.

    Raises:
        ResponseFormatError: a value of another kind is there.
    """
    return kind() if document.get(key) is None else get_field(document, kind, key)


def get_objects(document: Dict[str, Any], key: str) -> List[Dict[str, Any]]:
    """As `optional`, for a list of JSON objects."""
    found = get_optional(document, list, key)
    for item in found:
        if not isinstance(item, dict):
            raise ResponseFormatError(f"expected JSON objects in {key!r}, but got {truncate(item)}")
    return found


def remaining_text(whole: str, came: str) -> str:
    """What of a whole text has not come yet. Hosts may take white space off its ends.

    Raises:
        StreamInterruptedError: what came is not its beginning.
    """
    for beginning in (came, came.lstrip(), came.rstrip(), came.strip()):
        if whole.startswith(beginning):
            return whole[len(beginning) :]
    raise StreamInterruptedError("the tokens that came are not the beginning of the host's whole text")


def extract_message(value: Any, depth: int = 8) -> str:
    """Writes what a host says about a failure as one readable line.

    Hosts say it as a text, as a list of texts or of validation errors (``loc``, ``msg``), or as an object that holds
    one of these as ``message``, ``error``, ``error.message`` or ``detail``. Anything else, and anything deeper than
    `depth` levels, is an empty text.
    """
    if isinstance(value, str):
        return "".join(filter(str.isprintable, " ".join(value.split())))[:MAX_MESSAGE_LENGTH]
    if isinstance(value, list) and depth:
        messages = (extract_message(item, depth - 1) for item in value[:_MOST_MESSAGES])
        return "; ".join(filter(None, messages))[:MAX_MESSAGE_LENGTH]
    if isinstance(value, dict) and depth:
        messages = (extract_message(value.get(key), depth - 1) for key in _MESSAGE_KEYS)
        message = next(filter(None, messages), "")
        place = value.get("loc")
        if message and isinstance(place, list):
            names = [str(name) for name in place if isinstance(name, (str, int))]
            return extract_message(f"{'.'.join(names)}: {message}")
        return message
    return ""


def summarize(value: Any) -> str:
    """What a host says, as one readable line: its message, or an excerpt where it has none."""
    return extract_message(value) or truncate(value)


def truncate(value: Any) -> str:
    """The first 200 characters of an answer, in quotes: of a text, of bytes, or of the JSON of anything else."""
    text = _beginning(value)
    return repr(text[:EXCERPT_LENGTH]) if text else "nothing"


def _beginning(value: Any) -> str:
    if isinstance(value, bytes):
        return value[: MAX_BODY * 4].decode("utf-8", "replace")[:MAX_BODY]
    try:
        return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:MAX_BODY]
    except RecursionError:
        return "something nested too deeply to show"
