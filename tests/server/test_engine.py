import threading
from collections.abc import Iterator
from typing import Any

import pytest
from replay import exchange, load
from scripted_provider import scripted_provider

from g4f_legacy import Provider, redirect
from g4f_legacy.errors import GenerationError, ProviderNotWorkingError
from g4f_legacy.Provider import H2o, OpenAI
from g4f_legacy.server import engine as engine_module
from g4f_legacy.server.engine import ActiveCompletion, Engine

HELLO = [{"role": "user", "content": "Hello"}]


def start(provider: Any, max_concurrent: int = 9, **options: Any) -> ActiveCompletion:
    return Engine(provider, None, max_concurrent, options).prepare("", HELLO, {})


def test_tokens() -> None:
    completion = start(scripted_provider("a", "b"))
    assert list(completion.read(9)) == ["a", "b"]
    assert completion.text == "ab"


def test_arguments_of_the_provider() -> None:
    provider = scripted_provider("a")
    parameters = {"temperature": 0.5, "max_new_tokens": 7, "truncate": 5, "top_p": None, "stop": ["x"]}
    for model in ("scripted", "the/scripted", "unknown"):
        list(Engine(provider, None, 1, {"base_url": "http://x"}).prepare(model, HELLO, parameters).read(9))
    list(Engine(provider, "fixed", 1, {"temperature": 0}).prepare("scripted", HELLO, parameters).read(9))
    forwarded = {"temperature": 0.5, "max_tokens": 7, "stop": ["x"], "retries": 0}
    assert [call[0] for call in provider.calls] == ["scripted", "the/scripted", "unknown", "fixed"]
    assert provider.calls[0][1:] == (HELLO, {**forwarded, "base_url": "http://x"})
    assert provider.calls[3][2] == {**forwarded, "temperature": 0}


def test_models() -> None:
    assert Engine(scripted_provider(), None, 1, {}).models == ["scripted", "the/scripted"]
    assert Engine(scripted_provider(), "fixed", 1, {}).models == ["fixed"]


class TestListedModels:
    def engine(self, url: str) -> Engine:
        return Engine(OpenAI, None, 1, {"base_url": url + "/v1", "retries": 2})

    def test_listed_once(self, play: Any) -> None:
        replay = play(load("openai/models"))
        engine = self.engine(replay.url)
        assert [engine.models, engine.models] == [["tiny.gguf"]] * 2
        assert len(replay.sent) == 1

    def test_failed_listing_is_repeated_later(
        self, play: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replay = play([exchange("GET", "/v1/models", 503, content_length="0"), *load("openai/models")])
        engine = self.engine(replay.url)
        assert engine.models == ["gpt-3.5-turbo", "gpt-4"]
        assert caplog.messages[0].startswith("The models cannot be listed: OpenAI: 503 Said So")
        assert engine.models == ["gpt-3.5-turbo", "gpt-4"] and len(replay.sent) == 1
        monkeypatch.setattr(engine_module, "LISTING_RETRY_DELAY", 0)
        again = self.engine(play([exchange("GET", "/v1/models", 503, content_length="0"), *load("openai/models")]).url)
        assert [again.models, again.models] == [["gpt-3.5-turbo", "gpt-4"], ["tiny.gguf"]]

    def test_empty_list(self, play: Any) -> None:
        replay = play([exchange("GET", "/v1/models", 200, ('{"data": []}',), content_length="?")])
        assert self.engine(replay.url).models == ["gpt-3.5-turbo", "gpt-4"]


def test_placeholder_is_redirected() -> None:
    with redirect("Echo"):
        assert list(start(Provider.Bing).read(9)) == ["Hello"]
        assert list(start(H2o).read(9)) == ["Hello"]
    for provider in (Provider.Bing, H2o):
        with pytest.raises(ProviderNotWorkingError):
            start(provider)


def test_error() -> None:
    read = start(scripted_provider("a", GenerationError("no memory"))).read(9)
    assert next(read) == "a"
    with pytest.raises(GenerationError):
        next(read)


@pytest.mark.parametrize("kind", [GeneratorExit, SystemExit, KeyboardInterrupt])
def test_provider_that_raises_an_exit(kind: Any) -> None:
    def exit_() -> None:
        raise kind

    with pytest.raises(GenerationError, match=f"the provider raised {kind.__name__}"):
        list(start(scripted_provider("a", exit_)).read(9))


@pytest.mark.parametrize("token", [None, b"abc", 5])
def test_tokens_of_a_wrong_type(token: Any) -> None:
    provider = scripted_provider()
    provider._create_completion = lambda *_, **__: (item for item in [token])
    with pytest.raises(GenerationError, match=f"yielded {type(token).__name__} instead of str"):
        list(start(provider).read(9))


def test_timeout_error_of_the_provider() -> None:
    with pytest.raises(TimeoutError, match="own"):
        list(start(scripted_provider("a", TimeoutError("own"))).read(9))


def test_heartbeat() -> None:
    gate = threading.Event()
    read = start(scripted_provider("a", lambda: gate.wait(9), "b")).read(0.01)
    assert [next(read), next(read), next(read)] == ["a", None, None]
    gate.set()
    assert [token for token in read if token] == ["b"]


def test_closed_by_the_reader() -> None:
    provider = scripted_provider("a", "b")
    completion = start(provider)
    read = completion.read(9)
    next(read)
    read.close()  # type: ignore[attr-defined]
    completion._worker.stop().result(5)
    assert provider.stopped == 1


def test_disconnected_client() -> None:
    gate, gone = threading.Event(), threading.Event()
    provider = scripted_provider("a", lambda: gate.wait(9), "b")
    read = start(provider).read(9, gone.is_set)
    assert next(read) == "a"
    gone.set()
    assert list(read) == []
    gate.set()


def test_stopped_between_tokens() -> None:
    completion = start(scripted_provider("a", "b"))
    read = completion.read(9)
    assert next(read) == "a"
    completion.stop()
    completion.stop()
    assert list(read) == []


def test_stopped_while_it_waits_for_its_server(play: Any) -> None:
    over = threading.Event()
    exchanges = load("h2o/hello")
    path = exchanges[3]["request"]["path"]
    exchanges[3]["response"]["chunks"] = ['data:{"token":{"text":"one"}}\n\n', lambda: over.wait(9)]
    exchanges.append(exchange("POST", f"{path}/stop-generating", content_length="0"))
    replay = play(exchanges)
    completion = start(H2o, base_url=replay.url)
    read = completion.read(9)
    assert next(read) == "one"
    threading.Timer(0.2, completion.stop).start()
    assert list(read) == []
    completion._worker.stop().result(5)
    over.set()
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE")


def test_queue() -> None:
    gates = [threading.Event() for _ in range(3)]
    waiting = iter(gates)
    engine = Engine(scripted_provider(lambda: next(waiting).wait(9), "a"), None, 1, {})
    completions = [engine.prepare("", HELLO, {}) for _ in range(3)]
    reads: list[Iterator[str | None]] = []
    for completion in completions:
        reads.append(completion.read(0.01))
        assert next(reads[-1]) is None
    assert [completion.queue_position for completion in completions] == [None, (1, 2), (2, 2)]
    for gate, read in zip(gates, reads):
        gate.set()
        assert [token for token in read if token] == ["a"]
    assert [completion.queue_position for completion in completions] == [None] * 3
