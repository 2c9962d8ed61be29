"""The providers against this server. The outcome has to be the same as with the recorded responses of a real server."""

import importlib
import json
from typing import Any

import pytest
from replay import exchange, load
from scripted_provider import scripted_provider
from test_recordings import H2O, OPEN_ASSISTANT

from g4f_legacy import ChatCompletion
from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.tokens import Finish

h2o: Any = importlib.import_module("test_H2o")
open_assistant: Any = importlib.import_module("test_OpenAssistant")

# Responses to invalid requests, which these providers never send.
NEVER_SENT = {"no_cookie", "no_referer", "conversation_not_found", "empty_prompt", "bad_parent"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", sorted(set(H2O) - NEVER_SENT))
def test_h2o(name: str, stream: bool, serve: Any) -> None:
    model = "h2oai/unknown" if name == "unknown_model" else "falcon-40b"
    check_outcome(h2o, h2o.ask_h2o(serve(scripted_provider(*H2O[name])), stream, model=model, retries=0), name, stream)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", sorted(set(OPEN_ASSISTANT) - NEVER_SENT))
def test_open_assistant(name: str, stream: bool, serve: Any) -> None:
    kwargs: Any = {"retries": 0}
    kwargs.update({"unknown_model": {"model": "nope"}, "bad_parameter": {"temperature": "hot"}}.get(name, {}))
    if name == "not_logged_in":
        kwargs.update(auth=None, cookies={"another": "cookie"})
    url = serve(scripted_provider(*OPEN_ASSISTANT[name]))
    check_outcome(open_assistant, open_assistant.ask_open_assistant(url, stream, **kwargs), name, stream)


@pytest.mark.parametrize("reason, received", [("length", "length"), ("stop", "stop"), (None, "stop")])
def test_finish_reason_by_the_protocol_of_h2o(reason: str | None, received: str, serve: Any) -> None:
    url = serve(scripted_provider("a", " b", Finish(reason, text="a b.")))
    stream = ChatCompletion.create("falcon-40b", h2o.HELLO, "H2o", stream=True, base_url=url)
    assert list(stream) == ["a", " b"]
    assert stream.finish_reason == received


def test_hugging_chat_as_the_engine(play: Any, serve: Any) -> None:
    replay = play(load("hugging_chat/models") + load("hugging_chat/hello"))
    url = serve("HuggingChat", base_url=replay.url)
    assert h2o.ask_h2o(url, model="falcon-180b") == (h2o.TOKENS, None)


def test_google_as_the_engine(play: Any, serve: Any) -> None:
    payload = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}
    path = "/v1beta/models/gemini-flash-latest:streamGenerateContent?alt=sse"
    models = json.dumps({"models": [{"name": "models/g", "supportedGenerationMethods": ["generateContent"]}]})
    replay = play(
        [
            exchange("GET", "/v1beta/models?pageSize=1000", 200, (models,), content_length="?"),
            exchange("POST", path, 200, (f"data: {json.dumps(payload)}\n\n",)),
        ]
    )
    assert h2o.ask_h2o(serve("Google", base_url=replay.url, auth="k")) == (["Hi"], None)
    assert replay.sent[-1].json["contents"] == [{"role": "user", "parts": [{"text": "hello"}]}]


def check_outcome(tests: Any, outcome: Any, name: str, stream: bool) -> None:
    tokens, error = outcome
    expected, kind, message = tests.OUTCOMES[name]
    assert type(error) is kind
    if stream:
        assert "".join(tokens) == "".join(expected)
    elif error:
        assert tokens == [] and error.partial == "".join(expected)
    else:
        assert tokens == ["".join(expected)]
    if error and kind is not StreamInterruptedError:  # there the reason is the network's
        assert error.args[0].lower() == message.lower()
