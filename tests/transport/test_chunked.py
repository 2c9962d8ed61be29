from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.transport.chunked import MAX_LINE_LENGTH, decode_chunked


def decode(blocks: Iterable[bytes]) -> tuple[bytes, object]:
    """Return the data, and how it ended: with the returned value, or with the message of the error."""
    received: list[bytes] = []
    decoded = decode_chunked(iter(blocks))
    while True:
        try:
            received.append(next(decoded))
        except StopIteration as end:
            return b"".join(received), end.value
        except StreamInterruptedError as error:
            return b"".join(received), error.args[0]


TRUNCATED = "the response was truncated: the last chunk was not received"
INVALID = "invalid chunk size"


@pytest.mark.parametrize(
    "body, data, end",
    [
        (b"0\r\n\r\n", b"", True),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc", True),
        (b"3;x=y;z\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", b"abc0123456789", True),
        (b"3\nabc\r\n 1 \r\nd\r\n0\n\n", b"abcd", True),
        (b"3\r\nabc\r\n0\r\nX: y\r\nZ: a\r\n\r\n", b"abc", True),
        (b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", b"abc", False),
        (b"3\r\nabc\r\n0\r\nX: y\r\n", b"abc", False),
        (b"3\r\nabc\r\n0", b"abc", TRUNCATED),
        (b"3\r\nabc\r\n", b"abc", TRUNCATED),
        (b"3\r\nab", b"ab", TRUNCATED),
        (b"", b"", TRUNCATED),
        (b"3\r\nabc\r\nxyz\r\n", b"abc", INVALID),
        (b"3\r\nabc\r\n-1\r\na", b"abc", INVALID),
        (b"3\r\nabc\r\n\r\n", b"abc", INVALID),
        (b"3\r\nabc\r\n" + b"0" * (MAX_LINE_LENGTH + 1), b"abc", INVALID),
        (b"3\r\nabc\r\n0\r\n" + b"x" * (MAX_LINE_LENGTH + 1), b"abc", False),
    ],
)
def test_bodies(body: bytes, data: bytes, end: object) -> None:
    assert decode([body]) == (data, end)
    in_two_blocks = [[body[:place], body[place:]] for place in (1, 2, 3, 5, len(body) - 1)]
    in_single_bytes = [body[place : place + 1] for place in range(len(body))]
    for blocks in (*in_two_blocks, in_single_bytes):
        received, actual_end = decode(filter(None, blocks))
        assert received == data
        assert actual_end == end or b"HTTP" in body  # what follows the body may be received later


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(some.lists(some.binary(min_size=1, max_size=40)), some.lists(some.integers(0, 400)))
def test_all_boundaries_of_blocks(chunks: list[bytes], boundaries: list[int]) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = [0, *sorted(min(place, len(body)) for place in boundaries), len(body)]
    blocks = [body[start:end] for start, end in zip(places, places[1:]) if start < end]
    assert decode(blocks) == (b"".join(chunks), True)


def test_data_is_yielded_before_the_next_block_is_read() -> None:
    received: list[bytes] = []

    def blocks() -> Iterable[bytes]:
        for block, data_before in (
            (b"5\r\nab", b""),
            (b"c", b"ab"),
            (b"de\r\n2\r\nfg\r\n0\r\n", b"abc"),
            (b"\r\n", b"abcdefg"),
        ):
            assert b"".join(received) == data_before
            yield block

    for data in decode_chunked(iter(blocks())):
        received.append(data)
    assert b"".join(received) == b"abcdefg"
