"""Running a program as a user would."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_program(command: Sequence[str | Path], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command with further arguments in a folder, and return its exit code, stdout and stderr."""
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr
