import subprocess
import sys
from typing import Any

import pytest
from requests import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from g4f_legacy.errors import GenerationError, StreamInterruptedError
from g4f_legacy.transport.cleanup import cleanup_on_exit


def clean_up_after(error: Any) -> list[str]:
    """Return what is called when the block ends with an error, or without one."""
    calls: list[str] = []
    try:
        with cleanup_on_exit(lambda: calls.append("stop"), lambda: calls.append("delete")):
            if error:
                raise error
    except BaseException as raised:
        assert raised is error
    return calls


def interrupted_by(cause: Exception) -> StreamInterruptedError:
    error = StreamInterruptedError("no data was received")
    error.__cause__ = cause
    return error


TIMEOUTS = [ReadTimeoutError(None, "/", "timed out"), ReadTimeout(), TimeoutError()]  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [None, GenerationError("x"), StreamInterruptedError("x")])
def test_nothing_is_stopped_after_the_server_ended_it(error: Any) -> None:
    assert clean_up_after(error) == ["delete"]


@pytest.mark.parametrize(
    "error", [GeneratorExit(), KeyboardInterrupt(), ZeroDivisionError(), *map(interrupted_by, TIMEOUTS)]
)
def test_an_early_exit_stops_the_generation(error: Any) -> None:
    assert clean_up_after(error) == ["stop", "delete"]


def test_the_process_ends() -> None:
    script = """
import atexit
atexit.register(print, "last")
from g4f_legacy.transport.cleanup import cleanup_on_exit
block = cleanup_on_exit(lambda: print("stop"), lambda: print("delete"))
block.__enter__()
"""
    process = subprocess.run([sys.executable, "-c", script], check=True, timeout=30, stdout=subprocess.PIPE)
    assert process.stdout.split() == [b"stop", b"delete", b"last"]
