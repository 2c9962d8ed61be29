"""Completions for asynchronous code: generators that run in a thread of their own."""

from asyncio import CancelledError, shield, wrap_future
from collections.abc import AsyncGenerator, Generator
from typing import Any

from ..tokens import TokenStream, join_tokens
from .worker import STREAM_END, StreamWorker


class AsyncStream(AsyncGenerator[str, None]):
    """A completion that can be consumed once: ``async for`` yields its tokens, ``await`` returns the complete text.

    `anext` returns the tokens one by one. Ending the loop early, `aclose`, or cancellation stops the completion on the
    server.
    """

    def __init__(self, tokens: Generator[str, Any, Any]) -> None:
        self._tokens = TokenStream(tokens)
        self._worker = StreamWorker(self._tokens)
        self._iterator: AsyncGenerator[str, None] | None = None

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
        """Return the complete text, or an empty one after `aclose`. Raise what the completion raises."""
        if self._worker.stopped.is_set():
            return ""
        async with _Running(self._worker):
            return await wrap_future(self._worker.call(_join, self._tokens))

    def __aiter__(self) -> AsyncGenerator[str, None]:
        # A new iterator, which only the loop holds: where the loop ends early, asyncio closes it, although the caller
        # may still hold the stream.
        return _iterate(self._worker, self._tokens)

    def __anext__(self) -> Any:
        return self._get_shared_iterator().__anext__()

    def asend(self, value: Any) -> Any:
        return self._get_shared_iterator().asend(value)

    def athrow(self, *error: Any) -> Any:
        return self._get_shared_iterator().athrow(*error)

    async def aclose(self) -> None:
        """Stop the completion, and return when that is done. Another task may be waiting for a token: it gets none."""
        await shield(wrap_future(self._worker.stop()))

    def _get_shared_iterator(self) -> AsyncGenerator[str, None]:
        if self._iterator is None:
            self._iterator = _iterate(self._worker, self._tokens)
        return self._iterator


class AwaitableStream(AsyncStream):
    """An `AsyncStream` that is like the result of a coroutine, too: ``await`` returns the stream itself."""

    def __await__(self) -> Generator[Any, None, "AwaitableStream"]:  # type: ignore[override]
        yield from ()  # makes this a generator, as `__await__` has to return an iterator
        return self


async def _iterate(worker: StreamWorker, tokens: TokenStream) -> AsyncGenerator[str, None]:
    async with _Running(worker):
        while not worker.stopped.is_set():
            token = await wrap_future(worker.call(_next, worker, tokens))
            if token is STREAM_END:
                return
            yield token


# A stopped completion raises GeneratorExit in its thread. That must not reach the task that awaits it: tasks throw it
# into their coroutines, which then close what they await (https://peps.python.org/pep-0380/#formal-semantics).


def _next(worker: StreamWorker, tokens: TokenStream) -> Any:
    try:
        return next(tokens, STREAM_END)
    except GeneratorExit:
        if worker.stopped.is_set():
            return STREAM_END
        raise


def _join(tokens: TokenStream) -> str:
    try:
        return join_tokens(tokens)
    except GeneratorExit as error:
        raise CancelledError from error


class _Running:
    """Stops a completion when the block ends.

    It is no generator, because asyncio would close that by itself: at the end of the loop, in any order.
    """

    def __init__(self, worker: StreamWorker) -> None:
        self._worker = worker

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, CancelledError):
            self._worker.stop()  # not awaited, so that the cancellation takes effect at once
        elif not self._worker.stopped.is_set():
            await shield(wrap_future(self._worker.stop()))
