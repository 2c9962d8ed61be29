"""A server that begins a response, and then sends nothing more until its client disconnects."""

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import pytest
from protocols import KEY, PROTOCOLS, Recorded, begin
from raw_server import RawServer, chunk, head
from replay import Sent

SOON = 5.0  # seconds; one is enough on a machine that has nothing else to do


class WaitingServer(RawServer):
    """The server of a provider. It sends ``one`` and ``two``, and waits for the client to disconnect.

    Args:
        name: the provider's name.
        unanswered: a pattern for a method and path, such as ``POST /x``: the server waits there instead of responding.
        expects_clean_up: whether there is something to clean up then.

    Attributes:
        waits: set when the server has sent everything.
        disconnected_early: set when the client has closed the connection since.
    """

    def __init__(self, name: str, unanswered: str = "", expects_clean_up: bool = True) -> None:
        self.name, recorded = name, Recorded(name, self._begin)
        self._two_events = b"".join(recorded.protocol.events("one", "two")[:2])
        self._clean_up = list(recorded.protocol.clean_up) if expects_clean_up else []
        self._threads = threading.enumerate()
        self.waits, self.disconnected_early = threading.Event(), threading.Event()
        self._sent_before = 0

        def respond(connection: socket, sent: Sent) -> Any:
            if re.fullmatch(unanswered, f"{sent.method} {sent.path}"):
                self._sent_before = len(self.sent)
                return self._wait(connection)
            return recorded(connection, sent)

        super().__init__(respond)

    def ask(self, stream: bool = True) -> Generator[str, None, None]:
        """Return a completion from this server."""
        return begin(self.name, self.url, stream, timeout=None, retries=None)

    @property
    def base_url(self) -> str:
        return self.url + PROTOCOLS[self.name].base_path

    def ask_arguments(self, *flags: str) -> list[str]:
        """Return the arguments for a Python process that asks this server."""
        options = [f"--provider={self.name}", f"--base-url={self.base_url}", f"--auth={KEY}", "--model=m"]
        return ["-m", "g4f_legacy", "ask", *flags, *options, "hello"]

    def assert_cleaned_up(self) -> None:
        """Wait until the client has disconnected, has cleaned up once, and its thread has ended."""
        assert self.disconnected_early.wait(SOON), "the connection is open"
        deadline = time.monotonic() + SOON
        while time.monotonic() < deadline and (len(self._new_requests()) < len(self._clean_up) or self._new_threads()):
            time.sleep(0.01)
        assert (self._new_requests(), self._new_threads()) == (self._clean_up, [])

    def _new_requests(self) -> list[str]:
        new = self.sent[self._sent_before :]
        return [f"{sent.method} {re.sub(r'/[0-9a-f-]{24,}|[?].*', '/…', sent.path)}" for sent in new]

    def _new_threads(self) -> list[str]:
        names = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        return [name for name in names if name.startswith("g4f_legacy")]

    def _begin(self, connection: socket, sent: Sent) -> None:
        self._sent_before = len(self.sent)  # before the client can send anything else
        connection.sendall(head("chunked") + chunk(self._two_events, "chunked"))
        self._wait(connection)

    def _wait(self, connection: socket) -> None:
        self.waits.set()
        connection.settimeout(30)
        try:
            is_disconnected = connection.recv(1) == b""
        except ConnectionResetError:
            is_disconnected = True
        if is_disconnected:
            self.disconnected_early.set()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _time_out(task: "asyncio.Task[None]") -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(task, 0.03)


async def _end_the_loop(task: "asyncio.Task[None]") -> None:
    assert not task.done()  # asyncio.run cancels it


TASK_EXITS = {"cancel": _cancel, "wait_for": _time_out, "the loop ends": _end_the_loop}


def exit_task(server: WaitingServer, use: Coroutine[Any, Any, None], exit_: Callable[..., Awaitable[None]]) -> None:
    """Run a coroutine until its server waits, and end it by one of the `TASK_EXITS`."""

    async def main() -> None:
        task = asyncio.ensure_future(use)
        while not (server.waits.is_set() or task.done()):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.03)  # until the client waits, too
        await exit_(task)

    asyncio.run(main())


@contextmanager
def started(arguments: list[str], stdin: int) -> Iterator["subprocess.Popen[str]"]:
    """Run a Python process for the length of the block, with all warnings and checks enabled."""
    command, pipe = [sys.executable, "-X", "dev", "-W", "error", *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, universal_newlines=True) as process:
        try:
            yield process
        finally:
            process.kill()
