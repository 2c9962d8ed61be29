"""The results: rows of figures with their targets, and the CPU time of each contender."""

import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from .contenders import PACKAGES

FOLDER = Path(__file__).parent
FILE = "results.json"


class Row(NamedTuple):
    """One figure.

    Attributes:
        measure: the name of the measure.
        what: a description.
        value, unit: the median, and its unit; "×" is a ratio.
        at_most, at_least: the target, if there is one.
        samples: the measured values; for a ratio of CPU times, the contenders have them.
        is_main: whether the manual shows it.
    """

    measure: str
    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    samples: Sequence[float] = ()
    is_main: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the figure meets its target; None if it has none."""
        if self.at_most is None and self.at_least is None:
            return None
        if self.at_most is not None and self.value > self.at_most:
            return False
        return self.at_least is None or self.value >= self.at_least

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None and self.at_most == self.at_least:
            return number(self.at_most)
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}"
        return "" if self.at_most is None else f"≤ {number(self.at_most)}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "yes", False: "no"}[self.is_met]


def number(value: float) -> str:
    """Format a figure with three digits."""
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


class Results:
    """The results of one run.

    Attributes:
        about: the date, the interpreter, the machine's kind, the packages' versions, and the arguments.
        cpu: nanoseconds per token of each contender, one sample a round.
        rows: the figures.
        left_out: what could not be measured, and why.
        has_failed: whether something of that failed, rather than was missing.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.cpu: dict[str, list[float]] = {}
        self.rows: list[Row] = []
        self.left_out: dict[str, str] = {}
        self.has_failed = False

    def ratio(self, name: str, other: str) -> float | None:
        """Return one contender's CPU time divided by another's; None if one is missing.

        These are the medians: in the seconds between two rounds, the speed of a shared machine may change twofold.
        """
        return self.median(name) / self.median(other) if name in self.cpu and other in self.cpu else None

    def median(self, name: str) -> float:
        """Return a contender's CPU time per token in microseconds."""
        return median(self.cpu[name]) / 1000

    def save(self, folder: Path) -> None:
        cpu = {
            name: {"nanoseconds": _rounded(samples), "median": median(samples)} for name, samples in self.cpu.items()
        }
        rows = [{**row._asdict(), "samples": _rounded(row.samples), "met": row.is_met} for row in self.rows]
        payload = {**self.about, "cpu": cpu, "rows": rows, "left_out": self.left_out}
        text = json.dumps(payload, indent=1, ensure_ascii=False)
        text = re.sub(r"\[[^][{}]*\]", lambda samples: " ".join(samples.group().split()), text)  # each list in one line
        (folder / FILE).write_text(text + "\n", "utf-8")


def _rounded(samples: Sequence[float]) -> list[float]:
    return [float(f"{sample:.5g}") for sample in samples]


def load(folder: Path = FOLDER) -> Results:
    """Read what `Results.save` wrote."""
    payload = json.loads((folder / FILE).read_text("utf-8"))
    cpu, rows, left_out = payload.pop("cpu"), payload.pop("rows"), payload.pop("left_out")
    results = Results(payload)
    results.cpu = {name: times["nanoseconds"] for name, times in cpu.items()}
    results.rows = [Row(**{name: row[name] for name in Row._fields}) for row in rows]
    results.left_out = left_out
    return results


def about(is_quick: bool, rounds: int, tokens: int) -> dict[str, Any]:
    """Return the date, the machine, the versions and the arguments."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": _versions(),
        "quick": is_quick,
        "rounds": rounds,
        "tokens": tokens,
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": ".".join(map(str, sys.version_info[:3])), **found}
