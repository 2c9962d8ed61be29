"""Each stream in two pieces, cut at every byte, and in single bytes; the next one when the client has what is whole."""

import socket
import threading
from typing import Any, List

from raw_host import FRAMINGS, RawHost, head, piece
from streams import NAMES, Tried, find, tried


class Waiting:
    """A host that sends its stream in pieces, and the next one when the client has all that came before."""

    def __init__(self, name: str) -> None:
        self.framing = FRAMINGS[0]
        self.pieces: List[bytes] = []
        self._came: List[str] = []
        self._has_come = threading.Condition()
        self.stream = find(name, self._say)
        self.text, self.end = (
            "".join(self.stream.expected(self.stream.body)[0]),
            self.stream.expected(self.stream.body)[1],
        )

    def _say(self, connection: socket.socket, _: Any) -> Any:
        framing = self.framing  # the client may be at the next one before this ends
        connection.sendall(head(framing, len(self.stream.body), self.stream.kind))
        sent, came = b"", self._came
        for part in self.pieces:
            whole_by_now = len("".join(self.stream.expected(sent)[0]))
            with self._has_come:
                if not self._has_come.wait_for(lambda: len("".join(came)) >= whole_by_now, timeout=10):
                    return False
            connection.sendall(piece(part, framing))
            sent += part
        connection.sendall(piece(b"", framing))
        return framing != "close"

    def problems(self, url: str) -> List[str]:
        """How a completion comes to something else than the stream has."""
        self._came = []
        came, error = self.stream.outcome(map(self._note, self.stream.ask(url)))
        if ("".join(came), error) == (self.text, self.end):
            return []
        return [f"{self.stream.name}, {len(self.pieces[0])}, {self.framing}: {came}, {error}"]

    def _note(self, token: str) -> str:
        with self._has_come:
            self._came.append(token)
            self._has_come.notify()
        return token


def halve(name: str, places: range) -> Tried:
    """Sends a stream in two pieces, cut at each of these places."""
    waiting = Waiting(name)
    body = waiting.stream.body
    problems = []
    with RawHost(waiting.stream.host) as host:
        for place in places:
            waiting.framing = FRAMINGS[place % 3]
            waiting.pieces = [part for part in (body[:place], body[place:]) if part]
            problems += waiting.problems(host.url)
    return len(places), problems


def spell(name: str, framing: str) -> Tried:
    """Sends a stream byte by byte."""
    waiting = Waiting(name)
    waiting.framing = framing
    waiting.pieces = [bytes([byte]) for byte in waiting.stream.body]
    with RawHost(waiting.stream.host) as host:
        return 1, waiting.problems(host.url)


def test_two_pieces(every: int) -> None:
    jobs = [job for name in NAMES for job in Waiting(name).stream.jobs(every)]
    assert tried(halve, jobs) > 25_000 / every


def test_single_bytes() -> None:
    assert tried(spell, [(name, framing) for name in NAMES for framing in FRAMINGS]) == 3 * len(NAMES)
