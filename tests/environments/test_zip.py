"""The package in a zip archive: on the path, and as an application with all that it needs (``python -m zipapp``)."""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipapp
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from environments.programs import run_program

import g4f_legacy
from g4f_legacy import registry
from g4f_legacy.compat.placeholders import placeholder_names

PACKAGE = Path(g4f_legacy.__path__[0])
REQUIREMENTS = ["certifi", "charset_normalizer", "idna", "requests", "urllib3"]
REQUIREMENTS += ["blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "waitress", "werkzeug"]
SCRIPT = """
import sys, g4f
from g4f.Provider import Bing, RetryProvider
messages = [{"role": "user", "content": "Hello"}]
print(g4f.__file__, Bing.url)
print(g4f.ChatCompletion.create("gpt-4", messages, Bing), g4f.ChatCompletion.create("gpt-4", messages))
print(g4f.ChatCompletion.create("", messages, RetryProvider([g4f.Provider.Echo])), g4f.models.gpt_4.name)
from flask import Flask
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the package alone."""
    path = tmp_path_factory.mktemp("archive") / "g4f_legacy.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in PACKAGE.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                archive.write(file, file.relative_to(PACKAGE.parent))
    return path


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable archive of the package and its requirements, made as the documentation of zipapp says."""
    folder = tmp_path_factory.mktemp("application")
    for name in ["g4f_legacy", *REQUIREMENTS]:
        spec = find_spec(name)
        assert spec and spec.submodule_search_locations
        source = spec.submodule_search_locations[0]
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = folder.with_suffix(".pyz")
    zipapp.create_archive(folder, target, main="g4f_legacy.__main__:run")
    return target


@pytest.fixture(params=["path", "application"])
def command(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of an archive."""
    if request.param == "path":
        monkeypatch.setenv("PYTHONPATH", str(request.getfixturevalue("archive")))
        return [sys.executable, "-m", "g4f_legacy"]
    # Isolated, and without the modules that are installed.
    return [sys.executable, "-I", "-S", str(request.getfixturevalue("application"))]


@pytest.fixture
def run(command: list[str], tmp_path: Path) -> Any:
    """A function that runs the command line of an archive, and returns its exit code, stdout and stderr."""
    return partial(run_program, command, tmp_path)


def test_ask(run: Any) -> None:
    code, out, err = run("ask", "--local", "Hello")
    assert (code, out) == (0, "Hello\n")
    assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where Echo repeats the prompt.\n", err)


def test_providers_and_models(run: Any) -> None:
    code, out, err = run("providers", "--all")
    assert (code, err) == (0, "")
    listed = {line.split()[0] for line in out.splitlines()[1:]}
    assert listed == {*registry.names(), *placeholder_names()} - {"Palm"}
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()[1:]} == set(registry.names())


def test_run_and_scan(run: Any, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    code, out, err = run("run", "--to", "Echo", "script.py")
    assert (code, err) == (0, "")
    path, *rest = out.splitlines()
    assert re.fullmatch(r".*\.(zip|pyz)[/\\]g4f_legacy[/\\]__init__\.py https://bing.com/chat", path)
    assert rest == ["Hello Hello", "Hello gpt-4"]
    code, out, err = run("scan", "script.py")
    assert (code, err) == (0, "") and "Bing (placeholder)" in out


def test_a_script_that_fails(run: Any, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import g4f\n1 / 0")
    code, out, err = run("run", "script.py")
    assert (code, out) == (1, "")
    assert err.endswith("ZeroDivisionError: division by zero\n") and "g4f_legacy" not in err and "runpy" not in err


def test_exit_codes(run: Any) -> None:
    assert run("ask", "-p", "H2o", "--base-url", "http://127.0.0.1:1", "x")[0] == 5
    assert run("--version") == (0, f"g4f-legacy {g4f_legacy.__version__}\n", "")


@contextmanager
def started(command: list[str], cwd: Path) -> Iterator[str]:
    """Start the server, and yield its URL."""
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", "--model", "<b>model</b>"], cwd=cwd, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stderr is not None
    try:
        [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline())
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT of this kind")
def test_serve_and_check(command: list[str], run: Any, tmp_path: Path) -> None:
    with started(command, tmp_path) as url:
        page = requests.get(url).text
        code, out, err = run("check", "-p", "H2o", "--base-url", url)
    assert '<strong id="engine">Echo</strong>' in page
    assert "&lt;b&gt;model&lt;/b&gt;" in page and "<b>model" not in page
    assert (code, err) == (0, "") and out.endswith(" tokens and the end-of-stream marker\n")


def test_requirements_with_compiled_modules_fall_back(application: Path, tmp_path: Path) -> None:
    """Compiled modules cannot be imported from an archive: the Python versions of MarkupSafe and the like are used."""
    code = f"""
import sys
sys.path.insert(0, {str(application)!r})
import charset_normalizer.md, markupsafe, g4f_legacy.parsing.payload
print(charset_normalizer.md.__file__.endswith("md.py"), "markupsafe._speedups" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout.split() == [b"True", b"False"]
