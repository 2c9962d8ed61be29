"""JSON objects, one per line."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import ResponseFormatError, StreamInterruptedError
from . import sse
from .payload import parse_json


def iter_json_lines(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each line. Blank lines, and white space around an object, are skipped.

    Raises:
        ResponseFormatError: a line is not a JSON object, or too long for `sse.iter_lines`.
        StreamInterruptedError: the stream ended in the middle of a line.
    """
    # The last line may only be truncated. The line is kept, not its error, which would be a reference cycle with this
    # frame.
    invalid_line = b""
    for line in sse.iter_lines(chunks):
        if invalid_line:
            parse_json(invalid_line, dict)  # raises
        if not line.strip():
            continue
        try:
            payload = parse_json(line, dict)
        except ResponseFormatError:
            invalid_line = line
        else:
            yield payload
    if invalid_line:
        try:
            parse_json(invalid_line, dict)
        except ResponseFormatError as error:
            raise StreamInterruptedError(f"the stream ended within a line: {error.args[0]}") from error
