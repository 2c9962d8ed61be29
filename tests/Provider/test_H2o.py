from typing import Any

import pytest
import requests
from completions import FIRST_TOKENS, H2O_STEPS, HELLO, TOKENS, ask_h2o
from replay import RECORDED_AT, RECORDINGS, Replay, Sent, load, recorded
from request_table import FORM, JSON, Request, read_request

from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    RateLimitError,
    RequestFailedError,
    StreamInterruptedError,
)
from g4f_legacy.Provider import H2o

MODEL_ID = "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1"
SESSION = {"Cookie": "h2o-chat=0dffff08-76f2-4c56-8788-7d1ad35bd2b5"}
IDS = {"id": "07f524e9-9275-4abd-8994-7ab913f47815", "response_id": "a266c2c6-c6e5-4db8-90a6-bae0f21af423"}

# The requests of a completion.
REQUESTS = [
    Request("GET", "/", {}),
    Request(
        "POST",
        "/settings",
        {**SESSION, "Referer": "https://gpt-gm.h2o.ai/", "Content-Type": FORM},
        form={
            "ethicsModalAccepted": "true",
            "shareConversationsWithModelAuthors": "true",
            "ethicsModalAcceptedAt": "",
            "activeModel": MODEL_ID,
            "searchEnabled": "true",
        },
    ),
    Request("POST", "/conversation", {**SESSION, "Content-Type": JSON}, json={"model": MODEL_ID}),
    Request(
        "POST",
        "/conversation/6b00067043e8d70aef4d5530",
        {**SESSION, "Content-Type": JSON, "Accept-Encoding": "identity"},
        json={
            "inputs": "user: hello\nassistant:",
            "parameters": {
                "temperature": 0.4,
                "truncate": 2048,
                "max_new_tokens": 1024,
                "do_sample": True,
                "repetition_penalty": 1.2,
                "return_full_text": False,
            },
            "stream": True,
            "options": {**IDS, "is_retry": False, "use_cache": False, "web_search_id": ""},
        },
    ),
    Request("DELETE", "/conversation/6b00067043e8d70aef4d5530", SESSION),
]


@pytest.mark.parametrize("stream", [True, False])
def test_requests(stream: bool, responses: Any) -> None:
    url = "https://gpt-gm.h2o.ai"
    conversation = f"{url}/conversation/6b00067043e8d70aef4d5530"
    cookie = f"{SESSION['Cookie']}; Path=/; HttpOnly; Secure; SameSite=None"
    responses.get(f"{url}/", "<!DOCTYPE html>", headers={"Set-Cookie": cookie})
    responses.post(f"{url}/settings", json={"type": "redirect", "status": 303, "location": f"{url}/"})
    responses.post(f"{url}/conversation", json={"conversationId": "6b00067043e8d70aef4d5530"})
    responses.post(conversation, 'data:{"token":{"text":"Hi","special":false},"generated_text":"Hi"}\n\n')
    responses.delete(conversation)

    assert list(H2o._create_completion("falcon-40b", HELLO, stream, base_url=url, **IDS)) == ["Hi"]

    assert [read_request(call.request, url) for call in responses.calls] == REQUESTS


# Recording: the tokens, the error's class and message.
OUTCOMES: dict[str, tuple[list[str], Any, str]] = {
    "hello": (TOKENS, type(None), ""),
    "length_limit": (TOKENS, type(None), ""),
    "settings_html": (TOKENS, type(None), ""),
    "cut": (FIRST_TOKENS, StreamInterruptedError, "the connection was lost: Connection reset by peer"),
    "error_event": (
        FIRST_TOKENS,
        GenerationError,
        "Request failed during generation: Server error: CUDA out of memory",
    ),
    "overloaded": ([], RateLimitError, "429 Too Many Requests: Model is overloaded"),
    "empty_prompt": ([], RequestFailedError, "500 Internal Server Error: Internal Error"),
    "conversation_not_found": ([], RequestFailedError, "404 Not Found: Conversation not found"),
    "unknown_model": ([], RequestFailedError, "500 Internal Server Error: Internal Error"),
    "no_cookie": ([], RequestFailedError, "405 Method Not Allowed: You need to accept the welcome modal first"),
    "no_referer": ([], AuthenticationError, "403 Forbidden: 'Non-JSON form requests need to have a referer'"),
}
# Bodies that the recorded client sent on purpose and this one does not, and what it sends instead.
REPLACED_IN_BODIES = {
    "settings_html": ('"inputs": "hi"', '"inputs": "user: hi\\nassistant:"'),
    "empty_prompt": ('"inputs": "   "', '"inputs": "user:    \\nassistant:"'),
    "conversation_not_found": ('"inputs": "hi"', '"inputs": "user: hi\\nassistant:"'),
    "unknown_model": ("h2oai%2Fh2ogpt-gm-oasst1-en-2048-falcon-40b-v1", "h2oai%2Funknown"),
}
PROMPTS = {
    "hello": "hello",
    "length_limit": "[[noeos]]",
    "cut": "[[midcut]]",
    "error_event": "[[midfail]]",
    "overloaded": "[[overloaded]]",
    "empty_prompt": "   ",
}


def load_adapted(name: str) -> list[dict[str, Any]]:
    """Return the exchanges of a recording with the requests that this client sends."""
    exchanges = load(f"h2o/{name}")
    for exchange in exchanges:
        request = exchange["request"]
        if request["body"]:
            request["body"] = request["body"].replace(*REPLACED_IN_BODIES.get(name, ("", "")))
        if name == "conversation_not_found":  # one of another session: the response is that for a deleted one
            request["path"] = request["path"].replace("649b1f1f1f1f1f1f1f1f1f1f", "6b00067043e8d70aef4d5541")
    return exchanges


def test_every_recording_has_an_outcome() -> None:
    assert set(OUTCOMES) == {path.stem for path in (RECORDINGS / "h2o").glob("*.json")}


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = load_adapted(name)
    replay = play(exchanges)
    ids = [recorded(exchange).json["options"] for exchange in exchanges if '"inputs"' in recorded(exchange).body]
    kwargs = {key: ids[0][key] for key in ("id", "response_id")} if ids else {}
    if name == "settings_html":
        kwargs["headers"] = {"Accept": "text/html,application/xhtml+xml"}
    model = "h2oai/unknown" if name == "unknown_model" else "falcon-40b"

    tokens, error = ask_h2o(replay.url, prompt=PROMPTS.get(name, "hi"), model=model, retries=0, **kwargs)

    expected_tokens, kind, message = OUTCOMES[name]
    assert tokens == expected_tokens
    assert type(error) is kind
    if error:
        assert error.args == (message,)
        assert str(error).startswith(f"H2o: {message.rstrip('.')} ({replay.url}/")
        assert (error.hint is Hint.CHECK_MODEL) == (name == "unknown_model")
        assert error.provider == "H2o" and error.response is not None
    assert_sent(replay, [recorded(exchange) for exchange in exchanges], name)


def assert_sent(replay: Replay, expected: list[Sent], name: str) -> None:
    assert len(replay.sent) == (2 if name == "no_referer" else len(expected))
    session_cookie = expected[1].headers.get("cookie")
    for sent, real in zip(replay.sent, expected):
        assert (sent.method, sent.path) == (real.method, real.path)
        if real.path == "/settings":
            assert sent.form == real.form
            assert sent.headers["referer"] == f"{replay.url}/"
            assert real.headers.get("referer") in (f"{RECORDED_AT}/", None if name == "no_referer" else "")
        elif real.body:
            assert sent.json == real.json
            assert "referer" not in sent.headers
        else:
            assert sent.body == ""
        if name != "no_cookie":
            assert sent.headers.get("cookie") == real.headers.get("cookie")
        elif sent.path != "/":
            assert session_cookie is None and sent.headers["cookie"].startswith("h2o-chat=")


def test_all_steps_share_one_connection(play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask_h2o(replay.url)
    assert replay.steps == H2O_STEPS
    assert replay.connections == 1


@pytest.mark.parametrize("name", ["hello", "error_event"])
def test_without_stream_the_text_is_one_token(name: str, play: Any) -> None:
    replay = play(load(f"h2o/{name}"))
    tokens, error = ask_h2o(replay.url, stream=False)
    if name == "hello":
        assert tokens == ["".join(TOKENS)]
    else:
        assert tokens == [] and error is not None
        assert error.partial == "".join(FIRST_TOKENS)
    assert replay.steps[-1] == "DELETE /conversation/…"


def test_without_stream_the_clean_up_precedes_the_text(play: Any) -> None:
    replay = play(load("h2o/hello"))
    completion = H2o._create_completion("falcon-40b", HELLO, False, base_url=replay.url)
    assert next(completion) == "".join(TOKENS)
    assert replay.steps == H2O_STEPS
    completion.close()
    assert replay.steps == H2O_STEPS


@pytest.mark.parametrize("suffix", ["", "/", "/prefix", "/prefix/"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("h2o/hello")
    for exchange in exchanges:
        exchange["request"]["path"] = suffix.rstrip("/") + exchange["request"]["path"]
    replay = play(exchanges)
    assert ask_h2o(replay.url + suffix) == (TOKENS, None)
    assert replay.sent[1].headers["referer"] == f"{replay.url}{suffix.rstrip('/')}/"


def test_base_url_precedes_environment_precedes_module(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    unused = "http://127.0.0.1:1"
    by_option, by_environment, by_module = (play(load("h2o/hello")) for _ in range(3))
    monkeypatch.setattr(H2o, "url", by_module.url)
    assert list(H2o._create_completion("", HELLO, True)) == TOKENS
    monkeypatch.setattr(H2o, "url", unused)
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", by_environment.url)
    assert list(H2o._create_completion("", HELLO, True)) == TOKENS
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", unused)
    assert list(H2o._create_completion("", HELLO, True, base_url=by_option.url)) == TOKENS


@pytest.mark.parametrize(
    "model, model_id",
    [
        ("falcon-7b", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"),
        ("llama-13b", "h2oai/h2ogpt-gm-oasst1-en-2048-open-llama-13b"),
        ("h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"),
        ("my-own", "my-own"),
        ("", MODEL_ID),
        (None, MODEL_ID),
    ],
)
def test_models(model: Any, model_id: str, play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask_h2o(replay.url, model=model)
    assert replay.sent[2].json == {"model": model_id}
    assert ("activeModel", model_id) in replay.sent[1].form


def test_parameters(play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask_h2o(replay.url, temperature=0.9, truncate=None, seed=42, id="one", response_id="two", timeout=20)
    body = replay.sent[3].json
    assert body["parameters"] == {
        "temperature": 0.9,
        "truncate": None,
        "max_new_tokens": 1024,
        "do_sample": True,
        "repetition_penalty": 1.2,
        "return_full_text": False,
        "seed": 42,
    }
    assert body["options"] == {
        "id": "one",
        "response_id": "two",
        "is_retry": False,
        "use_cache": False,
        "web_search_id": "",
    }


def test_each_completion_has_new_ids(play: Any) -> None:
    ids = []
    for _ in range(2):
        replay = play(load("h2o/hello"))
        ask_h2o(replay.url)
        ids += [replay.sent[3].json["options"][name] for name in ("id", "response_id")]
    assert len(set(ids)) == 4


class TestSession:
    def test_a_session_with_the_servers_cookie_skips_the_first_steps(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        replay = play(exchanges + exchanges[2:])
        with requests.Session() as session:
            assert ask_h2o(replay.url, session=session) == (TOKENS, None)
            assert ask_h2o(replay.url, session=session) == (TOKENS, None)
        assert replay.steps == H2O_STEPS + H2O_STEPS[2:]
        assert len({sent.headers["cookie"] for sent in replay.sent[1:]}) == 1

    def test_terms_are_accepted_if_the_server_requires_it_nevertheless(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        refusal = load("h2o/no_cookie")[2]
        replay = play([refusal, *exchanges])
        session = requests.Session()
        session.cookies.set("h2o-chat", "old", domain="127.0.0.1")
        assert ask_h2o(replay.url, session=session) == (TOKENS, None)
        assert replay.steps == [H2O_STEPS[2], *H2O_STEPS]
        assert ("activeModel", replay.sent[0].json["model"]) in replay.sent[2].form

    def test_cookies_of_another_server_are_not_sent(self, play: Any) -> None:
        replay = play(load("h2o/hello"))
        session = requests.Session()
        session.cookies.set("secret", "other", domain="example.org")
        assert ask_h2o(replay.url, session=session) == (TOKENS, None)
        assert replay.steps == H2O_STEPS
        assert not any("secret" in sent.headers.get("cookie", "") for sent in replay.sent)

    def test_a_session_receives_the_servers_cookies_and_no_other_change(self, play: Any) -> None:
        replay = play(load("h2o/hello"))
        session = requests.Session()
        session.headers["User-Agent"] = "mine"
        before = dict(session.headers)
        ask_h2o(replay.url, session=session, headers={"X-Other": "1"}, cookies={"mine": "too"})
        assert dict(session.headers) == before
        assert [(cookie.name, cookie.secure) for cookie in session.cookies] == [("h2o-chat", True)]
        assert replay.sent[0].headers["user-agent"] == "mine"
        assert replay.sent[0].headers["x-other"] == "1"
        assert "mine=too" in replay.sent[4].headers["cookie"]
        session.get(replay.url)  # it is not closed


@pytest.mark.parametrize(
    "auth, name, value",
    [("sid=mine; b=c", "cookie", "sid=mine; b=c"), ("token-text", "authorization", "Bearer token-text")],
)
def test_auth(auth: str, name: str, value: str, play: Any) -> None:
    replay = play(load("h2o/hello"))
    assert ask_h2o(replay.url, auth=auth) == (TOKENS, None)
    assert set(replay.sent[0].headers[name].split("; ")) == set(value.split("; "))
