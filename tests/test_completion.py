import threading
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests
from replay import load

from g4f_legacy import ChatCompletion, Model, Provider
from g4f_legacy.errors import (
    AuthenticationRequiredError,
    GenerationError,
    Hint,
    ModelNotFoundError,
    ProviderNotFoundError,
    ProviderNotWorkingError,
    StreamNotSupportedError,
)

HELLO = [{"role": "user", "content": "Hello big world"}]


def provider(**attributes: Any) -> Any:
    """Return a provider that yields two tokens and records its calls."""
    module: Any = ModuleType("somewhere.Mine")
    module.calls = []

    def _create_completion(model: str, messages: list[Any], stream: bool, **kwargs: Any) -> Iterator[str]:
        module.calls.append((model, messages, stream, kwargs))
        yield from ("a", "b")

    module.__dict__.update(
        {"url": "", "model": ["x"], "models": {}, "supports_stream": True, "needs_auth": False, "working": True}
    )
    module.__dict__.update(attributes)
    module._create_completion = _create_completion
    return module


def test_a_text() -> None:
    text = ChatCompletion.create("echo", HELLO, Provider.Echo)
    assert text == "Hello big world" and type(text) is str


def test_a_stream() -> None:
    assert list(ChatCompletion.create("echo", HELLO, Provider.Echo, True)) == ["Hello", " big", " world"]


def test_a_stream_is_lazy(play: Any) -> None:
    replay = play(load("h2o/hello"))
    tokens = ChatCompletion.create("falcon-40b", HELLO, "H2o", stream=True, base_url=replay.url)
    assert iter(tokens) is tokens
    assert replay.sent == []
    assert next(tokens) == "Привет!"  # type: ignore[call-overload]
    tokens.close()  # type: ignore[union-attr]


def test_over_the_network(play: Any) -> None:
    replay = play(load("h2o/hello"))
    text = ChatCompletion.create("falcon-40b", HELLO, Provider.H2o, base_url=replay.url)
    assert text == 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'


def test_an_error_keeps_the_text_received_before_it(play: Any) -> None:
    replay = play(load("h2o/error_event"))
    with pytest.raises(GenerationError) as raised:
        ChatCompletion.create("", HELLO, "H2o", base_url=replay.url)
    assert raised.value.partial == "Привет! Hello —"


class TestProvider:
    def test_by_name(self) -> None:
        assert ChatCompletion.create("", HELLO, "Echo") == "Hello big world"

    def test_a_module_of_the_caller(self) -> None:
        module = provider()
        assert ChatCompletion.create("m", HELLO, module, auth="token", temperature=1) == "ab"
        assert module.calls == [("m", HELLO, False, {"auth": "token", "temperature": 1})]

    def test_the_provider_of_the_model(self) -> None:
        assert ChatCompletion.create(Model("any", "", Provider.Echo), HELLO) == "Hello big world"
        assert ChatCompletion.create(Model("any", best_provider="Echo"), HELLO) == "Hello big world"

    def test_a_provider_that_lists_the_model(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for model in ("falcon-7b", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"):
            replay = play(load("h2o/hello"))
            monkeypatch.setenv("G4F_LEGACY_H2O_URL", replay.url)
            assert ChatCompletion.create(model, HELLO)
            assert replay.sent[2].json == {"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"}
        assert ChatCompletion.create("echo", HELLO) == "Hello big world"

    def test_no_provider_lists_the_model(self) -> None:
        with pytest.raises(
            ModelNotFoundError, match="^no provider lists the model 'gpt-5'. Name the provider to ask with provider=."
        ):
            ChatCompletion.create("gpt-5", HELLO)

    @pytest.mark.parametrize("model, served", [("gpt-4", "gpt-4 (in 2023: Bing, closed)"), ("", "the default model")])
    def test_a_server_without_a_provider(self, model: str, served: str) -> None:
        with pytest.raises(ProviderNotWorkingError) as raised:
            ChatCompletion.create(model, HELLO, base_url="http://127.0.0.1:1/v1")
        assert str(raised.value).startswith(f"no provider is configured that serves {served}")
        assert raised.value.hint is Hint.NAME_PROVIDER and "redirect" not in str(raised.value)

    def test_unknown(self) -> None:
        with pytest.raises(ProviderNotFoundError, match="did you mean Echo"):
            ChatCompletion.create("", HELLO, "Ecco")

    def test_it_has_precedence_over_the_provider_of_the_model(self) -> None:
        assert ChatCompletion.create(Model("any", best_provider="H2o"), HELLO, "Echo") == "Hello big world"

    def test_an_incomplete_provider(self) -> None:
        with pytest.raises(TypeError, match="is not a provider: it lacks __name__, url, "):
            ChatCompletion.create("", HELLO, SimpleNamespace(_create_completion=print))

    def test_something_else(self) -> None:
        with pytest.raises(
            TypeError, match="^provider must be a provider module, its name, or have create_completion, not int"
        ):
            ChatCompletion.create("", HELLO, 5)


class TestModel:
    @pytest.mark.parametrize(
        "model, name", [("m", "m"), (None, ""), ("", ""), (Model("m"), "m"), (SimpleNamespace(name="m"), "m")]
    )
    def test_spellings(self, model: Any, name: str) -> None:
        module = provider()
        ChatCompletion.create(model, HELLO, module)
        assert module.calls[0][0] == name

    def test_something_else(self) -> None:
        with pytest.raises(TypeError, match="^model must be a name or a Model, not int"):
            ChatCompletion.create(5, HELLO, "Echo")  # type: ignore[arg-type]


class TestArgumentsAreCheckedAtTheCall:
    @pytest.mark.parametrize(
        "kwargs, kind",
        [
            ({"messages": []}, ValueError),
            ({"messages": "Hello"}, TypeError),
            ({"provider": "Nope"}, ProviderNotFoundError),
            ({"provider": "OpenAssistant"}, AuthenticationRequiredError),
            ({"provider": "OpenAssistant", "auth": True}, AuthenticationRequiredError),
            ({"provider": provider(supports_stream=False)}, StreamNotSupportedError),
            ({"timeout": -1}, ValueError),
            ({"base_url": "nowhere"}, ValueError),
            ({"temperature": object()}, TypeError),
        ],
    )
    def test_before_the_first_token_is_requested(self, kwargs: Any, kind: Any) -> None:
        with pytest.raises(kind):
            ChatCompletion.create(**{"model": "", "messages": HELLO, "provider": "H2o", "stream": True, **kwargs})

    def test_a_provider_that_cannot_stream(self) -> None:
        assert ChatCompletion.create("", HELLO, provider(supports_stream=False)) == "ab"


def test_nothing_the_caller_passed_is_changed(play: Any) -> None:
    replay = play(load("h2o/hello"))
    messages = [{"role": "user", "content": ["a", {"type": "text", "text": "b"}]}]
    jar = requests.cookies.RequestsCookieJar()
    options = {"cookies": jar, "headers": {"X": "1"}, "timeout": [5, 5], "stop": ["a"], "id": "x"}
    ChatCompletion.create("falcon-7b", messages, "H2o", base_url=replay.url, **options)
    assert messages == [{"role": "user", "content": ["a", {"type": "text", "text": "b"}]}]
    assert options == {"cookies": jar, "headers": {"X": "1"}, "timeout": [5, 5], "stop": ["a"], "id": "x"}
    assert list(jar) == []


def test_messages_may_be_changed_before_the_first_token() -> None:
    messages = [{"role": "user", "content": "before"}]
    tokens = ChatCompletion.create("", messages, "Echo", stream=True)
    messages[0]["content"] = "after"
    messages.append({"role": "user", "content": "more"})
    assert list(tokens) == ["before"]


def test_many_threads_at_once(play: Any) -> None:
    replays = [play(load("h2o/hello")) for _ in range(20)]
    texts = []

    def ask(url: str) -> None:
        texts.append("".join(ChatCompletion.create("", HELLO, "H2o", stream=True, base_url=url)))

    threads = [threading.Thread(target=ask, args=(replay.url,)) for replay in replays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 20 and len(set(texts)) == 1 and "data: " in texts[0]
