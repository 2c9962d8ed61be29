import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from g4f_legacy import (
    AsyncGeneratorProvider,
    AsyncProvider,
    BaseProvider,
    ChatCompletion,
    Messages,
    Model,
    Provider,
    ProviderUtils,
    RetryProvider,
    debug,
)
from g4f_legacy.errors import StreamNotSupportedError

HELLO = [{"role": "user", "content": "Hello"}]


class Generating(AsyncGeneratorProvider):
    url = "https://generating.example"
    working = True
    supports_gpt_35_turbo = True
    closed = threading.Event()

    @classmethod
    async def create_async_generator(
        cls, model: str, messages: Messages, proxy: str = "", **kwargs: Any
    ) -> AsyncIterator[str]:
        assert "stream" not in kwargs
        try:
            for token in (model, messages[-1]["content"], proxy):
                await asyncio.sleep(0)
                yield f"{token}."
        finally:
            cls.closed.set()


class Returning(AsyncGeneratorProvider):
    @staticmethod
    async def create_async_generator(model: str, messages: Messages, proxy: str = "") -> Any:
        return Generating.create_async_generator(model, messages, proxy)


class OnInstances(AsyncGeneratorProvider):
    async def create_async_generator(
        self, model: str, messages: Messages, stream: bool, proxy: str = ""
    ) -> AsyncIterator[str]:
        assert isinstance(stream, bool)
        async for token in Generating.create_async_generator(model, messages, proxy):
            yield token


class Asynchronous(AsyncProvider):
    working = True
    supports_stream = True

    @classmethod
    async def create_async(cls, model: str, messages: Messages, proxy: str = "", **kwargs: Any) -> str:
        await asyncio.sleep(0)
        return f"{model}.{messages[-1]['content']}.{proxy}."


class Synchronous(BaseProvider):
    supports_stream = True
    threads: list[int] = []

    @classmethod
    def create_completion(
        cls, model: str, messages: Messages, stream: bool, proxy: str = "", **kwargs: Any
    ) -> Iterator[str]:
        cls.threads.append(threading.get_ident())
        yield from (f"{token}." for token in (model, messages[-1]["content"], proxy))


OWN = [Generating, Returning, OnInstances(), Generating(), Asynchronous, Asynchronous(), Synchronous, Synchronous()]
own_providers = pytest.mark.parametrize("own", OWN, ids=lambda own: f"{own.__name__}-{type(own).__name__}")


@own_providers
class TestOwnProviders:
    def test_create(self, own: Any) -> None:
        assert ChatCompletion.create("m", HELLO, own, proxy="p") == "m.Hello.p."
        tokens = list(ChatCompletion.create("m", HELLO, own, stream=True, proxy="p"))
        assert "".join(tokens) == "m.Hello.p."

    def test_create_async(self, own: Any) -> None:
        async def main() -> Any:
            stream: Any = ChatCompletion.create_async("m", HELLO, own, stream=True, proxy="p")
            text: Any = ChatCompletion.create_async("m", HELLO, own, proxy="p")
            return [token async for token in stream], await text, await own.create_async("m", HELLO, proxy="p")

        tokens, *texts = asyncio.run(main())
        assert "".join(tokens) == "m.Hello.p." and texts == ["m.Hello.p."] * 2

    def test_inside_a_running_event_loop(self, own: Any) -> None:
        async def main() -> Any:
            return ChatCompletion.create("m", HELLO, own)

        assert asyncio.run(main()) == "m.Hello.."

    def test_in_a_retry_provider(self, own: Any) -> None:
        retry = RetryProvider([Provider.Bing, own], shuffle=False)
        assert ChatCompletion.create("m", HELLO, retry) == "m.Hello.."
        assert "".join(ChatCompletion.create("m", HELLO, retry, stream=True)) == "m.Hello.."
        assert asyncio.run(retry.create_async("m", HELLO)) == "m.Hello.."

    def test_as_the_provider_of_a_model(self, own: Any) -> None:
        assert ChatCompletion.create(Model("m", "base", own), HELLO) == "m.Hello.."

    def test_logged(self, own: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(debug, "logging", True)
        ChatCompletion.create("m", HELLO, own)
        assert capsys.readouterr().out == f"Using {own.__name__} provider\n"


def test_each_token_of_a_generator_is_one() -> None:
    for own in (Generating, Returning, OnInstances()):
        assert list(ChatCompletion.create("m", HELLO, own, stream=True, proxy="p")) == ["m.", "Hello.", "p."]
        assert list(own.create_completion("m", HELLO, proxy="p")) == ["m.", "Hello.", "p."]
        assert list(own.create_completion("m", HELLO, False, proxy="p")) == ["m.Hello.p."]


def test_break_closes_the_asynchronous_generator() -> None:
    Generating.closed.clear()
    for token in ChatCompletion.create("m", HELLO, Generating, stream=True):
        assert token == "m." and not Generating.closed.is_set()
        break
    assert Generating.closed.is_set()


def test_an_error_has_the_frames_of_the_script() -> None:
    class Failing(AsyncGeneratorProvider):
        @staticmethod
        async def create_async_generator(model: str, messages: Messages, **kwargs: Any) -> AsyncIterator[str]:
            yield "a"
            raise ZeroDivisionError

    tokens = ChatCompletion.create("m", HELLO, Failing, stream=True)
    assert next(tokens) == "a"
    with pytest.raises(ZeroDivisionError) as raised:
        next(tokens)
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "create_async_generator"
    with pytest.raises(ZeroDivisionError):
        ChatCompletion.create("m", HELLO, Failing)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Failing.create_async("m", HELLO))


def test_create_async_runs_in_the_callers_event_loop() -> None:
    class Here(AsyncGeneratorProvider):
        @classmethod
        async def create_async_generator(cls, model: str, messages: Messages) -> AsyncIterator[str]:
            assert asyncio.get_running_loop() is loop
            yield "a"

    async def main() -> list[str]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        return [
            await Here.create_async("m", HELLO, stream=False),
            await ChatCompletion.create_async("m", HELLO, Here),
        ]

    loop: Any = None
    assert asyncio.run(main()) == ["a", "a"]


def test_create_async_of_a_synchronous_provider_does_not_block_the_event_loop() -> None:
    Synchronous.threads.clear()
    assert asyncio.run(Synchronous.create_async("m", HELLO)) == "m.Hello.."
    assert len(Synchronous.threads) == 1 and threading.get_ident() not in Synchronous.threads


def test_attributes_of_own_providers() -> None:
    assert Generating.supports_stream and not Generating.needs_auth and not AsyncProvider.supports_stream
    assert (Generating.model, Generating.models, Generating.model_aliases) == ([], {}, {})
    assert not Generating.supports_message_history and not Generating.supports_gpt_4
    assert OnInstances.url == "" and not OnInstances.working
    text = "g4f.Providers.Generating supports: (model: str, messages: list[dict[str, str]], proxy: str)"
    assert Generating.params == Generating().params == text
    assert Asynchronous.params.startswith("g4f.Providers.Asynchronous supports: (model: str, messages: list")
    assert "stream: bool" in Synchronous.params and Generating().__name__ == "Generating"

    class Own(AsyncProvider):
        params = "its own"

    assert Own.params == Own().params == "its own"


@pytest.mark.parametrize("base", [BaseProvider, AsyncProvider, AsyncGeneratorProvider, RetryProvider])
def test_base_classes_are_no_working_providers(base: Any) -> None:
    assert base.working is False and base.needs_auth is False and base.url == "" and base.model == []
    assert base.params.startswith(f"g4f.Providers.{base.__name__} supports: (model: str, messages: list")


@pytest.mark.parametrize(
    "base, method",
    [
        (BaseProvider, "create_completion"),
        (AsyncProvider, "create_async"),
        (AsyncGeneratorProvider, "create_async_generator"),
    ],
)
def test_a_method_that_is_not_defined(base: Any, method: str) -> None:
    class Own(base):  # type: ignore[misc]
        supports_stream = False

    with pytest.raises(NotImplementedError, match=f"^Own does not define {method}$"):
        ChatCompletion.create("m", HELLO, Own)
    with pytest.raises(NotImplementedError, match=f"^Own does not define {method}$"):
        asyncio.run(Own().create_async("m", HELLO))
    with pytest.raises(StreamNotSupportedError, match="^Own cannot stream"):
        ChatCompletion.create("m", HELLO, Own(), stream=True)


def test_messages_is_callable() -> None:
    assert Messages([{"role": "user", "content": "Hello"}]) == HELLO and Messages() == []
    assert ChatCompletion.create("", Messages(HELLO), "Echo") == "Hello"


@pytest.mark.parametrize("base", [BaseProvider, AsyncProvider, AsyncGeneratorProvider])
def test_providers_are_instances_and_subclasses(base: Any) -> None:
    for provider in (Provider.H2o, Provider.Bing):
        assert isinstance(provider, base) and issubclass(provider, base)
    assert not isinstance(5, base) and not issubclass(int, base)


def test_classes() -> None:
    assert isinstance(RetryProvider([]), BaseProvider) and not isinstance(RetryProvider([]), AsyncProvider)
    assert issubclass(AsyncGeneratorProvider, BaseProvider) and not issubclass(BaseProvider, AsyncProvider)


def test_provider_utils() -> None:
    assert ProviderUtils.convert["Bing"] is Provider.Bing and len(ProviderUtils.convert) >= 91
