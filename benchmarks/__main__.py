"""``python -m benchmarks``: measures everything, prints tables, and writes ``results.json`` and ``results.svg``."""

import argparse
from pathlib import Path
import sys
from typing import List, Optional

from . import report
from .chart import chart
from .contenders import CONTENDERS
from .measures import MEASURES, measure
from .process import ROOT
from .results import FOLDER, Results, about, load
from .server import running
from .setting import Setting

_PART = Path("build") / FOLDER.name


def _arguments(given: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter streams and fewer rounds: about a minute")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often the contenders take their turns")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=f"default: {FOLDER.name}, or {_PART} for a part")
    parser.add_argument("--readme", action="store_true", help="print the README's table from the results, and end")
    names = f"measures: {', '.join(MEASURES)}; contenders: {', '.join(CONTENDERS)}"
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*MEASURES, *CONTENDERS], help=names)
    arguments = parser.parse_args(given)
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    return arguments


def _say(text: str) -> None:
    """Shows what is under way: on a terminal in one line, which is written anew."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text.rstrip("\n"), file=sys.stderr, flush=True)


def main(given: Optional[List[str]] = None) -> int:
    """Returns 1 when something failed; what is not installed is no failure, nor is a reach that is not met."""
    arguments = _arguments(given)
    if arguments.readme:
        print(report.readme(load(arguments.output or FOLDER)))
        return 0
    only = arguments.only or []
    contenders = [name for name in CONTENDERS if name in only] or list(CONTENDERS)
    measures = [name for name in MEASURES if name in only] or (["cpu"] if only else list(MEASURES))
    rounds = arguments.rounds or (2 if arguments.quick else 11)
    folder = arguments.output or (ROOT / _PART if arguments.quick or only else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with running() as base:
        setting = Setting(base, rounds, arguments.quick, contenders, _say)
        results = Results(about(arguments.quick, rounds, setting.tokens))
        measure(setting, measures, results)
    results.save(folder)
    (folder / "results.svg").write_text(chart(results), "utf-8")
    _say(f"Written to {folder}\n")
    print(report.table(results))
    return int(results.has_failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
