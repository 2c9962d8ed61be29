"""Asynchronous generators for synchronous code: each runs in an event loop and a thread of its own."""

import asyncio
import atexit
import logging
import threading
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any

from .worker import STREAM_END, sleep

POLL_INTERVAL = 0.1
"""How often a thread that waits for a token checks whether it has been stopped, in seconds.

On Windows, Ctrl-C does not interrupt a wait for a lock: https://docs.python.org/3/library/threading.html#lock-objects
"""

INTERRUPT_TIMEOUT = 1.0
"""Seconds that Ctrl-C waits for the thread. Code in it that blocks its event loop cannot be interrupted."""

log = logging.getLogger(__name__)


def iterate(open_tokens: Callable[[], Any]) -> Generator[str, None, None]:
    """Yield the tokens of an asynchronous generator, each when it is requested.

    The thread starts with the first token. It ends when this generator does, after the asynchronous generator has been
    closed or, while this one waits for a token, cancelled.

    Args:
        open_tokens: what to call in the thread; see `iterate_and_close`.
    """
    loop_thread = _LoopThread(open_tokens)
    timeout = None
    try:
        while (token := loop_thread.next()) is not STREAM_END:
            yield token
    except KeyboardInterrupt:
        timeout = INTERRUPT_TIMEOUT
        raise
    finally:
        loop_thread.stop(timeout)


async def iterate_and_close(open_tokens: Callable[[], Any]) -> AsyncGenerator[str, None]:
    """Yield the tokens of an asynchronous generator, and close it.

    Args:
        open_tokens: returns the generator, or a coroutine that returns it.
    """
    tokens = open_tokens()
    if not hasattr(tokens, "__aiter__"):  # not whether it can be awaited: an `AsyncStream` can be both
        tokens = await tokens
    try:
        async for token in tokens:
            yield token
    finally:
        if hasattr(tokens, "aclose"):
            await tokens.aclose()


class _LoopThread:
    """A thread in which an asynchronous generator runs as one task.

    With a task for each token, neither timeouts nor cancel scopes nor context variables would last from one to the
    next (https://anyio.readthedocs.io/en/stable/cancellation.html).
    """

    def __init__(self, open_tokens: Callable[[], Any]) -> None:
        self._open_tokens = open_tokens
        self._results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_ready = threading.Event()  # set when the loop, task and request exist, or the thread has failed
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None = None
        self._request: asyncio.Event
        self._is_stopped = False

    def next(self) -> Any:
        """Return the next token or `STREAM_END`. Raise what the generator raises."""
        if self._thread is None:
            self._start()
        else:
            self._loop.call_soon_threadsafe(self._request.set)
        token, error = self._wait()
        if error is None:
            return token
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame

    def stop(self, timeout: float | None = None) -> None:
        """End the task, and wait for the thread, at most for a number of seconds."""
        atexit.unregister(self.stop)
        if self._thread is None:
            return
        self._is_stopped = True
        self._is_ready.wait()
        if self._task is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not threading.current_thread():  # which may collect the generator as garbage
            self._thread.join(timeout)

    def _start(self) -> None:
        # A daemon, because Python waits for other threads before it closes the generators that a script has left open.
        context = copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="g4f_legacy loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # there are too many threads
            self._thread = None
            raise
        atexit.register(self.stop)

    def _wait(self) -> tuple[Any, BaseException | None]:
        while True:
            with suppress(Empty):
                return self._results.get(timeout=POLL_INTERVAL)
            if self._thread is not None and not self._thread.is_alive() and self._results.empty():
                raise RuntimeError("the thread of this completion is gone: it cannot be continued after a fork")
            sleep(0)  # ends the completion if its `StreamWorker` was stopped

    def _run(self) -> None:
        try:
            asyncio.run(self._produce())
        except BaseException as error:
            self._report(error)
        finally:
            self._is_ready.set()

    async def _produce(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._request = asyncio.Event()
        self._is_ready.set()
        try:
            async with aclosing(iterate_and_close(self._open_tokens)) as tokens:
                async for token in tokens:
                    if self._is_stopped:  # and the generator has suppressed that
                        break
                    self._results.put((token, None))
                    await self._request.wait()
                    self._request.clear()
        except BaseException as error:
            self._report(error)
        else:
            self._results.put((STREAM_END, None))

    def _report(self, error: BaseException) -> None:
        if not self._is_stopped:
            self._results.put((None, error))
        elif not isinstance(error, CancelledError):
            log.warning("The clean-up of an asynchronous completion failed: %r", error)
