from typing import Any

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import Provider, redirect, registry
from g4f_legacy.availability import is_placeholder, is_unavailable, is_usable
from g4f_legacy.options import has_working_public_server


def test_is_placeholder() -> None:
    assert is_placeholder(Provider.Bing)
    assert not is_placeholder(Provider.H2o) and not is_placeholder(object())


@pytest.mark.parametrize(
    "name, options, unavailable",
    [
        ("Echo", {}, False),
        ("OpenAI", {}, False),
        ("H2o", {}, True),
        ("H2o", {"base_url": "http://127.0.0.1:1"}, False),
        ("H2o", {"auth": "token"}, True),
        ("HuggingChat", {}, True),
        ("HuggingChat", {"auth": "s3ss1on"}, False),
        ("HuggingChat", {"cookies": "of a wrong type"}, True),
        ("Bing", {"base_url": "http://127.0.0.1:1"}, True),
    ],
)
def test_is_unavailable(name: str, options: dict[str, Any], unavailable: bool) -> None:
    assert is_unavailable(getattr(Provider, name), options) is unavailable


def test_a_configured_server_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
    assert not is_unavailable(Provider.H2o, {})


def test_a_module_of_the_caller_is_available() -> None:
    assert not is_unavailable(scripted_provider(), {})


@pytest.mark.parametrize(
    "name, options, usable",
    [
        ("Echo", {}, True),
        ("OpenAI", {}, False),
        ("OpenAI", {"auth": "key"}, True),
        ("OpenAI", {"base_url": "http://127.0.0.1:1"}, True),
        ("OpenAI", {"base_url": "nowhere"}, False),
        ("H2o", {}, False),
        ("H2o", {"base_url": "http://127.0.0.1:1"}, True),
        ("OpenAssistant", {"base_url": "http://127.0.0.1:1"}, False),
        ("OpenAssistant", {"base_url": "http://127.0.0.1:1", "auth": "s3cr3t"}, True),
        ("HuggingChat", {}, False),
        ("HuggingChat", {"auth": "s3ss1on"}, True),
        ("Bing", {}, False),
    ],
)
def test_is_usable(name: str, options: dict[str, Any], usable: bool) -> None:
    provider = getattr(Provider, name)
    assert is_usable(provider, options) is usable
    with redirect("Echo"):
        assert is_usable(provider, options) is (usable or is_unavailable(provider, options))


def test_usable_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
    assert is_usable(Provider.H2o, {}) and Provider.H2o.working and not has_working_public_server(Provider.H2o)
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "nowhere")
    assert not is_usable(Provider.H2o, {})
    monkeypatch.delenv("G4F_LEGACY_H2O_URL")
    monkeypatch.setenv("G4F_LEGACY_REDIRECT", "Echo")
    assert is_usable(Provider.H2o, {}) and is_usable(Provider.Bing, {}) and Provider.Bing.working


class TestWorking:
    def test_under_a_redirect(self) -> None:
        def working() -> set[str]:
            return {name for name, provider in Provider.__map__.items() if provider.working}

        assert working() == {"Echo", "Google", "OpenAI"}
        with redirect("Echo"):
            assert working() == set(Provider.__map__)
            with redirect(None):
                assert working() == {"Echo", "Google", "OpenAI"}

    def test_what_a_script_assigns(self) -> None:
        for provider in (Provider.H2o, Provider.Bing):
            try:
                provider.working = True
                assert provider.working and is_unavailable(provider, {})
                provider.working = False
                with redirect("Echo"):
                    assert not provider.working and is_usable(provider, {})
            finally:
                del provider._assigned_working


@pytest.mark.parametrize(
    "conditions, names",
    [
        ({}, ["Echo", "Google", "H2o", "HuggingChat", "OpenAI", "OpenAssistant"]),
        ({"stream": False}, []),
        ({"needs_auth": False}, ["Echo", "H2o"]),
        ({"working": True}, ["Echo", "Google", "OpenAI"]),
        ({"usable": True}, ["Echo"]),
        ({"usable": False, "needs_auth": False}, ["H2o"]),
        ({"model": "gpt-4"}, ["OpenAI"]),
        ({"model": "GPT-4", "stream": True}, ["OpenAI"]),
        ({"model": "gpt-4", "usable": True}, []),
        ({"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"}, ["H2o"]),
        ({"model": "gpt"}, []),
        ({"model": ""}, []),
    ],
)
def test_find(conditions: Any, names: list[str]) -> None:
    assert [provider.__name__ for provider in registry.find(**conditions)] == names


def test_find_under_a_redirect() -> None:
    with redirect("Echo"):
        usable = ["Echo", "H2o", "HuggingChat", "OpenAssistant"]
        assert [provider.__name__ for provider in registry.find(usable=True)] == usable
        assert [provider.__name__ for provider in registry.find(working=False)] == usable[1:]


@pytest.mark.parametrize("variable", ["G4F_LEGACY_H2O_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY"])
def test_find_with_a_wrong_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert [provider.__name__ for provider in registry.find(usable=True)] == ["Echo", "H2o", "OpenAI"]
    monkeypatch.setenv(variable, "no\nthing")
    usable = {"Echo", "H2o", "OpenAI"} - {"H2o" if "H2O" in variable else "OpenAI"}
    assert {provider.__name__ for provider in registry.find(usable=True)} == usable
    assert len(registry.find(usable=False)) == 4
