"""Everything is measured in a process of its own, which prints its result as one line of JSON."""

import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any, Dict, List

ROOT = Path(__file__).parent.parent
TIMEOUT = 600  # seconds

# No network, whatever a package would look up or tell.
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
    """Something that is to be measured is not installed, or this system does not have it."""


class Failed(Exception):
    """Something could not be measured."""


def command(module: str, *arguments: object) -> List[str]:
    """The command that runs a module of this folder, when the working directory is `ROOT`."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def environment() -> Dict[str, str]:
    """The environment without proxies, and without what configures any of the packages."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (name.lower().endswith("_proxy") or name.upper().startswith(_CONFIGURING))
    }
    return {**kept, **_QUIET}


def run(task: str, *arguments: object) -> Any:
    """Runs one of the `tasks` in a process of its own.

    Raises:
        Missing: it needs something that is not there.
        Failed: it did not end well.
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
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Failed(said[-1])
    result = json.loads(lines[-1])
    if isinstance(result, dict) and "missing" in result:
        raise Missing(result["missing"])
    return result
