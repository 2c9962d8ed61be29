"""Broken providers, as files in the folder of the providers and as distributions: each is one warning and one row."""

import inspect
import json
import os
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run
from scripted_provider import scripted_provider

from g4f_legacy import ChatCompletion, Provider, registry

HELLO = [{"role": "user", "content": "Hello"}]
BUILT_IN = registry.names()
GOOD = '''"""Answers yes to everything."""
from g4f_legacy.params import format_params

url = ""
model = ["yes"]
models = {"yes": "yes"}
supports_stream = True
needs_auth = False
working = True


def _create_completion(model: str, messages: list, stream: bool, **kwargs):
    yield "Yes."


params = format_params(__name__, _create_completion)
'''
FUNCTION = GOOD[GOOD.index("def _create") :]

# A replacement in the good provider, and what is said of the result.
BROKEN = {
    "Syntax": ("def _create_completion", "def def", "cannot be imported: invalid syntax (Syntax.py, line 12)"),
    "Module": ('url = ""', "import no_such_module", "cannot be imported: No module named 'no_such_module'"),
    "Raises": ('url = ""', "1 / 0", "cannot be imported: ZeroDivisionError: division by zero (Raises.py, line 4)"),
    "Exits": ('url = ""', "raise SystemExit('bye')", "cannot be imported: SystemExit: bye (Exits.py, line 4)"),
    "NoParams": ("params = ", "_params = ", "is not a provider: it lacks params"),
    "NoUrl": ("url = ", "_url = ", "is not a provider: it lacks url"),
    "NoFunction": (FUNCTION, "_create_completion = params = ''\n", "is not a provider: _create_completion must be a "),
    "Empty": (
        GOOD,
        "",
        "is not a provider: it lacks url, model, models, supports_stream, needs_auth, working, _create",
    ),
    "InClass": (GOOD, "class InClass:\n    url = ''\n", "is not a provider: it lacks url, model"),
    "NumberAsUrl": ('url = ""', "url = 5", "is not a provider: url must be a string"),
    "WordAsUrl": ('url = ""', "url = 'nowhere!'", "is not a provider: url must be the URL of a server, like 'http://"),
    "TupleAsModel": ('["yes"]', '("yes",)', "is not a provider: model must be a list of strings"),
    "NumbersAsModel": ('["yes"]', "[1]", "is not a provider: model must be a list of strings"),
    "ListAsModels": ('{"yes": "yes"}', '["yes"]', "is not a provider: models must be a dict of strings"),
    "NumberAsId": ('{"yes": "yes"}', '{"yes": 1}', "is not a provider: models must be a dict of strings"),
    "Stream": (
        "supports_stream = True",
        "supports_stream = 1",
        "is not a provider: supports_stream must be True or Fa",
    ),
    "Auth": ("needs_auth = False", "needs_auth = None", "is not a provider: needs_auth must be True or False"),
    "Working": ("working = True", "working = 'yes'", "is not a provider: working must be True or False"),
    "Params": ("params = ", "params = 5 #", "is not a provider: params must be a string"),
}


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget afterwards what a test imports."""
    monkeypatch.setattr(registry, "_warned", {})
    modules, attributes = dict(sys.modules), dict(vars(Provider))
    yield
    for name in set(sys.modules) - set(modules):
        if name.startswith(("g4f_legacy.Provider.", "acme")):
            del sys.modules[name]
    for name in set(vars(Provider)) - set(attributes):
        if not name.startswith("_"):
            vars(Provider).pop(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are providers like those of the package."""
    monkeypatch.setattr(Provider, "__path__", [*Provider.__path__, str(tmp_path)])
    return tmp_path


def install(folder: Path, *entry_points: str, distribution: str = "acme", **modules: str) -> None:
    """Write a distribution: its metadata, and modules in a package of its name."""
    package = folder / distribution
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    for name, source in modules.items():
        package.joinpath(f"{name}.py").write_text(source)
    metadata = folder / f"{distribution}-1.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    metadata.joinpath("entry_points.txt").write_text("\n".join(["[g4f_legacy.providers]", *entry_points, ""]))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name in ("g4f_legacy.registry", "g4f_legacy.provider_sources")
    ]


def rows() -> dict[str, str]:
    """Return what ``providers`` says of those that are broken."""
    listed = json.loads(run("providers", "--json")[1])
    assert [row["name"] for row in listed if "error" not in row] == sorted([*BUILT_IN, "Yes"])
    broken = [row for row in listed if "error" in row]
    known = {"name", "error", "usable"}
    assert all(set(row) == {*listed[0], "error"} for row in broken)
    assert all(value is None for row in broken for name, value in row.items() if name not in known)
    table = run("providers")[1]
    assert all(f"{row['error']}\n" in table for row in broken)
    return {row["name"]: row["error"] for row in broken}


def test_a_good_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "Yes.py").write_text(GOOD)
    assert registry.names() == list(registry.all()) == sorted([*BUILT_IN, "Yes"])
    assert ChatCompletion.create("yes", HELLO) == ChatCompletion.create("", HELLO, "Yes") == "Yes."
    assert rows() == {} and warnings(caplog) == []


def test_broken_files(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "Yes.py").write_text(GOOD)
    for name, (old, new, _) in BROKEN.items():
        assert old in GOOD
        (folder / f"{name}.py").write_text(GOOD.replace(old, new))
    for _ in range(2):
        assert list(registry.all()) == sorted([*BUILT_IN, "Yes"])
    assert registry.names() == sorted([*BUILT_IN, "Yes", *BROKEN])
    errors = rows()
    assert list(errors) == sorted(BROKEN)
    for name, (_, _, expected) in BROKEN.items():
        assert errors[name].startswith(f"{name} {expected}")
        with pytest.raises((ImportError, TypeError)) as raised:
            registry.get(name)
        assert str(raised.value) == errors[name]
        with pytest.raises(AttributeError) as missing:
            getattr(Provider, name)
        assert str(missing.value) == errors[name]
    assert warnings(caplog) == [f"A provider named {name} is left out: {errors[name]}" for name in sorted(BROKEN)]


def test_everything_else_goes_on(folder: Path) -> None:
    (folder / "Yes.py").write_text(GOOD)
    for name in ("Syntax", "NoUrl", "ListAsModels"):
        (folder / f"{name}.py").write_text(GOOD.replace(*BROKEN[name][:2]))
    assert ChatCompletion.create("yes", HELLO) == "Yes."
    assert [provider.__name__ for provider in registry.find(usable=True)] == ["Echo", "Yes"]
    assert {"Yes", "Bing"} < set(dir(Provider)) and not set(BROKEN) & set(dir(Provider))
    assert set(dir(Provider)) - {"Provider", "Providers"} == set(Provider.__map__)
    assert not set(BROKEN) & {name for name, _ in inspect.getmembers(Provider)}
    assert "The providers, one module each" in pydoc.render_doc(Provider)
    code, out, _ = run("models")
    assert code == 0 and {line.split()[0] for line in out.splitlines()[1:]} == {*BUILT_IN, "Yes"}
    code, out, _ = run("providers", "--usable")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[1:]] == ["Echo", "Yes"]
    code, out, err = run("providers", "Syntax")
    assert (code, out) == (
        2,
        "",
    ) and err == "g4f-legacy: Syntax cannot be imported: invalid syntax (Syntax.py, line 12)\n"
    assert run("providers", G4F_LEGACY_REDIRECT="Syntax")[0] == 0
    code, out, _ = run("providers", "H2o", G4F_LEGACY_REDIRECT="Syntax")
    assert code == 0 and "\nnot redirected: Syntax cannot be imported: " in out


def test_names_with_a_leading_underscore_are_not_providers(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "Yes.py").write_text(GOOD)
    (folder / "_util.py").write_text("import no_such_module")
    (folder / "_Draft.py").write_text(GOOD)
    assert registry.names() == sorted([*BUILT_IN, "Yes"]) and rows() == {} and warnings(caplog) == []
    for name in ("_util", "_Draft"):
        with pytest.raises(LookupError, match=f"^there is no provider '{name}'\\. There are "):
            registry.get(name)


def test_a_file_that_is_mended(folder: Path) -> None:
    (folder / "Yes.py").write_text("import no_such_module")
    assert "Yes" not in registry.all()
    (folder / "Yes.py").write_text(GOOD)
    assert "Yes" in registry.all()


def test_broken_distributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entry_points = {
        "Class": "acme.yes:Class",
        "Dotted.Name": "acme.yes",
        "Function": "acme.yes:_create_completion",
        "Malformed": "not a module!",
        "Missing": "acme.no_such_module",
        "NoAttribute": "acme.yes:nope",
        "NoParams": "acme.noparams",
        "OpenAI": "acme.yes",
        "Second": "acme.yes",
        "Third": "g4f_legacy.Provider.H2o",
        "Yes": "acme.yes",
        "YES": "acme.other",
        "_Private": "acme.no_such_module",
        "echo": "acme.yes",
    }
    lines = [f"{name} = {value}" for name, value in sorted(entry_points.items(), key=lambda item: item[0] == "Second")]
    modules = {"yes": GOOD + "class Class: pass\n", "noparams": GOOD.replace("params =", "_params ="), "other": GOOD}
    install(tmp_path, *lines, **modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.get("Yes")
    errors = rows()
    assert errors == {
        "Class": "the class Class is not a provider: a provider is a module",
        "Dotted.Name": "the name of the entry point for acme.yes contains a dot",
        "Function": "an object of type function is not a provider: a provider is a module",
        "Malformed": "the value of the entry point is not a module: not a module!",
        "Missing": "Missing cannot be imported: No module named 'acme.no_such_module'",
        "NoAttribute": "NoAttribute cannot be imported: AttributeError: module 'acme.yes' has no attribute 'nope'",
        "NoParams": "acme.noparams is not a provider: it lacks params",
        "OpenAI": "the entry point for acme.yes has the name of the built-in provider OpenAI",
        "Second": "the entry point Second names the module of another provider: Yes",
        "Third": "the entry point Third names the module of another provider: H2o",
        "YES": "the entry point for acme.other has the name of acme.yes",
        "echo": "the entry point for acme.yes has the name of the built-in provider Echo",
    }
    assert warnings(caplog) == [f"A provider named {name} is left out: {error}" for name, error in errors.items()]
    assert registry.get("H2o").__name__ == "H2o" and registry.get("Yes").__name__ == "Yes"
    assert ChatCompletion.create("yes", HELLO) == "Yes."


def test_distributions_that_offer_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, distribution in enumerate(["acme", "acme2"]):
        install(tmp_path / distribution, f"Yes = {distribution}.yes", distribution=distribution, yes=GOOD)
        monkeypatch.setattr(sys, "path", [*sys.path[:number], str(tmp_path / distribution), *sys.path[number:]])
    assert registry.get("Yes").__spec__.name == "acme.yes"
    assert rows() == {"Yes": "the entry point for acme2.yes has the name of acme.yes"}


def test_entry_points_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "a line without an equals sign")
    monkeypatch.syspath_prepend(str(tmp_path))
    for _ in range(2):
        assert registry.names() == list(registry.all()) == BUILT_IN
    [warning] = warnings(caplog)
    assert warning.startswith("Providers of other distributions are left out: an entry_points.txt cannot be read: ")


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    install(tmp_path, "Yes = acme.yes", "Broken = acme.broken", yes=GOOD, broken="def")
    command = [sys.executable, "-m", "g4f_legacy", "providers", "--all", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True, encoding="utf-8")
    error = "Broken cannot be imported: invalid syntax (broken.py, line 1)"
    assert done.stderr == f"A provider named Broken is left out: {error}\n"
    listed = {row["name"]: row for row in json.loads(done.stdout)}
    assert (listed["Broken"]["error"], listed["Broken"]["usable"]) == (error, False)
    assert listed["Yes"]["usable"] and not listed["Bing"]["usable"]


@pytest.mark.parametrize(
    "attribute, value",
    [("url", 5), ("model", ("yes",)), ("models", ["yes"]), ("needs_auth", 1), ("_create_completion", "")],
)
def test_an_object_that_is_passed(attribute: str, value: object) -> None:
    provider = scripted_provider("Yes.")
    assert not hasattr(provider, "params") and ChatCompletion.create("", HELLO, provider) == "Yes."
    setattr(provider, attribute, value)
    with pytest.raises(
        TypeError, match=f"^tests.Scripted is not a provider: {attribute} must be a|{attribute} must be T"
    ):
        ChatCompletion.create("", HELLO, provider)


def test_what_a_script_assigns_later_is_not_checked(folder: Path) -> None:
    (folder / "Yes.py").write_text(GOOD)
    provider = registry.get("Yes")
    provider.url = "nowhere!"
    assert registry.get("Yes") is registry.all()["Yes"] is provider
