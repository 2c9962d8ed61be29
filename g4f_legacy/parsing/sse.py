"""Server-sent events: bytes in pieces of any size, to lines, to events.

By the event-stream rules of the WHATWG (https://html.spec.whatwg.org/multipage/server-sent-events.html), but for one:
an event that the end of the stream leaves unterminated is delivered, and marked as such. Servers are known to leave
out the last blank line.
"""

from typing import Iterable, Iterator, List, NamedTuple, Optional

from ..errors import ResponseFormatError

MAX_LINE_LENGTH = 1024 * 1024
"""The longest line, and the most data in one event, in bytes."""


class Event(NamedTuple):
    """One event.

    Attributes:
        data: its ``data`` lines, joined by newlines.
        event: its type.
        id: the last id that the stream gave.
        retry: milliseconds to wait before connecting again, when this event's lines gave them.
        terminated: False for a last event without a blank line behind it.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: Optional[int] = None
    terminated: bool = True


_event = tuple.__new__  # what `Event` itself does, in half the time


def iter_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Cuts bytes into lines, without their ends.

    Only ``\n``, ``\r\n`` and ``\r`` end a line, also when a CRLF is cut between two pieces. A line is given as soon as
    its end has come. A last line without an end is given at the end.

    Raises:
        ResponseFormatError: a line is longer than ``LONGEST``.
    """
    for several in _lines_by_piece(pieces):
        yield from several


def iter_events(pieces: Iterable[bytes], beside: Optional[List[bytes]] = None) -> Iterator[Event]:
    """Makes events of bytes. Comments, unknown fields and events without data are skipped; the lines are UTF-8.

    Args:
        beside: lines with unknown fields are added to it, up to ``LONGEST`` bytes of them in the stream.

    Raises:
        ResponseFormatError: a line, or the data of one event, is longer than ``LONGEST``.
    """
    data: List[bytes] = []
    length = beside_length = 0
    kind = last_id = ""
    retry: Optional[int] = None
    first = True
    for several in _lines_by_piece(pieces):
        if first and several:
            first = False
            several[0] = several[0][3:] if several[0].startswith(b"\xef\xbb\xbf") else several[0]
        for line in several:
            if not line:
                if data:
                    text = b"\n".join(data).decode("utf-8", "replace")
                    yield _event(Event, (text, kind or "message", last_id, retry, True))
                    data, length = [], 0
                kind, retry = "", None
                continue
            field, _, value = line.partition(b":")
            if value.startswith(b" "):
                value = value[1:]
            if field == b"data":
                length += len(value) + 1  # the newline counts: empty lines, too, must come to an end
                if data and length > MAX_LINE_LENGTH:
                    raise ResponseFormatError(_too_long("an event"))
                data.append(value)
            elif field == b"event":
                kind = _text(value)
            elif field == b"id" and b"\0" not in value:
                last_id = _text(value)
            elif field == b"retry" and value.isdigit() and len(value) < 16:
                retry = int(value)
            elif beside is not None and field not in (b"", b"id", b"retry"):
                beside_length += len(line) + 1
                if beside_length <= MAX_LINE_LENGTH:
                    beside.append(line)
    if data:
        yield Event(_text(b"\n".join(data)), kind or "message", last_id, retry, terminated=False)


def _lines_by_piece(pieces: Iterable[bytes]) -> Iterator[List[bytes]]:
    """As `lines`, but all the lines at once whose ends a piece holds."""
    begun = bytearray()  # of a line that has not ended yet
    after_cr = False
    for piece in pieces:
        if after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            after_cr = False
        if not piece:
            continue
        after_cr = piece.endswith(b"\r")
        whole = piece.splitlines()
        tail = b"" if piece.endswith((b"\n", b"\r")) else whole.pop()
        if whole and begun:
            whole[0] = bytes(begun) + whole[0]
            begun.clear()
        if whole and max(map(len, whole)) > MAX_LINE_LENGTH:
            yield whole[: next(place for place, line in enumerate(whole) if len(line) > MAX_LINE_LENGTH)]
            raise ResponseFormatError(_too_long("a line"))
        yield whole
        begun += tail
        if len(begun) > MAX_LINE_LENGTH:
            raise ResponseFormatError(_too_long("a line"))
    if begun:
        yield [bytes(begun)]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _too_long(what: str) -> str:
    return f"{what} of more than {MAX_LINE_LENGTH} bytes came in the stream"
