import subprocess
import sys
from typing import Any, List

import pytest
from requests import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from g4f_legacy.errors import GenerationError, StreamInterruptedError
from g4f_legacy.transport.cleanup import cleanup_on_exit


def left_by(error: Any) -> List[str]:
    calls: List[str] = []
    try:
        with cleanup_on_exit(lambda: calls.append("stop"), lambda: calls.append("delete")):
            if error:
                raise error
    except BaseException as raised:
        assert raised is error
    return calls


def silence(cause: Exception) -> StreamInterruptedError:
    error = StreamInterruptedError("nothing came")
    error.__cause__ = cause
    return error


SILENCES = [ReadTimeoutError(None, "/", "timed out"), ReadTimeout()]  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [None, GenerationError("x"), StreamInterruptedError("x")])
def test_the_host_ended_it(error: Any) -> None:
    assert left_by(error) == ["delete"]


@pytest.mark.parametrize("error", [GeneratorExit(), KeyboardInterrupt(), ZeroDivisionError(), *map(silence, SILENCES)])
def test_it_is_left_early(error: Any) -> None:
    assert left_by(error) == ["stop", "delete"]


def test_the_process_ends() -> None:
    script = """
import atexit
atexit.register(print, "last")
from g4f_legacy.transport.cleanup import cleanup_on_exit
block = cleanup_on_exit(lambda: print("stop"), lambda: print("delete"))
block.__enter__()
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.split() == [b"stop", b"delete", b"last"]
