"""Completions for asynchronous code: the same generators, run off the event loop in a thread of their own."""

from asyncio import CancelledError, wrap_future
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Generator

from .stream import join
from .running import END, Running


class AsyncCompletion:
    """A completion for asynchronous code, to be used once: ``async for`` gives its tokens, ``await`` the whole text.

    Leaving the loop early, or being cancelled, ends the completion on the host.
    """

    def __init__(self, tokens: Generator[str, None, None]) -> None:
        self._tokens = tokens

    def __await__(self) -> Generator[Any, None, str]:
        return self.text().__await__()

    async def text(self) -> str:
        """The whole text. Raises what the completion raises."""
        async with self._running() as running:
            return await wrap_future(running.call(join, self._tokens))

    async def __aiter__(self) -> AsyncIterator[str]:
        async with self._running() as running:
            while True:
                token = await wrap_future(running.next())
                if token is END:
                    return
                yield token

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[Running]:
        running = Running(self._tokens)
        try:
            yield running
        except CancelledError:
            running.stop()  # not waited for: whoever cancels wants to go on
            raise
        except BaseException:
            await wrap_future(_going_on(running.stop()))
            raise
        await wrap_future(_going_on(running.stop()))


def _going_on(closed: "Future[None]") -> "Future[None]":
    """The same future for somebody who may be cancelled: the closing, which may not have begun, is not."""
    waited: "Future[None]" = Future()
    waited.set_running_or_notify_cancel()
    closed.add_done_callback(lambda _: waited.set_exception(closed.exception()))
    return waited
