"""The contracts in setup.cfg hold: no module imports from a layer above it, or from the package root."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Check the package in a folder against the contracts next to it."""
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, encoding="utf-8", timeout=60)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "g4f_legacy", tmp_path / "g4f_legacy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "module, code, report",
    [
        ("parsing/sse.py", "from ..transport import client", "Layers BROKEN"),
        ("registry.py", "def find_target():\n    from .compat import redirects", "Layers BROKEN"),
        ("params.py", "from . import prompt", "Layers BROKEN"),
        ("new_module.py", "", "every child of every container"),
        ("Provider/H2o.py", "import g4f_legacy", "No import of the package root from inside BROKEN"),
        ("cli/ask.py", "from .. import ChatCompletion", "No import of the package root from inside BROKEN"),
    ],
    ids=["upward", "upward in a function", "sideways", "without a layer", "root", "name of the root"],
)
def test_a_wrong_import_breaks_a_contract(module: str, code: str, report: str, copy: Path) -> None:
    with (copy / "g4f_legacy" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{code}\n")
    result = lint_imports(copy)
    assert result.returncode == 1
    assert report in result.stdout
