"""Lines for a chat: from a terminal, where they can be edited, or from a pipe or file."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from ...concurrency.termination import Terminated
from ..output import print_error
from ..stdin import read_stdin_line

_PROMPT = "> "
_CONTINUATION_PROMPT = "... "

_PIPE_DELAY = 0.05
"""Seconds that a program such as ``tee`` gets to show the end of a completion before the next prompt."""

_QUOTES = '"""'


class EndOfChat(Exception):
    """The user ends the chat."""


class LineSource(Protocol):
    """Where the lines of a chat come from."""

    is_terminal: bool

    def read_line(self) -> str:
        """Return the next line.

        Raises:
            EndOfChat: there is none.
        """

    def read_continuation(self) -> str:
        r"""Return the next line of a text in ``\"\"\"``.

        Raises:
            ValueError: there is none.
        """


def read_text(line: str, source: LineSource) -> str:
    """Return the text that begins in a line.

    If the line starts with three quotes, further lines are read up to one that ends with them.
    """
    if not line.startswith(_QUOTES):
        return line
    text = line.removeprefix(_QUOTES)
    while not text.rstrip().endswith(_QUOTES):
        text += "\n" + source.read_continuation()
    return text.rstrip().removesuffix(_QUOTES).strip("\n")


class PipedInput:
    """The lines of a stdin that is not a terminal. They are decoded as UTF-8, whatever the locale is."""

    is_terminal = False

    def __init__(self) -> None:
        self._is_empty = True

    def read_line(self) -> str:
        """Return the next line.

        Raises:
            EndOfChat: there is none.
            ValueError: there is none, and none had a text; or it is not UTF-8.
        """
        line = read_stdin_line()
        if line is None and self._is_empty:
            raise ValueError("there is nothing to ask: each line of stdin is a message, and none has a text")
        if line is None:
            raise EndOfChat
        if line.strip():
            self._is_empty = False
        return line

    def read_continuation(self) -> str:
        line = read_stdin_line()
        if line is None:
            raise ValueError(f"stdin ends within a text that begins with {_QUOTES}: end it with {_QUOTES}")
        return line


class TerminalInput:
    """Lines that are typed, edited by readline where Python has that. Prompts go to the terminal, never to a pipe.

    Raises:
        ValueError: stdout or stderr is closed, without which `input` fails.
    """

    is_terminal = True

    def __init__(self) -> None:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                raise ValueError(f"{name} is closed, which a chat on a terminal needs: redirect it to a file instead")
        self._readline = import_readline()
        if self._readline:
            _bracket_pastes(self._readline)

    def read_line(self) -> str:
        """Return the next line. Ctrl-C clears it.

        Raises:
            EndOfChat: Ctrl-D, or Ctrl-C twice without a text.
        """
        is_second_interrupt = False
        while True:
            try:
                return _input(_PROMPT)
            except EOFError:
                print_error("")
                raise EndOfChat from None
            except UnicodeError as error:
                print_error(f"This line is ignored: {error}")
                return ""
            except Terminated:
                raise
            except KeyboardInterrupt:
                pass
            has_text = bool(self._typed_text())
            if is_second_interrupt and not has_text:
                print_error("")
                raise EndOfChat
            print_error("" if has_text else "\nPress Ctrl-C again to end the chat, or Ctrl-D.")
            is_second_interrupt = not has_text

    def read_continuation(self) -> str:
        """Return the next line of a text. Ctrl-C and Ctrl-D discard the text.

        Raises:
            ValueError: the text is discarded.
        """
        try:
            return _input(_CONTINUATION_PROMPT)
        except Terminated:
            raise
        except (EOFError, KeyboardInterrupt):
            pass
        print_error("")
        raise ValueError(f"the text is discarded: it has no closing {_QUOTES}")

    def _typed_text(self) -> str:
        return self._readline.get_line_buffer() if self._readline else ""


def import_readline() -> Any:
    """Return the module ``readline``; None where Python does not have it, as on Windows."""
    try:
        return import_module("readline")
    except ImportError:
        return None


def _bracket_pastes(readline: Any) -> None:
    """Let pasted lines be one message."""
    if "libedit" not in (readline.__doc__ or ""):  # https://docs.python.org/3/library/readline.html
        readline.parse_and_bind("set enable-bracketed-paste on")


def _input(prompt: str) -> str:
    """Read a line from the terminal.

    Raises:
        UnicodeError: it has bytes that cannot be decoded.
        EOFError, KeyboardInterrupt: as `input`.
    """
    with _stdout_on_terminal():
        line = input(prompt if sys.stdout.isatty() else "")
    line.encode()  # raises an error for what Python decodes to lone surrogates: https://peps.python.org/pep-0383/
    return line


@contextmanager
def _stdout_on_terminal() -> Iterator[None]:
    """Let `input` write to the terminal of stderr if stdout is redirected.

    It edits lines only if stdout is a terminal.
    """
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield
        return
    sys.stdout.flush()
    time.sleep(_PIPE_DELAY)
    descriptor = sys.stdout.fileno()
    saved = os.dup(descriptor)
    os.dup2(sys.stderr.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
