"""How H2o's streams end: complete, truncated, malformed, or early."""

import json
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from completions import H2O_STEPS, HELLO, TOKENS, Outcome, ask_h2o
from replay import Replay, exchange, load

from g4f_legacy.errors import (
    GenerationError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.Provider import H2o
from g4f_legacy.tokens import TokenStream

NO_EVENTS = "the server sent no events; it may have failed, or the prompt may be too long"
STOPPED_STEPS = [*H2O_STEPS[:4], "POST /conversation/…/stop-generating", H2O_STEPS[4]]


class TestEndOfStream:
    """Each way in which a stream ends, and what is an end-of-stream marker."""

    def event(self, text: str, special: bool = False, generated: str | None = None) -> str:
        token = {"id": 1, "text": text, "logprob": -0.5, "special": special}
        return f"data:{json.dumps({'token': token, 'generated_text': generated, 'details': None})}\n\n"

    def ask(self, play: Any, *chunks: str, ended: str = "complete") -> Outcome:
        exchanges = load("h2o/hello")
        exchanges[3]["response"].update(chunks=list(chunks), ended=ended)
        return ask_h2o(play(exchanges).url)

    def test_a_special_token_alone(self, play: Any) -> None:
        assert self.ask(play, self.event("a"), self.event("</s>", special=True)) == (["a"], None)

    def test_a_special_token_alone_then_a_lost_connection(self, play: Any) -> None:
        chunks = self.event("a"), self.event("</s>", special=True)
        assert self.ask(play, *chunks, ended="aborted") == (["a"], None)

    def test_no_token_is_lost_after_a_special_token(self, play: Any) -> None:
        chunks = self.event("a"), self.event("<unk>", special=True), self.event("b", generated="ab")
        assert self.ask(play, *chunks) == (["a", "b"], None)

    @pytest.mark.parametrize("ended", ["complete", "aborted"])
    def test_a_special_token_that_text_follows_is_not_a_marker(self, ended: str, play: Any) -> None:
        tokens, error = self.ask(play, self.event("<s>", special=True), self.event("a"), ended=ended)
        assert tokens == ["a"] and type(error) is StreamInterruptedError

    def test_an_empty_generated_text(self, play: Any) -> None:
        assert self.ask(play, self.event("a", generated=""), ended="aborted") == (["a"], None)

    def test_an_error_that_is_null(self, play: Any) -> None:
        event = self.event("a", generated="a").replace("data:{", 'data:{"error":null,')
        assert self.ask(play, event) == (["a"], None)

    def test_generated_text_then_a_lost_connection(self, play: Any) -> None:
        assert self.ask(play, self.event("a", generated="a"), ended="aborted") == (["a"], None)

    def test_complete_and_empty(self, play: Any) -> None:
        assert self.ask(play, self.event("</s>", special=True, generated="")) == ([], None)

    @pytest.mark.parametrize("rest", ["", "b"])
    def test_an_end_of_text_that_is_not_marked_as_special(self, rest: str, play: Any) -> None:
        chunks = [self.event("a"), self.event("<|endoftext|>"), *([self.event(rest)] if rest else [])]
        assert self.ask(play, *chunks) == (["a"], None)
        assert self.ask(play, *chunks, ended="aborted") == (["a"], None)

    def test_an_end_of_text_with_the_generated_text(self, play: Any) -> None:
        assert self.ask(play, self.event("a"), self.event("<|endoftext|>", generated="a")) == (["a"], None)

    @pytest.mark.parametrize("text", ["<|endoftext|> ", "<|endoftext|", "</s>"])
    def test_other_texts_are_ordinary(self, text: str, play: Any) -> None:
        assert self.ask(play, self.event(text), self.event("a", generated="x")) == ([text, "a"], None)

    def test_events_without_blank_lines(self, play: Any) -> None:
        is_received = threading.Event()
        events = [self.event("a"), self.event("b"), self.event("</s>", special=True, generated="ab")]
        lines = [event.replace("\n\n", "\n") for event in events]
        exchanges = load("h2o/hello")
        exchanges[3]["response"].update(chunks=[*lines[:2], lambda: is_received.wait(9), lines[2]], ended="complete")
        tokens = H2o._create_completion("falcon-40b", HELLO, True, base_url=play(exchanges).url)
        assert next(tokens) == "a"
        is_received.set()
        assert list(tokens) == ["b"]

    @pytest.mark.parametrize(
        "last, stop, reason",
        [
            ({"special": True}, None, "stop"),
            ({}, None, "length"),
            ({}, ["x", "User"], "stop"),
            ({}, "User", "stop"),
            ({}, ("x", "User"), "stop"),
            ({}, ["user", ""], "length"),
            ({}, 5, "length"),
        ],
    )
    def test_reason(self, last: Any, stop: Any, reason: str, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[3]["response"]["chunks"] = [self.event("User", generated="a User", **last)]
        options = {} if stop is None else {"stop": stop}
        stream = TokenStream(H2o._create_completion("falcon-40b", HELLO, True, base_url=play(exchanges).url, **options))
        list(stream)
        assert stream.finish_reason == reason

    def test_no_marker(self, play: Any) -> None:
        tokens, error = self.ask(play, self.event("a"))
        assert tokens == ["a"] and type(error) is StreamInterruptedError


class TestMalformed:
    def settings(self, **payload: Any) -> list[dict[str, Any]]:
        exchanges = load("h2o/hello")
        exchanges[1]["response"]["chunks"] = [json.dumps(payload)]
        return exchanges

    @pytest.mark.parametrize(
        "payload, message, status",
        [
            ({"type": "error", "status": 400, "error": {"message": "Invalid model"}}, "Invalid model", 400),
            ({"type": "failure", "status": 400, "error": {"message": "Invalid model"}}, "Invalid model", 400),
            ({"type": "failure"}, '\'{"type": "failure"}\'', 200),
        ],
    )
    def test_a_failure_in_the_payload_of_the_terms(self, payload: Any, message: str, status: int, play: Any) -> None:
        replay = play(self.settings(**payload))
        tokens, error = ask_h2o(replay.url)
        assert tokens == [] and type(error) is RequestFailedError
        assert error.args == (f"the terms were not accepted: {message}",)
        assert error.status == status
        assert replay.steps == H2O_STEPS[:2]

    @pytest.mark.parametrize("received, status", [(400, 400), ([], 200), ("400", 200), (None, 200)])
    def test_the_status_in_the_payload_of_the_terms(self, received: Any, status: int, play: Any) -> None:
        _, error = ask_h2o(play(self.settings(type="failure", status=received)).url)
        assert error is not None and error.status == status

    def test_no_conversation_id(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[2]["response"]["chunks"] = ['{"id": 5}']
        tokens, error = ask_h2o(play(exchanges).url)
        assert tokens == [] and type(error) is ResponseFormatError
        assert error.args == ("expected a string at 'conversationId', received '{\"id\": 5}'",)

    @pytest.mark.parametrize(
        "chunks, kind, message",
        [
            ([], StreamInterruptedError, NO_EVENTS),
            ([": ping\n\n"], StreamInterruptedError, NO_EVENTS),
            (["data:{}\n\n"], ResponseFormatError, "expected a string at 'token.text', received '{}'"),
            (["data:[]\n\n"], ResponseFormatError, "expected a JSON object, received '[]'"),
            (["data:nonsense\n\n"], ResponseFormatError, "expected JSON, received 'nonsense'"),
            (['data:{"token":'], StreamInterruptedError, "the stream ended within an event: '{\"token\":'"),
            (['data:{"error":"full","error_type":"overloaded"}\n\n'], RateLimitError, "full"),
            (['data:{"error":true}\n\n'], GenerationError, "an error without a message: '{\"error\": true}'"),
        ],
    )
    def test_stream(self, chunks: list[str], kind: Any, message: str, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[3]["response"]["chunks"] = chunks
        replay = play(exchanges)
        tokens, error = ask_h2o(replay.url)
        assert tokens == []
        assert type(error) is kind and error.args == (message,)
        assert replay.steps == (STOPPED_STEPS if kind is ResponseFormatError else H2O_STEPS)

    def test_a_page_instead_of_a_stream(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        exchanges[3]["response"].update(chunks=["<h1>Moved</h1>"], headers=[["content-type", "text/html"]])
        tokens, error = ask_h2o(play(exchanges).url)
        assert tokens == [] and type(error) is ResponseFormatError
        assert error.args == ("expected a stream, received a page: Moved",)


class TestEarlyExit:
    def play(self, play: Any) -> Replay:
        exchanges = load("h2o/hello")
        path = exchanges[3]["request"]["path"]
        exchanges.insert(4, exchange("POST", f"{path}/stop-generating", content_length="0"))
        replay: Replay = play(exchanges)
        return replay

    def test_close(self, play: Any) -> None:
        replay = self.play(play)
        tokens = H2o._create_completion("falcon-40b", HELLO, True, base_url=replay.url)
        assert next(tokens) == "Привет!"
        tokens.close()
        assert replay.steps == STOPPED_STEPS

    def test_break(self, play: Any) -> None:
        replay = self.play(play)
        for _ in H2o._create_completion("", HELLO, True, base_url=replay.url):
            break
        assert replay.steps == STOPPED_STEPS

    def test_an_exception_in_the_loop(self, play: Any) -> None:
        replay = self.play(play)
        tokens = H2o._create_completion("", HELLO, True, base_url=replay.url)
        next(tokens)
        with pytest.raises(KeyboardInterrupt):
            tokens.throw(KeyboardInterrupt)
        assert replay.steps == STOPPED_STEPS

    def test_an_expired_read_timeout(self, play: Any) -> None:
        exchanges = load("h2o/hello")
        path = exchanges[3]["request"]["path"]
        finished = threading.Event()
        exchanges[3]["response"]["chunks"] = ['data:{"token":{"text":"one"}}\n\n', lambda: finished.wait(9)]
        replay = play([*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")])
        tokens, error = ask_h2o(replay.url, timeout=(5, 0.3))
        finished.set()
        assert tokens == ["one"] and type(error) is StreamInterruptedError
        assert replay.steps == STOPPED_STEPS

    def test_the_end_of_the_process(self, play: Any) -> None:
        replay = self.play(play)
        # The function keeps the script's names alive: else the completion is closed while requests can still be sent.
        script = """
import sys
from g4f_legacy.Provider import H2o
from g4f_legacy.tokens import TokenStream
def ask():
    tokens = H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=sys.argv[1])
    next(tokens)
    return tokens
tokens = ask()
"""
        done = subprocess.run([sys.executable, "-c", script, replay.url], timeout=30, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")
        assert replay.steps == STOPPED_STEPS

    def test_a_failed_clean_up_is_logged_and_not_raised(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        replay = play(load("h2o/hello")[:-1])
        assert ask_h2o(replay.url) == (TOKENS, None)
        [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warning.startswith("H2o: cleaning up failed: H2o: 599 Not Recorded")
