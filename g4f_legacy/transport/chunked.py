"""Chunked bodies (RFC 9112, section 7.1): all the data that a piece holds at once, instead of a chunk at a time."""

from typing import Generator, Iterator, List

from ..errors import StreamInterruptedError

MAX_LINE_LENGTH = 64 * 1024
"""The most bytes of a chunk's size with its extensions, and of all trailers."""


def decode_chunked(pieces: Iterator[bytes]) -> Generator[bytes, None, bool]:
    """Takes the data out of chunks, as soon as any of it has come.

    Returns:
        Whether the body ended where the pieces do: else there is something behind it that does not belong there.

    Raises:
        StreamInterruptedError: the pieces end before the last chunk, or are no chunks.
    """
    begun = b""  # a line with a size, whose end has not come yet
    missing = 0  # bytes of a chunk and the CRLF behind it
    for piece in pieces:
        data: List[bytes] = []
        if missing:
            data.append(piece[: max(missing - 2, 0)])
        else:
            piece = begun + piece
        at, size, begun = missing, 1, b""
        while at < len(piece):
            end = piece.find(b"\n", at)
            if end < 0:
                begun = piece[at:]
                break
            try:
                size = int(piece[at:end], 16)
            except ValueError:
                size = _before_extension(piece[at:end])
            if size < 1:
                break
            at = end + 1 + size + 2
            data.append(piece[end + 1 : at - 2])
        if any(data):
            yield b"".join(data)
        if size == 0:
            return _is_all(piece[end + 1 :], pieces)
        if size < 0 or len(begun) > MAX_LINE_LENGTH:
            raise StreamInterruptedError("the answer broke off: what should be the size of a chunk is none")
        missing = 0 if begun else at - len(piece)
    raise StreamInterruptedError("the answer broke off: its last chunk did not come")


def _before_extension(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1


def _is_all(trailers: bytes, pieces: Iterator[bytes]) -> bool:
    """Reads on to the end of the trailers, an empty line, and tells whether nothing has come behind it."""
    while len(trailers) <= MAX_LINE_LENGTH:
        whole = (b"\n" + trailers.replace(b"\r\n", b"\n")).partition(b"\n\n")
        if whole[1]:
            return not whole[2]
        piece = next(pieces, b"")
        if not piece:
            break
        trailers += piece
    return False
