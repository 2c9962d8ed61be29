"""Code as users write it, which mypy and pyright check (`test_type_checkers`). It is never run.

Each ``type: ignore`` is a mistake that they have to find: both report one that is not needed.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any

from typing_extensions import assert_type

import g4f_legacy as g4f
import g4f_legacy.errors
import g4f_legacy.Provider.Bing as bing_module
import g4f_legacy.Provider.H2o as h2o_module
from g4f_legacy import ChatCompletion, Completion, Model, Provider, RetryProvider, registry
from g4f_legacy.compat.provider_module import ProviderModule
from g4f_legacy.concurrency.async_stream import AsyncStream, AwaitableStream
from g4f_legacy.Provider import Bing, Echo, H2o, NoSuchProvider  # type: ignore[attr-defined]
from g4f_legacy.Provider.base_provider import AsyncGeneratorProvider, AsyncProvider, BaseProvider
from g4f_legacy.Provider.Bing import Bing as BingOfModule
from g4f_legacy.Provider.H2o import H2o as H2oOfModule
from g4f_legacy.Provider.helper import format_prompt, get_cookies
from g4f_legacy.Provider.needs_auth import OpenaiChat
from g4f_legacy.Provider.Providers import You, helper
from g4f_legacy.Provider.Providers.H2o import H2o as H2oOfFolder
from g4f_legacy.Provider.retry_provider import RetryProvider as RetryProviderOfModule
from g4f_legacy.tokens import TokenStream

messages = [{"role": "user", "content": "Hello"}]
g4f.check_version = False
g4f.logging = True


def create(stream: bool) -> None:
    assert_type(ChatCompletion.create("falcon-40b", messages), str)
    assert_type(ChatCompletion.create("falcon-40b", messages, H2o), str)
    assert_type(ChatCompletion.create("falcon-40b", messages, "H2o", False), str)
    assert_type(ChatCompletion.create(H2o.model, messages, stream=False), str)
    assert_type(ChatCompletion.create(Model("falcon-40b"), messages, stream=True), TokenStream)
    assert_type(ChatCompletion.create("falcon-40b", messages, H2o, True), TokenStream)
    assert_type(ChatCompletion.create("falcon-40b", messages, provider=H2o, stream=True, top_p=0.5), TokenStream)
    assert_type(ChatCompletion.create("falcon-40b", messages, H2o, stream), str | TokenStream)
    assert_type(ChatCompletion.create("falcon-40b", messages, stream=stream), str | TokenStream)
    ChatCompletion.create("falcon-40b", messages, stream="yes")  # type: ignore[call-overload]
    ChatCompletion.create("falcon-40b", "Hello")  # type: ignore[arg-type]
    ChatCompletion.create("falcon-40b", messages).finish_reason  # type: ignore[attr-defined]
    assert_type(ChatCompletion.create("falcon-40b", messages, stream=True).finish_reason, str | None)
    for token in ChatCompletion.create(model="falcon-40b", messages=messages, stream=True, auth="token"):
        assert_type(token, str)
    assert_type(Completion.create("falcon-40b", "Hello"), str)
    assert_type(Completion.create("falcon-40b", "Hello", stream=True), TokenStream)
    assert_type(Completion.create("falcon-40b", "Hello", Echo, True), TokenStream)
    assert_type(Completion.create("falcon-40b", "Hello", Echo, stream), str | TokenStream)


async def create_async(stream: bool) -> None:
    coroutine: Coroutine[Any, Any, str] = ChatCompletion.create_async("falcon-40b", messages)
    assert_type(await coroutine, str)
    assert_type(await ChatCompletion.create_async("falcon-40b", messages, stream=False), str)
    assert_type(await asyncio.wait_for(ChatCompletion.create_async("falcon-40b", messages, Echo), 60), str)
    assert_type(asyncio.create_task(ChatCompletion.create_async("falcon-40b", messages, Echo)), asyncio.Task[str])
    assert_type(ChatCompletion.create_async("falcon-40b", messages, H2o, True), AsyncStream)
    assert_type(await ChatCompletion.create_async("falcon-40b", messages, stream=True), str)
    assert_type(await ChatCompletion.create_async("falcon-40b", messages, stream=stream), str)
    async for token in ChatCompletion.create_async("falcon-40b", messages, stream=True, timeout=(5, 60)):
        assert_type(token, str)
    async for token in ChatCompletion.create_async("falcon-40b", messages):  # type: ignore[attr-defined]
        print(token)


async def call_methods() -> None:
    for provider in (H2o, Bing, Provider.You, BingOfModule, H2oOfModule, H2oOfFolder, OpenaiChat, You):
        assert_type(provider, ProviderModule)
        assert_type(provider.create_completion("", messages, stream=True), Generator[str, None, Any])
        assert_type(provider._create_completion("", messages, stream=True), Generator[str, None, Any])
        assert_type(await provider.create_async("", messages, proxy="127.0.0.1:8080"), str)
        assert_type(provider.create_async_generator("", messages), AwaitableStream)
        assert_type([token async for token in provider.create_async_generator("", messages)], list[str])
        assert_type(provider.models, dict[str, str])
        assert_type((provider.url, provider.params, provider.__name__), tuple[str, str, str])
        assert_type((provider.working, provider.supports_stream, provider.needs_auth), tuple[bool, bool, bool])
    assert_type(bing_module.create_completion("", messages), Generator[str, None, Any])
    assert_type(h2o_module.create_completion("", messages), Generator[str, None, Any])
    assert_type(await h2o_module.H2o.create_async("", messages), str)
    assert_type(g4f.Provider.Bing.model, list[str])
    H2o.url = "http://127.0.0.1:1337"
    H2o.create_completoin("", messages)  # type: ignore[attr-defined]
    H2o.ServerClient  # type: ignore[attr-defined]
    Provider.Bign  # type: ignore[attr-defined]


class Own(AsyncGeneratorProvider):
    params = "mine"
    working = True

    @classmethod
    async def create_async_generator(cls, model: str, messages: Any, **kwargs: Any) -> AsyncGenerator[str, None]:
        yield format_prompt(messages)


class OwnStatic(AsyncProvider):
    @staticmethod
    async def create_async(model: str, messages: Any, proxy: str | None = None, **kwargs: Any) -> str:
        return format_prompt(messages)


class OwnInstance(BaseProvider):
    def create_completion(self, model: str, messages: Any, stream: bool, **kwargs: Any) -> Generator[str, None, None]:
        yield format_prompt(messages)


def use_helpers() -> None:
    print(NoSuchProvider)
    assert_type([ChatCompletion.create("", messages, own) for own in (Own, OwnStatic, OwnInstance())], list[str])
    assert_type(get_cookies(".bing.com"), dict[str, str])
    assert_type(helper.format_prompt(messages), str)
    assert_type(RetryProviderOfModule([H2o, "Bing"]), RetryProvider)
    assert issubclass(Own, AsyncProvider) and isinstance(H2o, BaseProvider)
    try:
        registry.find(usable=True)
    except g4f_legacy.errors.ProviderError as error:
        assert_type(error.partial, str)
    with g4f.redirect("Echo"):
        g4f.ChatCompletion.create("gpt-4", messages)
