"""Printing of messages, JSON and tables."""

import json
import sys
from typing import Any

_MAX_CELL_WIDTH = 1000  # characters


def print_error(text: str) -> None:
    """Print a line to stderr, if there is one."""
    if sys.stderr is not None:  # which `print` would take as stdout
        print(text, file=sys.stderr, flush=True)


def flush(stream: Any) -> None:
    """Write what stdout or stderr has buffered. It may be closed, and a program without a console has none."""
    if stream is not None and not getattr(stream, "closed", False):
        stream.flush()


def print_json(value: Any) -> None:
    """Print a value as indented JSON. Characters that a terminal could take for commands are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))


def print_table(rows: list[list[str]]) -> None:
    """Print rows of cells as aligned columns."""
    rows = [[_clean_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _clean_cell(text: str) -> str:
    """Return a text without control characters, because servers choose the names of their models."""
    return "".join(filter(str.isprintable, " ".join(text.split())))[:_MAX_CELL_WIDTH]
