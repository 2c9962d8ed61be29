"""What type checkers and editors know of the package when it is installed: its types, providers and docstrings."""

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from g4f_legacy import Provider, registry
from g4f_legacy.compat.placeholders import placeholder_names

ROOT = Path(__file__).parents[2]
CODE = Path(__file__).with_name("type_checked_code.py")
DOCUMENTS = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
PYRIGHT_CONFIGURATION = {"typeCheckingMode": "standard", "reportUnnecessaryTypeIgnoreComment": "error"}
# As in setup.cfg for the providers: their signature is that of 2023.
MYPY_FOR_PROVIDERS = "# mypy: allow-any-generics, allow-incomplete-defs, allow-untyped-defs\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment in which the package is installed, as its build makes it."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(ROOT / "g4f_legacy", source / "g4f_legacy", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(folder / "environment", symlinks=os.name != "nt")
    paths = sysconfig.get_paths(vars={"base": str(folder / "environment"), "platbase": str(folder / "environment")})
    site = Path(paths["purelib"])
    build = ["build", "--build-base", str(folder / "build"), "--build-lib", str(site)]
    subprocess.run([sys.executable, "setup.py", "-q", *build], cwd=source, check=True, timeout=60, capture_output=True)
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    return site


@pytest.fixture
def python(site: Path) -> Path:
    """The interpreter of that environment."""
    environment = next(parent for parent in site.parents if (parent / "pyvenv.cfg").is_file())
    return next(path for path in environment.glob("*/python*") if path.stem == "python")


def examples() -> list[str]:
    """Return the Python examples of the documentation."""
    blocks = [
        block
        for path in DOCUMENTS
        for block in re.findall(
            r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", path.read_text("utf-8"), re.MULTILINE
        )
    ]
    return [re.sub("^    ", "", block, flags=re.MULTILINE) for block in blocks]


def check(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy(python: Path, tmp_path: Path) -> None:
    """The code and the examples of the documentation, in strict mode."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    pytest.importorskip("fastapi", reason="fastapi, which an example imports, is not installed")
    assert len(examples()) > 2
    for number, example in enumerate(examples()):
        settings = MYPY_FOR_PROVIDERS if "def _create_completion" in example else ""
        (tmp_path / f"example_{number}.py").write_text(settings + example, "utf-8")
    shutil.copy(CODE, tmp_path)
    options = ["--strict", "--python-executable", python, "--cache-dir", tmp_path / "cache"]
    check([sys.executable, "-m", "mypy", *options, *sorted(tmp_path.glob("*.py"))], tmp_path)


def test_pyright(python: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([os.environ["PATH"], os.path.join(os.environ.get("NODE_PATH", ""), ".bin")])
    pyright = shutil.which("pyright", path=path)
    if not pyright:
        pytest.skip("pyright is neither on PATH nor in NODE_PATH: npm install pyright")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PYRIGHT_CONFIGURATION))
    shutil.copy(CODE, tmp_path)
    check([pyright, "--pythonpath", python], tmp_path)


class TestJedi:
    """What IPython, Jupyter and many editors show."""

    @pytest.fixture
    def complete(self, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A function that returns the completions of a code by their names."""
        jedi = pytest.importorskip("jedi", reason="jedi is not installed")
        monkeypatch.setattr(jedi.settings, "cache_directory", tmp_path / "cache")
        project = jedi.Project(tmp_path, sys_path=[str(site), *sys.path], smart_sys_path=False)

        def complete(code: str) -> dict[str, Any]:
            script = jedi.Script(code, project=project, environment=jedi.InterpreterEnvironment())
            return {completion.name: completion for completion in script.complete()}

        return complete

    @pytest.mark.parametrize(
        "code, name, signature, docstring",
        [
            ("import g4f_legacy\ng4f_legacy.Chat", "ChatCompletion", "ChatCompletion()", "One completion of a conv"),
            (
                "import g4f_legacy\ng4f_legacy.ChatCompletion.crea",
                "create",
                "create(model: str | list[str] | Model | None, ",
                "Complete a conversation.\n\nArgs:",
            ),
            (
                "import g4f_legacy\ng4f_legacy.Provider.H2o.create_c",
                "create_completion",
                "create_completion(model: Any, messages: list[Any], stream: bool=True, ",
                "Return the tokens of the provider",
            ),
            (
                "from g4f_legacy.Provider import Bing\nBing.cre",
                "create_async",
                "create_async(model: Any, ",
                "Return a coroutine for the complete text.",
            ),
            (
                "from g4f_legacy.Provider.Providers.You import You\nYou.cre",
                "create_async_generator",
                "create_async_generator(model: Any, ",
                "Return the tokens for ``async for``",
            ),
            (
                "from g4f_legacy.Provider.base_provider import Asy",
                "AsyncProvider",
                "AsyncProvider()",
                "The base of a script's providers that define `create_async`.",
            ),
            ("import g4f_legacy.Provider.Bing as b\nb.create_c", "create_completion", "create_completion(", "Return"),
        ],
    )
    def test_completions(self, complete: Any, code: str, name: str, signature: str, docstring: str) -> None:
        completion = complete(code)[name]
        assert any(found.to_string().startswith(signature) for found in completion.get_signatures())
        assert completion.docstring(raw=True).startswith(docstring)

    def test_the_methods_of_streams(self, complete: Any) -> None:
        assert "finish_reason" in complete("import g4f_legacy as g\ng.ChatCompletion.create('', [], stream=True).")

    @pytest.mark.parametrize(
        "code", ["from g4f_legacy.Provider import H", "from g4f_legacy import Provider\nProvider.H"]
    )
    def test_providers(self, complete: Any, code: str) -> None:
        assert {"H2o", "HuggingChat", "Hashnode"} <= set(complete(code))


def declared_names(path: Path) -> set[str]:
    """Return the names of the providers that a stub declares."""
    return set(re.findall(r"^(\w+): ProviderModule$", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("folder", ["", "Providers", "deprecated", "needs_auth"])
def test_the_stubs_have_all_providers_and_no_others(site: Path, folder: str) -> None:
    stubs = site / "g4f_legacy-stubs" / "Provider" / folder
    builtin = {name for name in registry.names() if importlib.util.find_spec(f"g4f_legacy.Provider.{name}")}
    assert declared_names(stubs / "__init__.pyi") - {"_provider"} == {*builtin, *placeholder_names(), "Provider"}


def test_the_stubs_have_nothing_that_does_not_exist(site: Path) -> None:
    stubs = site / "g4f_legacy-stubs"
    modules = [path.relative_to(stubs).with_suffix("") for path in stubs.rglob("*.pyi")]
    for path in modules:
        name = ".".join(["g4f_legacy", *path.parts]).removesuffix(".__init__")
        assert importlib.import_module(name)
    names = re.findall(
        r"^(?:from .* as )?(\w+)", (stubs / "Provider" / "__init__.pyi").read_text("utf-8"), re.MULTILINE
    )
    assert len(names) > 100
    assert [name for name in names if name != "from" and not hasattr(Provider, name)] == []


def test_the_build_has_what_the_package_has(site: Path) -> None:
    assert (site / "g4f_legacy" / "py.typed").is_file() and not list((ROOT / "g4f_legacy").rglob("*.pyi"))
    assert (site / "g4f_legacy-stubs" / "py.typed").read_text() == "partial\n"
