"""The chunked transfer coding: https://www.rfc-editor.org/rfc/rfc9112#section-7.1

urllib3's `read_chunked` yields one chunk at a time. This decoder yields the data of all chunks that were received at
once, with fewer calls for each of them.
"""

from collections.abc import Generator, Iterator

from ..errors import StreamInterruptedError

MAX_LINE_LENGTH = 64 * 1024
"""The most bytes of a chunk-size line with its extensions, and of the trailer section."""

_CRLF_LENGTH = 2


def decode_chunked(blocks: Iterator[bytes]) -> Generator[bytes, None, bool]:
    """Yield the data of the chunks as soon as it is received.

    Between two blocks, the decoder is either within a chunk (some of it is `remaining`), or within the line before a
    chunk (`size_line` is what was received of it).

    Args:
        blocks: the bytes of the body, as received.

    Returns:
        Whether the blocks end where the body does. If not, the connection cannot be used again.

    Raises:
        StreamInterruptedError: the blocks end before the last chunk.
        StreamInterruptedError: a chunk size is invalid.
    """
    # One loop over local variables: a class with its state in an enum, fed with one block after the other, takes 1.1 µs
    # for a chunk of 110 bytes instead of 0.4 µs (CPython 3.11).
    size_line = b""
    remaining = 0  # bytes, with the CRLF that ends the chunk
    for block in blocks:
        data: list[bytes] = []
        if remaining:
            data.append(block[: max(remaining - _CRLF_LENGTH, 0)])
        else:
            block = size_line + block
            size_line = b""
        position = remaining
        is_invalid = is_last_chunk = False
        while position < len(block):
            line_end = block.find(b"\n", position)
            if line_end < 0:
                size_line = block[position:]
                position = len(block)
                break
            try:
                size = int(block[position:line_end], 16)
            except ValueError:
                size = _parse_extended_size(block[position:line_end])
            if size <= 0:
                is_last_chunk = size == 0
                is_invalid = size < 0
                break
            data_start = line_end + 1
            position = data_start + size + _CRLF_LENGTH
            data.append(block[data_start : data_start + size])
        if any(data):
            yield b"".join(data)
        if is_last_chunk:
            return _read_trailer_section(block[line_end + 1 :], blocks)
        if is_invalid or len(size_line) > MAX_LINE_LENGTH:
            raise StreamInterruptedError("invalid chunk size")
        remaining = position - len(block)
    raise StreamInterruptedError("the response was truncated: the last chunk was not received")


def _parse_extended_size(line: bytes) -> int:
    """Return the size before the extensions of a chunk, or -1 if it is not a number."""
    size, _, _ = line.partition(b";")
    try:
        return int(size, 16)
    except ValueError:
        return -1


def _read_trailer_section(received: bytes, blocks: Iterator[bytes]) -> bool:
    """Read up to the empty line that ends the body, and return whether nothing follows it.

    https://www.rfc-editor.org/rfc/rfc9112#section-7.1.2
    """
    while len(received) <= MAX_LINE_LENGTH:
        lines = b"\n" + received.replace(b"\r\n", b"\n")
        _, empty_line, rest = lines.partition(b"\n\n")
        if empty_line:
            return not rest
        block = next(blocks, b"")
        if not block:
            return False
        received += block
    return False
