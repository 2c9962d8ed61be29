import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from environments.web_servers import wait_until
from replay import exchange, load

from g4f_legacy import ChatCompletion, Provider
from g4f_legacy.concurrency.async_stream import AsyncStream
from g4f_legacy.errors import AuthenticationRequiredError, GenerationError

HELLO = [{"role": "user", "content": "Hello big world"}]


class Tokens:
    """A generator function that waits before each token, and records when its generator is closed."""

    def __init__(self, wait: Callable[[], Any] = lambda: None) -> None:
        self.closed = threading.Event()
        self.wait = wait
        self.threads: list[int] = []

    def __call__(self) -> Any:
        try:
            for token in "abc":
                self.threads.append(threading.get_ident())
                self.wait()
                yield token
        finally:
            self.closed.set()


def test_create_async() -> None:
    assert asyncio.run(ChatCompletion.create_async("", HELLO, "Echo")) == "Hello big world"


def test_create_async_with_stream() -> None:
    async def main() -> list[str]:
        stream = ChatCompletion.create_async("", HELLO, "Echo", stream=True)
        return [token async for token in stream]  # type: ignore[union-attr]

    assert asyncio.run(main()) == ["Hello", " big", " world"]


def test_methods_of_providers() -> None:
    async def main() -> Any:
        echo = Provider.Echo
        text = await echo.create_async("", HELLO)
        tokens = [token async for token in echo.create_async_generator("", HELLO)]
        stream = await echo.create_async_generator("", HELLO)
        return text, tokens, [token async for token in stream], stream.finish_reason

    tokens = ["Hello", " big", " world"]
    assert asyncio.run(main()) == ("Hello big world", tokens, tokens, "stop")


def test_arguments_are_checked_at_the_call() -> None:
    with pytest.raises(AuthenticationRequiredError):
        ChatCompletion.create_async("", HELLO, "OpenAssistant")


def test_create_works_inside_a_running_loop(play: Any) -> None:
    async def main() -> Any:
        return ChatCompletion.create("", HELLO, "H2o", base_url=play(load("h2o/hello")).url)

    assert asyncio.run(main()).startswith("Привет! Hello")


def test_errors_are_raised(play: Any) -> None:
    async def text() -> None:
        await ChatCompletion.create_async("", HELLO, "H2o", base_url=play(load("h2o/error_event")).url)

    with pytest.raises(GenerationError, match="CUDA out of memory") as raised:
        asyncio.run(text())
    assert raised.value.partial == "Привет! Hello —"

    received = []

    async def stream() -> None:
        url = play(load("h2o/error_event")).url
        async for token in ChatCompletion.create_async(  # type: ignore[union-attr]
            "", HELLO, "H2o", stream=True, base_url=url
        ):
            received.append(token)

    with pytest.raises(GenerationError, match="CUDA out of memory"):
        asyncio.run(stream())
    assert received == ["Привет!", " Hello", " —"]


def test_the_event_loop_is_not_blocked() -> None:
    async def main() -> None:
        gate = threading.Semaphore(0)
        tokens = Tokens(lambda: gate.acquire(timeout=5))
        answer = asyncio.ensure_future(AsyncStream(tokens()).text())
        for _ in "abc":
            await asyncio.sleep(0.01)
            assert not answer.done()
            gate.release()
        assert await answer == "abc"
        assert threading.get_ident() not in tokens.threads

    asyncio.run(main())


def test_many_completions_run_concurrently() -> None:
    barrier = threading.Barrier(50)

    async def main() -> Any:
        return await asyncio.gather(*(AsyncStream(Tokens(lambda: barrier.wait(10))()) for _ in range(50)))

    assert asyncio.run(main()) == ["abc"] * 50


def test_ending_the_loop_early_closes_the_generator() -> None:
    tokens = Tokens()

    async def main() -> None:
        async for token in AsyncStream(tokens()):
            assert token == "a"
            break
        assert await asyncio.get_running_loop().run_in_executor(None, tokens.closed.wait, 5)

    asyncio.run(main())


def test_an_exception_in_the_loop_closes_the_generator() -> None:
    tokens = Tokens()

    async def main() -> None:
        async for _ in AsyncStream(tokens()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert tokens.closed.wait(5)


def test_cancellation_while_the_generator_is_closed() -> None:
    """Most often, the thread has not started to close it yet."""
    every = [Tokens() for _ in range(20)]

    async def main() -> None:
        for tokens in every:
            stream = AsyncStream(tokens()).__aiter__()
            await stream.__anext__()
            kept.append(stream)
            closing = asyncio.ensure_future(stream.aclose())  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            closing.cancel()

    kept: list[Any] = []
    asyncio.run(main())
    assert all(tokens.closed.wait(5) for tokens in every)


@pytest.mark.parametrize("way", ["await", "async for"])
def test_cancellation_closes_the_generator(way: str) -> None:
    started, gate = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert gate.wait(5)

    tokens = Tokens(wait)

    async def use() -> None:
        completion = AsyncStream(tokens())
        if way == "await":
            await completion
        else:
            async for _ in completion:
                pass

    async def main() -> None:
        task = asyncio.ensure_future(use())
        while not started.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not tokens.closed.is_set()  # the event loop does not wait for the current token
        gate.set()

    asyncio.run(main())
    assert tokens.closed.wait(5)


def test_threads_end() -> None:
    async def main() -> None:
        for _ in range(5):
            await AsyncStream(Tokens()())

    before = threading.active_count()
    asyncio.run(main())
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_ending_early_stops_the_completion_on_the_server(play: Any) -> None:
    replay = play(load("h2o/hello"))

    async def main() -> Any:
        stream = Provider.H2o.create_async_generator("", HELLO, base_url=replay.url).__aiter__()
        token: Any = await stream.__anext__()
        await stream.aclose()  # type: ignore[attr-defined]
        return token

    assert asyncio.run(main()) == "Привет!"
    assert [step.split()[0] for step in replay.steps[-2:]] == ["POST", "DELETE"]
    assert replay.steps[-2].endswith("/stop-generating")


def test_cancellation_stops_the_completion_on_the_server_at_once(play: Any) -> None:
    """Also while no token arrives: the server sends nothing until the client is gone."""
    over = threading.Event()
    exchanges = load("h2o/hello")
    path = exchanges[3]["request"]["path"]
    token = 'data:{"token":{"text":"one"}}\n\n'
    exchanges[3]["response"].update(chunks=[token, lambda: over.wait(30)])
    exchanges.append(exchange("POST", f"{path}/stop-generating", content_length="0"))
    replay = play(exchanges)

    async def use() -> None:
        async for token in Provider.H2o.create_async_generator("", HELLO, base_url=replay.url):
            assert token == "one"
            received.set()

    async def main() -> None:
        task = asyncio.ensure_future(use())
        while not received.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # until the thread waits for the next token
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    received = threading.Event()
    asyncio.run(main())
    for _ in range(500):
        if len(replay.sent) == 6:
            break
        time.sleep(0.01)
    over.set()
    assert [step.split()[0] for step in replay.steps[-2:]] == ["POST", "DELETE"]
    assert replay.steps[-2].endswith("/stop-generating")


def test_anext() -> None:
    async def main() -> Any:
        stream = AsyncStream(Tokens()())
        first = await anext(stream)
        rest = [token async for token in stream]
        return first, rest, await anext(stream, "end"), [token async for token in stream]

    assert asyncio.run(main()) == ("a", ["b", "c"], "end", [])


def test_a_token_is_skipped_within_the_loop() -> None:
    async def main() -> Any:
        stream = AsyncStream(Tokens()())
        return [(token, await anext(stream, "end")) async for token in stream]

    assert asyncio.run(main()) == [("a", "b"), ("c", "end")]


def test_aclosing_closes_the_generator() -> None:
    tokens = Tokens()

    async def main() -> Any:
        async with aclosing(AsyncStream(tokens())) as stream:
            async for token in stream:
                assert token == "a"
                break
        closed = tokens.closed.is_set()
        await stream.aclose()
        return closed, await anext(stream, "end"), [token async for token in stream], await stream

    assert asyncio.run(main()) == (True, "end", [], "")


def test_aclose_before_the_first_token() -> None:
    tokens = Tokens()

    async def main() -> Any:
        stream = AsyncStream(tokens())
        await stream.aclose()
        return await anext(stream, "end")

    assert asyncio.run(main()) == "end" and tokens.threads == []


@pytest.mark.parametrize("way", ["async for", "anext", "await"])
def test_aclose_ends_the_wait_of_another_task(way: str, play: Any) -> None:
    over, requested = threading.Event(), threading.Event()
    exchanges = load("h2o/hello")
    path = exchanges[3]["request"]["path"]
    exchanges[3]["response"].update(chunks=['data:{"token":{"text":"one"}}\n\n', lambda: over.wait(30)])
    exchanges.append(exchange("POST", f"{path}/stop-generating", content_length="0"))
    replay = play(exchanges)

    def tokens() -> Any:
        completion = Provider.H2o.create_completion("", HELLO, base_url=replay.url)
        yield next(completion)
        requested.set()
        yield from completion

    async def use(stream: AsyncStream) -> Any:
        if way == "await":
            return await stream
        if way == "async for":
            return [token async for token in stream]
        return await anext(stream), await anext(stream, "end")

    async def main() -> Any:
        stream = AsyncStream(tokens())
        task = asyncio.ensure_future(use(stream))
        is_reading = lambda: requested.is_set() and stream._worker._socket  # noqa: E731
        assert await asyncio.to_thread(wait_until, is_reading)  # the second token
        await asyncio.wait_for(stream.aclose(), 10)
        return await asyncio.wait([task], timeout=5), task

    try:
        (done, _), task = asyncio.run(main())
    finally:
        over.set()
    assert done == {task}
    if way == "await":
        assert task.cancelled()
    else:
        assert task.result() == {"async for": ["one"], "anext": ("one", "end")}[way]
    assert [step.split()[0] for step in replay.steps[-2:]] == ["POST", "DELETE"]


@pytest.mark.parametrize("exit_", ["break", "garbage", "the end of the event loop", "athrow"])
def test_an_unfinished_stream_is_closed(exit_: str) -> None:
    tokens = Tokens()
    kept: list[Any] = []

    async def main() -> None:
        stream = AsyncStream(tokens())
        assert await anext(stream) == "a"
        if exit_ == "break":  # although the stream is still referred to
            kept.append(stream)
            async for _ in stream:
                break
        if exit_ == "the end of the event loop":
            kept.append(stream)
            return
        if exit_ == "athrow":
            with pytest.raises(ZeroDivisionError):
                await stream.athrow(ZeroDivisionError())
        del stream
        while not tokens.closed.is_set():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 5))
    assert tokens.closed.is_set()


def test_a_timeout_of_one_token_closes_the_generator() -> None:
    gate = threading.Event()
    tokens = Tokens(lambda: gate.wait(5))

    async def main() -> None:
        stream = AsyncStream(tokens())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        gate.set()
        assert await anext(stream, "end") == "end"

    asyncio.run(main())
    assert tokens.closed.wait(5)


def test_a_stream_that_is_left_after_one_token_ends_with_the_event_loop() -> None:
    script = """
import asyncio
from g4f_legacy import Provider

async def main():
    global stream
    stream = Provider.Echo.create_async_generator("", [{"role": "user", "content": "one two three"}])
    print(await anext(stream))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("one\n", "", 0)
