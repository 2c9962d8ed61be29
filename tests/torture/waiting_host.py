"""A host that begins an answer and then says nothing, until its client has gone."""

import asyncio
from contextlib import contextmanager
import re
from socket import socket
import subprocess
import sys
import threading
import time
from typing import Any, Awaitable, Callable, Coroutine, Generator, Iterator, List

from protocols import KEY, PROTOCOLS, Recorded, begin
import pytest
from raw_host import RawHost, head, piece
from replay import Sent

SOON = 5.0  # seconds; a second is meant, on a machine that has nothing else to do


class WaitingHost(RawHost):
    """A provider's host. It answers the question with ``one`` and ``two``, and waits for the client to leave.

    Args:
        name: the provider's.
        mute_at: a pattern for a whole request, such as ``POST /x``, that it does not answer; it waits there instead.
        cleans_up: whether there is something to clean up then.

    Attributes:
        waits: it has said what it has to say.
        gone: the client has closed the connection since.
    """

    def __init__(self, name: str, mute_at: str = "", cleans_up: bool = True) -> None:
        self.name, play = name, Recorded(name, self._begin)
        self._two = b"".join(play.protocol.events("one", "two")[:2])
        self._clean_up = list(play.protocol.clean_up) if cleans_up else []
        self._threads = threading.enumerate()
        self.waits, self.gone = threading.Event(), threading.Event()
        self._said = 0

        def answer(connection: socket, sent: Sent) -> Any:
            if re.fullmatch(mute_at, f"{sent.method} {sent.path}"):
                self._said = len(self.sent)
                return self._wait(connection)
            return play(connection, sent)

        super().__init__(answer)

    def ask(self, stream: bool = True) -> Generator[str, None, None]:
        """A completion of its provider's."""
        return begin(self.name, self.url, stream, timeout=None, retries=None)

    @property
    def base_url(self) -> str:
        return self.url + PROTOCOLS[self.name].page

    def asking(self, *flags: str) -> List[str]:
        """The same, for a process of Python's."""
        to = [f"--provider={self.name}", f"--base-url={self.base_url}", f"--auth={KEY}", "--model=m"]
        return ["-m", "g4f_legacy", "ask", *flags, *to, "hello"]

    def assert_left(self) -> None:
        """The client has left, or does so soon; it has cleaned up, once; and its thread is gone."""
        assert self.gone.wait(SOON), "the connection is open"
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline and (len(self._since()) < len(self._clean_up) or self._new_threads()):
            time.sleep(0.01)
        assert (self._since(), self._new_threads()) == (self._clean_up, [])

    def _since(self) -> List[str]:
        sent = self.sent[self._said :]
        return [f"{one.method} {re.sub(r'/[0-9a-f-]{24,}|[?].*', '/…', one.path)}" for one in sent]

    def _new_threads(self) -> List[str]:
        names = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        return [name for name in names if name.startswith("g4f_legacy")]

    def _begin(self, connection: socket, sent: Sent) -> None:
        self._said = len(self.sent)  # before the client can send anything else
        connection.sendall(head("chunked") + piece(self._two, "chunked"))
        self._wait(connection)

    def _wait(self, connection: socket) -> None:
        self.waits.set()
        connection.settimeout(30)
        try:
            is_gone = connection.recv(1) == b""
        except ConnectionResetError:
            is_gone = True
        if is_gone:
            self.gone.set()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _time_out(task: "asyncio.Task[None]") -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(task, 0.03)


async def _end_the_loop(task: "asyncio.Task[None]") -> None:
    assert not task.done()  # asyncio.run cancels it


WAYS = {"cancel": _cancel, "wait_for": _time_out, "the loop ends": _end_the_loop}


def leave_task(host: WaitingHost, use: Coroutine[Any, Any, None], way: Callable[..., Awaitable[None]]) -> None:
    """Runs a coroutine until its host waits, and leaves it in one of the `WAYS`."""

    async def main() -> None:
        task = asyncio.ensure_future(use)
        while not (host.waits.is_set() or task.done()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.03)  # until the client waits, too
        await way(task)

    asyncio.run(main())


@contextmanager
def started(arguments: List[str], stdin: int) -> Iterator["subprocess.Popen[str]"]:
    """A process of Python's that complains of everything it can complain of. It does not outlive the block."""
    command, pipe = [sys.executable, "-X", "dev", "-W", "error", *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, universal_newlines=True) as process:
        try:
            yield process
        finally:
            process.kill()
