"""What was measured: rows of figures with their reach, and the CPU time of each contender."""

from datetime import datetime, timezone
import json
import os
from pathlib import Path
import platform
import re
from statistics import median
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .contenders import PACKAGES

FOLDER = Path(__file__).parent
FILE = "results.json"


class Row(NamedTuple):
    """One figure.

    Attributes:
        measure: which of the measures it comes from.
        what: it is, in words.
        value, unit: the median, and what it is counted in; "×" is a ratio.
        at_most, at_least: its reach, if it has one.
        samples: what the value was made of; for a ratio of CPU times, the contenders have them.
        is_main: whether the README shows it.
    """

    measure: str
    what: str
    value: float
    unit: str
    at_most: Optional[float] = None
    at_least: Optional[float] = None
    samples: Sequence[float] = ()
    is_main: bool = False

    @property
    def is_met(self) -> Optional[bool]:
        """Whether the figure is within its reach; None when it has none."""
        if self.at_most is None and self.at_least is None:
            return None
        high = self.at_most is None or self.value <= self.at_most
        return high and (self.at_least is None or self.value >= self.at_least)

    @property
    def reach(self) -> str:
        """The reach in words."""
        if self.at_most is not None and self.at_most == self.at_least:
            return number(self.at_most)
        high = "" if self.at_most is None else f"≤ {number(self.at_most)}"
        return high if self.at_least is None else f"≥ {number(self.at_least)}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "yes", False: "no"}[self.is_met]


def number(value: float) -> str:
    """A figure with three digits."""
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


class Results:
    """Everything that one run has found.

    Attributes:
        about: the date, the interpreter, the machine's kind, the packages' versions, how it was run.
        cpu: nanoseconds per token of each contender, one sample a round.
        rows: the figures.
        left_out: what could not be measured, and why.
        has_failed: whether something of that was there, and did not work.
    """

    def __init__(self, about: Dict[str, Any]) -> None:
        self.about = about
        self.cpu: Dict[str, List[float]] = {}
        self.rows: List[Row] = []
        self.left_out: Dict[str, str] = {}
        self.has_failed = False

    def ratio(self, name: str, other: str) -> Optional[float]:
        """One contender's CPU time over another's; None when one is missing.

        Of the medians: the rounds are seconds apart, in which a shared machine's mood changes more than twofold.
        """
        return self.median(name) / self.median(other) if name in self.cpu and other in self.cpu else None

    def median(self, name: str) -> float:
        """A contender's CPU time per token in microseconds."""
        return median(self.cpu[name]) / 1000

    def save(self, folder: Path) -> None:
        cpu = {name: {"nanoseconds": _short(samples), "median": median(samples)} for name, samples in self.cpu.items()}
        rows = [{**row._asdict(), "samples": _short(row.samples), "met": row.is_met} for row in self.rows]
        document = {**self.about, "cpu": cpu, "rows": rows, "left_out": self.left_out}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        text = re.sub(r"\[[^][{}]*\]", lambda samples: " ".join(samples.group().split()), text)  # a list in a line
        (folder / FILE).write_text(text + "\n", "utf-8")


def _short(samples: Sequence[float]) -> List[float]:
    return [float(f"{sample:.5g}") for sample in samples]


def load(folder: Path = FOLDER) -> Results:
    """Reads what `Results.save` wrote."""
    document = json.loads((folder / FILE).read_text("utf-8"))
    cpu, rows, left_out = document.pop("cpu"), document.pop("rows"), document.pop("left_out")
    results = Results(document)
    results.cpu = {name: one["nanoseconds"] for name, one in cpu.items()}
    results.rows = [Row(**{name: row[name] for name in Row._fields}) for row in rows]
    results.left_out = left_out
    return results


def about(is_quick: bool, rounds: int, tokens: int) -> Dict[str, Any]:
    """Says when, on what and with what the figures were made."""
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


def _versions() -> Dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": ".".join(map(str, sys.version_info[:3])), **found}
