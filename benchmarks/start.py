"""The time to start: of an import, and of a complete process."""

import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from .process import ROOT, Failed, environment
from .results import Results, Row
from .setting import Setting


def start(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield the import time compared with requests, and the shortest command compared with a bare interpreter."""
    ours, theirs = partial(import_time, "g4f_legacy"), partial(import_time, "requests")
    yield from _compared(setting, "import g4f_legacy", ours, "import requests", theirs, 0.3)
    script = Path(sysconfig.get_path("scripts")) / "g4f-legacy"
    command = [str(script)] if script.exists() else ["-m", "g4f_legacy"]
    ours, theirs = partial(process_time, *command, "--version"), partial(process_time, "-c", "pass")
    yield from _compared(setting, "g4f-legacy --version", ours, "python -c pass", theirs, 1.5)


def _compared(
    setting: Setting,
    name: str,
    measured: Callable[[], float],
    other_name: str,
    other: Callable[[], float],
    at_most: float,
) -> Iterator[Row]:
    times, other_times = [], []
    for number in range(2 * setting.rounds):
        setting.show_progress(f"{name}, round {number + 1} of {2 * setting.rounds}")
        times.append(measured())
        other_times.append(other())
    ratios = [measured_time / other_time for measured_time, other_time in zip(times, other_times)]
    yield Row("start", name, median(times), "ms", None, None, times)
    yield Row("start", other_name, median(other_times), "ms", None, None, other_times)
    yield Row("start", f"{name} / {other_name}", median(ratios), "×", at_most, None, ratios, True)


def import_time(module: str) -> float:
    """Return the milliseconds of importing a module, with everything that it imports."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, timeout=60)
    for line in reversed(done.stderr.decode().splitlines()):
        _, _, rest = line.partition("|")
        microseconds, _, name = rest.partition("|")
        if name.strip() == module:
            return float(microseconds) / 1000
    raise Failed(f"{module} cannot be imported")


def process_time(*arguments: str) -> float:
    """Return the milliseconds of a complete process: the interpreter with these arguments."""
    start_time = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, timeout=60
    )
    if done.returncode:
        raise Failed(f"{' '.join(arguments)} ended with {done.returncode}")
    return (time.perf_counter() - start_time) * 1000
