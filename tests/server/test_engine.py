import threading
from typing import Any, Iterator, List, Optional

from engines import engine
import pytest
from replay import exchange, load

from g4f_legacy import Provider, redirect
from g4f_legacy.Provider import H2o, OpenAI
from g4f_legacy.errors import GenerationError, ProviderError, ProviderNotWorkingError, RateLimitError
from g4f_legacy.server import engine as engine_module
from g4f_legacy.server.engine import ActiveCompletion, Engine, status_for

HELLO = [{"role": "user", "content": "Hello"}]


def start(provider: Any, slots: int = 9, **options: Any) -> ActiveCompletion:
    return Engine(provider, None, slots, options).start("", HELLO, {})


def test_tokens() -> None:
    answer = start(engine("a", "b"))
    assert list(answer.read(9)) == ["a", "b"]
    assert answer.text == "ab"


def test_what_the_provider_is_asked() -> None:
    provider = engine("a")
    asked = {"temperature": 0.5, "max_new_tokens": 7, "truncate": 5, "top_p": None, "stop": ["x"]}
    for model in ("scripted", "the/scripted", "unknown"):
        list(Engine(provider, None, 1, {"base_url": "http://x"}).start(model, HELLO, asked).read(9))
    list(Engine(provider, "fixed", 1, {"temperature": 0}).start("scripted", HELLO, asked).read(9))
    passed_on = {"temperature": 0.5, "max_tokens": 7, "stop": ["x"]}
    assert [call[0] for call in provider.calls] == ["scripted", "the/scripted", "unknown", "fixed"]
    assert provider.calls[0][1:] == (HELLO, {**passed_on, "base_url": "http://x"})
    assert provider.calls[3][2] == {**passed_on, "temperature": 0}


def test_models() -> None:
    assert Engine(engine(), None, 1, {}).models == ["scripted", "the/scripted"]
    assert Engine(engine(), "fixed", 1, {}).models == ["fixed"]


class TestModelsOfTheHost:
    def engine(self, url: str) -> Engine:
        return Engine(OpenAI, None, 1, {"base_url": url + "/v1", "retries": 2})

    def test_they_are_asked_for_once(self, play: Any) -> None:
        replay = play(load("openai/models"))
        behind = self.engine(replay.url)
        assert [behind.models, behind.models] == [["tiny.gguf"]] * 2
        assert len(replay.sent) == 1

    def test_a_host_that_fails_is_asked_again_later(
        self, play: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replay = play([exchange("GET", "/v1/models", 503, content_length="0"), *load("openai/models")])
        behind = self.engine(replay.url)
        assert behind.models == ["gpt-3.5-turbo", "gpt-4"]
        assert caplog.messages[0].startswith("The models cannot be listed: OpenAI: 503 Said So")
        assert behind.models == ["gpt-3.5-turbo", "gpt-4"] and len(replay.sent) == 1
        monkeypatch.setattr(engine_module, "LISTING_PAUSE", 0)
        again = self.engine(play([exchange("GET", "/v1/models", 503, content_length="0"), *load("openai/models")]).url)
        assert [again.models, again.models] == [["gpt-3.5-turbo", "gpt-4"], ["tiny.gguf"]]

    def test_an_empty_list(self, play: Any) -> None:
        replay = play([exchange("GET", "/v1/models", 200, ('{"data": []}',), content_length="?")])
        assert self.engine(replay.url).models == ["gpt-3.5-turbo", "gpt-4"]


def test_a_stand_in_answers_from_the_redirect() -> None:
    with redirect("Echo"):
        assert list(start(Provider.Bing).read(9)) == ["Hello"]
        assert list(start(H2o).read(9)) == ["Hello"]
    for provider in (Provider.Bing, H2o):
        with pytest.raises(ProviderNotWorkingError):
            start(provider)


def test_errors_come_out() -> None:
    read = start(engine("a", GenerationError("no memory"))).read(9)
    assert next(read) == "a"
    with pytest.raises(GenerationError):
        next(read)


@pytest.mark.parametrize("kind", [GeneratorExit, SystemExit, KeyboardInterrupt])
def test_an_engine_that_leaves_is_no_end(kind: Any) -> None:
    def leave() -> None:
        raise kind

    with pytest.raises(GenerationError, match=f"the engine ended with {kind.__name__}"):
        list(start(engine("a", leave)).read(9))


@pytest.mark.parametrize("token", [None, b"abc", 5])
def test_an_engine_that_gives_no_texts(token: Any) -> None:
    provider = engine()
    provider._create_completion = lambda *_, **__: (one for one in [token])
    with pytest.raises(GenerationError, match=f"gave {type(token).__name__} in the place of a text"):
        list(start(provider).read(9))


def test_a_time_out_of_the_engines_own() -> None:
    with pytest.raises(TimeoutError, match="own"):
        list(start(engine("a", TimeoutError("own"))).read(9))


def test_a_heartbeat_while_nothing_comes() -> None:
    gate = threading.Event()
    read = start(engine("a", lambda: gate.wait(9), "b")).read(0.01)
    assert [next(read), next(read), next(read)] == ["a", None, None]
    gate.set()
    assert [token for token in read if token] == ["b"]


def test_the_reader_leaves() -> None:
    provider = engine("a", "b")
    answer = start(provider)
    read = answer.read(9)
    next(read)
    read.close()  # type: ignore[attr-defined]
    answer._running.stop().result(5)
    assert provider.left == 1


def test_the_client_is_gone() -> None:
    gate, gone = threading.Event(), threading.Event()
    provider = engine("a", lambda: gate.wait(9), "b")
    read = start(provider).read(9, gone.is_set)
    assert next(read) == "a"
    gone.set()
    assert list(read) == []
    gate.set()


def test_it_is_stopped_between_tokens() -> None:
    answer = start(engine("a", "b"))
    read = answer.read(9)
    assert next(read) == "a"
    answer.stop()
    answer.stop()
    assert list(read) == []


def test_it_is_stopped_while_it_waits_for_its_host(play: Any) -> None:
    over = threading.Event()
    exchanges = load("h2o/hello")
    path = exchanges[3]["request"]["path"]
    exchanges[3]["response"]["chunks"] = ['data:{"token":{"text":"one"}}\n\n', lambda: over.wait(9)]
    exchanges.append(exchange("POST", f"{path}/stop-generating", content_length="0"))
    replay = play(exchanges)
    answer = start(H2o, base_url=replay.url)
    read = answer.read(9)
    assert next(read) == "one"
    threading.Timer(0.2, answer.stop).start()
    assert list(read) == []
    answer._running.stop().result(5)
    over.set()
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE")


def test_slots_are_given_in_turn() -> None:
    gates = [threading.Event() for _ in range(3)]
    waiting = iter(gates)
    behind = Engine(engine(lambda: next(waiting).wait(9), "a"), None, 1, {})
    answers = [behind.start("", HELLO, {}) for _ in range(3)]
    came: List[Iterator[Optional[str]]] = []
    for answer in answers:
        came.append(answer.read(0.01))
        assert next(came[-1]) is None
    assert [answer.place for answer in answers] == [None, (1, 2), (2, 2)]
    for gate, read in zip(gates, came):
        gate.set()
        assert [token for token in read if token] == ["a"]
    assert [answer.place for answer in answers] == [None] * 3


@pytest.mark.parametrize(
    "error, status",
    [(RateLimitError("x"), 429), (ProviderError("x"), 502), (ValueError("x"), 400), (TypeError("x"), 400)],
)
def test_statuses(error: Exception, status: int) -> None:
    assert status_for(error) == status
