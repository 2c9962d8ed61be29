"""The folder of ``g4f-legacy path`` on ``PYTHONPATH``."""

import ast
import os
import shutil
import subprocess
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from processes import ASK

import g4f_legacy
from g4f_legacy.compat.g4f_alias import DROP_IN

PACKAGE = Path(g4f_legacy.__path__[0])

PYTHON_3_ONLY = [
    "raise x from y",
    "raise x from None",
    "def f(*, a): pass",
    "lambda *, a: a",
    "def f(a: int): pass",
    "def f() -> int: pass",
    "a: int = 5",
    "{**a}",
    "f(**a, **b)",
    "f(*a, b)",
    "f(*a, *b)",
    "[*a]",
    "a, *b = c",
    "f'{a}'",
    "print(a, file=b)",
    "class A(metaclass=B): pass",
    "def f():\n    a = 1\n    def g():\n        nonlocal a",
    "def f():\n    yield from a",
    "async def f(): pass",
    "if (a := b): pass",
    "1_000",
    "a @ b",
    "def f(a, /): pass",
]


def python_3_syntax(source: str) -> list[str]:
    """Return what Python 2 cannot parse."""
    try:
        tree = ast.parse(source, feature_version=(3, 4))
    except SyntaxError as error:
        return [str(error)]
    return [ast.dump(node) for node in ast.walk(tree) if is_python_3_only(node)]


def is_python_3_only(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Nonlocal() | ast.YieldFrom():
            return True
        case ast.Raise():
            return node.cause is not None
        case ast.arguments():
            return bool(node.kwonlyargs)
        case ast.arg():
            return node.annotation is not None
        case ast.FunctionDef():
            return node.returns is not None
        case ast.Dict():
            return None in node.keys
        case ast.ClassDef():
            return bool(node.keywords)
        case ast.Call():
            return is_python_3_call(node)
        case ast.List() | ast.Set() | ast.Tuple():
            return any(isinstance(element, ast.Starred) for element in node.elts)
    return False


def is_python_3_call(call: ast.Call) -> bool:
    """Return whether a call has keywords of the function `print`, or unpacks anything but its last arguments."""
    if isinstance(call.func, ast.Name) and call.func.id == "print" and call.keywords:
        return True
    unpacks = [isinstance(argument, ast.Starred) for argument in call.args]
    unpacks_keywords = [keyword.arg is None for keyword in call.keywords]
    return any(unpacks[:-1]) or any(unpacks_keywords[:-1])


def find_interpreter(version: str) -> str:
    """Return the path of an older Python, or skip the test."""
    installed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    for path in [shutil.which(f"python{version}"), *map(str, installed)]:
        # pyenv's shims exist for versions that are not selected, too, and fail.
        if path and subprocess.run([path, "-c", ""], capture_output=True, timeout=60).returncode == 0:
            return path
    pytest.skip(f"python{version} is not installed")


class TestFolder:
    """In an environment with no package at all."""

    @pytest.fixture(autouse=True)
    def other_package(self, tmp_path: Path) -> None:
        """Put a folder g4f beside the scripts."""
        (tmp_path / "g4f").mkdir()
        (tmp_path / "g4f" / "__init__.py").write_text("raise RuntimeError('another g4f')")

    @pytest.fixture
    def interpreter(self, tmp_path: Path) -> str:
        venv.create(tmp_path / "environment", symlinks=os.name != "nt")
        return str(tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python")

    @pytest.fixture
    def run(self, interpreter: str, tmp_path: Path) -> Any:
        """A function that runs code, and returns its exit code, stdout and stderr."""

        def run(code: str, *path: str | Path, **environment: str) -> Any:
            (tmp_path / "child.py").write_text(code)
            environment["PYTHONPATH"] = os.pathsep.join(map(str, path or [DROP_IN]))
            keep = {name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT")}
            done = subprocess.run(
                [interpreter, "child.py"],
                cwd=tmp_path,
                env={**keep, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=60,
            )
            return done.returncode, done.stdout, done.stderr

        return run

    def test_other_programs_are_left_alone(self, run: Any) -> None:
        """Python starts almost as fast as before, and sees nothing of this package but what finds ``g4f``."""
        code, out, err = run("""
import sys
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("g4f", "g4f_legacy")))
print({"argparse", "importlib.abc", "json", "requests", "typing"} & set(sys.modules), "sitecustomize" in sys.modules)
print(sys.path)
""")
        names = ["", ".compat", ".compat.g4f_alias", ".compat.provider_package", ".compat.vendored_copy"]
        assert (code, err) == (0, "")
        loaded, others, path = out.splitlines()
        assert loaded == " ".join(f"g4f_legacy{name}" for name in names)
        assert others == "set() False"
        assert ast.literal_eval(path)[1] == DROP_IN and str(PACKAGE.parent) not in ast.literal_eval(path)

    def test_another_g4f_that_is_installed(self, run: Any, interpreter: str, tmp_path: Path) -> None:
        """Even if a .pth file imports it before."""
        shutil.rmtree(tmp_path / "g4f")
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        [site_packages] = subprocess.run([interpreter, "-c", code], stdout=subprocess.PIPE).stdout.decode().splitlines()
        (Path(site_packages) / "g4f").mkdir()
        (Path(site_packages) / "g4f" / "__init__.py").write_text("print('another g4f')")
        (Path(site_packages) / "g4f" / "Provider.py").write_text("")
        assert run("import g4f\nprint(g4f.__name__)") == (0, "g4f_legacy\n", "")
        (Path(site_packages) / "early.pth").write_text("import g4f.Provider")
        assert run("import g4f\nprint(g4f.__name__)") == (0, "g4f_legacy\n", "")

    def test_the_next_sitecustomize(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "next").mkdir()
        following = tmp_path / "next" / "sitecustomize.py"
        following.write_text("import sys; sys.path.append('added'); print('next')")
        code = """
import g4f, sitecustomize, sys
print(g4f.__name__, sitecustomize.__file__, sys.path[1:3], "added" in sys.path)
"""
        paths = [DROP_IN, tmp_path / "next"]
        out = f"next\ng4f_legacy {following} {[str(path) for path in paths]} True\n"
        assert run(code, *paths) == (0, out, "")

        following.write_text("import nothing")
        code, out, err = run("import g4f, sys\nprint(g4f.__name__, 'sitecustomize' in sys.modules)", *paths)
        assert (code, out) == (0, "g4f_legacy False\n")
        assert err.startswith("Error in sitecustomize; set PYTHONVERBOSE for traceback:") and "nothing" in err

    def test_another_sitecustomize_that_comes_first(self, run: Any, tmp_path: Path) -> None:
        """One that runs those after it, and one that does not."""
        shutil.rmtree(tmp_path / "g4f")
        (tmp_path / "first").mkdir()
        first = tmp_path / "first" / "sitecustomize.py"
        runs_the_next = "import sys; sys.path.remove(__file__[:-17]); del sys.modules[__name__]; import sitecustomize"
        for source in ("", runs_the_next):
            first.write_text(f"print('first')\n{source}")
            code = "import g4f.debug, sys\nprint(g4f.__name__, sys.modules['g4f'] is g4f)"
            assert run(code, tmp_path / "first", DROP_IN) == (0, "first\ng4f_legacy True\n", "")

    def test_a_link_and_a_copy(self, run: Any, tmp_path: Path) -> None:
        """As in an image: ``ln -s`` and ``COPY``. A copy finds the package only if that is installed."""
        if os.name != "nt":
            (tmp_path / "link").symlink_to(DROP_IN)
            assert run("import g4f\nprint(g4f.__name__)", tmp_path / "link") == (0, "g4f_legacy\n", "")
        shutil.copytree(DROP_IN, tmp_path / "a" / "b" / "c" / "copy")
        copy = tmp_path / "a" / "b" / "c" / "copy"
        assert run("print(5)", copy) == (0, "5\n", "")
        assert run("import g4f\nprint(g4f.__name__)", copy, PACKAGE.parent) == (0, "g4f_legacy\n", "")

    def test_an_archive(self, run: Any, interpreter: str, tmp_path: Path) -> None:
        """Of this package and its requirements: on the path, and as an application that runs scripts."""
        archive = tmp_path / "application.pyz"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("__main__.py", "from g4f_legacy.__main__ import run\nrun()")
            for name in ("g4f_legacy", "certifi", "charset_normalizer", "idna", "requests", "urllib3"):
                spec = find_spec(name)
                assert spec and spec.submodule_search_locations
                folder = Path(spec.submodule_search_locations[0])
                for path in folder.rglob("*"):
                    if path.suffix in (".py", ".json", ".pem"):
                        file.write(path, path.relative_to(folder.parent))
        drop_in = archive / "g4f_legacy" / "compat" / "drop_in"
        child = f"import g4f\nprint({ASK}, g4f.__file__.startswith({str(archive)!r}))"
        assert run(child, drop_in, G4F_LEGACY_REDIRECT="Echo") == (0, "Hello True\n", "")
        (tmp_path / "script.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'])")
        for arguments in (["run", "--to", "Echo", "script.py"], ["path"]):
            command = [interpreter, archive.name, *arguments]
            done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, encoding="utf-8", timeout=60)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == (f"{drop_in}\n" if arguments == ["path"] else "Hello True\n")


class TestOlderVersionsOfPython:
    """They find the folder as well, because ``PYTHONPATH`` is for all."""

    @pytest.mark.parametrize("name", ["g4f.py", "sitecustomize.py"])
    def test_they_can_parse_it(self, name: str) -> None:
        source = Path(DROP_IN, name).read_text("utf-8")
        assert source.isascii() and python_3_syntax(source) == []

    def test_there_are_no_other_files(self) -> None:
        assert {file.name for file in Path(DROP_IN).glob("**/*.py")} == {"g4f.py", "sitecustomize.py"}

    @pytest.mark.parametrize("source", PYTHON_3_ONLY)
    def test_the_check_can_fail(self, source: str) -> None:
        assert python_3_syntax(source)

    @pytest.mark.parametrize("version", ["2.7", "3.6"])
    def test_they_start_as_before(self, version: str, tmp_path: Path) -> None:
        interpreter = find_interpreter(version)
        script = tmp_path / "script.py"
        script.write_text("try:\n    import g4f\nexcept ImportError as error:\n    print(error)")
        environment = {"PYTHONPATH": DROP_IN, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([interpreter, script], env=environment, capture_output=True, encoding="utf-8", timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(
            f"g4f is g4f_legacy here, which needs Python 3.10 or later, and this is {version}"
        )
