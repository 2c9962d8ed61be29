"""Holds every provider to the contract, and proves of each check that it can fail."""

import ast
import importlib.util
import inspect
from pathlib import Path
import re
import socket
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import pytest
from replay import RECORDINGS

from g4f_legacy import registry

TESTS = Path(__file__).parent
CONSTANTS = ["url", "model", "models", "supports_stream", "needs_auth", "working"]
NOT_RECORDED = {"Google"}  # nobody can run one: its tests have a server that behaves as Google's documentation says
MAY_IMPORT = {"concurrency", "errors", "params", "parsing", "prompt", "protocols", "transport"}


class Subject(NamedTuple):
    """A provider, as a file and as a module."""

    path: Path
    name: str

    @property
    def source(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def body(self) -> List[ast.stmt]:
        return ast.parse(self.source).body

    @property
    def module(self) -> Any:
        """A fresh import of the file."""
        module_name = f"g4f_legacy.Provider.{self.name}"
        spec = importlib.util.spec_from_file_location(module_name, self.path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def check_docstring(provider: Subject) -> None:
    assert provider.module.__doc__


def check_url(provider: Subject) -> None:
    assert re.fullmatch(r"(https://[a-z0-9.-]+(/[a-z0-9]+)*)?", provider.module.url)


def check_model(provider: Subject) -> None:
    names = provider.module.model
    assert type(names) is list and names and all(type(name) is str and name for name in names)
    assert len(set(names)) == len(names)


def check_models(provider: Subject) -> None:
    ids = provider.module.models
    assert type(ids) is dict and set(ids) == set(provider.module.model)
    assert all(type(model_id) is str and model_id for model_id in ids.values())


def check_flags(provider: Subject) -> None:
    assert all(type(getattr(provider.module, name)) is bool for name in ("supports_stream", "needs_auth", "working"))


def check_signature(provider: Subject) -> None:
    signature = str(inspect.signature(provider.module._create_completion))
    assert re.fullmatch(
        r"\(model: str, messages: list, stream: bool, \*\*kwargs\) -> (typing\.)?Iterator\[str\]", signature
    )


def check_generator(provider: Subject) -> None:
    assert inspect.isgeneratorfunction(provider.module._create_completion)


def check_params(provider: Subject) -> None:
    text = f"g4f.Providers.{provider.name} supports: (model: str, messages: list, stream: bool)"
    assert provider.module.params == text


def check_order(provider: Subject) -> None:
    """Docstring, imports, the constants, private constants, _create_completion, private helpers, params."""
    rank = {name: 2 + place for place, name in enumerate(CONSTANTS)}
    ranks = []
    for statement in provider.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            target: Any = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            name = target.id
            ranks.append(99 if name == "params" else rank.get(name, 20 if name.startswith("_") else -1))
        elif isinstance(statement, ast.FunctionDef):
            ranks.append(30 if statement.name == "_create_completion" else 31 if statement.name.startswith("_") else -1)
        else:
            kinds = {ast.Expr: 0, ast.Import: 1, ast.ImportFrom: 1}
            ranks.append(kinds.get(type(statement), -1))
    assert ranks == sorted(ranks) and -1 not in ranks and ranks[-1] == 99 and 30 in ranks


def check_imports(provider: Subject) -> None:
    for node in ast.walk(ast.Module(body=provider.body, type_ignores=[])):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 2 and (node.module or "").partition(".")[0] in MAY_IMPORT
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert all(name.partition(".")[0] not in ("g4f_legacy", "requests", "urllib3") for name in names)


def check_no_socket_at_import(provider: Subject) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        assert provider.module


def check_size(provider: Subject) -> None:
    assert len(provider.source.splitlines()) < 120


def check_tests(provider: Subject) -> None:
    assert (TESTS / "Provider" / f"test_{provider.name}.py").is_file()


def check_recordings(provider: Subject) -> None:
    folder = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", provider.name).lower()
    assert not provider.module.url or provider.name in NOT_RECORDED or list((RECORDINGS / folder).glob("*.json"))


def check_wrong_messages(provider: Subject) -> None:
    """Wrong messages are refused before anything is sent."""
    url = "http://127.0.0.1:1"
    for messages, kind in ((None, TypeError), ([], ValueError), ([{"role": "user"}], ValueError)):
        with pytest.raises(kind, match="^messages"):
            list(provider.module._create_completion("", messages, True, base_url=url, auth="a", retries=0))


CHECKS: Dict[str, Callable[[Subject], None]] = {
    name[len("check_") :]: check for name, check in list(globals().items()) if name.startswith("check_")
}

GOOD = '''"""Says nothing."""

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

# Check: what breaks a provider so that the check has to fail.
BROKEN: List[Tuple[str, str, str]] = [
    ("docstring", '"""Says nothing."""', ""),
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


def subjects() -> List[Subject]:
    return [Subject(Path(module.__file__), name) for name, module in registry.all().items() if module.__file__]


@pytest.mark.parametrize("provider", subjects(), ids=lambda provider: provider.name)
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_provider(provider: Subject, check: Callable[[Subject], None]) -> None:
    check(provider)


def broken(tmp_path: Path, old: str = "", new: str = "") -> Subject:
    assert old in GOOD
    path = tmp_path / "Broken.py"
    path.write_text(GOOD.replace(old, new) if old else GOOD, "utf-8")
    return Subject(path, "Broken")


@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"tests", "recordings"}))
def test_a_good_provider_passes(check: str, tmp_path: Path) -> None:
    CHECKS[check](broken(tmp_path))


@pytest.mark.parametrize("check, old, new", BROKEN)
def test_a_broken_provider_is_caught(check: str, old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, AttributeError, pytest.fail.Exception)):
        CHECKS[check](broken(tmp_path, old, new))


@pytest.mark.parametrize("check", ["tests", "recordings"])
def test_a_provider_without_tests_or_recordings_is_caught(check: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        CHECKS[check](broken(tmp_path))


def test_every_check_is_proven() -> None:
    assert {check for check, _, _ in BROKEN} | {"tests", "recordings"} == set(CHECKS)
