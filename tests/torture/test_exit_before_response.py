"""A completion ends early before its server responds, or within a response that is read completely."""

import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from protocols import PROTOCOLS, TEXT_REQUEST
from waiting_server import SOON, TASK_EXITS, WaitingServer, exit_task, started

from g4f_legacy.concurrency.async_stream import AsyncStream

# The provider, the request without a response, and whether there is something to clean up.
UNANSWERED = {
    **{f"{name}, the request for the text": (name, TEXT_REQUEST, True) for name in PROTOCOLS},
    "H2o, the first request": ("H2o", "GET /", False),
    "HuggingChat, the first request": ("HuggingChat", "POST /conversation", False),
    "OpenAssistant, the first request": ("OpenAssistant", "POST /api/chat", False),
    "OpenAI, the rest of a complete response": ("OpenAI", "", False),
}


@pytest.fixture(params=UNANSWERED.values(), ids=UNANSWERED)
def server(request: Any) -> Iterator[WaitingServer]:
    with WaitingServer(*request.param) as server:
        yield server


@pytest.mark.parametrize("exit_", TASK_EXITS.values(), ids=TASK_EXITS)
def test_a_task(exit_: Any, server: WaitingServer) -> None:
    async def use() -> None:
        assert await AsyncStream(server.ask(stream=False)) == "not reached"

    exit_task(server, use(), exit_)
    server.assert_cleaned_up()


# The others take long, and behave the same.
UNANSWERED_BY_TWO = {name: case for name, case in UNANSWERED.items() if case[0] in ("H2o", "OpenAI")}


@pytest.mark.parametrize("server", UNANSWERED_BY_TWO.values(), ids=UNANSWERED_BY_TWO, indirect=True)
def test_an_interrupt(server: WaitingServer) -> None:
    with started(server.ask_arguments("--no-stream"), subprocess.DEVNULL) as process:
        assert server.waits.wait(SOON * 4)
        time.sleep(0.05)  # until the client waits, too
        process.send_signal(signal.SIGINT)
        server.assert_cleaned_up()
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130
