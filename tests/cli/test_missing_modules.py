"""What an interpreter without the requirements says: it has the package on its path, and no site-packages."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import g4f_legacy
from g4f_legacy.cli.main import COMMANDS

REQUIREMENTS = ["certifi", "charset_normalizer", "idna", "requests", "urllib3"]
ARGUMENTS = {"run": ["script.py"], "scan": ["script.py"], "ask": ["Hello"]}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the package alone."""
    (tmp_path / "g4f_legacy").symlink_to(g4f_legacy.__path__[0])
    return tmp_path


@pytest.fixture
def base(bare: Path) -> Path:
    """A folder with the package and its requirements, but without an extra."""
    for name in REQUIREMENTS:
        spec = find_spec(name)
        assert spec and spec.submodule_search_locations
        (bare / name).symlink_to(spec.submodule_search_locations[0])
    return bare


def python(*arguments: str, cwd: Path) -> Any:
    """Run an interpreter without site-packages, and return its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def command_line(*arguments: str, cwd: Path) -> Any:
    return python("-m", "g4f_legacy", *arguments, cwd=cwd)


class TestWithoutRequests:
    message = "g4f-legacy: No module named 'requests'; install it: pip install requests\n"

    @pytest.mark.parametrize("command", COMMANDS)
    def test_each_command(self, command: str, bare: Path) -> None:
        assert command_line(command, *ARGUMENTS.get(command, []), cwd=bare) == (2, "", self.message)

    def test_help_and_version(self, bare: Path) -> None:
        assert command_line("--version", cwd=bare) == (0, f"g4f-legacy {g4f_legacy.__version__}\n", "")
        code, out, err = command_line("--help", cwd=bare)
        assert (code, err) == (0, "") and "ask a question" in out

    def test_from_python(self, bare: Path) -> None:
        code, out, err = python("-c", "import g4f_legacy\nprint('imported')\ng4f_legacy.ChatCompletion", cwd=bare)
        assert (code, out) == (1, "imported\n")
        assert err.endswith("\nModuleNotFoundError: No module named 'requests'\n")


class TestWithoutFlask:
    message = "No module named 'flask'; the server needs more packages: pip install flask waitress\n"

    @pytest.mark.parametrize("arguments", [["ask", "--local", "Hello"], ["serve"]])
    def test_commands(self, arguments: list[str], base: Path) -> None:
        assert command_line(*arguments, cwd=base) == (2, "", f"g4f-legacy: {self.message}")

    def test_commands_without_the_server(self, base: Path) -> None:
        assert command_line("ask", "-p", "Echo", "Hello", cwd=base) == (0, "Hello\n", "")

    @pytest.mark.parametrize("statement", ["import g4f_legacy.server", "import g4f_legacy; g4f_legacy.server"])
    def test_from_python(self, statement: str, base: Path) -> None:
        code, out, err = python(
            "-c", f"try:\n    {statement}\nexcept ImportError as e:\n    print(e.name, e)", cwd=base
        )
        assert (code, out, err) == (0, f"flask {self.message}", "")

    def test_a_script_that_imports_it(self, base: Path) -> None:
        (base / "script.py").write_text("import g4f\nimport flask")
        code, out, err = command_line("run", "script.py", cwd=base)
        assert (code, out) == (1, "")
        assert err.startswith("Traceback") and err.endswith("\nModuleNotFoundError: No module named 'flask'\n")


def test_a_module_of_another_distribution(base: Path) -> None:
    """The error of a provider whose own requirement is missing, or too old, is its own."""
    (base / "other.dist-info").mkdir()
    (base / "other.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    offered = "[g4f_legacy.providers]\nMissing = missing\nOld = old\n"
    (base / "other.dist-info" / "entry_points.txt").write_text(offered)
    (base / "missing.py").write_text("import nothing_of_this_name")
    (base / "old.py").write_text("from requests import nothing_of_this_name")
    code, out, err = command_line("ask", "-p", "Missing", "Hello", cwd=base)
    assert (code, out) == (2, "")
    assert err == "g4f-legacy: Missing cannot be imported: No module named 'nothing_of_this_name'\n"
    code, out, err = command_line("ask", "-p", "Old", "Hello", cwd=base)
    assert (code, out) == (2, "")
    assert err.startswith("g4f-legacy: Old cannot be imported: cannot import name 'nothing_of_this_name'")
    assert "pip install" not in err and err.count("\n") == 1
