"""Printing of tokens as they arrive."""

import logging
import sys
from collections.abc import Iterable
from contextlib import suppress


def print_tokens(tokens: Iterable[str]) -> None:
    """Print tokens to stdout as they arrive, and end the line when they end."""
    with _TokenPrinter() as printer:
        for token in tokens:
            printer.print(token)


class _TokenPrinter(logging.Filter):
    """Prints tokens, and ends their line at the end of the block.

    On a terminal, it also does so before each log record: as a filter that lets every record pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_in_line = False
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def __enter__(self) -> "_TokenPrinter":
        for handler in logging.getLogger().handlers:
            handler.addFilter(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self)
        if kind is None:
            self._end_line()
            return
        with suppress(OSError):  # would hide what ended the block, such as SIGHUP because the terminal is gone
            self._end_line()

    def print(self, token: str) -> None:
        if not token:
            return
        self._is_in_line = not token.endswith("\n")  # before, because a signal may interrupt printing
        print(token, end="", flush=True)

    def filter(self, record: logging.LogRecord) -> bool:
        if self._is_terminal:
            with suppress(OSError):  # would be raised in the code that logs; the next token raises it again
                self._end_line()
        return True

    def _end_line(self) -> None:
        if self._is_in_line:
            print(flush=True)
            self._is_in_line = False
