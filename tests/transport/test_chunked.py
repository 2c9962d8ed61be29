from typing import Iterable, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as some
import pytest

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.transport.chunked import MAX_LINE_LENGTH, decode_chunked


def read(pieces: Iterable[bytes]) -> Tuple[bytes, object]:
    """The data, and what ended it: whether that was all, or an error's message."""
    came: List[bytes] = []
    chunks = decode_chunked(iter(pieces))
    while True:
        try:
            came.append(next(chunks))
        except StopIteration as end:
            return b"".join(came), end.value
        except StreamInterruptedError as error:
            return b"".join(came), error.args[0]


CUT = "the answer broke off: its last chunk did not come"
NONE = "the answer broke off: what should be the size of a chunk is none"


@pytest.mark.parametrize(
    "wire, data, end",
    [
        (b"0\r\n\r\n", b"", True),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc", True),
        (b"3;x=y;z\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", b"abc0123456789", True),
        (b"3\nabc\r\n 1 \r\nd\r\n0\n\n", b"abcd", True),
        (b"3\r\nabc\r\n0\r\nX: y\r\nZ: a\r\n\r\n", b"abc", True),
        (b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", b"abc", False),
        (b"3\r\nabc\r\n0\r\nX: y\r\n", b"abc", False),
        (b"3\r\nabc\r\n0", b"abc", CUT),
        (b"3\r\nabc\r\n", b"abc", CUT),
        (b"3\r\nab", b"ab", CUT),
        (b"", b"", CUT),
        (b"3\r\nabc\r\nxyz\r\n", b"abc", NONE),
        (b"3\r\nabc\r\n-1\r\na", b"abc", NONE),
        (b"3\r\nabc\r\n\r\n", b"abc", NONE),
        (b"3\r\nabc\r\n" + b"0" * (MAX_LINE_LENGTH + 1), b"abc", NONE),
        (b"3\r\nabc\r\n0\r\n" + b"x" * (MAX_LINE_LENGTH + 1), b"abc", False),
    ],
)
def test_what_is_in_chunks(wire: bytes, data: bytes, end: object) -> None:
    assert read([wire]) == (data, end)
    cuts = [[part for part in (wire[:place], wire[place:]) if part] for place in (1, 2, 3, 5, len(wire) - 1)]
    for pieces in (*cuts, [wire[place : place + 1] for place in range(len(wire))]):
        came, ended = read(pieces)
        assert came == data
        assert ended == end or b"HTTP" in wire  # what is behind the body may come later


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(some.lists(some.binary(min_size=1, max_size=40)), some.lists(some.integers(0, 400)))
def test_however_they_are_cut(chunks: List[bytes], cuts: List[int]) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    assert read(wire[begin:end] for begin, end in zip(places, places[1:]) if begin < end) == (b"".join(chunks), True)


def test_data_is_given_before_the_rest_is_asked_for() -> None:
    came: List[bytes] = []

    def pieces() -> Iterable[bytes]:
        for piece, whole in (
            (b"5\r\nab", b""),
            (b"c", b"ab"),
            (b"de\r\n2\r\nfg\r\n0\r\n", b"abc"),
            (b"\r\n", b"abcdefg"),
        ):
            assert b"".join(came) == whole
            yield piece

    for data in decode_chunked(iter(pieces())):
        came.append(data)
    assert b"".join(came) == b"abcdefg"
