"""The contract of providers: checked for each of them, with a proof that each check can fail."""

import ast
import importlib.util
import inspect
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from replay import RECORDINGS

from g4f_legacy import registry

TESTS = Path(__file__).parent
CONSTANTS = ["url", "model", "models", "supports_stream", "needs_auth", "working"]
MAY_IMPORT = {"concurrency", "errors", "params", "parsing", "prompt", "protocols", "tokens", "transport"}


class ProviderFile(NamedTuple):
    """A provider as a file and as a module."""

    path: Path
    name: str

    @property
    def source(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def body(self) -> list[ast.stmt]:
        return ast.parse(self.source).body

    @property
    def module(self) -> Any:
        """The file, imported again."""
        module_name = f"g4f_legacy.Provider.{self.name}"
        spec = importlib.util.spec_from_file_location(module_name, self.path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def check_docstring(provider: ProviderFile) -> None:
    assert provider.module.__doc__


def check_url(provider: ProviderFile) -> None:
    assert re.fullmatch(r"(https://[a-z0-9.-]+(/[a-z0-9]+)*)?", provider.module.url)


def check_model(provider: ProviderFile) -> None:
    names = provider.module.model
    assert type(names) is list and names and all(type(name) is str and name for name in names)
    assert len(set(names)) == len(names)


def check_models(provider: ProviderFile) -> None:
    ids = provider.module.models
    assert type(ids) is dict and set(ids) == set(provider.module.model)
    assert all(type(model_id) is str and model_id for model_id in ids.values())


def check_flags(provider: ProviderFile) -> None:
    assert all(type(getattr(provider.module, name)) is bool for name in ("supports_stream", "needs_auth", "working"))


def check_signature(provider: ProviderFile) -> None:
    signature = str(inspect.signature(provider.module._create_completion))
    assert re.fullmatch(
        r"\(model: str, messages: list, stream: bool, \*\*kwargs\) -> (typing\.)?Iterator\[str\]", signature
    )


def check_generator(provider: ProviderFile) -> None:
    assert inspect.isgeneratorfunction(provider.module._create_completion)


def check_params(provider: ProviderFile) -> None:
    text = f"g4f.Providers.{provider.name} supports: (model: str, messages: list, stream: bool)"
    assert provider.module.params == text


def check_order(provider: ProviderFile) -> None:
    """Docstring, imports, the constants, private constants, _create_completion, private helpers, params."""
    rank = {name: 2 + position for position, name in enumerate(CONSTANTS)}
    ranks = []
    for statement in provider.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            target: Any = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            name = target.id
            ranks.append(99 if name == "params" else rank.get(name, 20 if name.startswith("_") else -1))
        elif isinstance(statement, ast.FunctionDef):
            ranks.append(30 if statement.name == "_create_completion" else 31 if statement.name.startswith("_") else -1)
        else:
            statement_ranks = {ast.Expr: 0, ast.Import: 1, ast.ImportFrom: 1}
            ranks.append(statement_ranks.get(type(statement), -1))
    assert ranks == sorted(ranks) and -1 not in ranks and ranks[-1] == 99 and 30 in ranks


def check_imports(provider: ProviderFile) -> None:
    for node in ast.walk(ast.Module(body=provider.body, type_ignores=[])):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 2 and (node.module or "").partition(".")[0] in MAY_IMPORT
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert all(name.partition(".")[0] not in ("g4f_legacy", "requests", "urllib3") for name in names)


def check_no_socket_at_import(provider: ProviderFile) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        assert provider.module


def check_size(provider: ProviderFile) -> None:
    assert len(provider.source.splitlines()) <= 120


def get_test_file(provider: ProviderFile) -> Path:
    return TESTS / "Provider" / f"test_{provider.name}.py"


def check_tests(provider: ProviderFile) -> None:
    assert get_test_file(provider).is_file()


def check_recordings(provider: ProviderFile) -> None:
    """A provider with a server has recordings, or its tests tell why not: ``NOT_RECORDED = "the reason"``."""
    folder = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", provider.name).lower()
    if provider.module.url and not list((RECORDINGS / folder).glob("*.json")):
        check_tests(provider)
        assert re.search(r'^NOT_RECORDED = ".+"$', get_test_file(provider).read_text("utf-8"), re.MULTILINE)


def check_readme(provider: ProviderFile) -> None:
    readme = (TESTS.parent / "README.rst").read_text("utf-8")
    assert re.search(rf"^{provider.name} +\S", readme, re.MULTILINE), "the table of providers needs a row"


def check_wrong_messages(provider: ProviderFile) -> None:
    """Wrong messages raise before anything is sent."""
    url = "http://127.0.0.1:1"
    for messages, error_type in ((None, TypeError), ([], ValueError), ([{"role": "user"}], ValueError)):
        with pytest.raises(error_type, match="^messages"):
            list(provider.module._create_completion("", messages, True, base_url=url, auth="a", retries=0))


CHECKS: dict[str, Callable[[ProviderFile], None]] = {
    name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")
}

GOOD = '''"""Yields nothing."""

import re
from typing import Iterator

from ..params import format_params
from ..prompt import check_messages

url = "https://broken.example"
model = ["one"]
models = {"one": "the/one"}
supports_stream = True
needs_auth = False
working = False

_PRIVATE = 5


def _create_completion(model: str, messages: list, stream: bool, **kwargs) -> Iterator[str]:
    check_messages(messages)
    yield ""


def _helper() -> None:
    pass


params = format_params(__name__, _create_completion)
'''

# A check, and a replacement in the source of a good provider that must make it fail.
BROKEN: list[tuple[str, str, str]] = [
    ("docstring", '"""Yields nothing."""', ""),
    ("url", '"https://broken.example"', '"http://broken.example"'),
    ("url", '"https://broken.example"', '"https://broken.example/"'),
    ("model", '["one"]', "[]"),
    ("model", '["one"]', '("one",)'),
    ("model", '["one"]', '["one", "one"]'),
    ("models", '{"one": "the/one"}', "{}"),
    ("models", '{"one": "the/one"}', '{"one": None}'),
    ("flags", "supports_stream = True", "supports_stream = 1"),
    ("flags", "working = False", "working = None"),
    ("signature", "messages: list", "messages: dict"),
    ("signature", "**kwargs", "temperature: float = 1"),
    ("signature", "-> Iterator[str]", ""),
    ("generator", 'yield ""', 'return iter("")'),
    ("params", "format_params(__name__, _create_completion)", '"g4f.Providers.Broken"'),
    ("order", "\n\ndef _helper", "\n\ndef helper"),
    ("order", "_PRIVATE = 5", "PUBLIC = 5"),
    ("order", "needs_auth = False\nworking = False", "working = False\nneeds_auth = False"),
    ("order", "params = format_params(__name__, _create_completion)", ""),
    ("order", "_PRIVATE = 5", "class Private:\n    pass"),
    ("imports", "import re", "import requests"),
    ("imports", "import re", "from .H2o import models"),
    ("imports", "import re", "from .. import cli"),
    ("imports", "import re", "from ..completion import ChatCompletion"),
    ("imports", "    pass", "    import g4f_legacy.cli.main"),
    ("no_socket_at_import", "_PRIVATE = 5", "import socket; socket.socket()"),
    ("no_socket_at_import", "_PRIVATE = 5", "import socket; socket.getaddrinfo('localhost', 80)"),
    ("size", "    pass", "    pass\n" * 100),
    ("wrong_messages", "check_messages(messages)", ""),
]


def provider_files() -> list[ProviderFile]:
    return [ProviderFile(Path(module.__file__), name) for name, module in registry.all().items() if module.__file__]


@pytest.mark.parametrize("provider", provider_files(), ids=lambda provider: provider.name)
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_provider(provider: ProviderFile, check: Callable[[ProviderFile], None]) -> None:
    check(provider)


NEEDS_FILES = {"tests", "recordings", "readme"}
"""The checks for what a provider needs besides its own file."""


def broken(tmp_path: Path, old: str = "", new: str = "") -> ProviderFile:
    assert old in GOOD
    path = tmp_path / "Broken.py"
    path.write_text(GOOD.replace(old, new) if old else GOOD, "utf-8")
    return ProviderFile(path, "Broken")


@pytest.mark.parametrize("check", sorted(set(CHECKS) - NEEDS_FILES))
def test_a_good_provider_passes(check: str, tmp_path: Path) -> None:
    CHECKS[check](broken(tmp_path))


@pytest.mark.parametrize("check, old, new", BROKEN)
def test_a_broken_provider_fails(check: str, old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, AttributeError, pytest.fail.Exception)):
        CHECKS[check](broken(tmp_path, old, new))


@pytest.mark.parametrize("check", [check_tests, check_readme])
def test_a_provider_without_tests_or_a_row_fails(check: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(broken(tmp_path))


@pytest.mark.parametrize("tests", ["", 'NOT_RECORDED = ""\n', '# NOT_RECORDED = "because"\n'])
def test_a_provider_without_recordings_fails(tests: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TESTS", tmp_path)
    provider = broken(tmp_path)
    get_test_file(provider).parent.mkdir()
    get_test_file(provider).write_text(tests, "utf-8")
    with pytest.raises(AssertionError):
        check_recordings(provider)
    get_test_file(provider).write_text('NOT_RECORDED = "because"\n', "utf-8")
    check_recordings(provider)


def test_every_check_is_proven() -> None:
    assert {check for check, _, _ in BROKEN} | NEEDS_FILES == set(CHECKS)
