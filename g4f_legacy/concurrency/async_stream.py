"""Completions for asynchronous code: generators that run in a thread of their own."""

from asyncio import CancelledError, shield, wrap_future
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

from ..tokens import TokenStream, join_tokens
from .worker import STREAM_END, StreamWorker


class AsyncStream:
    """A completion that can be consumed once: ``async for`` yields its tokens, ``await`` returns the complete text.

    Ending the loop early, or cancellation, stops the completion on the server.
    """

    def __init__(self, tokens: Generator[str, Any, Any]) -> None:
        self._tokens = TokenStream(tokens)

    @property
    def finish_reason(self) -> str | None:
        """Why the completion ended, such as ``"stop"`` or ``"length"``; None before its end. See `tokens.Finish`."""
        return self._tokens.finish_reason

    @property
    def usage(self) -> dict[str, Any] | None:
        """The numbers of tokens, as the server sent them; None before the end of the completion."""
        return self._tokens.usage

    def __await__(self) -> Generator[Any, None, str]:
        return self.text().__await__()

    async def text(self) -> str:
        """Return the complete text. Raises what the completion raises."""
        async with self._run() as worker:
            return await wrap_future(worker.call(join_tokens, self._tokens))

    async def __aiter__(self) -> AsyncIterator[str]:
        async with self._run() as worker:
            while True:
                token = await wrap_future(worker.next())
                if token is STREAM_END:
                    return
                yield token

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[StreamWorker]:
        worker = StreamWorker(self._tokens)
        try:
            yield worker
        except CancelledError:
            worker.stop()  # not awaited, so that the cancellation takes effect at once
            raise
        finally:
            if not worker.stopped.is_set():
                await shield(wrap_future(worker.stop()))
