import json
import logging
import subprocess
import sys
import threading
from typing import Any, Dict, List, Optional, Tuple

import pytest
from replay import RECORDED_AT, RECORDINGS, Replay, exchange, load, recorded
import requests

from g4f_legacy.Provider import H2o
from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)

THREE = ["Привет!", " Hello", " —"]
NOTHING = "not a single event came: the host failed, or the prompt is too long for it"
WHOLE = [*THREE, *' 你好| 👋,| I| am| a| *test*| model.|\nSecond| line:| data:| {"a":1}.'.split("|")]
STEPS = ["GET /", "POST /settings", "POST /conversation", "POST /conversation/…", "DELETE /conversation/…"]

# Recording: the tokens, the error's class and message.
OUTCOMES: Dict[str, Tuple[List[str], Any, str]] = {
    "hello": (WHOLE, type(None), ""),
    "length_limit": (WHOLE, type(None), ""),
    "settings_html": (WHOLE, type(None), ""),
    "cut": (THREE, StreamInterruptedError, "the answer broke off: Connection reset by peer"),
    "error_event": (
        THREE,
        GenerationError,
        "Request failed during generation: Server error: CUDA out of memory",
    ),
    "overloaded": ([], RateLimitError, "429 Too Many Requests: Model is overloaded"),
    "empty_prompt": ([], RequestFailedError, "500 Internal Server Error: Internal Error"),
    "conversation_not_found": ([], RequestFailedError, "404 Not Found: Conversation not found"),
    "unknown_model": (
        [],
        RequestFailedError,
        "500 Internal Server Error: Internal Error",
    ),
    "no_cookie": ([], RequestFailedError, "405 Method Not Allowed: You need to accept the welcome modal first"),
    "no_referer": ([], AuthenticationError, "403 Forbidden: 'Non-JSON form requests need to have a referer'"),
}
# What the recorded client did on purpose, and this one does not.
CHANGED = {
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


def ask(url: str, stream: bool = True, **kwargs: Any) -> Tuple[List[str], Optional[ProviderError]]:
    """The tokens, and the error that ended them."""
    tokens: List[str] = []
    messages = [{"role": "user", "content": kwargs.pop("prompt", "hello")}]
    try:
        for token in H2o._create_completion(
            kwargs.pop("model", "falcon-40b"), messages, stream, base_url=url, **kwargs
        ):
            tokens.append(token)
    except ProviderError as error:
        return tokens, error
    return tokens, None


def as_this_client_does(name: str) -> List[Dict[str, Any]]:
    exchanges = load(f"h2o/{name}")
    for one in exchanges:
        request = one["request"]
        if request["body"]:
            request["body"] = request["body"].replace(*CHANGED.get(name, ("", "")))
        if name == "conversation_not_found":  # another session's: answered the same for one's own that is gone
            request["path"] = request["path"].replace("649b1f1f1f1f1f1f1f1f1f1f", "6b00067043e8d70aef4d5541")
    return exchanges


def test_every_recording_has_an_outcome() -> None:
    assert set(OUTCOMES) == {path.stem for path in (RECORDINGS / "h2o").glob("*.json")}


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = as_this_client_does(name)
    replay = play(exchanges)
    ids = [recorded(one).json["options"] for one in exchanges if '"inputs"' in recorded(one).body]
    kwargs = {key: ids[0][key] for key in ("id", "response_id")} if ids else {}
    if name == "settings_html":
        kwargs["headers"] = {"Accept": "text/html,application/xhtml+xml"}
    model = "h2oai/unknown" if name == "unknown_model" else "falcon-40b"

    tokens, error = ask(replay.url, prompt=PROMPTS.get(name, "hi"), model=model, retries=0, **kwargs)

    expected_tokens, kind, message = OUTCOMES[name]
    assert tokens == expected_tokens
    assert type(error) is kind
    if error:
        assert error.args == (message,)
        assert str(error).startswith(f"H2o: {message.rstrip('.')} ({replay.url}/")
        assert (error.hint is Hint.CHECK_MODEL) == (name == "unknown_model")
        assert error.provider == "H2o" and error.response is not None
    assert_sent(replay, [recorded(one) for one in exchanges], name)


def assert_sent(replay: Replay, expected: List[Any], name: str) -> None:
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


def test_one_connection_serves_all_steps(play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask(replay.url)
    assert replay.steps == STEPS
    assert replay.connections == 1


@pytest.mark.parametrize("name", ["hello", "error_event"])
def test_without_stream_the_text_is_one_piece(name: str, play: Any) -> None:
    replay = play(load(f"h2o/{name}"))
    tokens, error = ask(replay.url, stream=False)
    if name == "hello":
        assert tokens == ["".join(WHOLE)]
    else:
        assert tokens == [] and error is not None
        assert error.partial == "".join(THREE)
    assert replay.steps[-1] == "DELETE /conversation/…"


@pytest.mark.parametrize("suffix", ["", "/", "/prefix", "/prefix/"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("h2o/hello")
    for one in exchanges:
        one["request"]["path"] = suffix.rstrip("/") + one["request"]["path"]
    replay = play(exchanges)
    assert ask(replay.url + suffix) == (WHOLE, None)
    assert replay.sent[1].headers["referer"] == f"{replay.url}{suffix.rstrip('/')}/"


def test_base_url_comes_before_environment_before_module(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [{"role": "user", "content": "hello"}]
    nowhere = "http://127.0.0.1:1"
    by_option, by_environment, by_module = (play(load("h2o/hello")) for _ in range(3))
    monkeypatch.setattr(H2o, "url", by_module.url)
    assert list(H2o._create_completion("", messages, True)) == WHOLE
    monkeypatch.setattr(H2o, "url", nowhere)
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", by_environment.url)
    assert list(H2o._create_completion("", messages, True)) == WHOLE
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", nowhere)
    assert list(H2o._create_completion("", messages, True, base_url=by_option.url)) == WHOLE


@pytest.mark.parametrize(
    "model, model_id",
    [
        ("falcon-7b", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"),
        ("llama-13b", "h2oai/h2ogpt-gm-oasst1-en-2048-open-llama-13b"),
        ("h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"),
        ("my-own", "my-own"),
        ("", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1"),
        (None, "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-40b-v1"),
    ],
)
def test_models(model: Any, model_id: str, play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask(replay.url, model=model)
    assert replay.sent[2].json == {"model": model_id}
    assert ("activeModel", model_id) in replay.sent[1].form


def test_parameters(play: Any) -> None:
    replay = play(load("h2o/hello"))
    ask(replay.url, temperature=0.9, truncate=None, seed=42, id="one", response_id="two", timeout=20)
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


def test_ids_are_new_each_time(play: Any) -> None:
    options = []
    for _ in range(2):
        replay = play(load("h2o/hello"))
        ask(replay.url)
        options += [replay.sent[3].json["options"][name] for name in ("id", "response_id")]
    assert len(set(options)) == 4


class TestSession:
    def test_a_session_that_was_here_skips_the_first_steps(self, play: Any) -> None:
        first = load("h2o/hello")
        replay = play(first + first[2:])
        with requests.Session() as session:
            assert ask(replay.url, session=session) == (WHOLE, None)
            assert ask(replay.url, session=session) == (WHOLE, None)
        assert replay.steps == STEPS + STEPS[2:]
        assert len({sent.headers["cookie"] for sent in replay.sent[1:]}) == 1

    def test_terms_are_accepted_when_the_host_asks_for_it_after_all(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        refusal = load("h2o/no_cookie")[2]
        replay = play([refusal, *exchanges])
        session = requests.Session()
        session.cookies.set("h2o-chat", "old", domain="127.0.0.1")
        assert ask(replay.url, session=session) == (WHOLE, None)
        assert replay.steps == [STEPS[2], *STEPS]
        assert ("activeModel", replay.sent[0].json["model"]) in replay.sent[2].form

    def test_another_hosts_cookies_are_not_sent(self, play: Any) -> None:
        replay = play(load("h2o/hello"))
        session = requests.Session()
        session.cookies.set("secret", "other", domain="example.org")
        assert ask(replay.url, session=session) == (WHOLE, None)
        assert replay.steps == STEPS
        assert not any("secret" in sent.headers.get("cookie", "") for sent in replay.sent)

    def test_a_session_is_left_alone_but_for_the_hosts_cookies(self, play: Any) -> None:
        replay = play(load("h2o/hello"))
        session = requests.Session()
        session.headers["User-Agent"] = "mine"
        before = dict(session.headers)
        ask(replay.url, session=session, headers={"X-Other": "1"}, cookies={"mine": "too"})
        assert dict(session.headers) == before
        assert [(cookie.name, cookie.secure) for cookie in session.cookies] == [("h2o-chat", True)]
        assert replay.sent[0].headers["user-agent"] == "mine"
        assert replay.sent[0].headers["x-other"] == "1"
        assert "mine=too" in replay.sent[4].headers["cookie"]
        session.get(replay.url)  # it was not closed


@pytest.mark.parametrize(
    "auth, name, value",
    [("sid=mine; b=c", "cookie", "sid=mine; b=c"), ("token-text", "authorization", "Bearer token-text")],
)
def test_auth(auth: str, name: str, value: str, play: Any) -> None:
    replay = play(load("h2o/hello"))
    assert ask(replay.url, auth=auth) == (WHOLE, None)
    assert set(replay.sent[0].headers[name].split("; ")) == set(value.split("; "))


class TestLeavingEarly:
    def play(self, play: Any) -> Replay:
        exchanges = load("h2o/hello")
        path = exchanges[3]["request"]["path"]
        exchanges.insert(4, exchange("POST", f"{path}/stop-generating", content_length="0"))
        replay: Replay = play(exchanges)
        return replay

    stopped = [*STEPS[:4], "POST /conversation/…/stop-generating", STEPS[4]]

    def test_close(self, play: Any) -> None:
        replay = self.play(play)
        messages = [{"role": "user", "content": "hello"}]
        tokens = H2o._create_completion("falcon-40b", messages, True, base_url=replay.url)
        assert next(tokens) == "Привет!"
        tokens.close()
        assert replay.steps == self.stopped

    def test_break(self, play: Any) -> None:
        replay = self.play(play)
        for _ in H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=replay.url):
            break
        assert replay.steps == self.stopped

    def test_an_exception_in_the_loop(self, play: Any) -> None:
        replay = self.play(play)
        tokens = H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=replay.url)
        next(tokens)
        with pytest.raises(KeyboardInterrupt):
            tokens.throw(KeyboardInterrupt)
        assert replay.steps == self.stopped

    def test_a_host_that_falls_silent_is_left_early_too(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        path = exchanges[3]["request"]["path"]
        over = threading.Event()
        exchanges[3]["response"]["chunks"] = ['data:{"token":{"text":"one"}}\n\n', lambda: over.wait(9)]
        replay = play([*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")])
        tokens, error = ask(replay.url, timeout=(5, 0.3))
        over.set()
        assert tokens == ["one"] and type(error) is StreamInterruptedError
        assert replay.steps == self.stopped

    def test_the_process_ends(self, play: Any) -> None:
        replay = self.play(play)
        # The function keeps the script's names longer: else the tokens are closed while requests can still be sent.
        script = """
import sys
from g4f_legacy.Provider import H2o
def ask():
    tokens = H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=sys.argv[1])
    next(tokens)
    return tokens
tokens = ask()
"""
        done = subprocess.run([sys.executable, "-c", script, replay.url], timeout=30, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")
        assert replay.steps == self.stopped

    def test_a_failing_clean_up_is_logged_and_not_raised(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        replay = play(load("h2o/hello")[:-1])
        assert ask(replay.url) == (WHOLE, None)
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert warnings[0].startswith("H2o: cleaning up failed: H2o: 599 Not Recorded")


class TestMalformed:
    def settings(self, **body: Any) -> List[Dict[str, Any]]:
        exchanges = load("h2o/hello")
        exchanges[1]["response"]["chunks"] = [json.dumps(body)]
        return exchanges

    @pytest.mark.parametrize(
        "said, message, status",
        [
            ({"type": "error", "status": 400, "error": {"message": "Invalid model"}}, "Invalid model", 400),
            ({"type": "failure", "status": 400, "error": {"message": "Invalid model"}}, "Invalid model", 400),
            ({"type": "failure"}, '\'{"type": "failure"}\'', 200),
        ],
    )
    def test_a_failure_in_the_body_of_step_2(self, said: Any, message: str, status: int, play: Any) -> None:
        replay = play(self.settings(**said))
        tokens, error = ask(replay.url)
        assert tokens == [] and type(error) is RequestFailedError
        assert error.args == (f"the terms were not accepted: {message}",)
        assert error.status == status
        assert replay.steps == STEPS[:2]

    @pytest.mark.parametrize("status, told", [(400, 400), ([], 200), ("400", 200), (None, 200)])
    def test_the_status_in_the_body_of_step_2(self, status: Any, told: int, play: Any) -> None:
        _, error = ask(play(self.settings(type="failure", status=status)).url)
        assert error is not None and error.status == told

    def test_no_conversation_id(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[2]["response"]["chunks"] = ['{"id": 5}']
        tokens, error = ask(play(exchanges).url)
        assert tokens == [] and type(error) is ResponseFormatError
        assert error.args == ("expected a text at 'conversationId', but got '{\"id\": 5}'",)

    @pytest.mark.parametrize(
        "chunks, kind, message",
        [
            ([], StreamInterruptedError, NOTHING),
            ([": ping\n\n"], StreamInterruptedError, NOTHING),
            (["data:{}\n\n"], ResponseFormatError, "expected a text at 'token.text', but got '{}'"),
            (["data:[]\n\n"], ResponseFormatError, "expected a JSON object, but got '[]'"),
            (["data:nonsense\n\n"], ResponseFormatError, "expected JSON, but got 'nonsense'"),
            (['data:{"token":'], StreamInterruptedError, "the stream ended within an event: '{\"token\":'"),
            (['data:{"error":"full","error_type":"overloaded"}\n\n'], RateLimitError, "full"),
            (['data:{"error":true}\n\n'], GenerationError, "an error without a message: '{\"error\": true}'"),
        ],
    )
    def test_stream(self, chunks: List[str], kind: Any, message: str, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[3]["response"]["chunks"] = chunks
        replay = play(exchanges)
        tokens, error = ask(replay.url)
        assert tokens == []
        assert type(error) is kind and error.args == (message,)
        stop = ["POST /conversation/…/stop-generating"] if kind is ResponseFormatError else []
        assert replay.steps == [*STEPS[:-1], *stop, STEPS[-1]]

    def test_a_page_instead_of_a_stream(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[3]["response"].update(chunks=["<h1>Moved</h1>"], headers=[["content-type", "text/html"]])
        tokens, error = ask(play(exchanges).url)
        assert tokens == [] and type(error) is ResponseFormatError
        assert error.args == ("expected a stream, but got a page: '<h1>Moved</h1>'",)


class TestEnd:
    """Each way that a stream ends, with what is an end mark and what is not."""

    def event(self, text: str, special: bool = False, generated: Optional[str] = None) -> str:
        token = {"id": 1, "text": text, "logprob": -0.5, "special": special}
        return f"data:{json.dumps({'token': token, 'generated_text': generated, 'details': None})}\n\n"

    def ask(self, play: Any, *chunks: str, ended: str = "complete") -> Tuple[List[str], Any]:
        exchanges = load("h2o/hello")
        exchanges[3]["response"].update(chunks=list(chunks), ended=ended)
        return ask(play(exchanges).url)

    def test_a_special_token_alone(self, play: Any) -> None:
        assert self.ask(play, self.event("a"), self.event("</s>", special=True)) == (["a"], None)

    def test_a_special_token_alone_then_a_cut(self, play: Any) -> None:
        chunks = self.event("a"), self.event("</s>", special=True)
        assert self.ask(play, *chunks, ended="aborted") == (["a"], None)

    def test_a_special_token_in_the_middle_loses_nothing(self, play: Any) -> None:
        chunks = self.event("a"), self.event("<unk>", special=True), self.event("b", generated="ab")
        assert self.ask(play, *chunks) == (["a", "b"], None)

    @pytest.mark.parametrize("ended", ["complete", "aborted"])
    def test_a_special_token_with_text_behind_it_is_no_end(self, ended: str, play: Any) -> None:
        tokens, error = self.ask(play, self.event("<s>", special=True), self.event("a"), ended=ended)
        assert tokens == ["a"] and type(error) is StreamInterruptedError

    def test_generated_text_that_is_empty(self, play: Any) -> None:
        assert self.ask(play, self.event("a", generated=""), ended="aborted") == (["a"], None)

    def test_an_error_that_is_none(self, play: Any) -> None:
        event = self.event("a", generated="a").replace("data:{", 'data:{"error":null,')
        assert self.ask(play, event) == (["a"], None)

    def test_generated_text_then_a_cut(self, play: Any) -> None:
        assert self.ask(play, self.event("a", generated="a"), ended="aborted") == (["a"], None)

    def test_empty_but_whole(self, play: Any) -> None:
        assert self.ask(play, self.event("</s>", special=True, generated="")) == ([], None)

    def test_no_end_mark(self, play: Any) -> None:
        tokens, error = self.ask(play, self.event("a"))
        assert tokens == ["a"] and type(error) is StreamInterruptedError
