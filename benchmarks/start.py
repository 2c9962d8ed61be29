"""How long it takes to begin: an import, and a whole process."""

import subprocess
import sys
import time

from .process import ROOT, Failed, environment


def cumulative(module: str) -> float:
    """Microseconds that importing a module takes, with all that it imports."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, timeout=60)
    for line in reversed(done.stderr.decode().splitlines()):
        _, _, rest = line.partition("|")
        microseconds, _, name = rest.partition("|")
        if name.strip() == module:
            return float(microseconds)
    raise Failed(f"{module} cannot be imported")


def seconds(*arguments: str) -> float:
    """Seconds that a whole process takes: the interpreter with these arguments."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, timeout=60
    )
    if done.returncode:
        raise Failed(f"{' '.join(arguments)} ended with {done.returncode}")
    return time.perf_counter() - begun
