"""Each stream, and each response before it, truncated after every byte."""

import json
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from protocols import Outcome
from raw_server import FRAMINGS, RawServer, chunk, head, reset, response
from streams import FIRST_RECORDINGS, Stream, Tried, jobs, outcome, tried

from g4f_legacy.errors import RequestFailedError, ResponseFormatError

ENDS = ("FIN", "RST")
WAYS = [(framing, end) for end in ENDS for framing in FRAMINGS]


class TruncatedStream(Stream):
    """A server that truncates its stream after `place` bytes, with the framing and end in `way`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._respond)
        self.place, self.way = 0, ("close", "FIN")
        if self.name == "OpenAssistant":
            self._let_recover()

    def _respond(self, connection: socket.socket, _: Any) -> None:
        framing, end = self.way
        connection.sendall(head(framing, len(self.stream) + 1, self.content_type))
        if self.place:
            connection.sendall(chunk(self.stream[: self.place], framing))
        if end == "RST":
            reset(connection)
        elif end == "stall":
            connection.recv(1)

    def problems(self, url: str, **options: Any) -> list[str]:
        """Return how a completion differs from what it should be."""
        tokens, error = outcome(self.begin(url, **options))
        expected_tokens, expected_error = self._expected_outcome()
        if ("".join(tokens), error) == ("".join(expected_tokens), expected_error):
            return []
        expected = f"{expected_tokens}, {expected_error}"
        return [f"{self.recording} at {self.place}, {self.way}: {tokens}, {error} instead of {expected}"]

    def _expected_outcome(self) -> Outcome:
        tokens, error = self.expected(self.stream[: self.place], accept_rest=self.way == ("close", "FIN"))
        if self.name == "OpenAssistant":  # the stored message has everything that the events lack
            all_tokens, end = self.expected(self.stream)
            return (tokens, end) if end else (all_tokens, None)
        return tokens, error

    def _let_recover(self) -> None:
        tokens, error = self.expected(self.stream)
        message = {"state": "aborted_by_worker" if error else "complete", "content": "".join(tokens)}
        self.responses["GET", self.path.replace("/events", "/message")] = response(json.dumps(message).encode())


def truncate(name: str, places: Iterable[int], every_way: bool) -> Tried:
    """Truncate a stream after each of these places.

    At one place after the other, a protocol's first stream is truncated in all framings by one of the two ends, and
    its other streams in one way; or each stream in every way.
    """
    truncated = TruncatedStream(name)
    count, problems = 0, []
    with RawServer(truncated) as server:
        for number, truncated.place in enumerate(places):
            some = WAYS[number % 2 :: 2] if name in FIRST_RECORDINGS else [WAYS[number % len(WAYS)]]
            for truncated.way in WAYS if every_way else some:
                count += 1
                problems += truncated.problems(server.url)
    return count, problems


def test_truncated_streams(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every)]
    assert tried(truncate, slices) > (150_000 if every_way else 50_000) / every


@pytest.mark.parametrize("name", FIRST_RECORDINGS)
def test_streams_that_stall(name: str) -> None:
    def stall(place: int, framing: str) -> list[str]:
        truncated = TruncatedStream(name)
        truncated.place, truncated.way = place, (framing, "stall")
        with RawServer(truncated) as server:
            return truncated.problems(server.url, timeout=(9, 0.5))

    length = len(Stream(name).stream)
    with ThreadPoolExecutor(15) as threads:
        for framing in FRAMINGS:
            for problems in threads.map(stall, range(0, length, length // 14), [framing] * 15):
                assert problems == []


class TruncatedBefore(Stream):
    """A server that truncates its response to one of the requests before the stream after `place` bytes."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name, self._respond)
        self.place, self.end = 0, "FIN"
        self._request, self.response = list(self.responses.items())[number]

    def __call__(self, connection: socket.socket, sent: Any) -> Any:
        if (sent.method, sent.path) != self._request:
            return super().__call__(connection, sent)
        connection.sendall(self.response[: self.place])
        return reset(connection) if self.end == "RST" else None

    def _respond(self, connection: socket.socket, _: Any) -> bool:
        connection.sendall(response(self.stream, 200, f"Content-Type: {self.content_type}"))
        return True


def truncate_before(name: str, number: int, every: int, every_way: bool) -> Tried:
    """Truncate one of the responses before the stream, by both ends: there is no token then, or the complete text."""
    truncated = TruncatedBefore(name, number)
    count, problems = 0, []
    with RawServer(truncated) as server:
        for truncated.place in range(0, len(truncated.response), every):
            for truncated.end in ENDS if every_way else [ENDS[truncated.place // every % 2]]:
                count += 1
                tokens, error = outcome(truncated.begin(server.url, session=None))
                is_complete = ("".join(tokens), error) == (truncated.text, None)
                if not (is_complete or tokens == [] and error in (RequestFailedError, ResponseFormatError)):
                    problems.append(f"{name}, {number} at {truncated.place}, {truncated.end}: {tokens}, {error}")
    return count, problems


def test_truncated_responses_before_the_stream(every: int, every_way: bool) -> None:
    numbers = {"h2o/hello": 4, "open_assistant/hello": 4, "hugging_chat/hello": 3}
    jobs = [(name, number, every, every_way) for name, count in numbers.items() for number in range(count)]
    assert tried(truncate_before, jobs) > 2_000 / every * (len(ENDS) if every_way else 1)
