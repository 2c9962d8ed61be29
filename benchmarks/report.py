"""The results as tables: for the terminal, and for the README."""

from typing import Any, List, Sequence

from .contenders import LABELS, OURS
from .results import Results, Row, number

_OURS = "H2o"  # what everyone is compared with


def label(name: str) -> str:
    return LABELS.get(name, name)


def table(results: Results) -> str:
    """What the command prints."""
    parts = [headline(results)]
    if results.cpu:
        parts.append(_columns([("CPU per token", "µs", f"× {label(_OURS)}"), *_cpu_lines(results)]))
    if results.rows:
        lines = [(row.what, _figure(row), row.reach, row.verdict) for row in results.rows]
        parts.append(_columns([("what", "figure", "reach", "met"), *lines]))
    missed = [row.what for row in results.rows if row.is_met is False]
    parts += [f"Left out: {name}: {reason}" for name, reason in results.left_out.items()]
    parts.append(f"Not met: {'; '.join(missed)}" if missed else "Everything that has a reach is within it.")
    return "\n\n".join(parts)


def headline(results: Results) -> str:
    """When, on what and with what the figures were made."""
    about = results.about
    quick = ", quick" if about["quick"] else ""
    return f"{about['date']}, {about['interpreter']}, {about['platform']}, {about['cores']} cores{quick}"


def by_time(results: Results) -> List[str]:
    """The contenders, fastest first."""
    return sorted(results.cpu, key=results.median)


def versions(results: Results, name: str) -> str:
    """A contender's label with the version of its package, where that has its name."""
    known = results.about["versions"]
    key = name.replace("_", "-")
    return f"{label(name)} {known[key]}" if key in known and name == label(name) else label(name)


def _cpu_lines(results: Results) -> List[Sequence[str]]:
    lines: List[Sequence[str]] = []
    for name in by_time(results):
        ratio = results.ratio(name, _OURS)
        compared = "" if ratio is None else number(ratio)
        lines.append(
            (("* " if name in OURS else "  ") + versions(results, name), number(results.median(name)), compared)
        )
    return lines


def _figure(row: Row) -> str:
    return f"{number(row.value)} {row.unit}".strip()


def _columns(lines: List[Any]) -> str:
    """Lines in columns, the first of them to the left."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    written = []
    for line in lines:
        cells = [text.rjust(width) for text, width in zip(line, widths)]
        written.append("  ".join([line[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join([written[0], "-" * len(written[0]), *written[1:]])


def readme(results: Results) -> str:
    """The README's table: the main rows."""
    lines = [("What", "Figure", "Reach", "Met")]
    lines += [(row.what, _figure(row), row.reach, row.verdict) for row in results.rows if row.is_main]
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    border = " ".join("=" * width for width in widths)
    written = [" ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines]
    made = f"Made on {headline(results)}, in {results.about['rounds']} rounds:"
    return "\n".join([made, "", border, written[0], border, *written[1:], border])
