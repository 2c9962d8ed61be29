"""The clean-up after a completion, in whatever way it ends, including when the process exits."""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from ..concurrency.worker import shielded
from ..errors import ProviderError, ResponseFormatError

_TIMEOUTS = (ReadTimeoutError, ReadTimeout, TimeoutError)

_pending: list[Callable[[], None]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pending.clear)  # the completions go on in the parent


@contextmanager
def cleanup_on_exit(stop_if_early: Callable[[], Any], delete: Callable[[], Any]) -> Iterator[None]:
    """Call `delete` at the end of the block, and `stop_if_early` before it if the end is early.

    Early means: closed or interrupted by the caller, aborted by us (timeout, invalid data), or the end of the process.
    After an error that the server reports, there is nothing to stop.

    What this achieves depends on the server: chat-ui stops the generation, or it ends with the connection, as with
    OpenAI-compatible servers. Open-Assistant's goes on to its end, and nothing stops it; `delete` then only hides the
    chat.
    """

    def clean_up(is_early: bool = True) -> None:
        try:
            _pending.remove(clean_up)
        except ValueError:
            return  # done already, at the end of the process
        with shielded():
            if is_early:
                stop_if_early()
            delete()

    _pending.append(clean_up)
    is_early = False
    try:
        yield
    except ProviderError as error:
        is_early = isinstance(error, ResponseFormatError) or isinstance(error.__cause__, _TIMEOUTS)
        raise
    except BaseException:
        is_early = True
        raise
    finally:
        clean_up(is_early)


@atexit.register
def _clean_up_all() -> None:
    # A generator that lives until the interpreter ends is closed too late: requests cannot be sent any more.
    for clean_up in list(_pending):
        clean_up()
