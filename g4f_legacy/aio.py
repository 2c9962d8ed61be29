"""Completions for asynchronous code: the same generators, run off the event loop in a thread of their own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, AsyncIterator, Generator, Iterator

from .host import join

_END: Any = object()


class AsyncCompletion:
    """A completion for asynchronous code, to be used once: ``async for`` gives its tokens, ``await`` the whole text.

    Leaving the loop early, or being cancelled, closes the generator below, which ends the completion on the host; a
    token that is being waited for is waited for first, in the thread.
    """

    def __init__(self, tokens: Generator[str, None, None]) -> None:
        self._tokens = tokens

    def __await__(self) -> Generator[Any, None, str]:
        return self.text().__await__()

    async def text(self) -> str:
        """The whole text. Raises what the completion raises."""
        with self._thread() as thread:
            return await asyncio.get_running_loop().run_in_executor(thread, join, self._tokens)

    async def __aiter__(self) -> AsyncIterator[str]:
        run = asyncio.get_running_loop().run_in_executor
        with self._thread() as thread:
            try:
                while True:
                    token = await run(thread, next, self._tokens, _END)
                    if token is _END:
                        return
                    yield token
            except GeneratorExit:
                await run(thread, self._tokens.close)
                raise

    @contextmanager
    def _thread(self) -> Iterator[ThreadPoolExecutor]:
        thread = ThreadPoolExecutor(1, thread_name_prefix="g4f_legacy")
        try:
            yield thread
        except asyncio.CancelledError:
            thread.submit(self._tokens.close)
            raise
        finally:
            thread.shutdown(wait=False)
