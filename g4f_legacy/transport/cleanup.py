"""What a completion leaves behind on its host is cleaned up, however it ends: also when the whole process does."""

import atexit
from contextlib import contextmanager
import os
from socket import timeout
from typing import Any, Callable, Iterator, List

from requests import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from ..concurrency.worker import shielded
from ..errors import ProviderError, ResponseFormatError

_SILENCES = (ReadTimeoutError, ReadTimeout, timeout)

_to_leave: List[Callable[[], None]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_to_leave.clear)  # they are the parent's, which goes on


@contextmanager
def cleanup_on_exit(stop: Callable[[], Any], delete: Callable[[], Any]) -> Iterator[None]:
    """Calls `delete` when the block is left, and `stop` before it when it is left early.

    Early is: by the caller, who closes or interrupts; by us, because the host fell silent or said something else than
    it should; or by the end of the process. An error that the host reports has ended the completion there as well.
    """

    def leave(early: bool = True) -> None:
        try:
            _to_leave.remove(leave)
        except ValueError:
            return  # it was left already, perhaps by the end of the process
        with shielded():
            if early:
                stop()
            delete()

    _to_leave.append(leave)
    early = False
    try:
        yield
    except ProviderError as error:
        early = isinstance(error, ResponseFormatError) or isinstance(error.__cause__, _SILENCES)
        raise
    except BaseException:
        early = True
        raise
    finally:
        leave(early)


@atexit.register
def _leave_everything() -> None:
    # A generator that is left to the interpreter is closed when requests cannot be sent any more.
    for leave in list(_to_leave):
        leave()
