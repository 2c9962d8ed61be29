"""Each stream in two chunks, cut after every byte, and in single bytes; the client gets every token at once."""

import socket
import threading
from collections.abc import Iterable
from typing import Any

from raw_server import FRAMINGS, RawServer, chunk, head
from streams import RECORDINGS, Stream, Tried, jobs, outcome, tried


class SteppedStream(Stream):
    """A server that sends its stream in chunks, each when the client has all tokens of those before."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._respond)
        self.framing = FRAMINGS[0]
        self.chunks: list[bytes] = []
        self._tokens: list[str] = []
        self._token_received = threading.Condition()

    def _respond(self, connection: socket.socket, _: Any) -> Any:
        framing, tokens = self.framing, self._tokens  # the client may be at the next completion before this ends
        connection.sendall(head(framing, len(self.stream), self.content_type))
        sent, complete_length = b"", 0
        for part in self.chunks:
            if len(self.chunks) < 3 or sent.endswith(b"\n"):  # as every event does: no need to look each time
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
        tokens, error = outcome(map(self._note, self.begin(url)))
        if ("".join(tokens), error) == (self.text, self.expected(self.stream)[1]):
            return []
        return [f"{self.recording}, {len(self.chunks[0])}, {self.framing}: {tokens}, {error}"]

    def _note(self, token: str) -> str:
        with self._token_received:
            self._tokens.append(token)
            self._token_received.notify()
        return token


def split_in_two(name: str, places: Iterable[int], every_way: bool) -> Tried:
    """Send a stream in two chunks, cut at each of these places: in each framing, or in one after the other."""
    stepped, count, problems = SteppedStream(name), 0, []
    with RawServer(stepped) as server:
        for number, place in enumerate(places):
            for stepped.framing in FRAMINGS if every_way else [FRAMINGS[number % 3]]:
                count += 1
                stepped.chunks = [part for part in (stepped.stream[:place], stepped.stream[place:]) if part]
                problems += stepped.problems(server.url)
    return count, problems


def split_in_bytes(name: str, framing: str) -> Tried:
    """Send a stream byte by byte."""
    stepped = SteppedStream(name)
    stepped.framing = framing
    stepped.chunks = [bytes([byte]) for byte in stepped.stream]
    with RawServer(stepped) as server:
        return 1, stepped.problems(server.url)


def test_two_chunks(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every, every_of_others=1 if every_way else 7)]
    assert tried(split_in_two, slices) > (3 * 25_000 if every_way else 13_000) / every


def test_single_bytes() -> None:
    streams = [(name, framing) for name in RECORDINGS for framing in FRAMINGS]
    assert tried(split_in_bytes, streams) == 3 * len(RECORDINGS)
