import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import g4f_legacy
from g4f_legacy import Provider, provider_sources, registry
from g4f_legacy.cli.arguments import spell_flag
from g4f_legacy.compat import placeholders
from g4f_legacy.compat.provider_module import ProviderModule
from g4f_legacy.errors import ProviderNotFoundError

FOLDER = Path(g4f_legacy.__file__).parent / "Provider"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def python(code: str) -> str:
    """Run code in a new interpreter, and return what it prints."""
    process = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    return process.stdout.decode().strip()


def test_names() -> None:
    assert registry.names() == NAMES
    assert list(registry.all()) == NAMES


def test_a_provider_is_imported_on_demand() -> None:
    code = """
import sys
from g4f_legacy import registry
registry.names()
print([name for name in registry.names() if f"g4f_legacy.Provider.{name}" in sys.modules])
registry.get("Echo")
print([name for name in registry.names() if f"g4f_legacy.Provider.{name}" in sys.modules])
"""
    assert python(code).splitlines() == ["[]", "['Echo']"]


@pytest.mark.parametrize(
    "code",
    [
        "from g4f_legacy.Provider import H2o",
        "from g4f_legacy.Provider.H2o import H2o",
        "import g4f_legacy.Provider.H2o as H2o",
        "import g4f_legacy; H2o = g4f_legacy.Provider.H2o",
        "from g4f_legacy import Provider; H2o = Provider.H2o",
        "from g4f_legacy.registry import get; H2o = get('H2o')",
        "import g4f_legacy.Provider.H2o; H2o = g4f_legacy.Provider.H2o.H2o",
        "from g4f_legacy.Provider import *",
        "import importlib; H2o = importlib.import_module('g4f_legacy.Provider.H2o')",
    ],
)
def test_every_way_to_import_a_provider(code: str) -> None:
    check = "print(type(H2o) is ProviderModule, H2o.H2o is H2o)"
    assert python(f"{code}; from g4f_legacy.compat.provider_module import ProviderModule; {check}") == "True True"


def test_a_provider_is_a_module() -> None:
    H2o = registry.get("H2o")
    assert inspect.ismodule(H2o)
    assert H2o.__name__ == "H2o" and H2o.__spec__.name == "g4f_legacy.Provider.H2o"


@pytest.mark.parametrize(
    "name, suggestion",
    [
        ("h2o", "H2o"),
        ("H20", "H2o"),
        ("OpenAsistant", "OpenAssistant"),
        ("ECHO", "Echo"),
        ("openai", "OpenAI"),
        ("OpenAl", "OpenAI"),
        ("huggingchat", "HuggingChat"),
        ("HugingChat", "HuggingChat"),
        ("Openassistant", "OpenAssistant"),
        ("poe", "Poe"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name: str, suggestion: str) -> None:
    message = f"there is no provider {name!r}: did you mean {suggestion}? There are {', '.join(NAMES)}."
    with pytest.raises(ProviderNotFoundError) as raised:
        registry.get(name)
    assert raised.value.args == (message,)
    with pytest.raises(AttributeError) as missing:
        getattr(Provider, name)
    assert missing.value.args == (message,)
    assert not hasattr(Provider, name)


@pytest.mark.parametrize("name", ["-----", "Nope", "Xyzzy", "P0", "Oro", "None"])
def test_an_unknown_name_unlike_all_others(name: str) -> None:
    with pytest.raises(ProviderNotFoundError) as raised:
        registry.get(name)
    assert raised.value.args == (f"there is no provider {name!r}. There are {', '.join(NAMES)}.",)


@pytest.mark.parametrize("name", ["gpt-3.5-turbo", "..", "", "needs_auth.Bard", "Providers.H2o", "helper"])
def test_a_name_that_is_not_a_provider(name: str) -> None:
    with pytest.raises(ProviderNotFoundError, match="^there is no provider "):
        registry.get(name)


@pytest.mark.parametrize("name", ["ollama", "Ollama", "vllm", "LM Studio", "lm-studio", "llama.cpp", "LocalAI"])
def test_the_name_of_a_server_that_speaks_the_api_of_openai(name: str) -> None:
    with pytest.raises(ProviderNotFoundError) as raised:
        registry.get(name)
    message = (
        f"there is no provider {name!r}. There are {', '.join(NAMES)}. That server speaks OpenAI's API: use OpenAI"
    )
    assert str(raised.value) == f"{message}, with its address as base_url=."
    assert raised.value.describe(spell_flag).endswith(" with its address as --base-url.")


@pytest.mark.parametrize("name, suggestion", [("GptGos", "GptGo"), ("Llama3", None), ("OpenAsist", "OpenAssistant")])
def test_placeholders_are_suggested_for_similar_names_only(name: str, suggestion: str | None) -> None:
    with pytest.raises(ProviderNotFoundError) as raised:
        registry.get(name)
    assert (f"did you mean {suggestion}?" in str(raised.value)) if suggestion else "did you" not in str(raised.value)


def test_a_file_whose_name_differs_only_in_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "_warned", {})
    monkeypatch.setattr(Provider, "__path__", [*Provider.__path__, str(tmp_path)])
    (tmp_path / "h2o.py").write_text((FOLDER / "H2o.py").read_text())
    found, broken = registry.import_all()
    assert list(found) == registry.names() == NAMES
    assert broken == [("h2o", "the name of the file h2o.py differs from H2o only in case")]
    assert [record.getMessage() for record in caplog.records] == [
        f"A provider named h2o is left out: {broken[0].error}"
    ]
    with pytest.raises(ProviderNotFoundError, match="did you mean H2o"):
        registry.get("h2o")
    assert "g4f_legacy.Provider.h2o" not in sys.modules


@pytest.mark.parametrize(
    "code, place",
    [
        ("x = 1\n\n1 / 0\n", "ZeroDivisionError: division by zero (Raises.py, line 3)"),
        ("import json\ndef f():\n    json.loads('')\nf()\n", "line 1 column 1 (char 0) (Raises.py, line 3)"),
        ("raise SystemExit('bye')", "SystemExit: bye (Raises.py, line 1)"),
        ("import no_such_module", "Raises cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_file_that_raises(code: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Provider, "__path__", [str(tmp_path)])
    (tmp_path / "Raises.py").write_text(code)
    with pytest.raises(ImportError) as raised:
        registry.get("Raises")
    assert str(raised.value).endswith(place)


class TestPackage:
    def test_lists(self) -> None:
        all_names = sorted([*NAMES, *placeholders.placeholder_names()])
        assert dir(Provider) == sorted([*all_names, "Provider", "Providers"])
        classes = ["AsyncProvider", "AsyncGeneratorProvider", "RetryProvider"]
        assert Provider.__all__ == ["BaseProvider", *all_names, *classes]
        assert Provider.__providers__ == [registry.get(name) for name in all_names]
        assert list(Provider.__map__.items()) == list(zip(all_names, Provider.__providers__))
        assert [name for name, _ in inspect.getmembers(Provider, inspect.ismodule)] == dir(Provider)

    def test_unknown_dunder(self) -> None:
        assert not hasattr(Provider, "__wrapped__")


def offer(entry_points: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_sources, "entry_points", lambda group: entry_points)
    provider_sources._read_entry_points.cache_clear()


class TestOtherDistributions:
    @pytest.fixture(autouse=True)
    def entry_points(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        module = ModuleType("theirs.Theirs")
        module.__dict__.update(url="", model=[], models={}, supports_stream=True, needs_auth=False, working=True)
        module.params = "g4f.Providers.Theirs supports: ()"  # type: ignore[attr-defined]
        monkeypatch.setattr(registry, "_warned", {})
        module._create_completion = lambda *_, **__: iter("ab")  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "theirs.Empty", ModuleType("theirs.Empty"))
        monkeypatch.setitem(sys.modules, "theirs", ModuleType("theirs"))
        monkeypatch.setitem(sys.modules, "theirs.Theirs", module)
        entry_points = [
            EntryPoint("Theirs", "theirs.Theirs", provider_sources.ENTRY_POINTS),
            EntryPoint("Broken", "no_such_module", provider_sources.ENTRY_POINTS),
            EntryPoint("Empty", "theirs.Empty", provider_sources.ENTRY_POINTS),
            EntryPoint("H2o", "no_such_module", provider_sources.ENTRY_POINTS),
        ]
        offer(entry_points, monkeypatch)
        yield
        provider_sources._read_entry_points.cache_clear()

    def test_they_are_found(self) -> None:
        assert registry.names() == sorted([*NAMES, "Broken", "Empty", "Theirs"])
        theirs = Provider.Theirs
        assert theirs is registry.get("Theirs") is theirs.Theirs and theirs.__name__ == "Theirs"
        assert list(theirs.create_completion("", [])) == ["a", "b"]

    def test_an_entry_point_that_is_named_unlike_its_module(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = sys.modules["theirs.chat"] = ModuleType("theirs.chat")
        vars(module).update(vars(sys.modules["theirs.Theirs"]), __name__="theirs.chat")
        entry_point = EntryPoint("Acme", "theirs.chat", provider_sources.ENTRY_POINTS)
        offer([entry_point], monkeypatch)
        acme = registry.get("Acme")
        assert acme.__name__ == "Acme" and getattr(Provider, acme.__name__) is acme
        assert pickle.loads(pickle.dumps(acme)) is acme

    def test_those_that_cannot_be_imported(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(ImportError):
            registry.get("Broken")
        with pytest.raises(TypeError, match="theirs.Empty is not a provider: it lacks url, model, "):
            registry.get("Empty")
        assert list(registry.all()) == sorted([*NAMES, "Theirs"])
        assert set(Provider.__map__) - set(placeholders.placeholder_names()) == {*NAMES, "Theirs"}
        assert [record.getMessage()[:67] for record in caplog.records] == [
            "A provider named Broken is left out: Broken cannot be imported: No ",
            "A provider named Empty is left out: theirs.Empty is not a provider:",
            "A provider named H2o is left out: the entry point for no_such_modul",
        ]
        assert {"Theirs", *NAMES} < {name for name, _ in inspect.getmembers(Provider)}
        assert not hasattr(Provider, "Broken") and not hasattr(Provider, "Empty")

    def test_built_in_providers_take_precedence(self) -> None:
        assert registry.get("H2o") is sys.modules["g4f_legacy.Provider.H2o"]


class TestNamesOfProviderClasses:
    def test_create_completion(self) -> None:
        echo = registry.get("Echo")
        assert list(echo.create_completion("echo", [{"role": "user", "content": "a b"}], True)) == ["a", " b"]
        assert list(echo.create_completion("echo", [{"role": "user", "content": "a b"}], stream=False)) == ["a b"]

    @pytest.mark.parametrize("models, expected", [(["gpt-4"], [False, True]), (["gpt-3.5-turbo", "x"], [True, False])])
    def test_supports(self, models: list[str], expected: list[bool]) -> None:
        module: Any = ProviderModule("x.Y")
        module.model = models
        assert [module.supports_gpt_35_turbo, module.supports_gpt_4] == expected


class TestTopLevel:
    def test_importing_the_package_imports_nothing_heavy(self) -> None:
        code = "import sys, g4f_legacy, g4f_legacy.cli.main; print({'requests', 'urllib3'} & set(sys.modules))"
        assert python(code) == "set()"

    def test_public_names(self) -> None:
        assert set(g4f_legacy.__all__) <= set(dir(g4f_legacy))
        for name in g4f_legacy.__all__:
            assert getattr(g4f_legacy, name) is not None
        assert g4f_legacy.ChatCompletion is g4f_legacy.completion.ChatCompletion  # type: ignore[attr-defined]

    def test_an_unknown_name(self) -> None:
        with pytest.raises(AttributeError, match="module 'g4f_legacy' has no attribute 'nope'"):
            g4f_legacy.nope
