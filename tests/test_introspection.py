"""What `dir` and `help` show of the package and of providers: what users read and call, and nothing else."""

import inspect
import pydoc
import re
import subprocess
import sys
from typing import Any

import pytest
from scripted_provider import scripted_provider

import g4f_legacy
from g4f_legacy import ChatCompletion, Provider, registry
from g4f_legacy.compat.provider_module import wrap_module

DATA = ["model", "models", "needs_auth", "params", "supports_stream", "url", "working"]
FUNCTIONS = ["_create_completion", "create_async", "create_async_generator", "create_completion"]
PROVIDERS = [*registry.names(), "Bing", "Palm", "Provider"]


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def show_help(thing: Any) -> str:
    """Return what `help` prints."""
    return pydoc.render_doc(thing, renderer=pydoc.plaintext)


def read_sections(text: str) -> dict[str, str]:
    """Return the sections of a help text by their headings."""
    parts = re.split(r"^([A-Z]+(?: [A-Z]+)*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def read_names(section: str) -> list[str]:
    """Return the names that a section explains, without those of the package and the special ones."""
    return re.findall(r"^    (\w+)(?: =|\()", section, re.MULTILINE)


@pytest.mark.parametrize("name", PROVIDERS)
class TestProvider:
    def test_dir(self, name: str) -> None:
        provider = getattr(Provider, name)
        assert [listed for listed in dir(provider) if not is_special(listed)] == sorted([*DATA, *FUNCTIONS])
        assert {"__doc__", "__name__"} <= set(dir(provider)) and all(hasattr(provider, name) for name in dir(provider))

    def test_help(self, name: str) -> None:
        provider = getattr(Provider, name)
        sections = read_sections(show_help(provider))
        assert list(sections) == [
            "NAME",
            *(["DESCRIPTION"] if "\n" in provider.__doc__ else []),
            "FUNCTIONS",
            "DATA",
            "FILE",
        ]
        assert sections["NAME"].strip() == f"{provider.__name__} - {provider.__doc__.splitlines()[0]}"
        assert read_names(sections["FUNCTIONS"]) == FUNCTIONS and read_names(sections["DATA"]) == DATA

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_help_of_functions(self, name: str, function: str) -> None:
        text = show_help(getattr(getattr(Provider, name), function))
        # Since Python 3.13, one parameter a line.
        assert re.search(
            rf"\n{function}\(\s*model: (Any|str),\s+messages: list.*,\s+\*\*kwargs[^)]*\) -> ", text, re.DOTALL
        )
        assert re.search(r"^    (Yield|Return) .*\.$", text, re.MULTILINE)


def test_what_scripts_of_2023_read_remains() -> None:
    names = ["model_aliases", "providers", "supports_gpt_4", "supports_gpt_35_turbo", "supports_message_history"]
    assert all(hasattr(Provider.H2o, name) and name not in dir(Provider.H2o) for name in names)


def test_a_wrong_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "nonsense")
    assert "working = False" in show_help(Provider.H2o)


def test_a_provider_of_another_distribution() -> None:
    """Its ``params`` are not required."""
    module = scripted_provider("a")
    wrap_module(module)
    assert "params" not in dir(module) and set(module.__all__) == {*DATA, *FUNCTIONS, "Scripted"} - {"params"}
    assert read_names(read_sections(show_help(module))["FUNCTIONS"]) == FUNCTIONS


def test_star_import_of_a_provider() -> None:
    names: dict[str, Any] = {}
    exec("from g4f_legacy.Provider.H2o import *", names)
    assert set(names) - {"__builtins__"} == {*DATA, *FUNCTIONS, "H2o"}


class TestPackage:
    def test_dir(self) -> None:
        switches = {"check_version", "logging", "version", "version_check"}
        names = {name for name in dir(g4f_legacy) if not is_special(name)} - {"server"}  # other tests import that
        assert names == {*g4f_legacy.__all__, *switches}

    def test_help(self) -> None:
        """It imports all names: without the extras, too."""
        code = "import sys; sys.modules['flask'] = None; import g4f_legacy; help(g4f_legacy)"
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
        )
        sections = read_sections(done.stdout)
        assert read_names(sections["FUNCTIONS"]) == ["get_model_and_provider", "redirect"]
        assert read_names(sections["DATA"]) == ["AsyncResult", "CreateResult", "Messages"]
        assert "class ChatCompletion(builtins.object)" in sections["CLASSES"]

    @pytest.mark.parametrize("function", [ChatCompletion.create, ChatCompletion.create_async])
    def test_help_of_functions(self, function: Any) -> None:
        text = show_help(function)
        assert inspect.cleandoc(function.__doc__).splitlines()[0] in text
        assert re.search(r"^create(_async)?\(\s*model: str \| list\[str\] \| ", text, re.MULTILINE)
