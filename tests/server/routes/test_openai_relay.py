"""The local server in front of an engine that speaks OpenAI's API: requests and responses are passed on unchanged."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from replay import exchange, load, recorded

from g4f_legacy import redirect
from g4f_legacy.server.routes import openai as protocol

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
ANSWER = '{"choices": [{"message": {"content": "hi"}}]}'


def chunk(index: int = 0, **choice: Any) -> str:
    return f"data: {json.dumps({'id': 'c', 'choices': [{'index': index, 'delta': {}, **choice}]})}\n\n"


def events(text: str) -> list[Any]:
    """Return the payloads in a streamed response, and "[DONE]" as it is."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 9
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Setting:
    """The local server in front of a replay."""

    def __init__(self, serve: Any, play: Any, exchanges: list[Any], **options: Any) -> None:
        self.replay = play(exchanges)
        self.url = serve("OpenAI", base_url=f"{self.replay.url}/v1", **options)

    def post(self, body: Any, **options: Any) -> requests.Response:
        return requests.post(self.url + PATH, json=body, timeout=9, **options)


@pytest.fixture
def setting(serve: Any, play: Any) -> Any:
    return lambda *exchanges, **options: Setting(serve, play, list(exchanges), **options)


@pytest.mark.parametrize("name", ["plain", "stream"])
def test_recorded(name: str, setting: Any) -> None:
    (original,) = load(f"openai/{name}")
    body = recorded(original).json
    server = setting(original)
    response = server.post(body)
    sent = "".join(original["response"]["chunks"])
    assert server.replay.sent[0].json == body
    if name == "plain":
        assert response.json() == json.loads(sent)
        assert response.json()["choices"][0]["finish_reason"] == "stop" and response.json()["usage"]
    else:
        assert events(response.text) == events(sent) and events(sent)[-1] == "[DONE]"


def test_parameters_of_the_client_are_no_options(setting: Any) -> None:
    body = {"model": "m", "messages": [{"role": "assistant", "content": None}], "base_url": "http://192.0.2.1", "n": 1}
    server = setting(exchange("POST", PATH, 200, (ANSWER,), content_length="?"))
    assert server.post(body).json() == json.loads(ANSWER)
    assert server.replay.sent[0].json == body


def test_model_and_parameters_of_the_server_come_first(serve: Any, play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (ANSWER,), content_length="?")])
    url = serve("OpenAI", "fixed", base_url=f"{replay.url}/v1", temperature=0, auth="the-engines-key")
    body = {"model": "m", "messages": HELLO, "temperature": 1, "top_p": 1}
    requests.post(url + PATH, json=body, headers={"Authorization": "Bearer the-clients-key"}, timeout=9)
    assert replay.sent[0].json == {"model": "fixed", "messages": HELLO, "temperature": 0, "top_p": 1}
    assert replay.sent[0].headers["authorization"] == "Bearer the-engines-key"


def test_default_model(setting: Any) -> None:
    server = setting(*load("openai/models"), exchange("POST", PATH, 200, (ANSWER,), content_length="?"))
    server.post({"messages": HELLO})
    assert server.replay.sent[-1].json == {"messages": HELLO, "model": "tiny.gguf"}


@pytest.mark.parametrize("stream", [False, True])
def test_refusal(stream: bool, setting: Any) -> None:
    sent = {"message": "too many", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    body = json.dumps({"error": sent})
    server = setting(*[exchange("POST", PATH, 429, (body,), content_length="?", retry_after="7")] * 2)
    response = server.post({"model": "m", "messages": HELLO, "stream": stream})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.json() == {"error": sent}
    assert len(server.replay.sent) == 1  # the client retries


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [PATH, "/v1/completions"])
def test_the_key_of_the_engine_is_not_shown(path: str, stream: bool, serve: Any, play: Any) -> None:
    key = "sk-the-key-of-the-engine"
    refusal = json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key"}})
    replay = play([exchange("POST", PATH, 401, (refusal,), content_length="?", www_authenticate=f"Bearer {key}")])
    url = serve("OpenAI", base_url=f"{replay.url}/v1", auth=key)
    body = {"model": "m", "messages": HELLO, "prompt": "Hello", "stream": stream}
    response = requests.post(url + path, json=body, timeout=9)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert response.json()["error"]["message"] == "Incorrect API key provided: …."
    assert key not in f"{response.headers} {response.text}"


def test_one_request_for_a_prompt_as_well(serve: Any, play: Any) -> None:
    replay = play([exchange("POST", PATH, 429, ("{}",), content_length="?", retry_after="1")] * 2)
    url = serve("OpenAI", base_url=f"{replay.url}/v1")
    response = requests.post(f"{url}/v1/completions", json={"model": "m", "prompt": "Hello"}, timeout=9)
    assert (response.status_code, response.headers["Retry-After"], len(replay.sent)) == (429, "1", 1)


def test_a_payload_instead_of_a_stream(setting: Any) -> None:
    payload = {"object": "chat.completion", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    server = setting(exchange("POST", PATH, 200, (json.dumps(payload),), content_length="?"))
    chunk = {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}
    assert events(server.post({"model": "m", "messages": HELLO, "stream": True}).text) == [chunk, "[DONE]"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up(stream: bool, setting: Any) -> None:
    gate = threading.Event()
    server = setting(exchange("POST", PATH, 200, (chunk(0) if stream else " ", lambda: gate.wait(9) and None)))
    others = threading.enumerate()
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("POST", PATH, json.dumps({"model": "m", "messages": HELLO, "stream": stream}))
    wait_until(lambda: server.replay.sent)
    new_threads = [thread for thread in threading.enumerate() if thread not in others]
    workers = [thread for thread in new_threads if thread.name.startswith("g4f_legacy_")]  # of the completion
    assert workers
    connection.close()
    wait_until(lambda: not any(thread.is_alive() for thread in workers))
    gate.set()


@pytest.mark.parametrize(
    "last, is_complete",
    [
        ([], False),
        ([chunk(0, finish_reason="stop")], False),
        ([chunk(0, finish_reason="stop"), chunk(1, finish_reason="length")], True),
        ([chunk(1), chunk(0, finish_reason="stop"), "data: [DONE]\n\n"], True),
        ([chunk(1, finish_reason=None), chunk(0, finish_reason="stop"), "data: [DONE]\n\n"], False),
        ([chunk(0, finish_reason="stop"), chunk(1, finish_reason="stop"), "data: [DONE]\n\n"], True),
    ],
)
def test_choices_that_do_not_end(last: list[str], is_complete: bool, setting: Any) -> None:
    chunks = (chunk(0, finish_reason=None), *last)
    server = setting(exchange("POST", PATH, 200, chunks, content_type="text/event-stream"))
    received = events(server.post({"model": "m", "messages": HELLO, "n": 2, "stream": True}).text)
    assert received[:1] == events(chunks[0])
    assert ("error" in received[-1]) is not is_complete
    assert ("[DONE]" in received) is is_complete


def test_error_event(setting: Any) -> None:
    sent = {"message": "no memory", "type": "server_error", "param": None, "code": "oom"}
    chunks = (chunk(0), f"data: {json.dumps({'error': sent})}\n\n", "data: [DONE]\n\n")
    server = setting(exchange("POST", PATH, 200, chunks, content_type="text/event-stream"))
    received = events(server.post({"model": "m", "messages": HELLO, "stream": True}).text)
    assert received == [*events(chunks[0]), {"error": sent}]


def test_chunks_are_sent_at_once(setting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEARTBEAT", 0.05)
    gate = threading.Event()
    chunks = (chunk(0), lambda: gate.wait(9) and None, chunk(0, finish_reason="stop"))
    server = setting(exchange("POST", PATH, 200, chunks, content_type="text/event-stream"))
    with server.post({"model": "m", "messages": HELLO, "stream": True}, stream=True) as response:
        lines = response.iter_lines(1)
        assert events(f"{next(lines).decode()}\n\n") == events(chunk(0))
        next(line for line in lines if line.startswith(b": "))  # a heartbeat
        gate.set()
        assert list(lines)[-2] == b"data: [DONE]"


@pytest.mark.parametrize("target, asked", [("fixed", "fixed"), (None, "tiny.gguf")])
def test_redirect(target: str | None, asked: str, serve: Any, play: Any) -> None:
    replay = play([*load("openai/models"), exchange("POST", PATH, 200, (ANSWER,), content_length="?")])
    with redirect("OpenAI", target, base_url=f"{replay.url}/v1"):
        url = serve("H2o")
        requests.post(url + PATH, json={"model": "falcon-40b", "messages": HELLO, "tools": [{}]}, timeout=9)
    assert replay.sent[-1].json == {"model": asked, "messages": HELLO, "tools": [{}]}
