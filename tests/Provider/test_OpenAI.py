import json
import logging
import socket
import traceback
from typing import Any

import pytest
from completions import HELLO, Outcome, ask_openai
from openai_events import COMPLETE_STREAM, DONE, PATH, RECORDED_TOKENS, TOKENS, chunk
from replay import exchange, load, recorded

from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.Provider import OpenAI

NO_EVENTS = "the server sent no events; it may have failed, or the prompt may be too long"

# Recording: the tokens, the error's class and message.
OUTCOMES: dict[str, tuple[list[str], Any, str]] = {
    "stream": (RECORDED_TOKENS["stream"], type(None), ""),
    "plain": (RECORDED_TOKENS["plain"], type(None), ""),
    "context_too_long": ([], StreamInterruptedError, NO_EVENTS),
    "bad_parameter": (
        [],
        RequestFailedError,
        "500 Internal Server Error: 1 validation error: {'type': 'float_parsing', 'loc': ('body', 'temperature'), "
        "'msg': 'Input should be a valid number, unable to parse string as a number', 'input': 'hot'} "
        'File "site-packages/llama_cpp/server/app.py", line 376, in create_chat_completion POST /v1/chat/completions',
    ),
    "bad_path": ([], RequestFailedError, "599 Not Recorded"),  # below /v1, where nothing was recorded
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = load(f"openai/{name}")
    replay = play(exchanges)
    body = recorded(exchanges[0]).json
    parameters = {key: value for key, value in body.items() if key not in ("model", "messages", "stream")}
    base_url = replay.url + ("" if name == "bad_path" else "/v1")
    tokens, error = ask_openai(base_url, body["stream"], messages=body["messages"], retries=0, **parameters)
    expected_tokens, kind, message = OUTCOMES[name]
    assert tokens == expected_tokens
    assert type(error) is kind
    if error:
        assert error.args == (message,)
        assert error.provider == "OpenAI" and error.response is not None
    assert replay.sent[0].json == body
    assert replay.sent[0].path == exchanges[0]["request"]["path"]
    assert "authorization" not in replay.sent[0].headers


@pytest.mark.parametrize(
    "server, status, payload, kind, message",
    [
        (
            "OpenAI",
            401,
            {"error": {"message": "Incorrect API key", "type": "x", "param": None, "code": "invalid_api_key"}},
            AuthenticationError,
            "Incorrect API key",
        ),
        ("OpenAI", 429, {"error": {"message": "Rate limit reached"}}, RateLimitError, "Rate limit reached"),
        ("Ollama", 404, {"error": {"message": "model 'x' not found"}}, RequestFailedError, "model 'x' not found"),
        ("vLLM", 404, {"object": "error", "message": "no model x"}, RequestFailedError, "no model x"),
        ("vLLM", 400, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, RequestFailedError, "body.n: bad"),
        ("llama.cpp", 503, {"error": {"code": 503, "message": "Loading model"}}, RequestFailedError, "Loading model"),
        ("any", 500, {"error": "out of memory"}, RequestFailedError, "out of memory"),
        ("any", 400, {"detail": "no"}, RequestFailedError, "no"),
        ("any", 502, "<html>", RequestFailedError, "'<html>'"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_instead_of_a_completion(
    server: str, status: int, payload: Any, kind: Any, message: str, stream: bool, play: Any
) -> None:
    body = payload if isinstance(payload, str) else json.dumps(payload)
    replay = play([exchange("POST", PATH, status, (body,), content_length="?", retry_after="7")])
    tokens, error = ask_openai(replay.url + "/v1", stream, retries=0)
    assert tokens == [] and type(error) is kind
    assert error.args == (f"{status} Said So: {message}",) and error.retry_after == 7
    assert f"({replay.url}{PATH})" in str(error)


class TestWithoutStream:
    def ask(self, play: Any, payload: Any) -> Outcome:
        replay = play([exchange("POST", PATH, 200, (json.dumps(payload),), content_length="?")])
        return ask_openai(replay.url + "/v1", stream=False)

    def test_a_long_completion(self, play: Any) -> None:
        text = "Ж" * 1_000_000
        assert self.ask(play, {"choices": [{"message": {"content": text}}]}) == ([text], None)

    def test_several_choices(self, play: Any) -> None:
        choices = [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]
        assert self.ask(play, {"choices": choices}) == (["a"], None)

    @pytest.mark.parametrize(
        "payload, kind",
        [
            ({"error": {"message": "out of memory", "type": "server_error", "code": 500}}, GenerationError),
            ({"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}, GenerationError),
            ({"choices": []}, StreamInterruptedError),
            ({}, StreamInterruptedError),
            ([], ResponseFormatError),
            ({"choices": [{"message": "text"}]}, ResponseFormatError),
        ],
    )
    def test_errors(self, payload: Any, kind: Any, play: Any) -> None:
        tokens, error = self.ask(play, payload)
        assert tokens == [] and type(error) is kind


@pytest.mark.parametrize(
    "delta, usage, words",
    [
        ({"reasoning": ""}, {}, "(finish_reason: length)"),
        ({"reasoning_content": ""}, {"completion_tokens_details": None}, "(finish_reason: length)"),
        ({}, {"completion_tokens_details": {"reasoning_tokens": 0}}, "(finish_reason: length)"),
        ({}, {"completion_tokens_details": {"reasoning_tokens": 9}}, "its reasoning used up max_tokens"),
    ],
)
def test_what_counts_as_reasoning(
    delta: Any, usage: Any, words: str, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chunks = (chunk(choices=[{"delta": delta}]), chunk(reason="length", usage=usage), DONE)
    assert ask_openai(play([exchange("POST", PATH, 200, chunks)]).url + "/v1") == ([], None)
    assert words in caplog.text


def test_a_completion_without_text_is_logged(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    reasoning = chunk(choices=[{"delta": {"reasoning": "hm"}}])
    replay = play([exchange("POST", PATH, 200, (reasoning, chunk(reason="length"), DONE))])
    with caplog.at_level(logging.DEBUG, "g4f_legacy"):
        assert ask_openai(replay.url + "/v1") == ([], None)
    assert [message for message in caplog.messages if "OpenAI: " in message][1:] == [
        "OpenAI: reasoning: hm",
        "OpenAI: the completion has no text: its reasoning used up max_tokens; raise it, or ask for less reasoning",
    ]


class TestBaseURL:
    """See tests/protocols/test_recognition.py for a base URL without /v1."""

    @pytest.mark.parametrize("suffix", ["/v1", "/v1/", PATH, PATH + "/", "/v1/completions", "/v1/models"])
    def test_one_request_is_sent_if_it_has_v1(self, suffix: str, play: Any) -> None:
        replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM)])
        assert ask_openai(replay.url + suffix) == (TOKENS, None)
        assert [sent.path for sent in replay.sent] == [PATH]

    def test_a_server_without_v1(self, play: Any) -> None:
        replay = play([exchange("POST", "/openai/chat/completions", 200, COMPLETE_STREAM)])
        assert ask_openai(replay.url + "/openai") == (TOKENS, None)
        assert len(replay.sent) == 1

    @pytest.mark.parametrize("name", ["v1.localhost", "localhost"])
    def test_a_host_name_is_not_a_path(self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([*load("openai/bad_path"), *load("openai/stream")])
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: real("127.0.0.1", *rest, **named))
        tokens, error = ask_openai(replay.url.replace("127.0.0.1", name))
        assert error is None and tokens

    @pytest.mark.parametrize(
        "status, body, first_body, message",
        [
            (404, "no model x", "no such page", "404 Said So: no such page; without /v1: 404 Said So: no model x"),
            (404, "", "", "404 Said So"),
            (405, "", "", "404 Said So; without /v1: 405 Said So"),
        ],
    )
    def test_a_path_that_exists_neither_with_nor_without_v1(
        self, status: int, body: str, first_body: str, message: str, play: Any
    ) -> None:
        def respond(path: str, status: int, text: str) -> dict[str, Any]:
            chunks = (json.dumps({"error": {"message": text}}),) if text else ()
            return exchange("POST", path, status, chunks, content_length="?")

        replay = play([respond("/chat/completions", status, body), respond(PATH, 404, first_body)])
        _, error = ask_openai(replay.url)
        assert type(error) is RequestFailedError and error.status == 404
        assert error.args == (message,)
        assert f"({replay.url}{PATH})" in str(error)

    @pytest.mark.parametrize("name", ["OPENAI_API_BASE", "OPENAI_BASE_URL", "G4F_LEGACY_OPENAI_URL"])
    def test_environment(self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM)])
        for weaker in ["OPENAI_API_BASE", "OPENAI_BASE_URL", "G4F_LEGACY_OPENAI_URL"]:
            monkeypatch.setenv(weaker, "http://127.0.0.1:1")
            if weaker == name:
                break
        monkeypatch.setenv(name, replay.url + "/v1")
        assert list(OpenAI._create_completion("tiny", HELLO, True)) == TOKENS


class TestCredentials:
    def respond(self, responses: Any) -> Any:
        responses.post("https://api.openai.com/v1/chat/completions", "".join(COMPLETE_STREAM))
        return responses.calls

    def test_openai_itself_needs_a_key(self) -> None:
        with pytest.raises(AuthenticationRequiredError) as raised:
            list(OpenAI._create_completion("gpt-4", HELLO, True))
        assert str(raised.value) == (
            "OpenAI needs credentials. Give a token or cookie text with auth=, or cookies with cookies=, "
            "or set G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY. Your own server, given with base_url=, may need none."
        )

    @pytest.mark.parametrize("url", ["https://api.openai.com", "https://api.openai.com/v1/", "https://API.openai.com"])
    def test_openai_itself_in_other_spellings(self, url: str) -> None:
        with pytest.raises(AuthenticationRequiredError):
            list(OpenAI._create_completion("gpt-4", HELLO, True, base_url=url))

    @pytest.mark.parametrize("option", ["auth", "access_token"])
    @pytest.mark.parametrize("key", ["sk-123456", "sk==", "a=b"])
    def test_options(self, option: str, key: str, responses: Any) -> None:
        calls = self.respond(responses)
        assert list(OpenAI._create_completion("gpt-4", HELLO, True, **{option: key})) == TOKENS
        assert calls[0].request.headers["Authorization"] == f"Bearer {key}"
        assert "Cookie" not in calls[0].request.headers

    def test_environment(self, responses: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = self.respond(responses)
        monkeypatch.setenv("OPENAI_API_KEY", "theirs")
        assert list(OpenAI._create_completion("gpt-4", HELLO, True)) == TOKENS
        monkeypatch.setenv("G4F_LEGACY_OPENAI_AUTH", "ours")
        assert list(OpenAI._create_completion("gpt-4", HELLO, True, auth=True)) == TOKENS
        assert [call.request.headers["Authorization"] for call in calls] == ["Bearer theirs", "Bearer ours"]

    @pytest.mark.parametrize("length", [0, 180, 188, 990, 1000])
    @pytest.mark.parametrize("template", ["{}", '{{"error": "{}"}}'])
    @pytest.mark.parametrize("option", ["auth", "headers", "cookies"])
    def test_no_part_of_a_key_is_shown(self, option: str, template: str, length: int, play: Any) -> None:
        key = "sk-0123456789abcdef"
        body = template.format("x" * length + " Bearer " + key)
        value = {"auth": key, "headers": {"Authorization": f"Bearer {key}"}, "cookies": {"sid": key}}[option]
        for status in (200, 401):
            replay = play([exchange("POST", PATH, status, (body,), content_length="?")])
            _, error = ask_openai(replay.url + "/v1", **{option: value})
            assert error is not None and "sk-01234" not in f"{error!s}{error!r}"
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            assert "sk-01234" not in trace

    def test_a_refused_key_is_not_shown(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        body = json.dumps({"error": {"message": "Incorrect API key provided: sk-s3cr3t."}})
        replay = play([exchange("POST", PATH, 401, (body,), content_length="?")])
        with caplog.at_level(logging.DEBUG, "g4f_legacy"):
            _, error = ask_openai(replay.url + "/v1", auth="sk-s3cr3t")
        assert type(error) is AuthenticationError
        assert str(error).endswith(" Check auth=, cookies= or G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY.")
        assert "s3cr3t" not in f"{error!s}{error!r}{caplog.text}"


class TestModel:
    """See tests/protocols/test_default_model.py for an empty name."""

    @pytest.mark.parametrize("name", ["gpt-3.5-turbo", "gpt-4", "llama3.2:8b", "org/model"])
    def test_a_name_is_sent_unchanged(self, name: str, play: Any) -> None:
        replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM)])
        ask_openai(replay.url + "/v1", model=name)
        assert [sent.json["model"] for sent in replay.sent] == [name]

    def test_list_models(self, play: Any) -> None:
        assert OpenAI._list_models(base_url=play(load("openai/models")).url + "/v1") == ["tiny.gguf"]
        failure = exchange("GET", "/v1/models", 200, ('{"error": "down"}',), content_length="?")
        with pytest.raises(GenerationError, match="down"):
            OpenAI._list_models(base_url=play([failure]).url + "/v1")


class TestMessages:
    def sent(self, play: Any, *messages: Any) -> Any:
        replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM)])
        assert ask_openai(replay.url + "/v1", messages=list(messages)) == (TOKENS, None)
        return replay.sent[0].json["messages"]

    def test_roles(self, play: Any) -> None:
        messages = [{"role": role, "content": role} for role in ("System", "USER", " assistant ", "developer")]
        sent = self.sent(play, *messages)
        assert [message["role"] for message in sent] == ["system", "user", "assistant", "developer"]
        assert [message["content"] for message in sent] == ["System", "USER", " assistant ", "developer"]

    def test_other_roles(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        messages = [{"role": role, "content": "Привет 👋"} for role in ("Bing", "user", "Bing", "Bob")]
        with caplog.at_level(logging.INFO, "g4f_legacy"):
            sent = self.sent(play, *messages)
        assert sent == [
            {"role": "user", "content": "Bing: Привет 👋"},
            {"role": "user", "content": "Привет 👋"},
            {"role": "user", "content": "Bing: Привет 👋"},
            {"role": "user", "content": "Bob: Привет 👋"},
        ]
        assert caplog.messages == ["Messages of Bing, Bob are sent as the user's, with the role as a prefix."]


def test_parameters_are_sent_unchanged(play: Any) -> None:
    parameters = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 5,
        "n": 2,
        "stop": ["x"],
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "seed": 42,
        "own": {"x": None},
    }
    replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM)])
    ask_openai(replay.url + "/v1", **parameters, timeout=5)
    assert replay.sent[0].json == {"model": "tiny", "messages": HELLO, "stream": True, **parameters}
