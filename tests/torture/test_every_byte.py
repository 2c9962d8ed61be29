"""Each stream, and each answer before it, cut after every byte."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import pytest
from raw_host import FRAMINGS, RawHost, head, piece, reset, whole
from replay import load
from streams import NAMES, Outcome, Stream, Tried, find, tried

from g4f_legacy.errors import RequestFailedError, ResponseFormatError

ENDS = ("FIN", "RST")
IN_EVERY_FRAMING = ("h2o/hello", "open_assistant/hello", "openai/stream", "gemini", "hugging_chat/hello")
"""These are cut after each byte in all framings, by both ends in turn; the others in one of the framings, in turn."""


class Cutting:
    """A host that cuts its stream after `place` bytes, in the `way` of the moment."""

    def __init__(self, name: str) -> None:
        self.place, self.way = 0, ("close", "FIN")
        self.stream = find(name, self._say)
        if self.stream.protocol == "open_assistant":
            _let_recover(self.stream)

    def _say(self, connection: socket.socket, _: Any) -> None:
        framing, end = self.way
        body = self.stream.body
        connection.sendall(head(framing, len(body) + 1, self.stream.kind))
        if self.place:
            connection.sendall(piece(body[: self.place], framing))
        if end == "RST":
            reset(connection)
        elif end == "silence":
            connection.recv(1)

    def problems(self, url: str, **options: Any) -> List[str]:
        """How a completion comes to something else than it should."""
        came, error = self.stream.outcome(self.stream.ask(url, **options))
        tokens, kind = self._expected()
        if ("".join(came), error) == ("".join(tokens), kind):
            return []
        return [f"{self.stream.name} at {self.place}, {self.way}: {came, error} instead of {tokens, kind}"]

    def _expected(self) -> Outcome:
        part = self.stream.body[: self.place]
        tokens, error = self.stream.expected(part, takes_rest=self.way == ("close", "FIN"))
        if self.stream.protocol == "open_assistant":  # the message itself has all that the events lack
            all_tokens, end = self.stream.expected(self.stream.body)
            return (tokens, end) if end else (all_tokens, None)
        return tokens, error


def _let_recover(stream: Stream) -> None:
    tokens, error = stream.expected(stream.body)
    message = {"state": "aborted_by_worker" if error else "complete", "content": "".join(tokens)}
    events = next(one["request"]["path"] for one in load(stream.name) if "/events" in one["request"]["path"])
    answers: Any = stream.host
    answers.answers["GET", events.replace("/events", "/message")] = whole(json.dumps(message).encode())


def cut(name: str, places: range) -> Tried:
    """Cuts a stream after each of these places."""
    cutting = Cutting(name)
    count, problems = 0, []
    with RawHost(cutting.stream.host) as host:
        for cutting.place in places:
            ways = [(framing, ENDS[(cutting.place + number) % 2]) for number, framing in enumerate(FRAMINGS)]
            for cutting.way in ways if name in IN_EVERY_FRAMING else [ways[cutting.place % 3]]:
                count += 1
                problems += cutting.problems(host.url)
    return count, problems


def test_cut_streams(every: int) -> None:
    jobs = [job for name in NAMES for job in Cutting(name).stream.jobs(every)]
    assert tried(cut, jobs) > 50_000 / every


@pytest.mark.parametrize("name", IN_EVERY_FRAMING)
def test_streams_that_fall_silent(name: str) -> None:
    def stall(place: int, framing: str) -> List[str]:
        cutting = Cutting(name)
        cutting.place, cutting.way = place, (framing, "silence")
        with RawHost(cutting.stream.host) as host:
            return cutting.problems(host.url, timeout=(9, 0.5))

    length = len(find(name, lambda *_: None).body)
    with ThreadPoolExecutor(15) as threads:
        for framing in FRAMINGS:
            for problems in threads.map(stall, range(0, length, length // 14), [framing] * 15):
                assert problems == []


class CuttingBefore:
    """A host that ends the connection after `place` bytes of its answer to one of the requests before the stream."""

    def __init__(self, name: str, number: int) -> None:
        self.place, self.end = 0, "FIN"
        self.stream = find(name, self._say)
        recorded: Any = self.stream.host
        self._cut_path, self.cut = list(recorded.answers.items())[number]

    def __call__(self, connection: socket.socket, sent: Any) -> Any:
        if (sent.method, sent.path) != self._cut_path:
            return self.stream.host(connection, sent)
        connection.sendall(self.cut[: self.place])
        return reset(connection) if self.end == "RST" else None

    def _say(self, connection: socket.socket, _: Any) -> bool:
        connection.sendall(whole(self.stream.body, 200, f"Content-Type: {self.stream.kind}"))
        return True


def cut_before(name: str, number: int, every: int) -> Tried:
    """Cuts one of the answers before the stream: it fails before the first token, or the text is whole."""
    cutting = CuttingBefore(name, number)
    count, problems = 0, []
    with RawHost(cutting) as host:
        for cutting.place in range(0, len(cutting.cut), every):
            for cutting.end in ("FIN", "RST"):
                count += 1
                came, error = cutting.stream.outcome(cutting.stream.ask(host.url, session=None))
                is_whole = ("".join(came), error) == ("".join(cutting.stream.expected(cutting.stream.body)[0]), None)
                if not (is_whole or came == [] and error in (RequestFailedError, ResponseFormatError)):
                    problems.append(f"{name}, {number} at {cutting.place}, {cutting.end}: {came}, {error}")
    return count, problems


def test_cut_answers_before_the_stream(every: int) -> None:
    numbers = {"h2o/hello": 4, "open_assistant/hello": 4, "hugging_chat/hello": 3}
    jobs = [(name, number, every) for name, count in numbers.items() for number in range(count)]
    assert tried(cut_before, jobs) > 4_000 / every
