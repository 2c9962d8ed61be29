"""``python -m benchmarks``: measure everything, print tables, and write ``results.json`` and ``results.svg``."""

import argparse
import sys
from pathlib import Path

from . import report
from .chart import chart
from .contenders import CONTENDERS
from .measures import MEASURES, measure
from .process import ROOT
from .results import FOLDER, Results, about, load
from .server import running
from .setting import Setting

_PARTIAL_FOLDER = Path("build") / FOLDER.name


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter streams and fewer rounds: about a minute")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="the number of rounds, in which the contenders take turns"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help=f"default: {FOLDER.name}, or {_PARTIAL_FOLDER} for a partial run"
    )
    parser.add_argument("--table", action="store_true", help="print the manual's table from the results, and exit")
    names = f"measures: {', '.join(MEASURES)}; contenders: {', '.join(CONTENDERS)}"
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*MEASURES, *CONTENDERS], help=names)
    arguments = parser.parse_args(given)
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def _show_progress(text: str) -> None:
    """Print what is being measured: on a terminal always in the same line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text.rstrip("\n"), file=sys.stderr, flush=True)


def main(given: list[str] | None = None) -> int:
    """Return 1 if something failed. Missing packages and targets that are not met are not failures."""
    arguments = _arguments(given)
    if arguments.table:
        print(report.rst_table(load(arguments.output or FOLDER)))
        return 0
    only = arguments.only or []
    contenders = [name for name in CONTENDERS if name in only] or list(CONTENDERS)
    measures = [name for name in MEASURES if name in only] or (["cpu"] if only else list(MEASURES))
    rounds = arguments.rounds or (2 if arguments.quick else 11)
    folder = arguments.output or (ROOT / _PARTIAL_FOLDER if arguments.quick or only else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with running() as base_url:
        setting = Setting(base_url, rounds, arguments.quick, contenders, _show_progress)
        results = Results(about(arguments.quick, rounds, setting.tokens))
        measure(setting, measures, results)
    results.save(folder)
    (folder / "results.svg").write_text(chart(results), "utf-8")
    _show_progress(f"Written to {folder}\n")
    print(report.table(results))
    return int(results.has_failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
