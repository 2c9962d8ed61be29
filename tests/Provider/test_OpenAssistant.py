import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from completions import FIRST_TOKENS, HELLO, OPEN_ASSISTANT_STEPS, TOKENS, ask_open_assistant
from replay import RECORDINGS, exchange, load, recorded
from request_table import JSON, Request, read_request

from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    RequestFailedError,
    ResponseFormatError,
)
from g4f_legacy.Provider import OpenAssistant

SESSION = {"Cookie": "__Secure-next-auth.session-token=session-token"}

# The requests of a completion.
REQUESTS = [
    Request("POST", "/api/chat", SESSION),
    Request(
        "POST",
        "/api/chat/prompter_message",
        {**SESSION, "Content-Type": JSON},
        json={"chat_id": "chat-1", "content": "hello", "parent_id": None},
    ),
    Request(
        "POST",
        "/api/chat/assistant_message",
        {**SESSION, "Content-Type": JSON},
        json={
            "chat_id": "chat-1",
            "parent_id": "question-2",
            "model_config_name": "OA_SFT_Llama_30B_6",
            "sampling_parameters": {
                "top_k": 50,
                "top_p": None,
                "typical_p": None,
                "temperature": 0.35,
                "repetition_penalty": 1.1111111111111112,
                "max_new_tokens": 1024,
            },
            "plugins": [],
        },
    ),
    Request(
        "POST",
        "/api/chat/events?chat_id=chat-1&message_id=answer-3",
        {**SESSION, "Accept-Encoding": "identity"},
    ),
    Request("DELETE", "/api/chat?chat_id=chat-1", SESSION),
]


@pytest.mark.parametrize("stream", [True, False])
def test_requests(stream: bool, responses: Any) -> None:
    url = "https://open-assistant.io"
    responses.post(f"{url}/api/chat", json={"id": "chat-1"})
    responses.post(f"{url}/api/chat/prompter_message", json={"id": "question-2"})
    responses.post(f"{url}/api/chat/assistant_message", json={"id": "answer-3", "state": "pending"})
    responses.post(
        f"{url}/api/chat/events",
        'data: {"event_type": "token", "text": "Hi"}\r\n\r\n'
        'data: {"event_type": "message", "message": {"content": "Hi"}}\r\n\r\n',
    )
    responses.delete(f"{url}/api/chat")

    assert list(OpenAssistant._create_completion("", HELLO, stream, base_url=url, auth="session-token")) == ["Hi"]

    assert [read_request(call.request, url) for call in responses.calls] == REQUESTS


# Recording: the tokens, the error's class and message.
OUTCOMES: dict[str, tuple[list[str], Any, str]] = {
    "hello": (TOKENS, type(None), ""),
    "pending": (TOKENS, type(None), ""),
    "delete_twice": (TOKENS, type(None), ""),
    "already_finished": (["".join(TOKENS)], type(None), ""),
    "error_event": (FIRST_TOKENS, GenerationError, "CUDA out of memory"),
    "worker_lost": (FIRST_TOKENS, GenerationError, "Aborted due to worker error."),
    "bad_parameter": (
        [],
        RequestFailedError,
        "422 Unprocessable Entity: body.sampling_parameters.temperature: value is not a valid float",
    ),
    "bad_parent": ([], RequestFailedError, "500 Internal Server Error: Something went wrong"),
    "unknown_model": ([], RequestFailedError, "422 Unprocessable Entity: Model nope not found"),
    "not_logged_in": ([], AuthenticationError, "403 Forbidden"),
}


def test_every_recording_has_an_outcome() -> None:
    assert set(OUTCOMES) == {path.stem for path in (RECORDINGS / "open_assistant").glob("*.json")}


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = load(f"open_assistant/{name}")
    if name == "already_finished":
        del exchanges[4]  # the recorded client requested the events a second time
    if name == "delete_twice":
        del exchanges[5]
    if name == "bad_parent":  # the recorded client sent an unknown parent; here the server does not know its own
        body = exchanges[2]["request"]["body"]
        exchanges[2]["request"]["body"] = body.replace("nope", json.loads(exchanges[1]["response"]["chunks"][0])["id"])
    replay = play(exchanges)
    bodies = [recorded(exchange).json for exchange in exchanges if exchange["request"]["body"]]
    kwargs: dict[str, Any] = {"prompt": bodies[0]["content"]} if bodies else {}
    if name == "unknown_model":
        kwargs["model"] = "nope"
    if name == "bad_parameter":
        kwargs["temperature"] = "hot"
    if name == "not_logged_in":
        kwargs.update(auth=None, cookies={"another": "cookie"})

    tokens, error = ask_open_assistant(replay.url, retries=0, **kwargs)

    expected_tokens, kind, message = OUTCOMES[name]
    assert tokens == expected_tokens
    assert type(error) is kind
    if error:
        assert error.args == (message,)
        assert str(error).startswith(f"OpenAssistant: {message.rstrip('.')} ({replay.url}/api/chat")
        assert isinstance(error, RuntimeError) and isinstance(error, requests.exceptions.RequestException)
    assert len(replay.sent) == len(exchanges)
    for sent, real in zip(replay.sent, map(recorded, exchanges)):
        assert (sent.method, sent.path) == (real.method, real.path)
        assert (sent.json if sent.body else None) == (real.json if real.body else None)
        if name != "not_logged_in":
            assert sent.headers["cookie"] == real.headers["cookie"]


def test_all_steps_share_one_connection(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    ask_open_assistant(replay.url)
    assert replay.steps == OPEN_ASSISTANT_STEPS
    assert replay.connections == 1


def test_without_stream_the_text_is_one_token(play: Any) -> None:
    assert ask_open_assistant(play(load("open_assistant/hello")).url, stream=False) == (["".join(TOKENS)], None)
    tokens, error = ask_open_assistant(play(load("open_assistant/worker_lost")).url, stream=False)
    assert tokens == [] and error is not None and error.partial == "".join(FIRST_TOKENS)


def test_the_queue_position_is_logged_when_it_changes(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "g4f_legacy")
    ask_open_assistant(play(load("open_assistant/pending")).url)
    assert [record.getMessage() for record in caplog.records] == ["OpenAssistant: position 1 of 1 in the queue"]


@pytest.mark.parametrize("suffix", ["", "/", "/chat", "/chat/", "/api/chat", "/prefix", "/prefix/", "/prefix/chat"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("open_assistant/hello")
    prefix = "/prefix" if "prefix" in suffix else ""
    for recorded_exchange in exchanges:
        recorded_exchange["request"]["path"] = prefix + recorded_exchange["request"]["path"]
    assert ask_open_assistant(play(exchanges).url + suffix) == (TOKENS, None)


@pytest.mark.parametrize("url", ["http://chat", "http://api/chat", "http://u:pw@chat/chat"])
def test_a_host_name_is_not_a_path(url: str, responses: Any) -> None:
    hostname = "api" if "api" in url else "chat"
    responses.post(f"http://{hostname}/api/chat", status=403)
    assert type(ask_open_assistant(url)[1]) is AuthenticationError
    assert len(responses.calls) == 1


def test_parameters(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    ask_open_assistant(
        replay.url,
        model="my-own",
        temperature=0.9,
        top_k=None,
        seed=42,
        plugins=[{"url": "https://a.plugin"}],
        system_prompt="Be brief.",
        user_profile="A tester",
        user_response_instructions="In English",
    )
    body = replay.sent[2].json
    assert body.pop("chat_id") and body.pop("parent_id")
    assert body == {
        "model_config_name": "my-own",
        "sampling_parameters": {
            "top_k": None,
            "top_p": None,
            "typical_p": None,
            "temperature": 0.9,
            "repetition_penalty": 1.1111111111111112,
            "max_new_tokens": 1024,
            "seed": 42,
        },
        "plugins": [{"url": "https://a.plugin"}],
        "system_prompt": "Be brief.",
        "user_profile": "A tester",
        "user_response_instructions": "In English",
    }


def test_several_messages_become_one_prompt(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert (
        list(OpenAssistant._create_completion("", messages, True, base_url=replay.url, auth="session-token")) == TOKENS
    )
    assert replay.sent[1].json["content"] == "system: Be brief.\nuser: hello\nassistant:"


class TestCredentials:
    def cookies(self, play: Any, **kwargs: Any) -> dict[str, str]:
        replay = play(load("open_assistant/hello"))
        assert ask_open_assistant(replay.url, **kwargs) == (TOKENS, None)
        cookies = {sent.headers["cookie"] for sent in replay.sent}
        assert len(cookies) == 1
        return dict(pair.split("=", 1) for pair in cookies.pop().split("; "))

    def test_bare_token(self, play: Any) -> None:
        assert self.cookies(play, auth="a.b-c==") == {"next-auth.session-token": "a.b-c=="}

    def test_access_token(self, play: Any) -> None:
        assert self.cookies(play, auth=None, access_token="abc") == {"next-auth.session-token": "abc"}

    def test_cookie_text(self, play: Any) -> None:
        text = "next-auth.session-token=a=b; other=1;"
        assert self.cookies(play, auth=text) == {"next-auth.session-token": "a=b", "other": "1"}

    def test_dict(self, play: Any) -> None:
        cookies = {"next-auth.session-token": "abc"}
        assert self.cookies(play, auth=True, cookies=cookies) == cookies
        assert cookies == {"next-auth.session-token": "abc"}

    def test_jar(self, play: Any) -> None:
        jar = requests.cookies.RequestsCookieJar()
        jar.set("next-auth.session-token", "abc", domain="127.0.0.1", secure=True)
        jar.set("another", "server's", domain="example.org")
        assert self.cookies(play, auth=None, cookies=jar) == {"next-auth.session-token": "abc"}
        assert len(jar) == 2

    @pytest.mark.parametrize("auth", [None, True, False, "cookies", "token", "jwt", ""])
    def test_environment(self, auth: Any, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_OPENASSISTANT_AUTH", "from-there")
        assert self.cookies(play, auth=auth) == {"next-auth.session-token": "from-there"}

    @pytest.mark.parametrize("domain", ["open-assistant.io", ".open-assistant.io", "127.0.0.1"])
    @pytest.mark.parametrize("given", [None, {}])
    def test_a_cookies_file(
        self, given: Any, domain: str, play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = [
            "# Netscape HTTP Cookie File",
            f"{domain}\t{str(domain[0] == '.').upper()}\t/\tTRUE\t0\tnext-auth.session-token\tabc",
            ".bing.com\tTRUE\t/\tTRUE\t0\t_U\tof-another-site",
        ]
        (tmp_path / "cookies.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.setenv("G4F_LEGACY_COOKIES_FILE", str(tmp_path / "cookies.txt"))
        assert self.cookies(play, auth=None, cookies=given) == {"next-auth.session-token": "abc"}
        assert self.cookies(play, auth="given") == {"next-auth.session-token": "given"}

    def test_a_cookie_text_in_the_environment(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_COOKIES", "next-auth.session-token=abc; other=1")
        assert self.cookies(play, auth=None) == {"next-auth.session-token": "abc", "other": "1"}

    def test_over_https_a_bare_token_gets_the_secure_name(self, responses: Any) -> None:
        responses.post("https://open-assistant.io/api/chat", status=403)
        tokens, error = ask_open_assistant("https://open-assistant.io/chat")
        assert tokens == [] and type(error) is AuthenticationError
        assert responses.calls[0].request.headers["Cookie"] == "__Secure-next-auth.session-token=session-token"

    def test_none(self) -> None:
        with pytest.raises(AuthenticationRequiredError) as raised:
            ask_open_assistant("http://127.0.0.1:1", auth=None)
        assert str(raised.value) == (
            "OpenAssistant needs credentials. Give a token or cookie text with auth=, or cookies with cookies=, "
            "or set G4F_LEGACY_OPENASSISTANT_AUTH."
        )


def test_a_failed_clean_up_is_logged_and_not_raised(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    exchanges = load("open_assistant/delete_twice")
    del exchanges[4]
    assert ask_open_assistant(play(exchanges).url) == (TOKENS, None)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("OpenAssistant: cleaning up failed: OpenAssistant: 500 Internal Server Error (http://")
    assert "session-token" not in warning


def test_ids_are_quoted_in_the_query(play: Any) -> None:
    exchanges = load("open_assistant/hello")
    exchanges[0]["response"]["chunks"] = ['{"id": "a&b=c/../d"}']
    exchanges[2]["response"]["status"] = 422
    replay = play(exchanges)
    ask_open_assistant(replay.url)
    deletion = urlsplit(replay.sent[-1].path)
    assert (deletion.path, parse_qsl(deletion.query)) == ("/api/chat", [("chat_id", "a&b=c/../d")])


def test_a_server_whose_chat_is_switched_off(play: Any) -> None:
    tokens, error = ask_open_assistant(play([exchange("POST", "/api/chat", 404, content_length="0")]).url)
    assert tokens == [] and type(error) is RequestFailedError and error.status == 404


def test_list_models(play: Any) -> None:
    listed = [{"name": "one", "description": "", "parameter_configs": []}, {"name": "two"}]
    exchanges = [exchange("GET", "/api/chat/models", 200, (json.dumps(listed),), content_length="?")]
    assert OpenAssistant._list_models(base_url=play(exchanges).url, auth="a") == ["one", "two"]
    exchanges = [exchange("GET", "/api/chat/models", 200, ("{}",), content_length="?")]
    with pytest.raises(ResponseFormatError, match="^OpenAssistant: expected a JSON array, received '{}'"):
        OpenAssistant._list_models(base_url=play(exchanges).url, auth="a")
