"""Each stream, and each answer before it, cut after every byte."""

from concurrent.futures import ThreadPoolExecutor
import json
import socket
from typing import Any, List

from protocols import Outcome
import pytest
from raw_host import FRAMINGS, RawHost, head, piece, reset, whole
from streams import FIRST, Stream, Tried, jobs, outcome, tried

from g4f_legacy.errors import RequestFailedError, ResponseFormatError

ENDS = ("FIN", "RST")
WAYS = [(framing, end) for end in ENDS for framing in FRAMINGS]


class Cutting(Stream):
    """A host that cuts its stream after `place` bytes, in the `way` of the moment."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._say)
        self.place, self.way = 0, ("close", "FIN")
        if self.name == "OpenAssistant":
            self._let_recover()

    def _say(self, connection: socket.socket, _: Any) -> None:
        framing, end = self.way
        connection.sendall(head(framing, len(self.stream) + 1, self.kind))
        if self.place:
            connection.sendall(piece(self.stream[: self.place], framing))
        if end == "RST":
            reset(connection)
        elif end == "silence":
            connection.recv(1)

    def problems(self, url: str, **options: Any) -> List[str]:
        """How a completion comes to something else than it should."""
        came, error = outcome(self.begin(url, **options))
        tokens, kind = self._instead()
        if ("".join(came), error) == ("".join(tokens), kind):
            return []
        return [f"{self.recording} at {self.place}, {self.way}: {came, error} instead of {tokens, kind}"]

    def _instead(self) -> Outcome:
        tokens, error = self.expected(self.stream[: self.place], takes_rest=self.way == ("close", "FIN"))
        if self.name == "OpenAssistant":  # the message itself has all that the events lack
            all_tokens, end = self.expected(self.stream)
            return (tokens, end) if end else (all_tokens, None)
        return tokens, error

    def _let_recover(self) -> None:
        tokens, error = self.expected(self.stream)
        message = {"state": "aborted_by_worker" if error else "complete", "content": "".join(tokens)}
        self.answers["GET", self.path.replace("/events", "/message")] = whole(json.dumps(message).encode())


def cut(name: str, places: range, every_way: bool) -> Tried:
    """Cuts a stream after each of these places: every way, or in all framings by both ends in turn; a protocol's
    further streams one way, in turn."""
    cutting = Cutting(name)
    count, problems = 0, []
    with RawHost(cutting) as host:
        for number, cutting.place in enumerate(places):
            some = WAYS[number % 2 :: 2] if name in FIRST else [WAYS[number % len(WAYS)]]
            for cutting.way in WAYS if every_way else some:
                count += 1
                problems += cutting.problems(host.url)
    return count, problems


def test_cut_streams(every: int, every_way: bool) -> None:
    cuts = [(*job, every_way) for job in jobs(every)]
    assert tried(cut, cuts) > (150_000 if every_way else 50_000) / every


@pytest.mark.parametrize("name", FIRST)
def test_streams_that_fall_silent(name: str) -> None:
    def stall(place: int, framing: str) -> List[str]:
        cutting = Cutting(name)
        cutting.place, cutting.way = place, (framing, "silence")
        with RawHost(cutting) as host:
            return cutting.problems(host.url, timeout=(9, 0.5))

    length = len(Stream(name).stream)
    with ThreadPoolExecutor(15) as threads:
        for framing in FRAMINGS:
            for problems in threads.map(stall, range(0, length, length // 14), [framing] * 15):
                assert problems == []


class CuttingBefore(Stream):
    """A host that ends the connection after `place` bytes of its answer to one of the requests before the stream."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name, self._say)
        self.place, self.end = 0, "FIN"
        self._cut_path, self.cut = list(self.answers.items())[number]

    def __call__(self, connection: socket.socket, sent: Any) -> Any:
        if (sent.method, sent.path) != self._cut_path:
            return super().__call__(connection, sent)
        connection.sendall(self.cut[: self.place])
        return reset(connection) if self.end == "RST" else None

    def _say(self, connection: socket.socket, _: Any) -> bool:
        connection.sendall(whole(self.stream, 200, f"Content-Type: {self.kind}"))
        return True


def cut_before(name: str, number: int, every: int, every_way: bool) -> Tried:
    """Cuts one of the answers before the stream, by both ends: there is no token then, or the whole text."""
    cutting = CuttingBefore(name, number)
    count, problems = 0, []
    with RawHost(cutting) as host:
        for cutting.place in range(0, len(cutting.cut), every):
            for cutting.end in ENDS if every_way else [ENDS[cutting.place // every % 2]]:
                count += 1
                came, error = outcome(cutting.begin(host.url, session=None))
                is_whole = ("".join(came), error) == (cutting.text, None)
                if not (is_whole or came == [] and error in (RequestFailedError, ResponseFormatError)):
                    problems.append(f"{name}, {number} at {cutting.place}, {cutting.end}: {came}, {error}")
    return count, problems


def test_cut_answers_before_the_stream(every: int, every_way: bool) -> None:
    numbers = {"h2o/hello": 4, "open_assistant/hello": 4, "hugging_chat/hello": 3}
    jobs = [(name, number, every, every_way) for name, count in numbers.items() for number in range(count)]
    assert tried(cut_before, jobs) > 2_000 / every * (len(ENDS) if every_way else 1)
