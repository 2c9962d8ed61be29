"""Each stream in two pieces, cut at every byte, and in single bytes; the next one when the client has what is whole."""

import socket
import threading
from typing import Any, List

from raw_host import FRAMINGS, RawHost, head, piece
from streams import NAMES, Stream, Tried, jobs, outcome, tried


class Waiting(Stream):
    """A host that sends its stream in pieces, and the next one when the client has all that came before."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._say)
        self.framing = FRAMINGS[0]
        self.pieces: List[bytes] = []
        self._came: List[str] = []
        self._has_come = threading.Condition()

    def _say(self, connection: socket.socket, _: Any) -> Any:
        framing = self.framing  # the client may be at the next one before this ends
        connection.sendall(head(framing, len(self.stream), self.kind))
        sent, came, whole_by_now = b"", self._came, 0
        for part in self.pieces:
            if len(self.pieces) < 3 or sent.endswith(b"\n"):  # as every event does: there is no need to look each time
                whole_by_now = len(self.text_of(sent))
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
        came, error = outcome(map(self._note, self.begin(url)))
        if ("".join(came), error) == (self.text, self.expected(self.stream)[1]):
            return []
        return [f"{self.recording}, {len(self.pieces[0])}, {self.framing}: {came}, {error}"]

    def _note(self, token: str) -> str:
        with self._has_come:
            self._came.append(token)
            self._has_come.notify()
        return token


def halve(name: str, places: range, every_way: bool) -> Tried:
    """Sends a stream in two pieces, cut at each of these places: in all framings each, or in turn."""
    waiting, count, problems = Waiting(name), 0, []
    with RawHost(waiting) as host:
        for number, place in enumerate(places):
            for waiting.framing in FRAMINGS if every_way else [FRAMINGS[number % 3]]:
                count += 1
                waiting.pieces = [part for part in (waiting.stream[:place], waiting.stream[place:]) if part]
                problems += waiting.problems(host.url)
    return count, problems


def spell(name: str, framing: str) -> Tried:
    """Sends a stream byte by byte."""
    waiting = Waiting(name)
    waiting.framing = framing
    waiting.pieces = [bytes([byte]) for byte in waiting.stream]
    with RawHost(waiting) as host:
        return 1, waiting.problems(host.url)


def test_two_pieces(every: int, every_way: bool) -> None:
    slices = [(*job, every_way) for job in jobs(every, of_others=1 if every_way else 7)]
    assert tried(halve, slices) > (3 * 25_000 if every_way else 13_000) / every


def test_single_bytes() -> None:
    assert tried(spell, [(name, framing) for name in NAMES for framing in FRAMINGS]) == 3 * len(NAMES)
