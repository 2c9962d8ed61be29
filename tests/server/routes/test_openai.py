import json
import re
import threading
from typing import Any

import openai
import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.errors import GenerationError, RateLimitError, RequestFailedError
from g4f_legacy.server.app import MAX_REQUEST_SIZE
from g4f_legacy.server.routes import openai as protocol
from g4f_legacy.tokens import Finish

HELLO: Any = [{"role": "user", "content": "Hello there"}]


def client(url: str, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


class TestOpenAIClient:
    def test_completion(self, serve: Any) -> None:
        with client(serve(scripted_provider("Привет", " 👋"))) as api:
            response = api.chat.completions.create(model="scripted", messages=HELLO, temperature=0.5)
        assert response.choices[0].message.content == "Привет 👋"
        assert response.choices[0].finish_reason == "stop"
        assert response.usage and (response.usage.prompt_tokens, response.usage.completion_tokens) == (2, 2)

    def test_stream(self, serve: Any) -> None:
        with client(serve(scripted_provider("Привет", " 👋"))) as api:
            chunks = list(api.chat.completions.create(model="scripted", messages=HELLO, stream=True))
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["Привет", " 👋", None]
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "stop"]
        assert chunks[0].choices[0].delta.role == "assistant"

    def test_usage(self, serve: Any) -> None:
        with client(serve(scripted_provider("a", " b"))) as api:
            options: Any = {"include_usage": True}
            stream = api.chat.completions.create(model="", messages=HELLO, stream=True, stream_options=options)
            last = list(stream)[-1]
        assert last.choices == [] and last.usage and last.usage.total_tokens == 4

    def test_legacy_completions(self, serve: Any) -> None:
        provider = scripted_provider("a", "b")
        with client(serve(provider)) as api:
            response = api.completions.create(model="scripted", prompt="Hello")
            chunks = list(api.completions.create(model="scripted", prompt="Hello", stream=True))
        assert response.choices[0].text == "ab"
        assert [chunk.choices[0].text for chunk in chunks] == ["a", "b", ""]
        assert provider.calls[0][1] == [{"role": "user", "content": "Hello"}]

    def test_models(self, serve: Any) -> None:
        with client(serve(scripted_provider())) as api:
            assert [model.id for model in api.models.list()] == ["scripted", "the/scripted"]
            assert api.models.retrieve("the/scripted").id == "the/scripted"
            with pytest.raises(openai.NotFoundError):
                api.models.retrieve("nope")

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "error, kind",
        [
            (RateLimitError("busy"), openai.RateLimitError),
            (RequestFailedError("away"), openai.InternalServerError),
            (ValueError("wrong"), openai.BadRequestError),
        ],
    )
    def test_error_before_the_first_token(self, error: Any, kind: Any, stream: bool, serve: Any) -> None:
        with client(serve(scripted_provider(error))) as api:
            with pytest.raises(kind, match=error.args[0]):
                api.chat.completions.create(model="", messages=HELLO, stream=stream)

    def test_error_after_the_first_token(self, serve: Any) -> None:
        received: list[Any] = []
        with client(serve(scripted_provider("a", GenerationError("no memory")))) as api:
            with pytest.raises(openai.APIError, match="no memory"):
                for chunk in api.chat.completions.create(model="", messages=HELLO, stream=True):
                    received.append(chunk.choices[0].delta.content)
        assert received == ["a"]

    def test_token(self, serve: Any) -> None:
        url = serve(scripted_provider("a"), token="s3cr3t")
        with client(url) as api, pytest.raises(openai.AuthenticationError):
            api.chat.completions.create(model="", messages=HELLO)
        with client(url, "s3cr3t") as api:
            assert api.chat.completions.create(model="", messages=HELLO).choices[0].message.content == "a"


def test_arguments_of_the_provider(serve: Any) -> None:
    provider = scripted_provider("a")
    url = serve(provider)
    body = {"model": "scripted", "messages": HELLO, "max_completion_tokens": 5, "user": "me", "top_p": 0.1, "n": 1}
    requests.post(f"{url}/v1/chat/completions", json=body)
    requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO, "max_tokens": 6, "max_completion_tokens": 5})
    requests.post(f"{url}/v1/chat/completions", json={"model": "gpt-3.5-turbo", "messages": HELLO})
    assert [call[0] for call in provider.calls] == ["scripted", "", "gpt-3.5-turbo"]
    sent = [{"max_tokens": 5, "top_p": 0.1}, {"max_tokens": 6}, {}]
    assert [call[2] for call in provider.calls] == [{"retries": 0, **parameters} for parameters in sent]


@pytest.mark.parametrize(
    "path, body",
    [
        ("chat/completions", {}),
        ("chat/completions", {"messages": "Hello"}),
        ("chat/completions", {"messages": []}),
        ("chat/completions", {"messages": HELLO, "n": 2}),
        ("chat/completions", ["Hello"]),
        ("chat/completions", {"messages": HELLO, "model": 5}),
        ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        ("completions", {"prompt": None}),
        ("completions", {"prompt": ["a", "b"]}),
    ],
)
def test_invalid_bodies(path: str, body: Any, serve: Any) -> None:
    response = requests.post(f"{serve(scripted_provider('a'))}/v1/{path}", json=body)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "reason, shown",
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("interrupted", "length"),
        (None, "stop"),
    ],
)
def test_finish_of_the_engine(reason: str | None, shown: str, stream: bool, serve: Any) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "details": {"cached": 1}}
    provider = scripted_provider("a", Finish(reason, usage))
    body = {"messages": HELLO, "stream": stream, "stream_options": {"include_usage": True}}
    response = requests.post(f"{serve(provider)}/v1/chat/completions", json=body)
    assert provider.streams == [stream]
    if not stream:
        assert response.json()["choices"][0]["finish_reason"] == shown and response.json()["usage"] == usage
        return
    *_, last, with_usage = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    assert last["choices"][0]["finish_reason"] == shown
    assert with_usage["choices"] == [] and with_usage["usage"] == usage


def test_text_that_the_server_stated(serve: Any) -> None:
    url = serve(scripted_provider("a ", "b", Finish("stop", text="a b.")))
    response = requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO})
    assert response.json()["choices"][0]["message"]["content"] == "a b."


def test_usage_of_gemini(serve: Any) -> None:
    counted = {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2, "totalTokenCount": 14}
    url = serve(scripted_provider("a", Finish("stop", counted)))
    response = requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO})
    assert response.json()["usage"] == {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    url = serve(scripted_provider("a", Finish("stop", {**counted, "thoughtsTokenCount": None})))
    response = requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO})
    assert response.json()["usage"] == {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 14}


@pytest.mark.parametrize(
    "name, value", [("tools", [{}]), ("n", 2), ("logprobs", True), ("response_format", {"type": "x"})]
)
def test_parameters_that_the_engine_cannot_honour(name: str, value: Any, serve: Any) -> None:
    response = requests.post(f"{serve('Echo')}/v1/chat/completions", json={"messages": HELLO, name: value})
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", name)
    assert f"Echo, which answers here, cannot honour the parameter '{name}'" in error["message"]


def test_messages_without_a_text(serve: Any) -> None:
    provider = scripted_provider("a")
    calls = {"role": "assistant", "tool_calls": [{}]}
    messages = [*HELLO, {**calls, "content": None}, calls]
    assert requests.post(f"{serve(provider)}/v1/chat/completions", json={"messages": messages}).status_code == 200
    assert [message["content"] for message in provider.calls[0][1]] == ["Hello there", "", ""]


@pytest.mark.parametrize(
    "method, path, body, headers, status, message",
    [
        ("POST", "chat/completions", "{bad", {}, 400, "The request's body is not valid JSON: .*column 2"),
        ("POST", "chat/completions", "\udcff".encode("utf-8", "surrogateescape"), {}, 400, "not valid JSON"),
        ("POST", "completions", "", {}, 400, "not valid JSON"),
        ("POST", "chat/completions", '{"temperature": NaN}', {}, 400, "not valid JSON: NaN is not a value of JSON"),
        ("POST", "chat/completions", "x" * (2 * MAX_REQUEST_SIZE - 1), {}, 413, "Too Large"),
        ("GET", "nothing", None, {}, 404, "Not Found"),
        ("PUT", "models", None, {}, 405, "Method Not Allowed"),
        ("POST", "chat/completions", "x" * (MAX_REQUEST_SIZE + 1), {}, 413, "Too Large"),
        ("GET", "models", None, {"Origin": "http://example.com"}, 403, "other sites"),
        ("GET", "models", None, {"Authorization": "Bearer wrong"}, 401, "The token is wrong"),
        ("GET", "models", None, {"Authorization": ""}, 401, "A token is required"),
    ],
)
def test_refused_requests(
    method: str, path: str, body: Any, headers: dict[str, str], status: int, message: str, serve: Any
) -> None:
    url = serve("Echo", token="s3cr3t-token")
    headers = {"Authorization": "Bearer s3cr3t-token", **headers}
    response = requests.request(method, f"{url}/v1/{path}", data=body, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (status, "invalid_request_error")
    assert re.search(message, error["message"])
    assert error["code"] == ("invalid_api_key" if status == 401 else None)


def test_tokens_are_sent_at_once(serve: Any) -> None:
    gate = threading.Event()
    with client(serve(scripted_provider("a", lambda: gate.wait(9), "b"))) as api:
        stream = api.chat.completions.create(model="", messages=HELLO, stream=True)
        assert next(stream).choices[0].delta.content == "a"
        gate.set()
        assert next(stream).choices[0].delta.content == "b"
        stream.close()


def test_heartbeat(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEARTBEAT", 0.05)
    gate = threading.Event()
    url = serve(scripted_provider("a", lambda: gate.wait(9), "b"))
    with requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO, "stream": True}, stream=True) as response:
        lines = response.iter_lines(1)
        next(line for line in lines if line.startswith(b": "))
        gate.set()
        assert list(lines)[-2] == b"data: [DONE]"
