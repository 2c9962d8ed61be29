import asyncio
import copy
import importlib
import inspect
import pickle
import unittest.mock
from typing import Any

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import BaseProvider, ChatCompletion, Provider, RetryProvider, redirect
from g4f_legacy.compat.provider_module import ProviderModule, wrap_module
from g4f_legacy.errors import ProviderNotWorkingError
from g4f_legacy.tokens import TokenStream

HELLO = [{"role": "user", "content": "Hello you"}]


@pytest.fixture
def provider() -> Any:
    module = scripted_provider("a", "b")
    wrap_module(module)
    return module


def test_wrap_module(provider: Any) -> None:
    assert type(provider) is ProviderModule and provider.Scripted is provider


def test_wrapping_again_changes_nothing(provider: Any) -> None:
    public_url = provider._public_url
    provider.url = "http://127.0.0.1:1"
    wrap_module(provider)
    assert provider._public_url == public_url


def test_create_completion(provider: Any) -> None:
    assert list(provider.create_completion(["m", "n"], HELLO, temperature=1)) == ["a", "b"]
    assert provider.calls == [("m", HELLO, {"temperature": 1})]


def test_asynchronous_methods(provider: Any) -> None:
    async def stream() -> list[str]:
        return [token async for token in provider.create_async_generator("m", HELLO)]

    assert asyncio.run(provider.create_async("m", HELLO)) == "ab"
    assert asyncio.run(stream()) == ["a", "b"]


@pytest.mark.parametrize("name", ["Bing", "H2o", "Palm"])
def test_copies_are_the_provider_itself(name: str) -> None:
    module = getattr(Provider, name)
    assert pickle.loads(pickle.dumps(module)) is copy.copy(module) is copy.deepcopy(module) is module


def test_proxy_and_cookies_by_position(provider: Any) -> None:
    async def main() -> None:
        assert await provider.create_async("m", HELLO, "127.0.0.1:1", {"a": "b"}) == "ab"
        assert [token async for token in provider.create_async_generator("m", HELLO, "127.0.0.1:1", {"a": "b"})] == [
            "a",
            "b",
        ]
        await provider.create_async("m", HELLO, None, None, temperature=1)
        [token async for token in provider.create_async_generator("m", HELLO, None, None, temperature=1)]

    asyncio.run(main())
    given = {"proxy": "127.0.0.1:1", "cookies": {"a": "b"}}
    assert [options for _, _, options in provider.calls] == [given, given, {"temperature": 1}, {"temperature": 1}]
    assert provider.streams == [False, True, False, True]


def test_a_generator_that_is_awaited(provider: Any) -> None:
    async def main() -> list[str]:
        generator = await provider.create_async_generator("m", HELLO)
        return [token async for token in generator]

    assert asyncio.run(main()) == ["a", "b"]


@pytest.mark.parametrize("method", ["create_completion", "create_async", "create_async_generator"])
@pytest.mark.parametrize("stream", [None, 1, "http://127.0.0.1:1", {"a": "b"}])
def test_a_stream_that_is_no_bool(provider: Any, method: str, stream: Any) -> None:
    with pytest.raises(TypeError, match=f"^stream must be True or False, not {type(stream).__name__}: name other"):
        getattr(provider, method)("m", HELLO, stream=stream)
    with pytest.raises(TypeError, match="name other arguments, as in proxy="):
        provider.create_completion("m", HELLO, stream)
    assert provider.calls == []


@pytest.mark.parametrize("name", ["H2o", "Echo"])
def test_reload(name: str) -> None:
    module = getattr(Provider, name)
    assert importlib.reload(module) is module and type(module) is ProviderModule
    assert module.__name__ == name and module.__spec__.name == f"g4f_legacy.Provider.{name}"
    with redirect("Echo"):
        assert list(module._create_completion("", [{"role": "user", "content": "Hello"}], True)) == ["Hello"]


def test_a_replaced_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    def replacement(*_: Any, **__: Any) -> Any:
        yield "replaced"

    own = Provider.H2o._create_completion
    with unittest.mock.patch.object(Provider.H2o, "_create_completion", replacement):
        assert Provider.H2o._create_completion is replacement
        assert ChatCompletion.create("", [{"role": "user", "content": "x"}], "H2o") == "replaced"
        with redirect("Echo"):
            assert ChatCompletion.create("", [{"role": "user", "content": "x"}], Provider.H2o) == "replaced"
    assert Provider.H2o._create_completion is own
    with monkeypatch.context() as patch:
        patch.setattr(Provider.H2o, "_create_completion", replacement)
        assert Provider.H2o._create_completion is replacement
    assert Provider.H2o._create_completion is own


def test_attributes_of_the_class_days() -> None:
    for provider in (Provider.H2o, Provider.Bing):
        assert provider.supports_message_history is True and provider.model_aliases == provider.models
        assert provider.providers == [provider] and getattr(Provider, provider.__name__) is provider


@pytest.mark.parametrize("name", ["H2o", "Bing"])
def test_a_class_that_is_derived_from_a_provider(name: str) -> None:
    class Mine(getattr(Provider, name)):  # type: ignore[misc]
        url = "https://mine.example"

        @classmethod
        async def create_async_generator(cls, model: str, messages: Any, **kwargs: Any) -> Any:
            yield "mine: "
            async for token in super().create_async_generator(model, messages, **kwargs):
                yield token

    class Unchanged(getattr(Provider, name)):  # type: ignore[misc]
        pass

    assert Mine.model == getattr(Provider, name).model and issubclass(Mine, BaseProvider)
    with redirect("Echo"):
        assert ChatCompletion.create("", HELLO, Mine) == "mine: Hello you"
        assert list(ChatCompletion.create("", HELLO, Unchanged, stream=True)) == ["Hello", " you"]


@pytest.mark.parametrize("kind", [RetryProvider, BaseProvider])
def test_a_base_class_is_no_provider(kind: Any) -> None:
    with pytest.raises(TypeError, match=f"^{kind.__name__} is a class: pass a provider"):
        ChatCompletion.create("", HELLO, kind)


def test_calls_of_placeholders_keep_no_secret_and_the_finish() -> None:
    with pytest.raises(ProviderNotWorkingError) as raised:
        list(Provider.Bing._create_completion("", HELLO, True, auth="s3cr3t"))
    trace = raised.value.__traceback__
    frames = [step.frame for step in inspect.getinnerframes(trace)] if trace else []
    assert len(frames) > 2 and "s3cr3t" not in "".join(repr(frame.f_locals) for frame in frames[1:])
    with redirect("Echo"):
        stream = TokenStream(Provider.Bing._create_completion(["gpt-4"], HELLO, True))
        assert list(stream) == ["Hello", " you"] and stream.finish_reason == "stop"
