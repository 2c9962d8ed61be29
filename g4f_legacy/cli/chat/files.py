"""Conversations in files: a JSON list of messages, as `ChatCompletion.create` takes it."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ...prompt import Message, check_messages


def read_messages(name: str) -> list[Message]:
    """Read a conversation.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not contain a list of messages.
    """
    path = Path(name).expanduser()
    if path.exists() and not path.is_file():
        raise ValueError(f"{name} is not a file")
    try:
        return check_messages(json.loads(path.read_bytes()))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} does not contain a list of messages: {error}") from error


def write_messages(name: str, messages: Sequence[Message]) -> None:
    """Write a conversation, so that the file holds either the old or the new one at any time.

    Raises:
        OSError: the file cannot be written.
        ValueError: it exists, and is not a conversation.
    """
    path = Path(os.path.realpath(Path(name).expanduser()))
    if path.exists():
        _check_replaceable(name)
    text = json.dumps([message._asdict() for message in messages], indent=2, ensure_ascii=False)
    # A lone surrogate cannot be encoded.
    # ``backslashreplace`` writes it as ``\udc80``, say, which is its JSON escape.
    content = f"{text}\n".encode(errors="backslashreplace")
    try:
        _replace(path, content)
    except OSError as error:  # which may name the temporary file
        raise OSError(error.errno, error.strerror, name) from error


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_replaceable(name: str) -> None:
    try:
        read_messages(name)
    except ValueError as error:
        raise ValueError(f"{error}. It stays as it is: save to another file") from error
