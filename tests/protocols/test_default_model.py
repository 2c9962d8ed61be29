"""The model that an empty name means, with an OpenAI-compatible server."""

import json
import logging
import threading
from typing import Any

import pytest
from completions import ask_openai
from openai_events import COMPLETE_STREAM, PATH, TOKENS
from replay import Replay, exchange, load

from g4f_legacy.errors import ResponseFormatError


def list_exchange(*ids: str) -> dict[str, Any]:
    """Return the exchange in which a server lists its models."""
    body = json.dumps({"data": [{"id": model_id} for model_id in ids]})
    return exchange("GET", "/v1/models", 200, (body,), content_length="?")


def completion_exchanges(count: int) -> list[dict[str, Any]]:
    return [exchange("POST", PATH, 200, COMPLETE_STREAM, transfer_encoding="chunked") for _ in range(count)]


def sent_models(replay: Replay) -> list[str]:
    return [sent.json["model"] for sent in replay.sent if sent.method == "POST"]


def test_the_first_that_the_server_lists(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    replay = play([*load("openai/models"), *completion_exchanges(2)])
    with caplog.at_level(logging.INFO, "g4f_legacy"):
        assert [ask_openai(replay.url + "/v1", model=name) for name in ("", None)] == [(TOKENS, None)] * 2
    assert sent_models(replay) == ["tiny.gguf"] * 2
    assert [sent.method for sent in replay.sent] == ["GET", "POST", "POST"]
    assert caplog.messages == ["OpenAI: no model is named; asking for the first of tiny.gguf"]


def test_threads_request_the_list_once(play: Any) -> None:
    replay = play([list_exchange("one"), *completion_exchanges(9)])
    threads = [threading.Thread(target=ask_openai, args=(replay.url + "/v1",), kwargs={"model": ""}) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sent.method for sent in replay.sent].count("GET") == 1
    assert sent_models(replay) == ["one"] * 9


def test_each_server_has_its_own(play: Any) -> None:
    for model_id in ("one", "two"):
        replay = play([list_exchange(model_id, "other"), *completion_exchanges(1)])
        ask_openai(replay.url + "/v1", model="")
        assert sent_models(replay) == [model_id]


def test_the_list_of_openai_itself_has_no_order(play: Any) -> None:
    replay = play([list_exchange("dall-e", "gpt-4", "gpt-3.5-turbo"), *completion_exchanges(1)])
    ask_openai(replay.url + "/v1", model="")
    assert sent_models(replay) == ["gpt-4"]


def test_environment(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "mine")
    replay = play(completion_exchanges(2))
    ask_openai(replay.url + "/v1", model="")
    ask_openai(replay.url + "/v1", model="other")
    assert sent_models(replay) == ["mine", "other"]


def test_a_server_without_a_list(play: Any) -> None:
    refusals = [exchange("GET", f"/openai{path}/models", 404, content_length="0") for path in ("", "/v1")]
    replay = play([*refusals, exchange("POST", "/openai/chat/completions", 200, COMPLETE_STREAM)])
    assert ask_openai(replay.url + "/openai", model="") == (TOKENS, None)
    assert sent_models(replay) == ["gpt-3.5-turbo"]


def test_a_server_without_models(play: Any) -> None:
    tokens, error = ask_openai(play([list_exchange()]).url + "/v1", model="")
    assert tokens == [] and type(error) is ResponseFormatError
    assert error.args == ("the server lists no models: name the model to ask for",)
