import json
import re
import threading
from typing import Any

import pytest
from chat_ui_lines import read_multipart
from completions import FIRST_TOKENS, HELLO, HUGGING_CHAT_STEPS, TOKENS, ask_hugging_chat
from replay import Replay, Sent, exchange, load, recorded

from g4f_legacy import registry
from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    RateLimitError,
    RequestFailedError,
)
from g4f_legacy.Provider import HuggingChat

AN_ERROR_OCCURRED = "500 Internal Server Error: An error occurred"
REFUSED_PROMPTS = ("unknown_parent", "no_parent")
FOREIGN_ID = "649b1f1f1f1f1f1f1f1f1f1f"  # a conversation of another session

# Recording: the tokens, the error's class and message.
OUTCOMES: dict[str, tuple[list[str], Any, str]] = {
    "hello": (TOKENS, type(None), ""),
    "keep_alive": (TOKENS, type(None), ""),
    "two_turns": (TOKENS, type(None), ""),
    # The server asked its model server twice.
    "cut": (FIRST_TOKENS * 2, GenerationError, "the server could not reach its model server: terminated"),
    "error_event": (FIRST_TOKENS * 2, GenerationError, "CUDA out of memory"),
    "refused": ([], RateLimitError, "429 You exceeded your current quota"),
    "nothing_generated": ([], GenerationError, "No output was generated. Something went wrong."),
    "no_origin": ([], AuthenticationError, "403 Forbidden: 'Non-JSON form requests need to have an origin'"),
    "unknown_model": ([], RequestFailedError, "400 Bad Request: Invalid request"),
    "conversation_not_found": ([], RequestFailedError, "404 Not Found: Conversation not found"),
    "unknown_parent": ([], RequestFailedError, AN_ERROR_OCCURRED),
    "no_parent": ([], RequestFailedError, AN_ERROR_OCCURRED),
}


def load_without_parent(name: str) -> list[dict[str, Any]]:
    """Return the exchanges of a recording without the requests for the parent."""
    return [exchange for exchange in load(f"hugging_chat/{name}") if exchange["request"]["method"] != "GET"]


def load_adapted(name: str) -> list[dict[str, Any]]:
    """Return the exchanges of a recording with the requests that this client sends."""
    exchanges = load(f"hugging_chat/{name}")
    if name == "two_turns":
        return [*exchanges[:3], exchanges[-1]]
    if name == "conversation_not_found":
        own_id = re.search('"conversationId":"([0-9a-f]+)"', exchanges[0]["response"]["chunks"][0])
        assert own_id
        return list(json.loads(json.dumps(exchanges).replace(own_id[1], FOREIGN_ID)))
    return exchanges


@pytest.mark.parametrize(
    "name, requests_parent",
    [*((name, False) for name in OUTCOMES), *((name, True) for name in OUTCOMES if name not in REFUSED_PROMPTS)],
)
def test_recording(name: str, requests_parent: bool, play: Any) -> None:
    exchanges = load_adapted(name)
    if requests_parent and len(exchanges) > 1:  # as the recorded client did
        payload = json.loads(exchanges[0]["response"]["chunks"][0])
        exchanges[0]["response"]["chunks"] = [json.dumps({"conversationId": payload["conversationId"]})]
    else:
        exchanges = [exchange for exchange in exchanges if exchange["request"]["method"] != "GET"]
    replay = play(exchanges)
    expected = [recorded(exchange) for exchange in exchanges]
    prompt = read_multipart(expected[-2])["inputs"] if len(expected) > 1 else "hello"
    tokens, error = ask_hugging_chat(replay.url, prompt=prompt, model=expected[0].json["model"])
    expected_tokens, kind, message = OUTCOMES[name]
    assert tokens == expected_tokens
    assert type(error) is kind
    if error:
        assert error.args == (message,) and error.provider == "HuggingChat" and error.response is not None
    assert_sent(replay, expected, name)


@pytest.mark.parametrize("name", REFUSED_PROMPTS)
def test_a_refused_prompt_is_sent_as_json_if_the_version_is_not_known(name: str, play: Any) -> None:
    exchanges = load_adapted(name)
    payload = json.loads(exchanges[0]["response"]["chunks"][0])
    exchanges[0]["response"]["chunks"] = [json.dumps({"conversationId": payload["conversationId"]})]
    created, parent, prompt, deleted = exchanges
    replay = play([created, parent, prompt, prompt, deleted])  # the server refuses any JSON with 500, too
    _, error = ask_hugging_chat(replay.url)
    assert error is not None and error.args == (f"{AN_ERROR_OCCURRED}; and as multipart: {AN_ERROR_OCCURRED}",)
    assert read_multipart(replay.sent[2]) == replay.sent[3].json


def assert_sent(replay: Replay, expected: list[Sent], name: str) -> None:
    assert [(sent.method, sent.path) for sent in replay.sent] == [(real.method, real.path) for real in expected]
    for sent, real in zip(replay.sent, expected):
        assert sent.headers.get("cookie") == real.headers.get("cookie")
        assert (sent.headers["origin"], sent.headers["referer"]) == (replay.url, f"{replay.url}/")
        if real.headers.get("content-type", "").startswith("multipart"):
            prompt = read_multipart(real)
            if name in ("no_parent", "unknown_parent"):
                prompt["id"] = read_multipart(sent)["id"]
            assert read_multipart(sent) == prompt
        elif real.body:
            assert sent.json == real.json
        else:
            assert sent.body == ""


def test_all_steps_share_one_connection(play: Any) -> None:
    replay = play(load_without_parent("hello"))
    assert ask_hugging_chat(replay.url) == (TOKENS, None)
    assert replay.steps == HUGGING_CHAT_STEPS and replay.connections == 1


@pytest.mark.parametrize("name", ["hello", "error_event", "refused"])
def test_without_stream_the_text_is_one_token(name: str, play: Any) -> None:
    tokens, error = ask_hugging_chat(play(load(f"hugging_chat/{name}")).url, stream=False)
    expected, kind, _ = OUTCOMES[name]
    assert type(error) is kind
    assert tokens == ([] if error else ["".join(expected)])
    assert error is None or error.partial == "".join(expected)


def test_without_stream_the_clean_up_precedes_the_text(play: Any) -> None:
    replay = play(load_without_parent("hello"))
    completion = HuggingChat._create_completion("falcon-180b", HELLO, False, base_url=replay.url)
    assert next(completion) == "".join(TOKENS)
    assert replay.steps == HUGGING_CHAT_STEPS
    completion.close()
    assert replay.steps == HUGGING_CHAT_STEPS


def test_an_early_exit_stops_the_generation(play: Any) -> None:
    exchanges = load_without_parent("stopped_early")
    is_stopped = threading.Event()
    exchanges[1]["response"]["chunks"].append(lambda: is_stopped.wait(9))
    exchanges[1]["response"]["ended"] = "complete"
    replay = play(exchanges)
    messages = [{"role": "user", "content": read_multipart(recorded(exchanges[1]))["inputs"]}]
    tokens = HuggingChat._create_completion("falcon-180b", messages, True, base_url=replay.url)
    assert [next(tokens) for _ in range(9)] == [f" w{number}" for number in range(9)]
    tokens.close()
    is_stopped.set()
    assert_sent(replay, [recorded(exchange) for exchange in exchanges], "stopped_early")


@pytest.mark.parametrize(
    "base_url, origin, referer",
    [
        ("http://LocalHost:80", "http://localhost", "http://localhost/"),
        ("https://Host.Example:443/chat", "https://host.example", "https://host.example/chat/"),
        ("https://пример.рф/чат", "https://xn--e1afmkfd.xn--p1ai", "https://xn--e1afmkfd.xn--p1ai/%D1%87%D0%B0%D1%82/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ],
)
def test_origin_and_referer_are_written_as_browsers_do(
    base_url: str, origin: str, referer: str, responses: Any
) -> None:
    responses.post(referer + "conversation", status=400)
    assert ask_hugging_chat(base_url)[1] is not None
    sent = responses.calls[0].request.headers
    assert (sent["Origin"], sent["Referer"]) == (origin, referer)


@pytest.mark.parametrize("suffix", ["", "/", "/chat", "/chat/"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("hugging_chat/hello")
    for recorded_exchange in exchanges:
        recorded_exchange["request"]["path"] = suffix.rstrip("/") + recorded_exchange["request"]["path"]
    replay = play(exchanges)
    assert ask_hugging_chat(replay.url + suffix) == (TOKENS, None)
    assert replay.sent[1].headers["origin"] == replay.url
    assert replay.sent[1].headers["referer"] == f"{replay.url}{suffix.rstrip('/')}/"


class TestModels:
    def test_an_empty_model_is_the_first_that_the_server_lists(self, play: Any) -> None:
        replay = play(load("hugging_chat/models") + load("hugging_chat/hello"))
        assert ask_hugging_chat(replay.url, model="") == (TOKENS, None)
        assert replay.sent[1].json == {"model": "falcon-180b"}

    def test_an_older_server_that_lists_no_models(self, play: Any) -> None:
        replay = play([exchange("GET", "/api/models", 404, content_length="0"), *load("hugging_chat/hello")])
        assert ask_hugging_chat(replay.url, model="") == (TOKENS, None)
        assert replay.sent[1].json == {"model": "OpenAssistant/oasst-sft-6-llama-30b-xor"}

    def test_list_models(self, play: Any) -> None:
        replay = play(load("hugging_chat/models"))
        assert HuggingChat._list_models(base_url=replay.url) == ["falcon-180b", "oasst-30b"]

    def test_list_models_of_the_public_server(self, responses: Any) -> None:
        responses.get("https://huggingface.co/chat/api/models", json=[{"id": "one"}])
        assert registry.list_models(HuggingChat, {"auth": "s3ss1on"}) == ["one"]
        assert registry.list_models(HuggingChat, {}) is None


class TestCredentials:
    def test_only_the_public_server_needs_them(self, play: Any) -> None:
        with pytest.raises(AuthenticationRequiredError, match="HuggingChat needs credentials"):
            list(HuggingChat._create_completion("", [{"role": "user", "content": "x"}], True))
        assert ask_hugging_chat(play(load("hugging_chat/hello")).url) == (TOKENS, None)

    @pytest.mark.parametrize("auth", ["s3ss1on", "hf-chat=s3ss1on", "a=b; hf-chat=s3ss1on"])
    def test_a_session_cookie(self, auth: str, play: Any) -> None:
        exchanges = load("hugging_chat/hello")
        for recorded_exchange in exchanges:
            headers = recorded_exchange["response"]["headers"]
            recorded_exchange["response"]["headers"] = [header for header in headers if header[0] != "set-cookie"]
        replay = play(exchanges)
        assert ask_hugging_chat(replay.url, auth=auth) == (TOKENS, None)
        assert all("hf-chat=s3ss1on" in sent.headers["cookie"] for sent in replay.sent)

    def test_a_server_that_requires_them(self, play: Any) -> None:
        refusal = exchange("POST", "/conversation", 401, ('{"message": "Unauthorized"}',), content_length="?")
        _, error = ask_hugging_chat(play([refusal]).url)
        assert type(error) is AuthenticationError


class TestMessages:
    def sent(self, play: Any, *messages: tuple[str, str]) -> Replay:
        replay: Replay = play(load("hugging_chat/hello"))
        written = [{"role": role, "content": content} for role, content in messages]
        assert ask_hugging_chat(replay.url, messages=written) == (TOKENS, None)
        return replay

    def test_a_system_message_is_the_preprompt(self, play: Any) -> None:
        replay = self.sent(play, ("System", "Be brief."), ("user", "hello"), ("system", "Be kind."))
        assert replay.sent[0].json == {"model": "falcon-180b", "preprompt": "Be brief.\nBe kind."}
        assert read_multipart(replay.sent[1])["inputs"] == "hello"

    def test_several_turns(self, play: Any) -> None:
        replay = self.sent(play, ("system", "x"), ("user", "Привет 👋"), ("assistant", "b"), ("user", "c"))
        assert read_multipart(replay.sent[1])["inputs"] == "user: Привет 👋\nassistant: b\nuser: c\nassistant:"

    def test_only_system_messages(self) -> None:
        with pytest.raises(ValueError, match="only system messages"):
            ask_hugging_chat("http://127.0.0.1:1", messages=[{"role": "system", "content": "x"}])

    def test_parameters_are_sent_with_the_prompt(self, play: Any) -> None:
        replay = play(load("hugging_chat/hello"))
        ask_hugging_chat(replay.url, web_search=True, timeout=5)
        assert read_multipart(replay.sent[1])["web_search"] is True


@pytest.mark.parametrize("conversation_id", ["../x", "a/b", "a?b", "Ж"])
def test_an_id_is_one_segment_of_the_path(conversation_id: str, play: Any) -> None:
    body = json.dumps({"conversationId": conversation_id})
    replay = play([exchange("POST", "/conversation", 200, (body,), content_length="?")])
    ask_hugging_chat(replay.url, retries=0)
    assert len(replay.sent) > 3
    assert all(
        re.fullmatch(r"/(api/|api/v2/)?conversations?/[\w%.-]+(/__data\.json)?", sent.path) for sent in replay.sent[1:]
    )
