import asyncio
import copy
import pickle
from typing import Any

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import Provider
from g4f_legacy.compat.provider_module import ProviderModule, wrap_module

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
