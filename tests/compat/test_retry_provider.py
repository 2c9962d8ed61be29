import asyncio
import threading
from typing import Any, List

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import ChatCompletion, Provider, RetryProvider, redirect
from g4f_legacy.compat.provider_module import wrap_module
from g4f_legacy.contract import check_provider
from g4f_legacy.errors import GenerationError, ProviderNotWorkingError, RetryNoProviderError, RetryProviderError

HELLO = [{"role": "user", "content": "Hello"}]


def provider(*script: Any) -> Any:
    module = scripted_provider(*script)
    wrap_module(module)
    return module


def ask(*providers: Any, stream: bool = True, shuffle: bool = False) -> List[str]:
    return list(ChatCompletion.create("", HELLO, RetryProvider(list(providers), shuffle), stream=stream))


def test_the_first_provider_that_yields_a_token() -> None:
    last = provider("c")
    assert ask(provider(GenerationError("no")), provider("a", "b"), last) == ["a", "b"]
    assert last.calls == []


def test_an_empty_completion_is_complete() -> None:
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


def test_nothing_to_try() -> None:
    with pytest.raises(RetryNoProviderError, match="^there is no provider to try$"):
        ask()


def test_only_providers_that_can_stream() -> None:
    no_stream = provider("a")
    no_stream.supports_stream = False
    assert ask(no_stream, provider("b")) == ["b"]
    assert ask(no_stream, provider("b"), stream=False) == ["a"]
    with pytest.raises(RetryNoProviderError, match="that can stream"):
        ask(no_stream)


def test_shuffled_for_each_call_without_changing_the_list() -> None:
    providers = [provider(str(number)) for number in range(5)]
    before = list(providers)
    retry = RetryProvider(providers)
    assert {ChatCompletion.create("", HELLO, retry) for _ in range(200)} == set("01234")
    assert providers == before
    assert {ChatCompletion.create("", HELLO, RetryProvider(providers, shuffle=False)) for _ in range(9)} == {"0"}


def test_names_and_placeholders() -> None:
    with redirect("Echo"):
        assert ask("Bing", Provider.You) == ["Hello"]
    assert ask("Echo") == ["Hello"]


def test_redirected_providers_can_stream_if_the_target_can() -> None:
    with redirect("Echo"):
        assert ask(Provider.Aichat, Provider.AiService) == ["Hello"]
        kwargs: Any = {"webdriver": object(), "cookies": "text", "auth": {"a": "b"}}
        assert ChatCompletion.create("", HELLO, RetryProvider([Provider.Bing]), **kwargs) == "Hello"


def test_asynchronous() -> None:
    retry = RetryProvider([provider(GenerationError("no")), provider("a", "b")], shuffle=False)
    assert asyncio.run(ChatCompletion.create_async("", HELLO, retry)) == "ab"
    assert asyncio.run(retry.create_async("", HELLO)) == "ab"


def test_nothing_is_sent_before_the_coroutine_is_awaited() -> None:
    candidate = provider("a")
    coroutine = RetryProvider([candidate]).create_async("", HELLO)
    assert candidate.calls == []
    assert asyncio.run(coroutine) == "a" and len(candidate.calls) == 1


def test_attributes() -> None:
    retry = RetryProvider([])
    assert retry.__name__ == "RetryProvider" and retry.working and retry.supports_stream and not retry.needs_auth
    check_provider(retry)


def test_exceptions_of_the_last_call() -> None:
    failing = provider(GenerationError("no"))
    retry = RetryProvider([failing, Provider.Bing, provider("a")], shuffle=False)
    assert retry.exceptions == {}
    assert ChatCompletion.create("", HELLO, retry) == "a"
    assert {name: type(error) for name, error in retry.exceptions.items()} == {
        "Scripted": GenerationError,
        "Bing": ProviderNotWorkingError,
    }
    earlier = retry.exceptions
    retry.providers = [provider("a")]
    assert ChatCompletion.create("", HELLO, retry) == "a"
    assert retry.exceptions == {} and len(earlier) == 2


def test_exceptions_of_calls_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def fail() -> None:
        both.wait()
        raise GenerationError(threading.current_thread().name)

    retry = RetryProvider([provider(fail)])

    def call() -> None:
        with pytest.raises(RetryProviderError) as raised:
            ChatCompletion.create("", HELLO, retry)
        failures.append([failure.args[0] for failure in raised.value.failures])

    failures: list[Any] = []
    threads = [threading.Thread(target=call, name=name) for name in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(failures) == [["x"], ["y"]]
    assert retry.exceptions["Scripted"].args[0] in "xy" and len(retry.exceptions) == 1


def test_the_class_is_no_working_provider() -> None:
    assert RetryProvider.working is False and RetryProvider.supports_stream and RetryProvider([]).working is True
