"""Run each measurement in a process of its own, which prints its result as one line of JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TIMEOUT = 600  # seconds

# No network: neither look-ups nor telemetry of any package.
_QUIET = {
    "NO_PROXY": "127.0.0.1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "PYTHONIOENCODING": "utf-8",
}
_CONFIGURING = ("G4F_LEGACY_", "OPENAI_", "LITELLM_", "HF_")


class Missing(Exception):
    """Something that should be measured is not installed, or not available on this system."""


class Failed(Exception):
    """Something could not be measured."""


def command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of this folder, in the working directory `ROOT`."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the environment without proxies, and without settings of any of the packages."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (name.lower().endswith("_proxy") or name.upper().startswith(_CONFIGURING))
    }
    return {**kept, **_QUIET}


def run(task: str, *arguments: object) -> Any:
    """Run one of the `tasks` in a process of its own.

    Raises:
        Missing: it needs something that is not installed.
        Failed: it failed, or took too long.
    """
    try:
        done = subprocess.run(
            command("benchmarks.runner", task, *arguments),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"it took more than {TIMEOUT} seconds") from error
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode or not lines:
        errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failed(errors[-1] if errors else f"it ended with {done.returncode}")
    result = json.loads(lines[-1])
    if isinstance(result, dict) and "missing" in result:
        raise Missing(result["missing"])
    return result
