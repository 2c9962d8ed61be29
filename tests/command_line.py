"""Runs the command line in this process or in another one."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

from g4f_legacy.cli import main as cli


def start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "g4f_legacy", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    environment.pop("PYTHONUNBUFFERED", None)
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def run(*arguments: str, stdin: str = "", **environment: str) -> Any:
    """Run the command line in this process, and return its exit code, stdout and stderr."""
    encoding = environment.pop("PYTHONIOENCODING", "utf-8")
    out, err = io.TextIOWrapper(io.BytesIO(), encoding), io.StringIO()
    with mock.patch.dict(os.environ, environment), mock.patch.object(sys, "stdin", io.StringIO(stdin)):
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code: Any = cli.main(list(arguments))
            except SystemExit as exit:
                code = exit.code
    out.flush()
    return code, out.buffer.getvalue().decode(), err.getvalue()  # type: ignore[attr-defined]


def spawn(*arguments: str) -> Any:
    """Run the command line in another process, and return its exit code, stdout and stderr."""
    process = open_process(*arguments)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


def open_process(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start the command line in another process, with empty stdin."""
    process = start(*arguments)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    return process
