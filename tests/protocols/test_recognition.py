"""Servers of another generation of chat-ui, and paths without /v1, are recognized by facts, never by our own messages.

Every test here runs twice, the second time with all messages of errors and log records replaced.
"""

import json
from typing import Any

import pytest
from chat_ui_lines import exchanges_before_v0_9_5, final_line, token_line
from completions import H2O_STEPS, HUGGING_CHAT_STEPS, ask_h2o, ask_hugging_chat, ask_openai
from openai_events import COMPLETE_STREAM, PATH, RECORDED_TOKENS, TOKENS, data
from replay import exchange, load

from g4f_legacy.errors import GenerationError, Hint
from g4f_legacy.server import create_app, serve_in_background

pytestmark = pytest.mark.usefixtures("any_wording")

AN_ERROR_OCCURRED = '{"message": "An error occurred", "errorId": "x"}'
INTERNAL_ERROR = '{"message": "Internal Error"}'


class TestHuggingChatAtLegacyServers:
    """v0.3 to v0.6."""

    @pytest.mark.parametrize("status, body", [(415, "{}"), (500, INTERNAL_ERROR), (200, "<!doctype html>")])
    def test_the_terms_are_refused(self, status: int, body: str, play: Any) -> None:
        terms = load("h2o/no_cookie")[2]
        _, error = ask_hugging_chat(play([terms, exchange("POST", "/settings", status, (body,))]).url)
        assert error is not None and error.hint is Hint.USE_H2O

    def test_the_terms_are_not_remembered(self, play: Any) -> None:
        terms = load("h2o/no_cookie")[2]
        replay = play([terms, exchange("POST", "/settings", 200, content_length="0"), terms])
        _, error = ask_hugging_chat(replay.url)
        assert error is not None and error.status == 405 and error.hint is None  # later versions do so without a cookie

    @pytest.mark.parametrize(
        "status, body", [(500, INTERNAL_ERROR), (200, 'data:{"token":{"text":"a"}}\n\ndata:{}\n\n')]
    )
    def test_the_prompt(self, status: int, body: str, play: Any) -> None:
        tokens, error = ask_hugging_chat(play(exchanges_before_v0_9_5({"nodes": []}, (status, body))).url)
        assert tokens == [] and error is not None and error.hint is Hint.USE_H2O

    @pytest.mark.parametrize("model", ["", "falcon-180b"])
    def test_the_server_of_this_package(self, model: str) -> None:
        with serve_in_background(create_app("Echo"), threads=4) as url:
            tokens, error = ask_hugging_chat(url, model=model)
        assert tokens == [] and error is not None and error.hint is Hint.USE_H2O

    @pytest.mark.parametrize("status, body", [(405, "<html>"), (500, '{"message": "An error occurred"}')])
    def test_other_servers_are_not_mistaken_for_it(self, status: int, body: str, play: Any) -> None:
        _, error = ask_hugging_chat(play([exchange("POST", "/conversation", status, (body,))] * 2).url)
        assert error is not None and error.hint is not Hint.USE_H2O


class TestH2oAtModernServers:
    """v0.7 and later."""

    page = exchange("GET", "/", 200, content_length="0")
    settings = exchange("POST", "/settings", 200, content_length="0")

    @pytest.mark.parametrize(
        "status, body", [(403, "Non-JSON form requests need to have an origin"), (500, AN_ERROR_OCCURRED)]
    )
    def test_the_terms(self, status: int, body: str, play: Any) -> None:
        _, error = ask_h2o(play([self.page, exchange("POST", "/settings", status, (body,))]).url, model="")
        assert error is not None and error.hint is Hint.USE_HUGGINGCHAT

    def test_the_conversation(self, play: Any) -> None:
        created, _, _, deleted = load("hugging_chat/hello")
        replay = play([self.page, self.settings, created, deleted])
        _, error = ask_h2o(replay.url, model="")
        assert error is not None and error.hint is Hint.USE_HUGGINGCHAT
        assert replay.steps == [*H2O_STEPS[:3], "POST /conversation/…/stop-generating", HUGGING_CHAT_STEPS[-1]]

    @pytest.mark.parametrize("status, body", [(500, AN_ERROR_OCCURRED), (200, token_line("a") + final_line("a"))])
    def test_the_prompt(self, status: int, body: str, play: Any) -> None:
        created = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        prompt = exchange("POST", "/conversation/c1", status, (body,))
        _, error = ask_h2o(play([self.page, self.settings, created, prompt]).url, model="")
        assert error is not None and error.hint is Hint.USE_HUGGINGCHAT

    @pytest.mark.parametrize("name", ["unknown_model", "empty_prompt", "overloaded", "error_event", "cut"])
    def test_legacy_servers_are_not_mistaken_for_it(self, name: str, play: Any) -> None:
        _, error = ask_h2o(play(load(f"h2o/{name}")).url, model="")
        assert error is not None and error.hint is not Hint.USE_HUGGINGCHAT


class TestOpenAIBelowV1:
    """A base URL without /v1 is tried as it is, and once more with /v1 where nothing is at the path."""

    @pytest.mark.parametrize("suffix", ["", "/", "/chat/completions"])
    @pytest.mark.parametrize("name", ["stream", "plain"])
    def test_nothing_is_at_the_path(self, name: str, suffix: str, play: Any) -> None:
        replay = play(load("openai/bad_path") + load(f"openai/{name}"))
        assert ask_openai(replay.url + suffix, stream=name == "stream") == (RECORDED_TOKENS[name], None)
        assert [sent.path for sent in replay.sent] == ["/chat/completions", PATH]
        assert replay.connections == 1

    @pytest.mark.parametrize("status", [404, 405])
    def test_the_status_decides(self, status: int, play: Any) -> None:
        refusal = exchange("POST", "/chat/completions", status, content_length="0")
        replay = play([refusal, exchange("POST", PATH, 200, COMPLETE_STREAM)])
        assert ask_openai(replay.url) == (TOKENS, None)

    @pytest.mark.parametrize("framing", [{"content_type": "application/json", "content_length": "?"}, {}])
    @pytest.mark.parametrize(
        "body",
        [
            json.dumps({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
            "Unexpected endpoint or method. (POST /chat/completions)",
        ],
        ids=["JSON", "text"],
    )
    def test_lm_studio_has_no_404(self, body: str, framing: Any, play: Any) -> None:
        refusal = exchange("POST", "/chat/completions", 200, (body,), **framing)
        replay = play([refusal, exchange("POST", PATH, 200, COMPLETE_STREAM)])
        assert ask_openai(replay.url) == (TOKENS, None)

    def test_the_list_of_models(self, play: Any) -> None:
        models = (json.dumps({"data": [{"id": "one"}]}),)
        replay = play(
            [
                exchange("GET", "/models", 404, content_length="0"),
                exchange("GET", "/v1/models", 200, models, content_length="?"),
                exchange("POST", PATH, 200, COMPLETE_STREAM),
            ]
        )
        assert ask_openai(replay.url, model="") == (TOKENS, None)
        assert [sent.path for sent in replay.sent] == ["/models", "/v1/models", PATH]

    def test_a_model_that_is_not_below_v1_either(self, play: Any) -> None:
        replay = play([exchange("POST", PATH, 404, ("{}",), content_length="?")])
        _, error = ask_openai(replay.url + "/v1")
        assert error is not None and error.status == 404 and len(replay.sent) == 1

    def test_other_errors_are_not_tried_again(self, play: Any) -> None:
        replay = play([exchange("POST", "/chat/completions", 400, ("{}",), content_length="?")])
        _, error = ask_openai(replay.url)
        assert error is not None and error.status == 400 and len(replay.sent) == 1

    def test_nothing_is_tried_again_after_a_token(self, play: Any) -> None:
        refusal = data({"error": "Unexpected endpoint of a tool"})
        chunks = (*COMPLETE_STREAM[:2], refusal)
        replay = play(
            [exchange("POST", "/chat/completions", 200, chunks), exchange("POST", PATH, 200, COMPLETE_STREAM)]
        )
        tokens, error = ask_openai(replay.url)
        assert tokens == TOKENS and type(error) is GenerationError and len(replay.sent) == 1
