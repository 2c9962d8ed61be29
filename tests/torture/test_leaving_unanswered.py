"""A completion is left before its host has answered, or in the middle of an answer that is read whole."""

import signal
import subprocess
import time
from typing import Any, Iterator

from protocols import PROTOCOLS, QUESTION
import pytest
from waiting_host import SOON, WAYS, WaitingHost, leave_task, started

from g4f_legacy.concurrency.async_stream import AsyncStream

# The provider, which request is not answered, and whether there is something to clean up.
UNANSWERED = {
    **{f"{name}, the question": (name, QUESTION, True) for name in PROTOCOLS},
    "H2o, the first request": ("H2o", "GET /", False),
    "HuggingChat, the first request": ("HuggingChat", "POST /conversation", False),
    "OpenAssistant, the first request": ("OpenAssistant", "POST /api/chat", False),
    "OpenAI, the rest of a whole answer": ("OpenAI", "", False),
}


@pytest.fixture(params=UNANSWERED.values(), ids=UNANSWERED)
def host(request: Any) -> Iterator[WaitingHost]:
    with WaitingHost(*request.param) as host:
        yield host


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_task(way: Any, host: WaitingHost) -> None:
    async def use() -> None:
        assert await AsyncStream(host.ask(stream=False)) == "not reached"

    leave_task(host, use(), way)
    host.assert_left()


# The others take long, and are no different here.
OF_TWO = {name: one for name, one in UNANSWERED.items() if one[0] in ("H2o", "OpenAI")}


@pytest.mark.parametrize("host", OF_TWO.values(), ids=OF_TWO, indirect=True)
def test_an_interrupt(host: WaitingHost) -> None:
    with started(host.asking("--no-stream"), subprocess.DEVNULL) as process:
        assert host.waits.wait(SOON * 4)
        time.sleep(0.05)  # until it waits, too
        process.send_signal(signal.SIGINT)
        host.assert_left()
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130
