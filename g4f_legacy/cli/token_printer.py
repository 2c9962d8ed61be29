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
    """Prints tokens. Their line ends at the end, and on a terminal also before a record of the log is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._is_in_line = False
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def __enter__(self) -> "_TokenPrinter":
        for handler in logging.getLogger().handlers:
            handler.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self)
        self._end_line()

    def print(self, token: str) -> None:
        if not token:
            return
        self._is_in_line = not token.endswith("\n")  # before it is printed, because a signal may end that
        print(token, end="", flush=True)

    def filter(self, record: logging.LogRecord) -> bool:
        if self._is_terminal:
            self._end_line()
        return True

    def _end_line(self) -> None:
        if self._is_in_line:
            print(flush=True)
            self._is_in_line = False
