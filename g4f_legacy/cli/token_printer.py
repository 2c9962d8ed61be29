"""Printing of tokens as they arrive."""

import logging
import sys
from collections.abc import Iterable


def print_tokens(tokens: Iterable[str]) -> None:
    """Print tokens to stdout as they arrive, and end the line when they end."""
    with _TokenPrinter() as printer:
        for token in tokens:
            printer.print(token)


class _TokenPrinter(logging.Filter):
    """Prints tokens. On a terminal, their line ends before a record of the log is shown, and at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._is_in_line = False
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def __enter__(self) -> "_TokenPrinter":
        for handler in logging.getLogger().handlers:
            handler.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self)

    def print(self, token: str) -> None:
        print(token, end="", flush=True)
        self._is_in_line = not token.endswith("\n")

    def filter(self, record: logging.LogRecord) -> bool:
        self._end_line()
        return True

    def _end_line(self) -> None:
        if self._is_in_line and self._is_terminal:
            print(flush=True)
            self._is_in_line = False
