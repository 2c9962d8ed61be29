import threading
from typing import Any

import openai
import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.errors import GenerationError, RateLimitError, RequestFailedError
from g4f_legacy.server.routes import openai as protocol

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
        with client(serve(scripted_provider("a", "b"))) as api:
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
    assert [call[2] for call in provider.calls] == [{"max_tokens": 5, "top_p": 0.1}, {"max_tokens": 6}, {}]


@pytest.mark.parametrize(
    "path, body",
    [
        ("chat/completions", {}),
        ("chat/completions", {"messages": "Hello"}),
        ("chat/completions", {"messages": []}),
        ("chat/completions", {"messages": HELLO, "n": 2}),
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
