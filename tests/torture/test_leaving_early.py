"""However an answer is left: its connection is closed, its generation stopped, its conversation deleted."""

import asyncio
import gc
import signal
import subprocess
import threading
import time
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Generator, Iterator, List, Optional, Tuple

from protocols import KEY, PROTOCOLS
import pytest
from waiting_host import SOON, WAYS, WaitingHost, leave_task, started

from g4f_legacy.concurrency.async_stream import AsyncStream

Ask = Callable[[], Generator[str, None, None]]


@pytest.fixture(params=PROTOCOLS)
def host(request: Any) -> Iterator[WaitingHost]:
    with WaitingHost(request.param) as host:
        yield host


def break_(ask: Ask) -> None:
    for _ in ask():
        break


def exception(ask: Ask) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in ask():
            raise ZeroDivisionError


def close(ask: Ask) -> None:
    tokens = ask()
    next(tokens)
    tokens.close()


def garbage(ask: Ask) -> None:
    next(ask())


def garbage_in_a_cycle(ask: Ask) -> None:
    class Node:
        tokens, node = ask(), None

    gc.disable()  # a collection on the way may change their order: the socket, then, complains that it was not closed
    try:
        Node.node = Node  # type: ignore[assignment]
        next(Node.tokens)
        del Node
        gc.collect()
    finally:
        gc.enable()


def a_thread_dies(ask: Ask) -> None:
    def use() -> None:
        for _ in ask():
            raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)
        thread = threading.Thread(target=use)
        thread.start()
        thread.join(SOON)
    assert not thread.is_alive()


@pytest.mark.parametrize("leave", [break_, exception, close, garbage, garbage_in_a_cycle, a_thread_dies])
def test_at_a_token(leave: Callable[[Ask], None], host: WaitingHost) -> None:
    leave(host.ask)
    host.assert_left()


async def at_a_token(host: WaitingHost) -> None:
    async for token in AsyncStream(host.ask()):
        assert token == "one"
        await asyncio.sleep(60)


async def between_tokens(host: WaitingHost) -> None:
    assert [token async for token in AsyncStream(host.ask())] == "not reached"


async def whole_text(host: WaitingHost) -> None:
    assert await AsyncStream(host.ask()) == "not reached"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("use", [at_a_token, between_tokens, whole_text])
def test_a_task(use: Any, way: Any, host: WaitingHost) -> None:
    leave_task(host, use(host), way)
    host.assert_left()


async def aclose(tokens: AsyncIterator[str]) -> None:
    await tokens.aclose()  # type: ignore[attr-defined]


async def athrow(tokens: AsyncIterator[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        await tokens.athrow(ZeroDivisionError())  # type: ignore[attr-defined]


async def leave_it_open(tokens: AsyncIterator[str]) -> None:
    kept.append(tokens)  # asyncio.run closes it


async def drop(tokens: AsyncIterator[str]) -> None:
    pass  # asyncio.run begins to close it, and cancels that


kept: List[AsyncIterator[str]] = []


@pytest.mark.parametrize("leave", [aclose, athrow, leave_it_open, drop])
def test_an_asynchronous_generator(leave: Callable[..., Awaitable[None]], host: WaitingHost) -> None:
    async def main() -> None:
        tokens = AsyncStream(host.ask()).__aiter__()
        assert await tokens.__anext__() == "one"
        await leave(tokens)

    asyncio.run(main())
    host.assert_left()
    kept.clear()


BEGIN = """
import asyncio, sys, threading, time
from g4f_legacy import Provider
provider = getattr(Provider, sys.argv[1])
asked = [{"role": "user", "content": "hello"}]
options = {"base_url": sys.argv[2], "auth": sys.argv[3]}
"""
LOOP = """
for token in provider.create_completion("tiny", asked, True, **options):
    print(token, flush=True)
"""
HELD = """
tokens = provider.create_completion("tiny", asked, True, **options)
print(next(tokens), flush=True)
"""
CAUGHT = """
try:
    for token in provider.create_completion("tiny", asked, True, **options):
        print(token, flush=True)
except KeyboardInterrupt:
    sys.stdin.read()
"""
WHOLE = """
next(provider.create_completion("tiny", asked, False, **options))
"""
ASYNC = """
async def main():
    async for token in provider.create_async_generator("tiny", asked, **options):
        print(token, flush=True)

asyncio.run(main())
"""
THREAD = """
def use():
    for token in provider.create_completion("tiny", asked, True, **options):
        came.set()

came = threading.Event()
threading.Thread(target=use, daemon=True).start()
came.wait(20)
"""
INTERRUPTED = (-signal.SIGINT, "KeyboardInterrupt")

# What a process runs, or the command; what it prints before it is interrupted (None: it ends by itself); and its end:
# the exit code, and the last line on stderr.
PROCESSES: Dict[str, Tuple[str, Optional[str], Tuple[int, str]]] = {
    "interrupt between tokens": (LOOP, "one\ntwo\n", INTERRUPTED),
    "interrupt that is caught": (CAUGHT, "one\ntwo\n", (0, "")),
    "interrupt at a token": (f"{LOOP}    time.sleep(60)", "one\n", INTERRUPTED),
    "interrupt with the generator held": (f"{HELD}time.sleep(60)", "one\n", INTERRUPTED),
    "interrupt before the text is whole": (WHOLE, "", INTERRUPTED),
    "interrupt asyncio": (ASYNC, "one\ntwo\n", INTERRUPTED),
    "interrupt ask": ("ask", "onetwo", (130, "")),
    "interrupt ask --no-stream": ("ask --no-stream", "", (130, "")),
    "sys.exit": (f"{LOOP}    sys.exit(3)", None, (3, "")),
    "exception with the generator held": (f"{HELD}1 / 0", None, (1, "ZeroDivisionError: division by zero")),
    "end with the generator held": (HELD, None, (0, "")),
    "end with a daemon thread": (THREAD, None, (0, "")),
}

# All of them by all providers would take long, and the way to the clean-up is the same in all of them.
CASES = [("H2o", name) for name in PROCESSES]
CASES += [(host, "interrupt that is caught") for host in PROTOCOLS if host != "H2o"]
CASES += [("OpenAI", name) for name in ("interrupt between tokens", "interrupt ask", "end with the generator held")]


@pytest.mark.parametrize("host, name", CASES, ids=map("-".join, CASES), indirect=["host"])
def test_a_process(name: str, host: WaitingHost) -> None:
    what, until, end = PROCESSES[name]
    is_ask = what.startswith("ask")
    command = host.asking(*what.split()[1:]) if is_ask else ["-c", BEGIN + what, host.name, host.base_url, KEY]
    with started(command, subprocess.DEVNULL if is_ask else subprocess.PIPE) as process:
        if until is not None:
            assert process.stdout and process.stdout.read(len(until)) == until
            assert host.waits.wait(SOON * 4)
            time.sleep(0.05)  # until it waits, too
            process.send_signal(signal.SIGINT)
            host.assert_left()
        _, err = process.communicate(timeout=30)
    host.assert_left()
    assert (process.returncode, (err.splitlines() or [""])[-1]) == end, err
    assert "Warning" not in err and "ignored" not in err
