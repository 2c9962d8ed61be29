import asyncio
from typing import Any, List

from engines import engine
import pytest

from g4f_legacy import ChatCompletion, Provider, RetryProvider, redirect, registry
from g4f_legacy.compat.provider_module import wrap_module
from g4f_legacy.errors import GenerationError, ProviderNotWorkingError, RetryNoProviderError, RetryProviderError

HELLO = [{"role": "user", "content": "Hello"}]


def provider(*script: Any) -> Any:
    module = engine(*script)
    wrap_module(module)
    return module


def ask(*providers: Any, stream: bool = True, shuffle: bool = False) -> List[str]:
    return list(ChatCompletion.create("", HELLO, RetryProvider(list(providers), shuffle), stream=stream))


def test_the_first_that_gives_a_token() -> None:
    last = provider("c")
    assert ask(provider(GenerationError("no")), provider("a", "b"), last) == ["a", "b"]
    assert last.calls == []


def test_one_that_is_empty_but_whole() -> None:
    assert ask(provider(), provider("a")) == []


def test_an_error_after_the_first_token_is_raised() -> None:
    tokens = ChatCompletion.create(
        "", HELLO, RetryProvider([provider("a", GenerationError("no")), provider("b")], False), stream=True
    )
    assert next(tokens) == "a"
    with pytest.raises(GenerationError, match="^no"):
        next(tokens)


def test_all_failures_are_listed() -> None:
    with pytest.raises(RetryProviderError) as raised:
        ask(provider(GenerationError("no memory")), provider(ValueError("wrong")), Provider.Bing)
    assert [type(failure) for failure in raised.value.failures] == [
        GenerationError,
        ValueError,
        ProviderNotWorkingError,
    ]
    assert str(raised.value).startswith(
        "all providers have failed:\n  Scripted: no memory.\n  Scripted: wrong\n  Bing: "
    )


def test_none_to_try() -> None:
    with pytest.raises(RetryNoProviderError, match="^there is no provider to try$"):
        ask()


def test_only_those_that_can_stream() -> None:
    silent = provider("a")
    silent.supports_stream = False
    assert ask(silent, provider("b")) == ["b"]
    assert ask(silent, provider("b"), stream=False) == ["a"]
    with pytest.raises(RetryNoProviderError, match="that can stream"):
        ask(silent)


def test_shuffled_anew_each_time_without_changing_the_list() -> None:
    providers = [provider(str(number)) for number in range(5)]
    before = list(providers)
    retry = RetryProvider(providers)
    assert {ChatCompletion.create("", HELLO, retry) for _ in range(200)} == set("01234")
    assert providers == before
    assert {ChatCompletion.create("", HELLO, RetryProvider(providers, shuffle=False)) for _ in range(9)} == {"0"}


def test_names_and_stand_ins() -> None:
    with redirect("Echo"):
        assert ask("Bing", Provider.You) == ["Hello"]
    assert ask("Echo") == ["Hello"]


def test_under_a_redirect_the_target_is_what_can_stream() -> None:
    with redirect("Echo"):
        assert ask(Provider.Aichat, Provider.AiService) == ["Hello"]
        kwargs: Any = {"webdriver": object(), "cookies": "text", "auth": {"a": "b"}}
        assert ChatCompletion.create("", HELLO, RetryProvider([Provider.Bing]), **kwargs) == "Hello"


def test_asynchronous() -> None:
    retry = RetryProvider([provider(GenerationError("no")), provider("a", "b")], shuffle=False)
    assert asyncio.run(ChatCompletion.create_async("", HELLO, retry)) == "ab"
    assert asyncio.run(retry.create_async("", HELLO)) == "ab"


def test_asynchronous_means_that_nothing_is_asked_before_it_is_awaited() -> None:
    asked = provider("a")
    coroutine = RetryProvider([asked]).create_async("", HELLO)
    assert asked.calls == []
    assert asyncio.run(coroutine) == "a" and len(asked.calls) == 1


def test_what_it_is() -> None:
    retry = RetryProvider([])
    assert retry.__name__ == "RetryProvider" and retry.working and retry.supports_stream and not retry.needs_auth
    registry.check_provider(retry)
