"""Running scripts with ``g4f-legacy run``, and with ``python``."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ASK = 'g4f.ChatCompletion.create("gpt-4", [{"role": "user", "content": "Hello"}])'


def start(*arguments: str, cwd: Path, **options: Any) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **options.pop("environment", {})}
    pipe = subprocess.PIPE
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8", **options
    )


def run(*arguments: str, cwd: Path, to: Sequence[str] = ("--to", "Echo"), stdin: str = "", **environment: str) -> Any:
    """Return the exit code, stdout and stderr of ``g4f-legacy run``."""
    return finish(start("-m", "g4f_legacy", "run", *to, *arguments, cwd=cwd, environment=environment), stdin)


def python(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> Any:
    """Return the exit code, stdout and stderr of ``python``."""
    return finish(start(*arguments, cwd=cwd, environment=environment), stdin)


def finish(process: "subprocess.Popen[str]", stdin: str) -> Any:
    """Return the exit code, stdout and stderr of a process."""
    try:
        out, err = process.communicate(stdin, timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err
