import asyncio
import contextvars
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from g4f_legacy.concurrency import loop_thread
from g4f_legacy.concurrency.async_stream import AsyncStream
from g4f_legacy.concurrency.loop_thread import iterate


class AsyncTokens:
    """An asynchronous generator function that records how its generator ended, and in which task it ran."""

    def __init__(self, wait: Callable[[], Any] = lambda: asyncio.sleep(0)) -> None:
        self.wait = wait
        self.started = threading.Event()
        self.ended = threading.Event()
        self.endings: list[str] = []
        self.tasks: list[Any] = []

    async def __call__(self) -> AsyncIterator[str]:
        try:
            for token in "abc":
                self.tasks.append(asyncio.current_task())
                yield token
                self.started.set()
                await self.wait()
        except BaseException as error:
            self.endings.append(type(error).__name__)
            raise
        finally:
            self.tasks.append(asyncio.current_task())
            await asyncio.sleep(0)  # clean-ups may wait
            self.ended.set()


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "g4f_legacy loop"]


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Any:
    yield
    gc.collect()
    assert loop_threads() == []


def test_tokens_of_one_task() -> None:
    tokens = AsyncTokens()
    assert list(iterate(tokens)) == ["a", "b", "c"]
    assert tokens.endings == [] and len(set(tokens.tasks)) == 1


def test_a_coroutine_that_returns_the_generator() -> None:
    async def open_tokens() -> Any:
        return AsyncTokens()()

    assert list(iterate(open_tokens)) == ["a", "b", "c"]


def test_an_iterator_without_aclose() -> None:
    class Once:
        items = iter("ab")

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> str:
            for item in self.items:
                return item
            raise StopAsyncIteration

    assert list(iterate(Once)) == ["a", "b"]


def test_the_tokens_of_a_stream_of_this_package() -> None:
    assert list(iterate(lambda: AsyncStream(iter("ab")))) == ["a", "b"]  # type: ignore[arg-type]


def test_nothing_runs_before_the_first_token_and_between_tokens() -> None:
    tokens = AsyncTokens()
    stream = iterate(tokens)
    assert loop_threads() == [] and tokens.tasks == []
    assert next(stream) == "a"
    assert not tokens.started.wait(0.05)
    assert next(stream) == "b"
    assert tokens.started.is_set()
    stream.close()


def test_closing_before_the_first_token() -> None:
    tokens = AsyncTokens()
    iterate(tokens).close()
    assert tokens.tasks == []


def test_break_closes_the_generator_in_its_task() -> None:
    tokens = AsyncTokens()
    for _ in iterate(tokens):
        break
    assert tokens.ended.is_set() and tokens.endings == ["GeneratorExit"] and len(set(tokens.tasks)) == 1


def test_garbage_collection_in_the_thread_of_the_loop() -> None:
    received, ended = threading.Event(), threading.Event()
    tasks = []

    async def drop() -> None:
        assert await asyncio.to_thread(received.wait, 10)
        streams.clear()

    async def tokens() -> AsyncIterator[str]:
        tasks.append(asyncio.ensure_future(drop()))
        try:
            yield "a"
        finally:
            ended.set()

    streams = [iterate(tokens)]
    next(streams[0])
    (thread,) = loop_threads()
    received.set()
    thread.join(5)
    assert ended.is_set() and not thread.is_alive()


def test_an_error_has_the_frames_of_the_generator() -> None:
    async def fail() -> AsyncIterator[str]:
        yield "a"
        raise ZeroDivisionError

    received = []
    with pytest.raises(ZeroDivisionError) as raised:
        for token in iterate(fail):
            received.append(token)
    assert received == ["a"]
    assert [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)][-1] == "fail"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exceptions_that_end_event_loops(error: BaseException) -> None:
    async def fail() -> AsyncIterator[str]:
        yield "a"
        raise error

    with pytest.raises(type(error)):
        list(iterate(fail))


def test_an_event_loop_that_cannot_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(main: Any) -> None:
        main.close()
        raise OSError("too many open files")

    monkeypatch.setattr(loop_thread.asyncio, "run", run)
    with pytest.raises(OSError, match="too many"):
        next(iterate(AsyncTokens()))


def test_a_thread_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start"):
        next(iterate(AsyncTokens()))


def test_a_generator_that_suppresses_its_cancellation() -> None:
    waiting = threading.Event()

    async def suppress() -> AsyncIterator[str]:
        yield "a"
        try:
            waiting.set()
            await asyncio.sleep(60)
        except:  # noqa: E722, as in many scripts
            yield "an error"

    stream = AsyncStream(iterate(suppress))

    async def main() -> None:
        await anext(stream)
        task = asyncio.ensure_future(anext(stream, "end"))
        assert await asyncio.to_thread(waiting.wait, 10)
        await stream.aclose()
        assert await task == "end"

    asyncio.run(main())


def test_a_failing_clean_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, "g4f_legacy"):
        for _ in iterate(fail):
            break
    assert caplog.messages == ["The clean-up of an asynchronous completion failed: ZeroDivisionError()"]


def test_context_variables() -> None:
    variable = contextvars.ContextVar("variable", default="default")

    async def tokens() -> AsyncIterator[str]:
        yield variable.get()
        variable.set("changed")
        yield variable.get()
        yield variable.get()

    variable.set("caller's")
    assert list(iterate(tokens)) == ["caller's", "changed", "changed"]
    assert variable.get() == "caller's"


def test_inside_a_running_event_loop() -> None:
    async def main() -> list[str]:
        return list(iterate(AsyncTokens()))

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_in_many_threads() -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(list(iterate(AsyncTokens())))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == [["a", "b", "c"]] * 20


def test_cancellation_by_asyncio() -> None:
    tokens = AsyncTokens(lambda: asyncio.sleep(60))

    async def main() -> None:
        task = asyncio.ensure_future(AsyncStream(iterate(tokens)).text())
        assert await asyncio.to_thread(tokens.started.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert tokens.ended.wait(5) and tokens.endings == ["CancelledError"]
    for thread in loop_threads():
        thread.join(5)


SCRIPT = """
import asyncio, sys, threading
from g4f_legacy.concurrency.loop_thread import iterate

async def wait_for_main_thread():
    while sys._current_frames()[threading.main_thread().ident].f_code.co_name != "_wait":
        await asyncio.sleep(0.01)

async def tokens():
    try:
        yield "a"
        await asyncio.wait_for(wait_for_main_thread(), 10)
        print("waiting", flush=True)
        await asyncio.sleep(60)
    except BaseException as error:
        print(type(error).__name__, flush=True)
        raise
    finally:
        await asyncio.sleep(0)
        print("cleaned up", flush=True)

stream = iterate(tokens)
next(stream)
"""


def run(script: str, tmp_path: Path, interrupt: bool = False) -> tuple[list[str], list[str]]:
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "-X", "dev", "-W", "error", str(tmp_path / "script.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout and process.stderr
        if interrupt:
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
        try:
            return process.stdout.read().splitlines(), process.stderr.read().splitlines()
        finally:
            process.kill()


def test_the_end_of_the_process_closes_the_generator(tmp_path: Path) -> None:
    assert run(SCRIPT, tmp_path) == (["GeneratorExit", "cleaned up"], [])


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process on Windows")
def test_ctrl_c_cancels_the_generator(tmp_path: Path) -> None:
    script = f"{SCRIPT}\ntry:\n    next(stream)\nexcept KeyboardInterrupt:\n    print(threading.active_count())\n"
    assert run(script, tmp_path, interrupt=True) == (["CancelledError", "cleaned up", "1"], [])


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process on Windows")
def test_ctrl_c_does_not_wait_for_code_that_blocks_the_event_loop(tmp_path: Path) -> None:
    script = """
import time
from g4f_legacy.concurrency.loop_thread import iterate

async def tokens():
    print("waiting", flush=True)
    time.sleep(60)
    yield "never"

try:
    next(iterate(tokens))
except KeyboardInterrupt:
    print("interrupted")
"""
    begun = time.monotonic()
    assert run(script, tmp_path, interrupt=True) == (["interrupted"], [])
    assert time.monotonic() - begun < 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_cannot_continue_a_completion(tmp_path: Path) -> None:
    script = """
import os
from g4f_legacy.concurrency.loop_thread import iterate

async def tokens():
    yield "a"
    yield "b"

stream = iterate(tokens)
print(next(stream), flush=True)
child = os.fork()
if not child:
    try:
        next(stream)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(next(stream), list(stream))
"""
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, timeout=60, text=True)
    message = "the thread of this completion is gone: it cannot be continued after a fork"
    assert done.stdout.splitlines() == ["a", message, "b []"]
