import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest

from g4f_legacy import Provider, models, redirect, registry
from g4f_legacy.compat import placeholders
from g4f_legacy.contract import check_provider
from g4f_legacy.errors import ProviderNotWorkingError

HELLO = [{"role": "user", "content": "Hello"}]
STILL_SUPPORTED = {"H2o", "HuggingChat", "OpenAssistant"}
WITHOUT_FACTS = {"Aws", "Mishalsgpt", "Openai", "Ora", "Pierangelo"}


def test_all_names_of_2023_exist() -> None:
    assert len(placeholders.placeholder_names()) + len(STILL_SUPPORTED) - len(WITHOUT_FACTS) == 88
    assert not set(placeholders.placeholder_names()) & set(registry.names())
    assert all(getattr(Provider, name) for name in [*placeholders.placeholder_names(), *STILL_SUPPORTED])


@pytest.mark.parametrize("name", placeholders.placeholder_names())
def test_each_placeholder(name: str) -> None:
    provider: Any = getattr(Provider, name)
    assert inspect.ismodule(provider) and provider.__doc__
    assert provider.url == "" if name in WITHOUT_FACTS else provider.url.startswith("http")
    assert (
        provider.__doc__ == f"{provider.__name__} of 2023{provider.url and f', at {provider.url},'} no longer exists."
    )
    assert provider.working is False
    assert type(provider.model) is list and set(provider.models) == set(provider.model)
    flags = ("supports_stream", "needs_auth", "supports_gpt_35_turbo", "supports_gpt_4")
    assert all(type(getattr(provider, flag)) is bool for flag in flags)
    own_name = "Bard" if name == "Palm" else name
    assert provider.params.startswith(f"g4f.Providers.{own_name} supports: (model: str, messages: ")
    assert provider.__name__ == own_name and getattr(provider, own_name) is provider
    assert provider == copy.deepcopy(provider) == pickle.loads(pickle.dumps(provider)) is provider
    assert {provider: 1}[getattr(Provider, name)] == 1
    check_provider(provider)


def test_facts() -> None:
    bing, myshell, ai_ask = Provider.Bing, Provider.Myshell, Provider.AiAsk
    assert (bing.url, bing.model, bing.supports_gpt_35_turbo, bing.supports_gpt_4) == (
        "https://bing.com/chat",
        ["gpt-4"],
        False,
        True,
    )
    assert myshell.models["samantha"] == "1e3be7fe89e94a809408b1154a2ee3e1"
    assert (ai_ask.model, ai_ask.supports_gpt_35_turbo) == ([], True)
    assert (Provider.Poe.needs_auth, Provider.Aichat.supports_stream) == (True, False)
    assert Provider.Ails.params == (
        "g4f.Providers.Ails supports: (model: str, messages: list, stream: bool, temperature: float)"
    )
    assert Provider.Palm is Provider.Bard


def test_two_spellings_are_two_providers() -> None:
    assert Provider.DFEHub is not Provider.DfeHub and Provider.PI.url != Provider.Pi.url


def test_a_placeholder_that_is_spelled_like_a_live_provider() -> None:
    from g4f_legacy.Provider import OpenAI, Openai

    assert registry.get("Openai") is Openai is not OpenAI is registry.get("OpenAI")
    assert Openai.is_placeholder and not hasattr(OpenAI, "is_placeholder")


class TestTemplate:
    """``Provider.Provider`` of June 2023."""

    def test_it_is_no_provider(self) -> None:
        assert "Provider" not in placeholders.placeholder_names()
        template = Provider.Provider
        assert template is registry.get("Provider") is pickle.loads(pickle.dumps(template))
        assert (template.__name__, template.url, template.model, template.models) == ("Provider", "", [], {})
        assert not template.supports_stream and not template.supports_gpt_35_turbo and not template.supports_gpt_4

    def test_calls_go_to_the_redirect_target(self) -> None:
        with pytest.raises(ProviderNotWorkingError):
            list(Provider.Provider._create_completion("gpt-4", HELLO, True))
        with redirect("Echo"):
            assert list(Provider.Provider._create_completion("gpt-4", HELLO, True)) == ["Hello"]
            assert Provider.Provider.working is Provider.Providers.working is False


def test_they_are_created_when_they_are_first_used() -> None:
    code = """
import g4f_legacy
from g4f_legacy import Provider
from g4f_legacy.compat import placeholders
before = len(placeholders._placeholders)
Provider.Bing
print(before, len(placeholders._placeholders))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.split() == [b"0", b"1"]


@pytest.mark.parametrize("method", ["create_completion", "_create_completion"])
def test_a_completion_raises_with_a_hint(method: str) -> None:
    with pytest.raises(ProviderNotWorkingError, match="^Bing is gone, and there is no redirect") as raised:
        list(getattr(Provider.Bing, method)("gpt-4", HELLO, True))
    assert str(raised.value).count("\n  ") == 3


class TestModels:
    def test_all_of_2023(self) -> None:
        assert len(dir(models)) == 52
        for name in dir(models)[2:]:
            model = getattr(models, name)
            assert type(model) is models.Model and getattr(models.Model, name) is model
            assert model.best_provider.url

    @pytest.mark.parametrize(
        "name, attribute",
        [
            ("gpt-4", "gpt_4"),
            ("", "default"),
            ("falcon-40b", "falcon_40b"),
            ("h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1", "falcon_40b"),
            ("bard", "palm"),
            ("bigscience/bloom", "bloom"),
            ("gpt-3.5-turbo", "gpt_35_turbo"),
        ],
    )
    def test_find(self, name: str, attribute: str) -> None:
        assert models.find_model(name) is getattr(models, attribute)

    def test_find_unknown(self) -> None:
        assert models.find_model("nope") is None
        assert not hasattr(models, "gpt_7") and not hasattr(models.Model, "gpt_7")

    def test_routes(self) -> None:
        assert models.gpt_4.best_provider is Provider.Bing
        assert models.falcon_7b.best_provider is Provider.H2o

    def test_convert(self) -> None:
        assert models.ModelUtils.convert["gpt-4"] is models.gpt_4
        assert models.ModelUtils.convert["google-bard"] is models.palm

    def test_the_list_of_names_is_a_copy(self) -> None:
        models._all_models.clear()
        assert "gpt-4" in models._all_models

    def test_a_model_that_a_script_creates(self) -> None:
        assert models.Model("a", "b", None) == models.Model(name="a", base_provider="b") != models.Model("b")
        assert len({models.Model("a"), models.Model("a")}) == 1
