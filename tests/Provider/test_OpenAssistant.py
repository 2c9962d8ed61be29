import json
import logging
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from replay import RECORDINGS, exchange, load, recorded
import requests

from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    ProviderError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)

THREE = ["Привет!", " Hello", " —"]
WHOLE = [*THREE, *' 你好| 👋,| I| am| a| *test*| model.|\nSecond| line:| data:| {"a":1}.'.split("|")]
STEPS = [
    "POST /api/chat",
    "POST /api/chat/prompter_message",
    "POST /api/chat/assistant_message",
    "POST /api/chat/events/…",
    "DELETE /api/chat/…",
]
RECOVERED = [*STEPS[:4], "GET /api/chat/message/…", STEPS[4]]

# Recording: the tokens, the error's class and message.
OUTCOMES: Dict[str, Tuple[List[str], Any, str]] = {
    "hello": (WHOLE, type(None), ""),
    "pending": (WHOLE, type(None), ""),
    "delete_twice": (WHOLE, type(None), ""),
    "already_finished": (["".join(WHOLE)], type(None), ""),
    "error_event": (THREE, GenerationError, "CUDA out of memory"),
    "worker_lost": (THREE, GenerationError, "Aborted due to worker error."),
    "bad_parameter": (
        [],
        RequestFailedError,
        "422 Unprocessable Entity: body.sampling_parameters.temperature: value is not a valid float",
    ),
    "bad_parent": ([], RequestFailedError, "500 Internal Server Error: Something went wrong"),
    "unknown_model": ([], RequestFailedError, "422 Unprocessable Entity: Model nope not found"),
    "not_logged_in": ([], AuthenticationError, "403 Forbidden"),
}


def ask(url: str, stream: bool = True, **kwargs: Any) -> Tuple[List[str], Optional[ProviderError]]:
    """The tokens, and the error that ended them."""
    tokens: List[str] = []
    messages = [{"role": "user", "content": kwargs.pop("prompt", "hello")}]
    kwargs = {"auth": "session-token", "base_url": url, **kwargs}
    try:
        for token in OpenAssistant._create_completion(kwargs.pop("model", ""), messages, stream, **kwargs):
            tokens.append(token)
    except ProviderError as error:
        return tokens, error
    return tokens, None


def test_every_recording_has_an_outcome() -> None:
    assert set(OUTCOMES) == {path.stem for path in (RECORDINGS / "open_assistant").glob("*.json")}


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = load(f"open_assistant/{name}")
    if name == "already_finished":
        del exchanges[4]  # the recorded client asked for the events a second time
    if name == "delete_twice":
        del exchanges[5]
    if name == "bad_parent":  # a parent that the server does not know: here the one that it gave is gone
        body = exchanges[2]["request"]["body"]
        exchanges[2]["request"]["body"] = body.replace("nope", json.loads(exchanges[1]["response"]["chunks"][0])["id"])
    replay = play(exchanges)
    bodies = [recorded(one).json for one in exchanges if one["request"]["body"]]
    kwargs: Dict[str, Any] = {"prompt": bodies[0]["content"]} if bodies else {}
    if name == "unknown_model":
        kwargs["model"] = "nope"
    if name == "bad_parameter":
        kwargs["temperature"] = "hot"
    if name == "not_logged_in":
        kwargs.update(auth=None, cookies={"another": "cookie"})

    tokens, error = ask(replay.url, retries=0, **kwargs)

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


def test_one_connection_serves_all_steps(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    ask(replay.url)
    assert replay.steps == STEPS
    assert replay.connections == 1


def test_without_stream_the_text_is_one_piece(play: Any) -> None:
    assert ask(play(load("open_assistant/hello")).url, stream=False) == (["".join(WHOLE)], None)
    tokens, error = ask(play(load("open_assistant/worker_lost")).url, stream=False)
    assert tokens == [] and error is not None and error.partial == "".join(THREE)


def test_the_queue_is_logged_when_the_position_changes(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "g4f_legacy")
    ask(play(load("open_assistant/pending")).url)
    assert [record.getMessage() for record in caplog.records] == ["OpenAssistant: position 1 of 1 in the queue"]


@pytest.mark.parametrize("suffix", ["", "/", "/chat", "/chat/", "/api/chat", "/prefix", "/prefix/", "/prefix/chat"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("open_assistant/hello")
    for one in exchanges:
        one["request"]["path"] = ("/prefix" if "prefix" in suffix else "") + one["request"]["path"]
    assert ask(play(exchanges).url + suffix) == (WHOLE, None)


@pytest.mark.parametrize("url", ["http://chat", "http://api/chat", "http://u:pw@chat/chat"])
def test_a_host_that_is_called_chat(url: str, responses: Any) -> None:
    host = "api" if "api" in url else "chat"
    responses.post(f"http://{host}/api/chat", status=403)
    assert type(ask(url)[1]) is AuthenticationError
    assert len(responses.calls) == 1


def test_parameters(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    ask(
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


def test_several_messages_are_written_out(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    list(OpenAssistant._create_completion("", messages, True, base_url=replay.url, auth="session-token"))
    assert replay.sent[1].json["content"] == "system: Be brief.\nuser: hello\nassistant:"


class TestLogin:
    def cookies(self, play: Any, **kwargs: Any) -> Dict[str, str]:
        replay = play(load("open_assistant/hello"))
        assert ask(replay.url, **kwargs) == (WHOLE, None)
        sent = {one.headers["cookie"] for one in replay.sent}
        assert len(sent) == 1
        return dict(pair.split("=", 1) for pair in sent.pop().split("; "))

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
        jar.set("another", "host's", domain="example.org")
        assert self.cookies(play, auth=None, cookies=jar) == {"next-auth.session-token": "abc"}
        assert len(jar) == 2

    @pytest.mark.parametrize("auth", [None, True, False, "cookies", "token", "jwt", ""])
    def test_environment(self, auth: Any, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_OPENASSISTANT_AUTH", "from-there")
        assert self.cookies(play, auth=auth) == {"next-auth.session-token": "from-there"}

    def test_over_https_a_bare_token_gets_the_secure_name(self, responses: Any) -> None:
        responses.post("https://open-assistant.io/api/chat", status=403)
        tokens, error = ask("https://open-assistant.io/chat")
        assert tokens == [] and type(error) is AuthenticationError
        assert responses.calls[0].request.headers["Cookie"] == "__Secure-next-auth.session-token=session-token"

    def test_nothing_given(self) -> None:
        with pytest.raises(AuthenticationRequiredError) as raised:
            ask("http://127.0.0.1:1", auth=None)
        assert str(raised.value) == (
            "OpenAssistant needs credentials. Give a token or cookie text with auth=, or cookies with cookies=, "
            "or set G4F_LEGACY_OPENASSISTANT_AUTH."
        )


class TestNothingIsLost:
    """What the events lack is in the message."""

    def play(self, play: Any, events: List[str], messages: List[Any], ended: str = "complete") -> Any:
        exchanges = load("open_assistant/already_finished")
        del exchanges[4]
        exchanges[3]["response"].update(chunks=events, ended=ended)
        message = exchanges.pop(4)
        for content in messages:
            document = {"state": "complete", "content": content} if isinstance(content, str) else content
            exchanges.append({**message, "response": {**message["response"], "chunks": [json.dumps(document)]}})
        return play(exchanges)

    def event(self, **fields: Any) -> str:
        return f"data: {json.dumps(fields)}\r\n\r\n"

    def token(self, text: str) -> str:
        return self.event(event_type="token", text=text)

    def message(self, content: Any) -> str:
        return self.event(event_type="message", message={"content": content})

    @pytest.mark.parametrize("ended", ["complete", "aborted"])
    def test_the_stream_ends_early(self, ended: str, play: Any) -> None:
        replay = self.play(play, [self.token("Hel")], ["Hello"], ended)
        assert ask(replay.url) == (["Hel", "lo"], None)
        assert replay.steps == RECOVERED

    def test_the_stream_ends_early_with_everything(self, play: Any) -> None:
        replay = self.play(play, [self.token("Hello")], ["Hello"])
        assert ask(replay.url) == (["Hello"], None)

    def test_the_stream_ends_within_an_event(self, play: Any) -> None:
        replay = self.play(play, [self.token("Hel"), self.token("lo")[:-9]], ["Hello"])
        assert ask(replay.url) == (["Hel", "lo"], None)

    def test_the_message_event_has_more_than_the_tokens(self, play: Any) -> None:
        replay = self.play(play, [self.token("Hel"), self.message("Hello")], [])
        assert ask(replay.url) == (["Hel", "lo"], None)
        assert replay.steps == STEPS

    @pytest.mark.parametrize(
        "token, whole, rest",
        [(" Hello", "Hello", []), ("Hello \n", "Hello", []), (" Hello", "Hello!", ["!"]), ("", "", [])],
    )
    def test_hosts_may_strip_the_whole_text(self, token: str, whole: str, rest: List[str], play: Any) -> None:
        replay = self.play(play, [self.token(token), self.message(whole)], [])
        assert ask(replay.url) == ([token, *rest], None)

    def test_the_tokens_are_not_the_texts_beginning(self, play: Any) -> None:
        replay = self.play(play, [self.token("Hel"), self.token("!"), self.message("Hello!")], [])
        tokens, error = ask(replay.url)
        assert tokens == ["Hel", "!"] and type(error) is StreamInterruptedError
        assert error.args == ("the tokens that came are not the beginning of the host's whole text",)

    def test_the_message_is_waited_for(self, play: Any) -> None:
        states = [{"state": "pending", "content": None}, {"state": "in_progress", "content": None}]
        replay = self.play(play, [], [*states, "Hello"])
        assert ask(replay.url) == (["Hello"], None)
        assert replay.steps.count("GET /api/chat/message/…") == 3

    def test_the_message_is_not_waited_for_longer_than_the_silence(self, play: Any) -> None:
        replay = self.play(play, [], [{"state": "pending", "content": None}] * 9)
        tokens, error = ask(replay.url, timeout=(5, 0.6))
        assert tokens == [] and type(error) is StreamInterruptedError
        assert error.args == ("the message is still pending after 0.6 seconds",)
        assert replay.steps[-1] == STEPS[-1]

    @pytest.mark.parametrize("state", ["aborted_by_worker", "cancelled", "timeout"])
    def test_the_message_failed(self, state: str, play: Any) -> None:
        replay = self.play(play, [self.token("Hel")], [{"state": state, "content": None}])
        tokens, error = ask(replay.url)
        assert tokens == ["Hel"] and type(error) is GenerationError
        assert error.args == (f"the message ended as {state!r}",)

    @pytest.mark.parametrize(
        "messages, ended, message, kind",
        [
            ([], "aborted", "the answer broke off: Connection reset by peer", RequestFailedError),
            ([{}], "complete", "the events ended without the message", ResponseFormatError),
        ],
    )
    def test_the_message_cannot_be_had(
        self, messages: List[Any], ended: str, message: str, kind: Any, play: Any
    ) -> None:
        replay = self.play(play, [self.token("Hel")], messages, ended)
        tokens, error = ask(replay.url)
        assert tokens == ["Hel"] and type(error) is StreamInterruptedError
        assert error.args == (message,)
        assert type(error.__cause__) is kind

    @pytest.mark.parametrize("status", [0, 502])
    def test_events_are_asked_for_once(self, status: int, play: Any) -> None:
        replay = self.play(play, [], ["Hello"])
        replay._left[3]["response"]["status"] = status
        assert ask(replay.url, retries=2) == (["Hello"], None)
        assert replay.steps == RECOVERED

    def test_a_page_instead_of_events(self, play: Any) -> None:
        replay = self.play(play, ["<html>"], ["Hello"])
        replay._left[3]["response"]["headers"].append(["content-type", "text/html"])
        assert ask(replay.url) == (["Hello"], None)

    def test_unknown_events_are_skipped(self, play: Any) -> None:
        events = [self.event(event_type=kind) for kind in ("plugin_intermediate", "safe_prompt", "new", None)]
        replay = self.play(play, [": ping - now\r\n\r\n", *events, self.message("Hello")], [])
        assert ask(replay.url) == (["Hello"], None)

    @pytest.mark.parametrize(
        "event, kind, message",
        [
            ({"event_type": "error", "error": "", "message": ["a", {"msg": "b"}]}, GenerationError, "a; b"),
            ({"event_type": "error"}, GenerationError, 'an error without a message: \'{"event_type": "error"}\''),
            ({"event_type": "message", "message": {"content": "a", "state": "cancelled"}}, GenerationError, None),
            ({"event_type": "token", "text": 5}, ResponseFormatError, None),
            ({"event_type": "message", "message": {"content": None}}, ResponseFormatError, None),
        ],
    )
    def test_malformed(self, event: Dict[str, Any], kind: Any, message: Optional[str], play: Any) -> None:
        replay = self.play(play, [self.event(**event)], [])
        tokens, error = ask(replay.url)
        assert tokens == [] and type(error) is kind
        assert message is None or error.args == (message,)
        assert replay.steps == (STEPS if kind is GenerationError else RECOVERED)


def test_leaving_early_deletes_the_chat(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    messages = [{"role": "user", "content": "hello"}]
    for _ in OpenAssistant._create_completion("", messages, True, base_url=replay.url, auth="session-token"):
        break
    assert replay.steps == STEPS


def test_a_failing_deletion_is_logged_and_not_raised(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    exchanges = load("open_assistant/delete_twice")
    del exchanges[4]
    assert ask(play(exchanges).url) == (WHOLE, None)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("OpenAssistant: cleaning up failed: OpenAssistant: 500 Internal Server Error (http://")
    assert "session-token" not in warning


def test_the_ids_go_into_the_query(play: Any) -> None:
    exchanges = load("open_assistant/hello")
    exchanges[0]["response"]["chunks"] = ['{"id": "a&b=c/../d"}']
    replay = play(exchanges)
    ask(replay.url)
    assert [(urlsplit(sent.path).path, parse_qsl(urlsplit(sent.path).query)) for sent in replay.sent[-1:]] == [
        ("/api/chat", [("chat_id", "a&b=c/../d")])
    ]


def test_chat_that_is_switched_off(play: Any) -> None:
    tokens, error = ask(play([exchange("POST", "/api/chat", 404, content_length="0")]).url)
    assert tokens == [] and type(error) is RequestFailedError and error.status == 404


def test_models_of_the_host(play: Any) -> None:
    listed = [{"name": "one", "description": "", "parameter_configs": []}, {"name": "two"}]
    exchanges = [exchange("GET", "/api/chat/models", 200, (json.dumps(listed),), content_length="?")]
    assert OpenAssistant._list_models(base_url=play(exchanges).url, auth="a") == ["one", "two"]
    exchanges = [exchange("GET", "/api/chat/models", 200, ("{}",), content_length="?")]
    with pytest.raises(ResponseFormatError, match="^OpenAssistant: expected a JSON list, but got '{}'"):
        OpenAssistant._list_models(base_url=play(exchanges).url, auth="a")
