"""What the generations of chat-ui share: the parent of the first prompt, the terms, and the text that tokens lack."""

import json
from typing import Any

import pytest
from chat_ui_lines import exchanges_before_v0_9_5, final_line, read_multipart, token_line
from completions import TOKENS, ask_hugging_chat
from replay import exchange, load

from g4f_legacy.errors import AuthenticationError, RateLimitError, RequestFailedError
from g4f_legacy.protocols.chat_ui import Conversation, Parent, find_parent
from g4f_legacy.protocols.chat_ui_text import missing_text_after_tool
from g4f_legacy.Provider import HuggingChat
from g4f_legacy.transport.client import ServerClient

STREAM = token_line("a") + final_line("a")

# Before v0.9.5, the page's data: numbers refer to other items of the same list.
PAGE = {
    "type": "data",
    "nodes": [
        None,
        {"type": "skip"},
        {
            "type": "data",
            "data": [{"title": 3, "messages": 1}, [2], {"id": 4, "from": 5}, "New Chat", "m1", "system"],
        },
    ],
}


class TestFindParent:
    def find(self, play: Any, exchanges: list[dict[str, Any]], **payload: Any) -> Parent:
        server = ServerClient(HuggingChat.__name__, {"base_url": play(exchanges).url, "retries": 0})
        return find_parent(server, Conversation("/conversation/c1", payload))

    def test_in_the_conversation(self, play: Any) -> None:
        description = json.dumps({"json": {"rootMessageId": "m1"}})
        assert self.find(play, [], conversation=description) == Parent("m1", False)

    def test_since_v0_9_5(self, play: Any) -> None:
        body = json.dumps({"messages": [{"id": "m1"}, {"id": "m2"}]})
        exchanges = [exchange("GET", "/api/conversation/c1", 200, (body,), content_length="?")]
        assert self.find(play, exchanges) == Parent("m1", True)  # v0.8.4 has it as well

    def test_since_v0_9_6(self, play: Any) -> None:
        body = json.dumps({"json": {"rootMessageId": "m1"}})
        exchanges = [
            exchange("GET", "/api/conversation/c1", 404, content_length="0"),
            exchange("GET", "/api/v2/conversations/c1", 200, (body,), content_length="?"),
        ]
        assert self.find(play, exchanges) == Parent("m1", False)

    def test_since_v0_8(self, play: Any) -> None:
        assert self.find(play, exchanges_before_v0_9_5(PAGE)) == Parent("m1", True)

    def test_v0_7_has_none(self, play: Any) -> None:
        assert self.find(play, exchanges_before_v0_9_5({"nodes": []})) == Parent("", True)


class TestPrompt:
    """How the first prompt is sent to servers of each version."""

    def test_v0_9_6(self, play: Any) -> None:
        exchanges = exchanges_before_v0_9_5({}, (200, STREAM))
        exchanges[2]["response"].update(status=200, chunks=[json.dumps({"json": {"rootMessageId": "m1"}})])
        replay = play(exchanges)
        assert ask_hugging_chat(replay.url) == (["a"], None)
        assert read_multipart(replay.sent[3])["id"] == "m1"

    def test_v0_9_2(self, play: Any) -> None:
        replay = play(exchanges_before_v0_9_5(PAGE, (200, STREAM)))
        assert ask_hugging_chat(replay.url) == (["a"], None)
        assert read_multipart(replay.sent[4]) == {"inputs": "hello", "is_retry": False, "id": "m1"}

    def test_v0_8(self, play: Any) -> None:
        replay = play(exchanges_before_v0_9_5(PAGE, (500, '{"message": "no JSON"}'), (200, STREAM)))
        assert ask_hugging_chat(replay.url) == (["a"], None)
        assert replay.sent[5].json == {"inputs": "hello", "is_retry": False, "id": "m1"}

    @pytest.mark.parametrize("nodes", [[], None, [{"type": "data", "data": [{"messages": 1}, []]}]])
    def test_v0_7(self, nodes: Any, play: Any) -> None:
        replay = play(exchanges_before_v0_9_5({"nodes": nodes}, (200, STREAM)))
        assert ask_hugging_chat(replay.url) == (["a"], None)
        assert replay.sent[4].json == {"inputs": "hello", "is_retry": False}

    @pytest.mark.parametrize("message_id", [None, 7, [1], ""])
    def test_a_page_without_an_id(self, message_id: Any, play: Any) -> None:
        page = {"nodes": [{"data": [{"messages": 1}, [2], {"id": 3}, message_id]}]}
        replay = play(exchanges_before_v0_9_5(page, (200, STREAM)))
        assert ask_hugging_chat(replay.url) == (["a"], None)
        assert replay.sent[4].json == {"inputs": "hello", "is_retry": False}

    @pytest.mark.parametrize("root", ["", None, 5])
    def test_a_conversation_without_a_parent(self, root: Any, play: Any) -> None:
        exchanges = load("hugging_chat/hello")
        payload = json.loads(exchanges[0]["response"]["chunks"][0])
        payload["conversation"] = json.dumps({"json": {"rootMessageId": root}})
        exchanges[0]["response"]["chunks"] = [json.dumps(payload)]
        assert ask_hugging_chat(play(exchanges).url) == (TOKENS, None)

    def test_both_formats_fail(self, play: Any) -> None:
        failures = (500, '{"message": "no JSON"}'), (500, '{"message": "no model"}')
        _, error = ask_hugging_chat(play(exchanges_before_v0_9_5(PAGE, *failures)).url)
        assert type(error) is RequestFailedError
        assert error.args == ("500 Said So: no model; and as multipart: 500 Said So: no JSON",)

    def test_another_failure_of_the_first_format(self, play: Any) -> None:
        exchanges = exchanges_before_v0_9_5(PAGE, (429, '{"message": "slow down"}'))
        _, error = ask_hugging_chat(play(exchanges).url, retries=0)
        assert type(error) is RateLimitError

    @pytest.mark.parametrize("status, kind", [(401, AuthenticationError), (429, RateLimitError)])
    def test_the_request_for_the_parent_is_refused(self, status: int, kind: Any, play: Any) -> None:
        created = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        refusal = exchange("GET", "/api/conversation/c1", status, ('{"message": "no"}',), content_length="?")
        _, error = ask_hugging_chat(play([created, refusal]).url, retries=0)
        assert type(error) is kind and error.args == (f"{status} Said So: no",)

    def test_the_request_for_the_parent_loses_the_connection(self, play: Any) -> None:
        created = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        lost = exchange("GET", "/api/conversation/c1", 0)
        replay = play([created, lost, lost])  # the first one may only have met a stale connection
        _, error = ask_hugging_chat(replay.url, retries=0)
        assert type(error) is RequestFailedError and error.status is None
        assert [sent.method for sent in replay.sent] == ["POST", "GET", "GET", "DELETE"]


def test_terms_are_accepted_if_the_server_requires_it(play: Any) -> None:
    refusal = exchange("POST", "/conversation", 405, ('{"message": "accept"}',), content_length="?")
    accepted = exchange("POST", "/settings", 200, content_length="0")
    replay = play([refusal, accepted, *load("hugging_chat/hello")])
    assert ask_hugging_chat(replay.url) == (TOKENS, None)
    assert replay.sent[1].json == {"ethicsModalAccepted": True}


@pytest.mark.parametrize(
    "final_text, tokens, tokens_before_tool, missing",
    [
        ("", [], 0, ""),
        ("ab", [], 0, "ab"),
        ("ab", ["a"], 0, "b"),
        ("ab", ["a", "b"], 0, ""),
        ("ab", [" a", "b\n"], 0, ""),
        # A tool ran: the final text holds what follows the tool, or all of it.
        ("cd", ["a", "b", "c"], 2, "d"),
        ("abcd", ["a", "b", "c"], 2, "d"),
        ("cd", ["a", "b"], 2, "\n\ncd"),
        # The tokens end with the final text.
        ("b c", ["a", " b", " c"], 0, ""),
        ("b ", ["a", "b", "\n"], 0, ""),
        ("b", ["a"], 0, "\n\nb"),
    ],
)
def test_missing_text_after_tool(final_text: str, tokens: list[str], tokens_before_tool: int, missing: str) -> None:
    assert missing_text_after_tool(final_text, tokens, tokens_before_tool) == missing
