"""A program in one file, built by PyInstaller with the hook of this package. Takes half a minute."""

import os
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from environments.programs import run_program

import g4f_legacy
from g4f_legacy import registry

ROOT = Path(g4f_legacy.__path__[0]).parent
PROGRAM = """
import sys
import g4f_legacy.__main__
from g4f_legacy import ChatCompletion, Provider, RetryProvider, models, registry

if sys.argv[1:]:
    g4f_legacy.__main__.run()
messages = [{"role": "user", "content": "Hello"}]
print(*registry.all())
print(ChatCompletion.create("", messages, RetryProvider([Provider.Echo])), ChatCompletion.create("", messages, "Yes"))
print(Provider.Bing.url, models.gpt_4.name)
"""
PROVIDER = """
from g4f_legacy.params import format_params

url, model, models, supports_stream, needs_auth, working = "", ["yes"], {"yes": "yes"}, True, False, True

def _create_completion(model: str, messages: list, stream: bool, **kwargs):
    yield "Yes."

params = format_params(__name__, _create_completion)
"""

pytestmark = pytest.mark.slow


def test_the_hook_is_found() -> None:
    pytest.importorskip("PyInstaller", reason="needs PyInstaller")
    [offered] = [point for point in entry_points(group="pyinstaller40") if point.value.startswith("g4f_legacy.")]
    [folder] = offered.load()()
    assert Path(folder, "hook-g4f_legacy.py").is_file()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, with another distribution that offers a provider."""
    pytest.importorskip("PyInstaller", reason="needs PyInstaller")
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "Yes.py").write_text(PROVIDER)
    (folder / "yes.dist-info").mkdir()
    (folder / "yes.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: yes\nVersion: 1\n")
    (folder / "yes.dist-info" / "entry_points.txt").write_text("[g4f_legacy.providers]\nYes = Yes\n")
    command = [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level", "WARN"]
    # Other packages would have these collected, where they are installed.
    unused = [f"--exclude-module={name}" for name in ("IPython", "pytest", "trio")]
    done = subprocess.run(
        [*command, *unused, "program.py"],
        cwd=folder,
        # PyInstaller does not find packages that are installed as editable.
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return folder / "dist" / ("program.exe" if sys.platform == "win32" else "program")


@pytest.fixture
def run(program: Path, tmp_path: Path) -> Any:
    """A function that runs the program, and returns its exit code, stdout and stderr."""
    return partial(run_program, [program], tmp_path)


def test_the_program(run: Any, tmp_path: Path) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        " ".join(sorted([*registry.names(), "Yes"])),
        "Hello Yes.",
        "https://bing.com/chat gpt-4",
    ]
    code, out, err = run("ask", "--local", "Hello")
    assert (code, out) == (0, "Hello\n")
    assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where Echo repeats the prompt.\n", err)
    code, out, err = run("providers", "--all")
    assert (code, err) == (0, "")
    assert {*registry.names(), "Yes", "Bing"} < {line.split()[0] for line in out.splitlines()}
    assert run("ask", "-p", "H2o", "--base-url", "http://127.0.0.1:1", "x")[0] == 5
    (tmp_path / "script.py").write_text(
        "import g4f\nprint(g4f.ChatCompletion.create('', [{'role': 'user', 'content': 'Hello'}]))\nimport csv, nothing"
    )
    code, out, err = run("run", "--to", "Yes", "script.py")
    assert (code, out) == (1, "Yes.\n") and err.endswith("ModuleNotFoundError: No module named 'nothing'\n")
    assert "g4f_legacy" not in err and "runpy" not in err
