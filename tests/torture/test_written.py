"""What is expected of the beginnings of each stream: the tests of truncated and split streams rely on it."""

import pytest
from streams import RECORDINGS, Stream
from written import WRITTEN

from g4f_legacy.errors import ResponseFormatError, StreamInterruptedError


@pytest.mark.parametrize("title", WRITTEN)
def test_complete_streams(title: str) -> None:
    stream = Stream(title)
    assert stream.expected(stream.stream) == WRITTEN[title].outcome


@pytest.mark.parametrize("title", [*RECORDINGS, *WRITTEN])
def test_beginnings(title: str) -> None:
    """There is an error before the end-of-stream marker, no token changes, and the end does not change either."""
    stream = Stream(title)
    complete = stream.expected(stream.stream)
    expected = [stream.expected(stream.stream[:place]) for place in range(len(stream.stream) + 1)]
    for before, after in zip(expected, expected[1:]):
        assert after.tokens[: len(before.tokens)] == before.tokens
        assert before.error in (StreamInterruptedError, ResponseFormatError) or after[:2] == before[:2] == complete[:2]
    assert all((outcome.finish is None) == (outcome.error is not None) for outcome in expected)
