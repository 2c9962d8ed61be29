"""Format the results as tables: for the terminal, and for the manual."""

from collections.abc import Sequence
from typing import Any

from .contenders import LABELS, OURS
from .results import Results, Row, number

_OURS = "H2o"  # all others are compared with it


def label(name: str) -> str:
    return LABELS.get(name, name)


def table(results: Results) -> str:
    """Return what the command prints."""
    parts = [headline(results)]
    if results.cpu:
        parts.append(_columns([("CPU per token", "µs", f"× {label(_OURS)}"), *_cpu_lines(results)]))
    if results.rows:
        lines = [(row.what, _figure(row), row.target, row.verdict) for row in results.rows]
        parts.append(_columns([("what", "figure", "target", "met"), *lines]))
    missed = [row.what for row in results.rows if row.is_met is False]
    parts += [f"Left out: {name}: {reason}" for name, reason in results.left_out.items()]
    parts.append(f"Not met: {'; '.join(missed)}" if missed else "All targets are met.")
    return "\n\n".join(parts)


def headline(results: Results) -> str:
    """Return the date and machine of the figures, in one line."""
    about = results.about
    quick = ", quick" if about["quick"] else ""
    return f"{about['date']}, {about['interpreter']}, {about['platform']}, {about['cores']} cores{quick}"


def by_time(results: Results) -> list[str]:
    """Return the contenders, fastest first."""
    return sorted(results.cpu, key=results.median)


def versions(results: Results, name: str) -> str:
    """Return a contender's label, with the version of its package if that has the same name."""
    known = results.about["versions"]
    key = name.replace("_", "-")
    return f"{label(name)} {known[key]}" if key in known and name == label(name) else label(name)


def _cpu_lines(results: Results) -> list[Sequence[str]]:
    lines: list[Sequence[str]] = []
    for name in by_time(results):
        ratio = results.ratio(name, _OURS)
        compared = "" if ratio is None else number(ratio)
        lines.append(
            (("* " if name in OURS else "  ") + versions(results, name), number(results.median(name)), compared)
        )
    return lines


def _figure(row: Row) -> str:
    return f"{number(row.value)} {row.unit}".strip()


def _columns(lines: list[Any]) -> str:
    """Align lines in columns, the first of them left-justified."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    written = []
    for line in lines:
        cells = [text.rjust(width) for text, width in zip(line, widths)]
        written.append("  ".join([line[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join([written[0], "-" * len(written[0]), *written[1:]])


def rst_table(results: Results) -> str:
    """Return the manual's table, which has the main rows."""
    lines = [("What", "Figure", "Reach", "Met")]
    lines += [(row.what, _figure(row), row.target, row.verdict) for row in results.rows if row.is_main]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    border = " ".join("=" * width for width in widths)
    written = [" ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]
    made = f"Made on {headline(results)}, in {results.about['rounds']} rounds:"
    return "\n".join([made, "", border, written[0], border, *written[1:], border])
