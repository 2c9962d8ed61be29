"""HuggingChat with the recorded servers of v0.7 and v0.9.1, and with what other versions were seen to send."""

import json
import logging
import time
from typing import Any, NamedTuple

import pytest
import requests
from chat_ui_lines import exchanges_before_v0_9_5, exchanges_with, final_line, line, read_multipart, token_line
from completions import HELLO, ask_hugging_chat, collect
from replay import Replay, exchange, load, recorded

from g4f_legacy.errors import GenerationError, Hint, ProviderError, RequestFailedError, StreamInterruptedError
from g4f_legacy.Provider import H2o, HuggingChat
from g4f_legacy.tokens import Finish, TokenStream

MODEL = "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"
COULD_NOT_REACH = "the server could not reach its model server: terminated"


class Outcome(NamedTuple):
    """How a recorded completion ends: how many of the tokens there are, the error, or the reason and the warning."""

    count: int
    kind: Any = None
    message: str = ""
    reason: str | None = None
    warning: str = ""


OUTCOMES = {
    "v0_7_hello": Outcome(23),
    "v0_7_length_limit": Outcome(23),  # nothing in the stream tells what ended it
    "v0_7_clean_cut": Outcome(3),  # nothing in the stream shows that it is truncated
    "v0_7_cut": Outcome(3, GenerationError, COULD_NOT_REACH),
    "v0_7_error_event": Outcome(3, GenerationError, "CUDA out of memory: tried to allocate"),
    "v0_7_refused": Outcome(0, GenerationError, "Model is overloaded"),
    "v0_7_nothing_generated": Outcome(0, GenerationError, "the model generated no text: the server repeats the prompt"),
    "v0_9_1_hello": Outcome(23, reason="stop"),
    "v0_9_1_api_disabled": Outcome(23, reason="stop"),
    "v0_9_1_length_limit": Outcome(23, reason="interrupted", warning="marked the text as interrupted"),
    "v0_9_1_clean_cut": Outcome(3, StreamInterruptedError, "the stream ended without an end-of-stream marker"),
    "v0_9_1_cut": Outcome(3, GenerationError, COULD_NOT_REACH),
    "v0_9_1_error_event": Outcome(3, GenerationError, "CUDA out of memory: tried to allocate"),
    "v0_9_1_refused": Outcome(0, GenerationError, "Model is overloaded"),
    "v0_9_1_nothing_generated": Outcome(0, GenerationError, "No output was generated. Something went wrong."),
}


def recorded_tokens() -> list[str]:
    """Return the tokens of the complete recordings, found without the package."""
    chunks = load("hugging_chat/v0_7_hello")[-2]["response"]["chunks"]
    lines = [json.loads(chunk) for chunk in chunks if chunk.strip()]
    return [line["token"] for line in lines if line["type"] == "stream"]


def recorded_prompt(exchanges: list[dict[str, Any]]) -> str:
    """Return the prompt, which was sent as JSON in the last POST request."""
    sent = [recorded(exchange) for exchange in exchanges]
    prompt = next(request for request in reversed(sent) if request.method == "POST" and request.body.startswith("{"))
    return str(prompt.json["inputs"])


def ask(replay: Replay, prompt: str = "hello", stream: bool = True, **kwargs: Any) -> Any:
    """Return the tokens of a completion, the error that ended it, and how it ended."""
    messages = [{"role": "user", "content": prompt}]
    tokens = TokenStream(HuggingChat._create_completion(MODEL, messages, stream, base_url=replay.url, **kwargs))
    return *collect(tokens), tokens.finish


def assert_sent_as_recorded(replay: Replay, exchanges: list[dict[str, Any]]) -> None:
    expected = [recorded(exchange) for exchange in exchanges]
    assert [(sent.method, sent.path) for sent in replay.sent] == [(real.method, real.path) for real in expected]
    for sent, real in zip(replay.sent, expected):
        assert sent.headers.get("cookie") == real.headers.get("cookie")
        if real.body.startswith("{"):
            assert sent.json == real.json
        elif real.body:
            assert read_multipart(sent) == read_multipart(real)


def assert_warnings(caplog: pytest.LogCaptureFixture, *excerpts: str) -> None:
    """Check that there was one warning for each excerpt, which it contains."""
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == len(excerpts)
    assert all(excerpt in warning for excerpt, warning in zip(excerpts, warnings))


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any, caplog: pytest.LogCaptureFixture) -> None:
    exchanges = load(f"hugging_chat/{name}")
    replay = play(exchanges)
    tokens, error, finish = ask(replay, recorded_prompt(exchanges))
    expected = OUTCOMES[name]
    assert tokens == recorded_tokens()[: expected.count]
    assert type(error) is (expected.kind or type(None))
    if error:
        assert error.args == (expected.message,)
    else:
        assert finish.reason == expected.reason and finish.text == "".join(tokens)
    assert_warnings(caplog, *filter(None, [expected.warning]))
    assert_sent_as_recorded(replay, exchanges)


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording_joined(name: str, play: Any) -> None:
    exchanges = load(f"hugging_chat/{name}")
    tokens, error, _ = ask(play(exchanges), recorded_prompt(exchanges), stream=False)
    expected = OUTCOMES[name]
    text = "".join(recorded_tokens()[: expected.count])
    assert tokens == ([] if expected.kind else [text])
    assert error is None or error.partial == text


@pytest.mark.parametrize("name", ["v0_7_stopped_early", "v0_9_1_stopped_early"])
def test_leaving_early(name: str, play: Any) -> None:
    exchanges = load(f"hugging_chat/{name}")
    replay = play(exchanges)
    messages = [{"role": "user", "content": recorded_prompt(exchanges)}]
    tokens = HuggingChat._create_completion(MODEL, messages, True, base_url=replay.url)
    assert [next(tokens) for _ in range(6)] == [" t0é😀", " t1", " t2", " t3", " t4", " t5"]
    tokens.close()
    assert_sent_as_recorded(replay, exchanges)


class TestABodyWithoutAnEnd:
    """v0.7 does not end the body of a stream, and so costs one connection more, and no wait."""

    def test_connections(self, play: Any) -> None:
        replay = play(load("hugging_chat/v0_7_hello"))
        assert ask(replay, "Hello")[1] is None
        assert replay.connections == 2  # the second one is for the DELETE request

    def test_nothing_is_awaited_after_the_final_text(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("g4f_legacy.transport.body._DRAIN_TIMEOUT", 60.0)
        started = time.monotonic()
        assert ask(play(load("hugging_chat/v0_7_hello")), "Hello")[1] is None
        assert time.monotonic() - started < 30

    def test_an_empty_final_text(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        exchanges = load("hugging_chat/v0_7_nothing_generated")
        exchanges[-2]["response"]["chunks"] = [final_line("")]
        tokens, error, _ = ask(play(exchanges), timeout=30)
        assert (tokens, error) == ([], None)
        assert "HuggingChat: the completion has no text (finish_reason: stop)" in caplog.messages


def test_a_final_text_equal_to_the_prompt_at_later_versions(play: Any) -> None:
    replay = play(exchanges_with(final_line("hello")))
    assert ask(replay) == (["hello"], None, Finish("stop", text="hello"))


class TestJSONOrMultipart:
    """v0.8.4 to v0.9.1 have a route for the parent, and take prompts as JSON all the same."""

    def test_a_failure_of_a_known_version_is_not_sent_again(self, play: Any) -> None:
        replay = play(load("hugging_chat/unknown_parent"))
        conversation = json.loads(load("hugging_chat/unknown_parent")[0]["response"]["chunks"][0])
        assert "rootMessageId" in conversation["conversation"]  # v0.9.6 and later
        _, error, _ = ask(replay)
        assert type(error) is RequestFailedError and error.status == 500
        assert [sent.method for sent in replay.sent] == ["POST", "POST", "DELETE"]

    def test_the_api_is_disabled_and_the_page_requires_a_login(self, play: Any) -> None:
        exchanges = load("hugging_chat/v0_9_1_api_disabled")
        exchanges[3]["response"].update(status=401, chunks=['{"message": "Unauthorized"}'])
        _, error, _ = ask(play(exchanges), "Hello")
        assert error.status == 401 and error.hint is Hint.CHECK_CREDENTIALS


def json_prompt_answer(*chunks: str) -> list[dict[str, Any]]:
    """Return the recording v0_9_1_hello, where the prompt is taken as JSON, with another stream."""
    exchanges = load("hugging_chat/v0_9_1_hello")
    exchanges[-2]["response"]["chunks"] = list(chunks)
    return exchanges


def interrupted_line(text: str) -> str:
    return line(type="finalAnswer", text=text, interrupted=True)


class TestFinalText:
    @pytest.mark.parametrize(
        "tokens, text, warnings",
        [
            pytest.param(
                ["Hello", " world", ".", "\n", "User"], "Hello world.", [], id="a stop sequence of several tokens"
            ),
            pytest.param(["Hello", " \n"], "Hello", [], id="white space at the end"),
            pytest.param(
                ["Hel", "lo", "Hel", "lo", " you"], "Hello you", ["generated the text again"], id="a regeneration"
            ),
            pytest.param(["a"], "b", ["differs from the tokens"], id="another text"),
            pytest.param(
                ["Hi", " you", "Hi", " you"], "Hi you", ["generated the text again"], id="an equal regeneration"
            ),
            pytest.param(["Hello"], "\n Hello", [], id="white space at the beginning"),
            pytest.param(["Hello \n"], "Hello\n", [], id="white space twice"),
        ],
    )
    def test_it_is_the_result(
        self, tokens: list[str], text: str, warnings: list[str], play: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        chunks = [*map(token_line, tokens), final_line(text)]
        assert ask(play(exchanges_with(*chunks)))[:2] == (tokens, None)
        assert_warnings(caplog, *warnings)
        caplog.clear()
        assert ask(play(exchanges_with(*chunks)), stream=False)[:2] == ([text], None)
        assert_warnings(caplog)

    def test_no_final_text(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        chunks = [token_line("a"), final_line("")]
        assert ask(play(exchanges_with(*chunks)))[:2] == (["a"], None)
        assert_warnings(caplog, "no final text")
        assert ask(play(exchanges_with(*chunks)), stream=False)[:2] == (["a"], None)

    @pytest.mark.parametrize("final_text", ["It is 4.", "Let me see. It is 4."])
    def test_a_stop_sequence_after_a_tool(self, final_text: str, play: Any) -> None:
        tokens = ["Let me see.", " It is 4.", "\nUser"]
        chunks = [*map(token_line, tokens), final_line(final_text)]
        chunks.insert(1, line(type="tool"))
        assert ask(play(exchanges_with(*chunks)))[:2] == (tokens, None)

    def test_where_a_tool_ran_the_tokens_are_the_result(self, play: Any) -> None:
        chunks = [token_line("Let me see."), line(type="tool"), token_line(" It is"), final_line("It is 4.")]
        assert ask(play(exchanges_with(*chunks)), stream=False)[:2] == (["Let me see. It is 4."], None)


class TestInterrupted:
    """What `interrupted` means at today's version, and that it only marks the length limit before v0.9.2."""

    @pytest.mark.parametrize(
        "tokens, final_text, yielded",
        [
            (["Hel", "lo "], "Hello", ["Hel", "lo "]),
            (["Hello", " you"], "Hello", ["Hello", " you"]),
            (["Hel"], "Hello", ["Hel", "lo"]),
            (["a"], "b", ["a"]),
        ],
        ids=["the tokens", "less than the tokens", "more than the tokens", "another text"],
    )
    @pytest.mark.parametrize("tool", [None, 0, 1], ids=["no tool", "a tool first", "a tool after the first token"])
    def test_after_tokens(
        self, tool: int | None, tokens: list[str], final_text: str, yielded: list[str], play: Any
    ) -> None:
        chunks = [*map(token_line, tokens), interrupted_line(final_text)]
        if tool is not None:
            chunks.insert(tool, line(type="tool"))
        got, error, finish = ask(play(exchanges_with(*chunks)))
        assert type(error) is StreamInterruptedError and finish is None
        assert tool is not None or got == yielded
        _, error, _ = ask(play(exchanges_with(*chunks)), stream=False)
        assert type(error) is StreamInterruptedError and error.partial == "".join(got)

    def test_an_interrupted_text_without_tokens_is_complete(self, play: Any) -> None:
        tokens, error, finish = ask(play(exchanges_with(interrupted_line("Hello"))))
        assert (tokens, error, finish.reason) == (["Hello"], None, None)

    @pytest.mark.parametrize("text", ["Hello", "Hello you"])
    def test_before_v0_9_2(self, text: str, play: Any) -> None:
        tokens, error, finish = ask(play(json_prompt_answer(token_line("Hello"), interrupted_line(text))))
        assert ("".join(tokens), error, finish.reason) == (text, None, "interrupted")


class TestSurrogatePairs:
    """v0.8.2 to v0.8.4 cut the text after every five UTF-16 code units."""

    def test_halves_are_joined(self, play: Any) -> None:
        tokens = [r"Hi \ud83d", r"\udc4b, \ud83d", r"\ude00"]
        chunks = ['{"type":"stream","token":"%s"}\n' % token for token in tokens]
        got, error, _ = ask(play(json_prompt_answer(*chunks, final_line("Hi 👋, 😀"))))
        assert error is None and got == ["Hi ", "👋, ", "😀"]
        assert all(token.encode() for token in got)

    def test_a_first_half_at_the_end(self, play: Any) -> None:
        chunks = [token_line("Hi "), '{"type":"stream","token":"\\ud83d"}\n', final_line("Hi 👋")]
        assert ask(play(json_prompt_answer(*chunks)))[:2] == (["Hi ", "👋"], None)

    def test_halves_that_do_not_match(self, play: Any) -> None:
        chunks = ['{"type":"stream","token":"a\\ud83d"}\n', token_line("b"), '{"type":"stream","token":"\\udc4b"}\n']
        tokens, error, _ = ask(play(json_prompt_answer(*chunks, final_line("x"))))
        assert error is None and tokens == ["a", "\ud83db", "\udc4b"]


class TestTheModelServerIsDown:
    @pytest.mark.parametrize("words", ["fetch failed", "terminated", "Connection error."])
    def test_in_the_stream(self, words: str, play: Any) -> None:
        _, error, _ = ask(play(exchanges_with(line(type="status", status="error", message=words))))
        assert type(error) is GenerationError
        assert error.args == (f"the server could not reach its model server: {words}",) and error.detail == words

    def test_as_a_status(self, play: Any) -> None:
        exchanges = exchanges_with()
        exchanges[1]["response"].update(status=500, chunks=['{"message": "fetch failed"}'])
        _, error, _ = ask(play(exchanges))
        assert error.args == ("the server could not reach its model server: fetch failed",) and error.status == 500

    def test_other_words(self, play: Any) -> None:
        _, error, _ = ask(play(exchanges_with(line(type="status", status="error", message="the fetch failed"))))
        assert error.args == ("the fetch failed",)


class TestModels:
    PAGE = "<!DOCTYPE html><html><body>Models</body></html>"

    @pytest.mark.parametrize("model", ["", None])
    @pytest.mark.parametrize("status, hint", [(502, None), (401, Hint.CHECK_CREDENTIALS), (429, Hint.TRY_LATER)])
    def test_a_page_of_a_proxy_is_another_failure(self, status: int, hint: Any, model: Any, play: Any) -> None:
        replay = play([exchange("GET", "/api/models", status, (self.PAGE,), content_length="?")])
        _, error = ask_hugging_chat(replay.url, model=model, retries=0)
        assert error is not None and (error.status, error.hint) == (status, hint) and len(replay.sent) == 1

    @pytest.mark.parametrize("status", [200, 404])
    def test_a_server_that_lists_them_on_a_page(self, status: int, play: Any) -> None:
        replay = play([exchange("GET", "/api/models", status, (self.PAGE,), content_length="?")])
        with pytest.raises(ProviderError) as raised:
            HuggingChat._list_models(base_url=replay.url)
        assert "only pages that show them" in str(raised.value) and "<" not in str(raised.value)

    @pytest.mark.parametrize("status, body", [(200, PAGE), (404, PAGE), (403, "API is disabled")])
    def test_without_a_list_the_default_is_the_providers_own(self, status: int, body: str, play: Any) -> None:
        listing = exchange("GET", "/api/models", status, (body,), content_length="?")
        replay = play([listing, *load("hugging_chat/hello")])
        _, error = ask_hugging_chat(replay.url, model="")
        assert error is None and replay.sent[1].json == {"model": HuggingChat.model[0]}


def errors_of(provider: Any, replay: Replay, prompt: str = "hello", **kwargs: Any) -> ProviderError:
    messages = [{"role": "user", "content": prompt}]
    _, error = collect(provider._create_completion(MODEL, messages, True, base_url=replay.url, **kwargs))
    assert error is not None
    return error


def session(cookie: str) -> requests.Session:
    """Return a session that has a cookie of the server from an earlier completion."""
    earlier = requests.Session()
    earlier.cookies.set(cookie, "x", domain="127.0.0.1")
    return earlier


@pytest.mark.usefixtures("any_wording")
class TestRecognition:
    """Servers of another generation, and blank prompts, are recognized by facts."""

    @pytest.mark.parametrize("name", ["v0_7_settings_form", "v0_9_1_settings_form"])
    def test_h2o_at_later_versions(self, name: str, play: Any) -> None:
        error = errors_of(H2o, play(load(f"hugging_chat/{name}")))
        assert error.hint is Hint.USE_HUGGINGCHAT

    @pytest.mark.parametrize("name", ["v0_7_hello", "v0_9_1_hello"])
    def test_h2o_with_a_cookie_of_a_later_version(self, name: str, play: Any) -> None:
        exchanges = load(f"hugging_chat/{name}")
        created, prompt, deleted = exchanges[2], exchanges[-2], exchanges[-1]
        stopped = exchange("POST", f"{prompt['request']['path']}/stop-generating", content_length="0")
        started = time.monotonic()
        error = errors_of(H2o, play([created, prompt, stopped, deleted]), session=session("hf-chat"), timeout=60)
        assert error.hint is Hint.USE_HUGGINGCHAT and time.monotonic() - started < 30

    @pytest.mark.parametrize("prompt", ["", " \n"])
    def test_a_blank_prompt_is_no_sign_of_another_generation(self, prompt: str, play: Any) -> None:
        exchanges = exchanges_before_v0_9_5({"nodes": []}, (500, '{"message": "Internal Error"}'))
        assert errors_of(HuggingChat, play(exchanges), prompt).hint is Hint.BLANK_PROMPT

    def test_a_failure_of_v0_7_is_no_sign_either(self, play: Any) -> None:
        exchanges = load("hugging_chat/v0_7_hello")
        exchanges[-2]["response"].update(status=500, chunks=['{"message": "Internal Error"}'], ended="complete")
        error = errors_of(HuggingChat, play(exchanges))
        assert error.status == 500 and error.hint is None

    def test_a_cookie_that_is_not_kept_is_no_sign_either(self, play: Any) -> None:
        refused, accepted = load("hugging_chat/v0_7_hello")[:2]
        error = errors_of(HuggingChat, play([refused, accepted, refused]))
        assert error.status == 405 and error.hint is None

    def test_an_internal_error_at_a_prompt_with_text(self, play: Any) -> None:
        exchanges = exchanges_before_v0_9_5({"nodes": []}, (500, '{"message": "Internal Error"}'))
        assert errors_of(HuggingChat, play(exchanges)).hint is Hint.USE_H2O


class TestOrigin:
    """v0.3 to v0.6 without ORIGIN, or with another one, refuse the form with the terms."""

    REFUSAL = exchange("POST", "/settings", 403, ("Invalid referer for POST request",), content_type="text/plain")

    def test_a_server_without_terms(self, play: Any) -> None:
        exchanges = [self.REFUSAL if e["request"]["path"] == "/settings" else e for e in load("h2o/hello")]
        replay = play(exchanges)
        tokens, error = collect(H2o._create_completion("falcon-40b", HELLO, True, base_url=replay.url))
        assert error is None and tokens

    @pytest.mark.parametrize("has_cookie", [False, True])
    def test_a_server_with_terms(self, has_cookie: bool, play: Any) -> None:
        page, _, refused = load("h2o/no_cookie")
        options = {"session": session("h2o-chat")} if has_cookie else {}
        error = errors_of(H2o, play([page, self.REFUSAL, refused, refused]), **options)
        assert error.status == 405 and error.hint is Hint.SET_ORIGIN
        assert "ORIGIN" in str(error) and "auth" not in str(error)

    def test_another_refusal(self, play: Any) -> None:
        error = errors_of(H2o, play(load("h2o/no_referer")))
        assert error.status == 403 and error.hint is Hint.CHECK_CREDENTIALS
