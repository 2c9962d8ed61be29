"""However a completion ends early: its connection is closed, its generation stopped, its conversation deleted."""

import asyncio
import gc
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest
from protocols import KEY, PROTOCOLS
from waiting_server import SOON, TASK_EXITS, WaitingServer, exit_task, started

from g4f_legacy.concurrency.async_stream import AsyncStream

Ask = Callable[[], Generator[str, None, None]]


@pytest.fixture(params=PROTOCOLS)
def server(request: Any) -> Iterator[WaitingServer]:
    with WaitingServer(request.param) as server:
        yield server


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

    gc.disable()  # a collection in between may finalize the socket first, which then warns that it is not closed
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


@pytest.mark.parametrize("exit_", [break_, exception, close, garbage, garbage_in_a_cycle, a_thread_dies])
def test_at_a_token(exit_: Callable[[Ask], None], server: WaitingServer) -> None:
    exit_(server.ask)
    server.assert_cleaned_up()


async def at_a_token(server: WaitingServer) -> None:
    async for token in AsyncStream(server.ask()):
        assert token == "one"
        await asyncio.sleep(60)


async def between_tokens(server: WaitingServer) -> None:
    assert [token async for token in AsyncStream(server.ask())] == "not reached"


async def complete_text(server: WaitingServer) -> None:
    assert await AsyncStream(server.ask()) == "not reached"


@pytest.mark.parametrize("exit_", TASK_EXITS.values(), ids=TASK_EXITS)
@pytest.mark.parametrize("use", [at_a_token, between_tokens, complete_text])
def test_a_task(use: Any, exit_: Any, server: WaitingServer) -> None:
    exit_task(server, use(server), exit_)
    server.assert_cleaned_up()


def test_while_open_assistant_is_asked_for_its_message() -> None:
    with WaitingServer("OpenAssistant", "POST /api/chat/assistant_message") as server:
        exit_task(server, complete_text(server), TASK_EXITS["cancel"])
        server.assert_cleaned_up()  # the message may exist


async def aclose(tokens: AsyncIterator[str]) -> None:
    await tokens.aclose()  # type: ignore[attr-defined]


async def athrow(tokens: AsyncIterator[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        await tokens.athrow(ZeroDivisionError())  # type: ignore[attr-defined]


async def keep_open(tokens: AsyncIterator[str]) -> None:
    kept.append(tokens)  # asyncio.run closes it


async def drop(tokens: AsyncIterator[str]) -> None:
    pass  # asyncio.run begins to close it, and cancels that


kept: list[AsyncIterator[str]] = []


@pytest.mark.parametrize("exit_", [aclose, athrow, keep_open, drop])
def test_an_asynchronous_generator(exit_: Callable[..., Awaitable[None]], server: WaitingServer) -> None:
    async def main() -> None:
        tokens = AsyncStream(server.ask()).__aiter__()
        assert await tokens.__anext__() == "one"
        await exit_(tokens)

    asyncio.run(main())
    server.assert_cleaned_up()
    kept.clear()


BEGIN = """
import asyncio, sys, threading, time
from g4f_legacy import Provider
provider = getattr(Provider, sys.argv[1])
messages = [{"role": "user", "content": "hello"}]
options = {"base_url": sys.argv[2], "auth": sys.argv[3]}
"""
LOOP = """
for token in provider.create_completion("tiny", messages, True, **options):
    print(token, flush=True)
"""
HELD = """
tokens = provider.create_completion("tiny", messages, True, **options)
print(next(tokens), flush=True)
"""
CAUGHT = """
try:
    for token in provider.create_completion("tiny", messages, True, **options):
        print(token, flush=True)
except KeyboardInterrupt:
    sys.stdin.read()
"""
COMPLETE = """
next(provider.create_completion("tiny", messages, False, **options))
"""
ASYNC = """
async def main():
    async for token in provider.create_async_generator("tiny", messages, **options):
        print(token, flush=True)

asyncio.run(main())
"""
THREAD = """
def use():
    for token in provider.create_completion("tiny", messages, True, **options):
        token_received.set()

token_received = threading.Event()
threading.Thread(target=use, daemon=True).start()
token_received.wait(20)
"""
INTERRUPTED = (-signal.SIGINT, "KeyboardInterrupt")

# The code or command that a process runs; what it prints before it is interrupted (None: it exits by itself); its exit
# code, and the last line on its stderr.
PROCESSES: dict[str, tuple[str, str | None, tuple[int, str]]] = {
    "interrupt between tokens": (LOOP, "one\ntwo\n", INTERRUPTED),
    "interrupt that is caught": (CAUGHT, "one\ntwo\n", (0, "")),
    "interrupt at a token": (f"{LOOP}    time.sleep(60)", "one\n", INTERRUPTED),
    "interrupt with the generator held": (f"{HELD}time.sleep(60)", "one\n", INTERRUPTED),
    "interrupt before the complete text": (COMPLETE, "", INTERRUPTED),
    "interrupt asyncio": (ASYNC, "one\ntwo\n", INTERRUPTED),
    "interrupt ask": ("ask", "onetwo", (130, "")),
    "interrupt ask --no-stream": ("ask --no-stream", "", (130, "")),
    "sys.exit": (f"{LOOP}    sys.exit(3)", None, (3, "")),
    "exception with the generator held": (f"{HELD}1 / 0", None, (1, "ZeroDivisionError: division by zero")),
    "exit with the generator held": (HELD, None, (0, "")),
    "exit with a daemon thread": (THREAD, None, (0, "")),
}

# Not all of them with all providers, which would take long: the clean-up runs the same way in each.
CASES = [("H2o", name) for name in PROCESSES]
CASES += [(provider, "interrupt that is caught") for provider in PROTOCOLS if provider != "H2o"]
CASES += [("OpenAI", name) for name in ("interrupt between tokens", "interrupt ask", "exit with the generator held")]


@pytest.mark.parametrize("server, name", CASES, ids=map("-".join, CASES), indirect=["server"])
def test_a_process(name: str, server: WaitingServer) -> None:
    code, until, expected = PROCESSES[name]
    is_ask = code.startswith("ask")
    command = ["-c", BEGIN + code, server.name, server.base_url, KEY]
    if is_ask:
        command = server.ask_arguments(*code.split()[1:])
    with started(command, subprocess.DEVNULL if is_ask else subprocess.PIPE) as process:
        if until is not None:
            assert process.stdout and process.stdout.read(len(until)) == until
            assert server.waits.wait(SOON * 4)
            time.sleep(0.05)  # until the client waits, too
            process.send_signal(signal.SIGINT)
            server.assert_cleaned_up()
        _, err = process.communicate(timeout=30)
    server.assert_cleaned_up()
    assert (process.returncode, (err.splitlines() or [""])[-1]) == expected, err
    assert "Warning" not in err and "ignored" not in err
