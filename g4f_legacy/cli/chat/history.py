"""The lines that were typed in earlier chats, in a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .input import import_readline

_MAX_LINES = 1000
"""How many lines the file keeps."""


@contextmanager
def keep_history() -> Iterator[None]:
    """Let the user recall lines of earlier chats, and save the new ones at the end of the block.

    A file that cannot be read or written is ignored.
    """
    readline = import_readline()
    if readline is None:
        yield
        return
    path = _history_path()
    with suppress(OSError):
        readline.read_history_file(path)
    known = readline.get_current_history_length()
    try:
        yield
    finally:
        with suppress(OSError):
            _append(readline, path, readline.get_current_history_length() - known)


def _history_path() -> Path:
    """Return where the file is: https://specifications.freedesktop.org/basedir-spec/latest/"""
    folder = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.expanduser("~/.local/state")
    return Path(folder, "g4f_legacy", "history")


def _append(readline: Any, path: Path, count: int) -> None:
    """Append the last lines to the file. A new one can be read by the user alone.

    Raises:
        OSError: the file cannot be written.
    """
    if not count:
        return
    if not path.is_absolute():  # there is no home directory
        return
    if path.exists() and not path.is_file():  # it is a link to /dev/null, say
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    readline.set_history_length(_MAX_LINES)
    if hasattr(readline, "append_history_file"):  # which libedit may lack
        readline.append_history_file(count, path)
    else:
        readline.write_history_file(path)
