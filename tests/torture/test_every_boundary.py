"""Each stream in two chunks, cut after every byte, and in single bytes; the client gets every token at once."""

import socket
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from outcomes import outcome
from raw_server import FRAMINGS, RawServer, chunk, head
from streams import RECORDINGS, Stream, Tried, jobs, tried
from written import WRITTEN

from g4f_legacy.tokens import Tokens


class SteppedStream(Stream):
    """A server that sends its stream in chunks, each when a client that streams has all tokens of those before."""

    def __init__(self, title: str) -> None:
        super().__init__(title, self._respond)
        self.framing, self.is_streamed = FRAMINGS[0], True
        self.chunks: list[bytes] = []
        self._tokens: list[str] = []
        self._token_received = threading.Condition()

    def _respond(self, connection: socket.socket, _: Any) -> Any:
        framing, tokens = self.framing, self._tokens  # the client may be at the next completion before this ends
        connection.sendall(head(framing, len(self.stream), self.content_type))
        sent, complete_length = b"", 0
        for part in self.chunks:
            if self.is_streamed and (len(self.chunks) < 3 or sent.endswith(b"\n")):  # as every event does
                complete_length = len(self.text_of(sent))
            with self._token_received:
                if not self._token_received.wait_for(lambda: len("".join(tokens)) >= complete_length, timeout=10):
                    return False
            connection.sendall(chunk(part, framing))
            sent += part
        connection.sendall(chunk(b"", framing))
        return framing != "close"

    def problems(self, url: str) -> list[str]:
        """Return how a completion differs from the stream."""
        self._tokens = []
        actual, expected = outcome(self._noted(self.begin(url, self.is_streamed))), self.expected(self.stream)
        if actual == (expected if self.is_streamed else expected.joined()):
            return []
        return [f"{self.title}, {len(self.chunks[0])}, {self.framing}, {self.is_streamed}: {actual}"]

    def _noted(self, tokens: Tokens) -> Tokens:
        while True:
            try:
                token = next(tokens)
            except StopIteration as end:
                return end.value
            with self._token_received:
                self._tokens.append(token)
                self._token_received.notify()
            yield token


def split_in_two(title: str, places: Iterable[int], every_way: bool) -> Tried:
    """Send a stream in two chunks, cut at each of these places: in each framing, or in one after the other."""
    stepped, count, problems = SteppedStream(title), 0, []
    with RawServer(stepped) as server:
        for number, place in enumerate(places):
            stepped.chunks = [part for part in (stepped.stream[:place], stepped.stream[place:]) if part]
            for stepped.is_streamed in stepped.stream_options(number, every_way):
                for stepped.framing in FRAMINGS if every_way else [FRAMINGS[(number + stepped.is_streamed) % 3]]:
                    count += 1
                    problems += stepped.problems(server.url)
    return count, problems


def split_in_bytes(title: str, framing: str) -> Tried:
    """Send a stream byte by byte."""
    stepped, problems = SteppedStream(title), []
    stepped.framing = framing
    stepped.chunks = [bytes([byte]) for byte in stepped.stream]
    with RawServer(stepped) as server:
        for stepped.is_streamed in stepped.stream_options(0, every_way=True):
            problems += stepped.problems(server.url)
    return 1, problems


def test_two_chunks(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every, every_of_others=1 if every_way else 7)]
    assert tried(split_in_two, slices) > (3 * 25_000 if every_way else 13_000) / every


def test_two_chunks_of_written_streams(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every, titles=WRITTEN)]
    assert tried(split_in_two, slices) > (3 * 7_500 if every_way else 6_000) / every


@pytest.mark.parametrize("titles", [RECORDINGS, WRITTEN], ids=["recordings", "written streams"])
def test_single_bytes(titles: Iterable[str]) -> None:
    streams = [(title, framing) for title in titles for framing in FRAMINGS]
    assert tried(split_in_bytes, streams) == len(streams)
