"""Each stream, and each response before it, truncated after every byte."""

import json
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from outcomes import LOST, Outcome, Payload, outcome
from raw_server import FRAMINGS, RawServer, chunk, head, reset, response
from streams import FIRST_RECORDINGS, V0_7_RECORDINGS, Stream, Tried, jobs, tried
from written import WRITTEN

from g4f_legacy.errors import RequestFailedError, ResponseFormatError, StreamInterruptedError

ENDS = ("FIN", "RST")
WAYS = [(framing, end) for end in ENDS for framing in FRAMINGS]


class TruncatedStream(Stream):
    """A server that truncates its stream after `place` bytes, with the framing and end in `way`."""

    def __init__(self, title: str) -> None:
        super().__init__(title, self._respond)
        self.place, self.way = 0, ("close", "FIN")
        self._later_payloads: list[Payload] = []
        if self.name == "OpenAssistant":
            self._let_recover(title not in WRITTEN or WRITTEN[title].is_stored)

    def _respond(self, connection: socket.socket, _: Any) -> None:
        framing, end = self.way
        connection.sendall(head(framing, len(self.stream) + 1, self.content_type))
        if self.place:
            connection.sendall(chunk(self.stream[: self.place], framing))
        if end == "RST":
            reset(connection)
        elif end == "stall":
            connection.recv(1)

    def problems(self, url: str, stream: bool = True, **options: Any) -> list[str]:
        """Return how a completion differs from what it should be."""
        actual, expected = outcome(self.begin(url, stream, **options)), self._expected_outcome()
        if actual == (expected if stream else expected.joined()):
            return []
        return [f"{self.title} at {self.place}, {self.way}, {stream}: {actual} instead of {expected}"]

    def _expected_outcome(self) -> Outcome:
        accept_rest = self.way == ("close", "FIN")
        if self.protocol.event == "%s":  # one payload
            if not accept_rest:
                return Outcome([], RequestFailedError)
            if not self.place:
                return Outcome([], StreamInterruptedError)  # an empty body is taken for an empty payload
        payloads = self.protocol.payloads(self.stream[: self.place], accept_rest)
        return self.protocol.interpret(payloads + self._later_payloads)

    def _let_recover(self, is_stored: bool) -> None:
        """Let the stored message have what the last payload says, which counts if the stream does not have it."""
        end = self.protocol.payloads(self.stream)[-1]
        state = "complete" if end["event_type"] == "message" else "aborted_by_worker"
        message = {"state": state, "content": end.get("message", {}).get("content", "")}
        self._later_payloads = [end if is_stored else LOST]
        stored = response(json.dumps(message if is_stored else {}).encode())
        self.responses["GET", self.path.replace("/events", "/message")] = stored


def truncate(title: str, places: Iterable[int], every_way: bool) -> Tried:
    """Truncate a stream after each of these places.

    At one place after the other, a protocol's first recording is truncated in all framings by one of the two ends, and
    other streams in one way, written ones also without streaming; or each stream in every way.
    """
    truncated = TruncatedStream(title)
    count, problems = 0, []
    with RawServer(truncated) as server:
        for number, truncated.place in enumerate(places):
            for stream in truncated.stream_options(number, every_way):
                some = WAYS[number % 2 :: 2] if truncated.is_first else [WAYS[(number + stream) % len(WAYS)]]
                for truncated.way in WAYS if every_way else some:
                    count += 1
                    problems += truncated.problems(server.url, stream)
    return count, problems


def test_truncated_streams(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every)]
    assert tried(truncate, slices) > (175_000 if every_way else 52_000) / every


def test_truncated_written_streams(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every, titles=WRITTEN)]
    assert tried(truncate, slices) > (45_000 if every_way else 6_000) / every


@pytest.mark.parametrize("title", [*FIRST_RECORDINGS, V0_7_RECORDINGS[0]])
def test_streams_that_stall(title: str) -> None:
    def stall(place: int, framing: str) -> list[str]:
        truncated = TruncatedStream(title)
        truncated.place, truncated.way = place, (framing, "stall")
        with RawServer(truncated) as server:
            return truncated.problems(server.url, timeout=(9, 0.5))

    length = len(Stream(title).stream)
    with ThreadPoolExecutor(15) as threads:
        for framing in FRAMINGS:
            for problems in threads.map(stall, range(0, length, length // 14), [framing] * 15):
                assert problems == []


class UnendedStream(TruncatedStream):
    """A server of v0.7, which does not end the body, and keeps the connection open."""

    def _respond(self, connection: socket.socket, _: Any) -> None:
        connection.sendall(head("chunked", 0, self.content_type) + chunk(self.stream[: self.place], "chunked"))
        connection.recv(1)


@pytest.mark.parametrize("title", V0_7_RECORDINGS)
def test_bodies_without_an_end(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("g4f_legacy.transport.body._DRAIN_TIMEOUT", 9.0)
    unended = UnendedStream(title)
    length = len(unended.stream)
    with RawServer(unended) as server:
        for unended.place in range(unended.stream.rindex(b"}") + 2, length + 1):
            started = time.monotonic()
            assert unended.problems(server.url) == [] and time.monotonic() - started < 5


class TruncatedBefore(Stream):
    """A server that truncates its response to one of the requests before the stream after `place` bytes."""

    def __init__(self, title: str, number: int) -> None:
        super().__init__(title, self._respond)
        self.place, self.end, self.is_sent = 0, "FIN", False
        request, self.response = [*self.responses.items(), *self.refusals.items()][number]
        is_refusal = self.response is self.refusals.get(request)
        self._belongs_to_terms = request[1] == "/settings" or is_refusal and request[1] == "/conversation"

    def __call__(self, connection: socket.socket, sent: Any) -> Any:
        if self.other_response(sent) is not self.response:
            return super().__call__(connection, sent)
        self.is_sent = True
        connection.sendall(self.response[: self.place])
        return reset(connection) if self.end == "RST" else None

    def _respond(self, connection: socket.socket, _: Any) -> bool:
        connection.sendall(response(self.stream, 200, f"Content-Type: {self.content_type}"))
        return True

    def problems(self, url: str) -> list[str]:
        """Return what is wrong with a completion, if it is neither complete nor without a token."""
        self.is_sent = False
        # Credentials are a cookie, with which there are no terms to accept.
        credentials = {"auth": None} if self._belongs_to_terms else {}
        actual = outcome(self.begin(url, session=None, **credentials))
        is_failure = actual in (Outcome([], RequestFailedError), Outcome([], ResponseFormatError))
        if self.is_sent and (actual == self.expected(self.stream) or is_failure and not self._is_refusal()):
            return []
        return [f"{self.title}, {self.response[:99]!r} at {self.place}, {self.end}: {actual}"]

    def _is_refusal(self) -> bool:
        """Return whether what is sent is enough of a refusal: its body is not needed to do what follows it."""
        sent = self.response[: self.place]
        return sent.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) and b"\r\n\r\n" in sent


def truncate_before(title: str, number: int, every: int, every_way: bool) -> Tried:
    """Truncate one of the responses before the stream, by one end after the other, or both."""
    truncated = TruncatedBefore(title, number)
    count, problems = 0, []
    with RawServer(truncated) as server:
        for truncated.place in range(0, len(truncated.response), every):
            for truncated.end in ENDS if every_way else [ENDS[truncated.place // every % 2]]:
                count += 1
                problems += truncated.problems(server.url)
    return count, problems


RESPONSES_BEFORE: dict[str, Iterable[int]] = {
    "h2o/hello": range(4),
    "open_assistant/hello": range(4),
    "hugging_chat/hello": (0, 2),  # not the second, which that version does not need
    "hugging_chat/v0_7_hello": range(7),
    "hugging_chat/v0_9_1_hello": range(6),
}


def test_truncated_responses_before_the_stream(every: int, every_way: bool) -> None:
    jobs = [(title, number, every, every_way) for title, all_ in RESPONSES_BEFORE.items() for number in all_]
    assert tried(truncate_before, jobs) > 6_500 / every * (len(ENDS) if every_way else 1)
