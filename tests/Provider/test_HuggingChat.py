import json
import re
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

import pytest
from replay import Replay, Sent, exchange, load, recorded

from g4f_legacy import registry
from g4f_legacy.Provider import H2o, HuggingChat
from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.server import create_app, serve_in_background

THREE = ["Привет!", " Hello", " —"]
WHOLE = [*THREE, *' 你好| 👋,| I| am| a| *test*| model.|\nSecond| line:| data:| {"a":1}.'.split("|")]
STEPS = ["POST /conversation", "POST /conversation/…", "DELETE /conversation/…"]
STOPPED = [*STEPS[:2], "POST /conversation/…/stop-generating", STEPS[2]]
WENT_WRONG = "500 Internal Server Error: An error occurred"

# Recording: the tokens, the error's class and message.
OUTCOMES: Dict[str, Tuple[List[str], Any, str]] = {
    "hello": (WHOLE, type(None), ""),
    "keep_alive": (WHOLE, type(None), ""),
    "two_turns": (WHOLE, type(None), ""),
    # The host has asked its model server twice.
    "cut": (THREE * 2, GenerationError, "terminated"),
    "error_event": (THREE * 2, GenerationError, "CUDA out of memory"),
    "refused": ([], RateLimitError, "429 You exceeded your current quota"),
    "nothing_generated": ([], GenerationError, "No output was generated. Something went wrong."),
    "no_origin": ([], AuthenticationError, "403 Forbidden: 'Non-JSON form requests need to have an origin'"),
    "unknown_model": ([], RequestFailedError, "400 Bad Request: Invalid request"),
    "conversation_not_found": ([], RequestFailedError, "404 Not Found: Conversation not found"),
    "unknown_parent": ([], RequestFailedError, WENT_WRONG),
    "no_parent": ([], RequestFailedError, WENT_WRONG),
}
FOREIGN = "649b1f1f1f1f1f1f1f1f1f1f"  # another session's conversation


def ask(url: str, stream: bool = True, **kwargs: Any) -> Tuple[List[str], Optional[ProviderError]]:
    """The tokens, and the error that ended them."""
    tokens: List[str] = []
    messages = kwargs.pop("messages", [{"role": "user", "content": kwargs.pop("prompt", "hello")}])
    name = kwargs.pop("model", "falcon-180b")
    try:
        for token in HuggingChat._create_completion(name, messages, stream, base_url=url, **kwargs):
            tokens.append(token)
    except ProviderError as error:
        return tokens, error
    return tokens, None


def data_of(sent: Sent) -> Dict[str, Any]:
    """The JSON in the one field of a multipart body."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", sent.headers["content-type"])
    assert boundary
    head, _, body = sent.body.partition("\r\n\r\n")
    assert head == f'--{boundary[1]}\r\nContent-Disposition: form-data; name="data"'
    data: Dict[str, Any] = json.loads(body.partition(f"\r\n--{boundary[1]}--")[0])
    return data


def as_this_client_does(name: str) -> List[Dict[str, Any]]:
    """The exchanges, but for what the recorded client did on purpose, or asked once more than it had to."""
    exchanges = load(f"hugging_chat/{name}")
    if name == "two_turns":
        exchanges = [*exchanges[:3], exchanges[-1]]
    if name == "conversation_not_found":
        own = re.search('"conversationId":"([0-9a-f]+)"', exchanges[0]["response"]["chunks"][0])
        assert own
        return list(json.loads(json.dumps(exchanges).replace(own[1], FOREIGN)))
    return exchanges


@pytest.mark.parametrize("asks_for_the_parent", [False, True])
@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, asks_for_the_parent: bool, play: Any) -> None:
    exchanges = as_this_client_does(name)
    if asks_for_the_parent and len(exchanges) > 1:  # as the recorded client did
        answer = json.loads(exchanges[0]["response"]["chunks"][0])
        exchanges[0]["response"]["chunks"] = [json.dumps({"conversationId": answer["conversationId"]})]
    else:
        exchanges = [one for one in exchanges if one["request"]["method"] != "GET"]
    replay = play(exchanges)
    asked = [recorded(one) for one in exchanges]
    question = data_of(asked[-2]) if len(asked) > 1 else {"inputs": "hello"}
    tokens, error = ask(replay.url, prompt=question["inputs"], model=asked[0].json["model"])
    expected, kind, message = OUTCOMES[name]
    assert tokens == expected
    assert type(error) is kind
    if error:
        assert error.args == (message,) and error.provider == "HuggingChat" and error.response is not None
    assert_sent(replay, asked, name)


def assert_sent(replay: Replay, expected: List[Sent], name: str) -> None:
    assert [(sent.method, sent.path) for sent in replay.sent] == [(real.method, real.path) for real in expected]
    for sent, real in zip(replay.sent, expected):
        assert sent.headers.get("cookie") == real.headers.get("cookie")
        assert (sent.headers["origin"], sent.headers["referer"]) == (replay.url, f"{replay.url}/")
        if real.headers.get("content-type", "").startswith("multipart"):
            question = data_of(real)
            if name in ("no_parent", "unknown_parent"):
                question["id"] = data_of(sent)["id"]
            assert data_of(sent) == question
        elif real.body:
            assert sent.json == real.json
        else:
            assert sent.body == ""


def test_one_connection_serves_all_steps(play: Any) -> None:
    replay = play([one for one in load("hugging_chat/hello") if one["request"]["method"] != "GET"])
    assert ask(replay.url) == (WHOLE, None)
    assert replay.steps == STEPS and replay.connections == 1


@pytest.mark.parametrize("name", ["hello", "error_event", "refused"])
def test_without_stream_the_text_is_one_piece(name: str, play: Any) -> None:
    tokens, error = ask(play(load(f"hugging_chat/{name}")).url, stream=False)
    expected, kind, _ = OUTCOMES[name]
    assert type(error) is kind
    assert tokens == ([] if error else ["".join(expected)])
    assert error is None or error.partial == "".join(expected)


@pytest.mark.parametrize(
    "base_url, origin, referer",
    [
        ("http://LocalHost:80", "http://localhost", "http://localhost/"),
        ("https://Host.Example:443/chat", "https://host.example", "https://host.example/chat/"),
        ("https://пример.рф/чат", "https://xn--e1afmkfd.xn--p1ai", "https://xn--e1afmkfd.xn--p1ai/%D1%87%D0%B0%D1%82/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ],
)
def test_origin_and_referer_are_as_browsers_write_them(
    base_url: str, origin: str, referer: str, responses: Any
) -> None:
    responses.post(referer + "conversation", status=400)
    assert ask(base_url)[1] is not None
    sent = responses.calls[0].request.headers
    assert (sent["Origin"], sent["Referer"]) == (origin, referer)


def test_an_older_host_that_lists_no_models(play: Any) -> None:
    replay = play([exchange("GET", "/api/models", 404, content_length="0"), *load("hugging_chat/hello")])
    assert ask(replay.url, model="") == (WHOLE, None)
    assert replay.sent[1].json == {"model": "OpenAssistant/oasst-sft-6-llama-30b-xor"}


def test_models_of_the_host(play: Any) -> None:
    replay = play(load("hugging_chat/models"))
    assert HuggingChat._list_models(base_url=replay.url) == ["falcon-180b", "oasst-30b"]


def test_models_of_the_public_host(responses: Any) -> None:
    responses.get("https://huggingface.co/chat/api/models", json=[{"id": "one"}])
    assert registry.list_models(HuggingChat, {"auth": "s3ss1on"}) == ["one"]
    assert registry.list_models(HuggingChat, {}) is None


def test_an_empty_model_is_the_first_of_the_host(play: Any) -> None:
    replay = play(load("hugging_chat/models") + load("hugging_chat/hello"))
    assert ask(replay.url, model="") == (WHOLE, None)
    assert replay.sent[1].json == {"model": "falcon-180b"}


@pytest.mark.parametrize("suffix", ["", "/", "/chat", "/chat/"])
def test_base_url_forms(suffix: str, play: Any) -> None:
    exchanges = load("hugging_chat/hello")
    for one in exchanges:
        one["request"]["path"] = suffix.rstrip("/") + one["request"]["path"]
    replay = play(exchanges)
    assert ask(replay.url + suffix) == (WHOLE, None)
    assert replay.sent[1].headers["origin"] == replay.url
    assert replay.sent[1].headers["referer"] == f"{replay.url}{suffix.rstrip('/')}/"


class TestLogin:
    def test_only_the_public_host_needs_one(self, play: Any) -> None:
        with pytest.raises(AuthenticationRequiredError, match="HuggingChat needs credentials"):
            list(HuggingChat._create_completion("", [{"role": "user", "content": "x"}], True))
        assert ask(play(load("hugging_chat/hello")).url) == (WHOLE, None)

    @pytest.mark.parametrize("auth", ["s3ss1on", "hf-chat=s3ss1on", "a=b; hf-chat=s3ss1on"])
    def test_a_session_cookie(self, auth: str, play: Any) -> None:
        exchanges = load("hugging_chat/hello")
        for one in exchanges:
            headers = one["response"]["headers"]
            one["response"]["headers"] = [header for header in headers if header[0] != "set-cookie"]
        replay = play(exchanges)
        assert ask(replay.url, auth=auth) == (WHOLE, None)
        assert all("hf-chat=s3ss1on" in sent.headers["cookie"] for sent in replay.sent)

    def test_a_host_that_wants_one(self, play: Any) -> None:
        said = exchange("POST", "/conversation", 401, ('{"message": "Unauthorized"}',), content_length="?")
        tokens, error = ask(play([said]).url)
        assert type(error) is AuthenticationError


class TestMessages:
    def sent(self, play: Any, *messages: Tuple[str, str]) -> Replay:
        replay = play(load("hugging_chat/hello"))
        asked = [{"role": role, "content": content} for role, content in messages]
        assert ask(replay.url, messages=asked) == (WHOLE, None)
        return replay  # type: ignore[no-any-return]

    def test_a_system_message_is_the_preprompt(self, play: Any) -> None:
        replay = self.sent(play, ("System", "Be brief."), ("user", "hello"), ("system", "Be kind."))
        assert replay.sent[0].json == {"model": "falcon-180b", "preprompt": "Be brief.\nBe kind."}
        assert data_of(replay.sent[1])["inputs"] == "hello"

    def test_several_turns(self, play: Any) -> None:
        replay = self.sent(play, ("system", "x"), ("user", "Привет 👋"), ("assistant", "b"), ("user", "c"))
        assert data_of(replay.sent[1])["inputs"] == "user: Привет 👋\nassistant: b\nuser: c\nassistant:"

    def test_only_system_messages(self) -> None:
        with pytest.raises(ValueError, match="only system messages"):
            ask("http://127.0.0.1:1", messages=[{"role": "system", "content": "x"}])

    def test_parameters_go_with_the_question(self, play: Any) -> None:
        replay = play(load("hugging_chat/hello"))
        ask(replay.url, web_search=True, timeout=5)
        assert data_of(replay.sent[1])["web_search"] is True


def line(**said: Any) -> str:
    return json.dumps(said, ensure_ascii=False) + "\n"


def stream(text: str) -> str:
    return line(type="stream", token=text.ljust(16, "\0"))


def final(text: str, **beside: Any) -> str:
    return line(type="finalAnswer", text=text, interrupted=False, **beside)


KEEP_ALIVE = line(type="status", status="keepAlive")
FAILED = line(type="status", status="error", message="out of memory")
FINISHED = " " * 4096 + line(type="status", status="finished")

# The lines, the tokens that come of them, and the error's class.
STREAMS: Dict[str, Tuple[List[str], List[str], Any]] = {
    "padding": ([stream("a\0b"), stream(" "), stream(""), final("a\0b ")], ["a\0b", " "], None),
    "nothing was streamed": ([final("ab"), FINISHED], ["ab"], None),
    "half of it was streamed": ([stream("a"), final("abc"), FINISHED], ["a", "bc"], None),
    "several tokens were streamed": ([stream("a"), stream("b"), final("abc")], ["a", "b", "c"], None),
    "white space was taken off": ([stream(" a"), stream("b\n"), final("ab")], [" a", "b\n"], None),
    "tools ran": ([stream("Let me see."), line(type="tool"), stream("4"), final("4")], ["Let me see.", "4"], None),
    "tools ran, the rest comes at the end": (
        [stream("Let me see."), line(type="tool", error="no web"), stream("It is"), final("It is 4.")],
        ["Let me see.", "It is", " 4."],
        None,
    ),
    "tools ran, the end has what came before them, too": (
        [stream("Let me see."), line(type="tool"), stream(" It is"), final("Let me see. It is 4.")],
        ["Let me see.", " It is", " 4."],
        None,
    ),
    "tools ran, all of it comes at the end": (
        [stream("Let me see."), line(type="tool"), final("It is 4.")],
        ["Let me see.", "\n\nIt is 4."],
        None,
    ),
    "another text at the end": ([stream("a"), final("b")], ["a", "\n\nb"], None),
    "the end of what came": ([stream("a"), stream("b"), final("b")], ["a", "b"], None),
    "the end of what came, in several tokens": (
        [stream("I"), stream(" am"), stream(" it"), final("am it")],
        ["I", " am", " it"],
        None,
    ),
    "an empty whole, then an error": ([final(""), FAILED], [], GenerationError),
    "other lines": (
        [line(type="title", title="x"), line(type="reasoning", token="hm"), line(new=5), stream("a"), final("a")],
        ["a"],
        None,
    ),
    "an error, then the prompt": ([FAILED, final("hello")], [], GenerationError),
    "an error after tokens": ([stream("a"), FAILED, final("a")], ["a"], GenerationError),
    "an error without a message": ([line(type="status", status="error")], [], GenerationError),
    "too many requests": ([line(type="status", status="error", message="x", statusCode=429)], [], RateLimitError),
    "an error as in answers": ([stream("a"), line(error="no")], ["a"], GenerationError),
    "the length limit": ([stream("a"), final("a").replace("false", "true")], ["a"], None),
    "empty but whole": ([final("")], [], None),
    "no end": ([stream("a"), FINISHED], ["a"], StreamInterruptedError),
    "nothing": ([], [], StreamInterruptedError),
    "half a line": ([stream("a"), '{"type":"fin'], ["a"], StreamInterruptedError),
    "the last line has no end": ([stream("a"), final("ab").strip()], ["a", "b"], None),
    "no JSON": ([stream("a"), "nonsense\n", final("a")], ["a"], ResponseFormatError),
    "no object": ([stream("a"), "5\n", final("a")], ["a"], ResponseFormatError),
    "a token that is no text": ([line(type="stream", token=5), final("a")], [], ResponseFormatError),
    "a text that is none": ([line(type="finalAnswer", text=None)], [], ResponseFormatError),
}


def answering(*chunks: Any, ended: str = "complete", **framing: str) -> List[Dict[str, Any]]:
    """The exchanges of hello with another stream."""
    exchanges = [one for one in load("hugging_chat/hello") if one["request"]["method"] != "GET"]
    exchanges[1]["response"].update(chunks=list(chunks), ended=ended)
    if framing:
        exchanges[1]["response"]["headers"] = [[key.replace("_", "-"), value] for key, value in framing.items()]
    return exchanges


@pytest.mark.parametrize("framing", [{"transfer_encoding": "chunked"}, {"content_length": "?"}, {"x": "y"}], ids=str)
@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, framing: Any, play: Any) -> None:
    chunks, expected, kind = STREAMS[name]
    replay = play(answering(*chunks, **framing))
    tokens, error = ask(replay.url)
    assert [token for token in tokens if token] == expected
    assert type(error) is (kind or type(None))
    assert replay.steps == (STOPPED if kind is ResponseFormatError else STEPS)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_byte_by_byte(name: str, play: Any) -> None:
    chunks, expected, kind = STREAMS[name]
    tokens, error = ask(play(answering(*(bytes([byte]) for byte in "".join(chunks).encode()))).url)
    assert [token for token in tokens if token] == expected
    assert type(error) is (kind or type(None))


@pytest.mark.parametrize("chunks, kind", [([stream("a")], StreamInterruptedError), ([stream("a"), final("a")], None)])
def test_a_cut(chunks: List[str], kind: Any, play: Any) -> None:
    tokens, error = ask(play(answering(*chunks, ended="aborted")).url)
    assert tokens == ["a"] and type(error) is (kind or type(None))


def test_a_host_that_does_not_close_the_stream(play: Any) -> None:
    over = threading.Event()
    replay = play(answering(stream("a"), final("ab"), lambda: over.wait(9)))
    assert ask(replay.url, timeout=5) == (["a", "b"], None)
    over.set()
    assert replay.steps == STEPS


class TestSilence:
    def test_keep_alive_lines_are_silence(self, play: Any) -> None:
        exchanges = answering(stream("a"), *[KEEP_ALIVE, lambda: time.sleep(0.02)] * 100)
        path = exchanges[1]["request"]["path"]
        replay = play([*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")])
        tokens, error = ask(replay.url, timeout=(5, 0.4))
        assert tokens == ["a"] and type(error) is StreamInterruptedError
        assert error.args == ("nothing new came for 0.4 seconds",)
        assert replay.steps == STOPPED

    def test_other_lines_are_none(self, play: Any) -> None:
        lines = [stream("a"), *[lambda: time.sleep(0.2), KEEP_ALIVE, line(type="title"), KEEP_ALIVE] * 4, final("a")]
        assert ask(play(answering(*lines)).url, timeout=(5, 0.5)) == (["a"], None)

    def test_a_slow_reader_is_none(self, play: Any) -> None:
        replay = play(answering(stream("a"), *[KEEP_ALIVE] * 9, stream("b"), final("ab")))
        messages = [{"role": "user", "content": "hello"}]
        tokens = HuggingChat._create_completion("x", messages, True, base_url=replay.url, timeout=(5, 0.2))
        assert next(tokens) == "a"
        time.sleep(0.4)
        assert list(tokens) == ["b"]


def test_leaving_early_stops_the_generation(play: Any) -> None:
    exchanges = [one for one in load("hugging_chat/stopped_early") if one["request"]["method"] != "GET"]
    gone = threading.Event()
    exchanges[1]["response"]["chunks"].append(lambda: gone.wait(9))
    exchanges[1]["response"]["ended"] = "complete"
    replay = play(exchanges)
    prompt = data_of(recorded(exchanges[1]))["inputs"]
    messages = [{"role": "user", "content": prompt}]
    tokens = HuggingChat._create_completion("falcon-180b", messages, True, base_url=replay.url)
    assert [next(tokens) for _ in range(9)] == [f" w{number}" for number in range(9)]
    tokens.close()
    gone.set()
    assert_sent(replay, [recorded(one) for one in exchanges], "stopped_early")


class TestOlderHosts:
    """v0.7 to v0.9.4, as their sources have it: there are no recordings."""

    page = {
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

    def play(self, play: Any, page: Any, *answers: Tuple[int, str]) -> Replay:
        def one(method: str, path: str, status: int, text: str) -> Dict[str, Any]:
            return exchange(method, path, status, (text,), content_length="?")

        exchanges = [
            one("POST", "/conversation", 200, '{"conversationId": "c1"}'),
            one("GET", "/api/conversation/c1", 404, "{}"),
            one("GET", "/api/v2/conversations/c1", 404, "{}"),
            one("GET", "/conversation/c1/__data.json", 200, json.dumps(page)),
            *(one("POST", "/conversation/c1", *answer) for answer in answers),
            one("DELETE", "/conversation/c1", 200, ""),
        ]
        return play(exchanges)  # type: ignore[no-any-return]

    def test_v0_9_6(self, play: Any) -> None:
        replay = self.play(play, {}, (200, stream("a") + final("a")))
        replay._left[2]["response"].update(status=200, chunks=[json.dumps({"json": {"rootMessageId": "m1"}})])
        assert ask(replay.url) == (["a"], None)
        assert data_of(replay.sent[3])["id"] == "m1"

    def test_v0_9_2(self, play: Any) -> None:
        replay = self.play(play, self.page, (200, stream("a") + final("a")))
        assert ask(replay.url) == (["a"], None)
        assert data_of(replay.sent[4]) == {"inputs": "hello", "is_retry": False, "id": "m1"}

    def test_v0_8(self, play: Any) -> None:
        replay = self.play(play, self.page, (500, '{"message": "no JSON"}'), (200, stream("a") + final("a")))
        assert ask(replay.url) == (["a"], None)
        assert replay.sent[5].json == {"inputs": "hello", "is_retry": False, "id": "m1"}

    @pytest.mark.parametrize("nodes", [[], None, [{"type": "data", "data": [{"messages": 1}, []]}]])
    def test_v0_7(self, nodes: Any, play: Any) -> None:
        replay = self.play(play, {"nodes": nodes}, (200, stream("a") + final("a")))
        assert ask(replay.url) == (["a"], None)
        assert replay.sent[4].json == {"inputs": "hello", "is_retry": False}

    def test_both_forms_fail(self, play: Any) -> None:
        replay = self.play(play, self.page, (500, '{"message": "no JSON"}'), (500, '{"message": "no model"}'))
        tokens, error = ask(replay.url)
        assert type(error) is RequestFailedError
        assert error.args == ("500 Said So: no model; and as multipart: 500 Said So: no JSON",)

    def test_another_refusal_of_the_first_form(self, play: Any) -> None:
        tokens, error = ask(self.play(play, self.page, (429, '{"message": "slow down"}')).url, retries=0)
        assert type(error) is RateLimitError

    def test_a_host_that_shows_its_terms(self, play: Any) -> None:
        terms = exchange("POST", "/conversation", 405, ('{"message": "accept"}',), content_length="?")
        accepted = exchange("POST", "/settings", 200, content_length="0")
        replay = play([terms, accepted, *load("hugging_chat/hello")])
        assert ask(replay.url) == (WHOLE, None)
        assert replay.sent[1].json == {"ethicsModalAccepted": True}

    @pytest.mark.parametrize("status, kind", [(401, AuthenticationError), (429, RateLimitError)])
    def test_a_host_that_refuses_to_tell_the_parent(self, status: int, kind: Any, play: Any) -> None:
        made = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        refusal = exchange("GET", "/api/conversation/c1", status, ('{"message": "no"}',), content_length="?")
        tokens, error = ask(play([made, refusal]).url, retries=0)
        assert type(error) is kind and error.args == (f"{status} Said So: no",)

    @pytest.mark.parametrize("root", ["", None, 5])
    def test_a_parent_that_is_none(self, root: Any, play: Any) -> None:
        exchanges = load("hugging_chat/hello")
        made = json.loads(exchanges[0]["response"]["chunks"][0])
        made["conversation"] = json.dumps({"json": {"rootMessageId": root}})
        exchanges[0]["response"]["chunks"] = [json.dumps(made)]
        assert ask(play(exchanges).url) == (WHOLE, None)

    @pytest.mark.parametrize("message_id", [None, 7, [1], ""])
    def test_a_page_without_an_id(self, message_id: Any, play: Any) -> None:
        page = {"nodes": [{"data": [{"messages": 1}, [2], {"id": 3}, message_id]}]}
        replay = self.play(play, page, (200, stream("a") + final("a")))
        assert ask(replay.url) == (["a"], None)
        assert replay.sent[4].json == {"inputs": "hello", "is_retry": False}

    def test_a_host_that_vanishes_while_it_is_asked_for_the_parent(self, play: Any) -> None:
        made = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        replay = play([made, exchange("GET", "/api/conversation/c1", 0)])
        tokens, error = ask(replay.url, retries=0)
        assert type(error) is RequestFailedError and error.status is None
        assert [sent.method for sent in replay.sent] == ["POST", "GET", "DELETE"]


@pytest.mark.usefixtures("any_wording")
class TestHostsOf2023:
    @pytest.mark.parametrize("refusal", [(415, "{}"), (500, '{"message": "Internal Error"}'), (200, "<!doctype html>")])
    def test_the_terms(self, refusal: Any, play: Any) -> None:
        terms = load("h2o/no_cookie")[2]
        tokens, error = ask(play([terms, exchange("POST", "/settings", *refusal[:1], refusal[1:])]).url)
        assert error is not None and error.hint is Hint.USE_H2O

    def test_the_terms_are_not_remembered(self, play: Any) -> None:
        terms = load("h2o/no_cookie")[2]
        replay = play([terms, exchange("POST", "/settings", 200, content_length="0"), terms])
        tokens, error = ask(replay.url)
        assert error is not None and error.hint is Hint.USE_H2O

    @pytest.mark.parametrize(
        "status, said", [(500, '{"message": "Internal Error"}'), (200, 'data:{"token":{"text":"a"}}\n\ndata:{}\n\n')]
    )
    def test_the_question(self, status: int, said: str, play: Any) -> None:
        tokens, error = ask(TestOlderHosts().play(play, {"nodes": []}, (status, said)).url)
        assert tokens == [] and error is not None and error.hint is Hint.USE_H2O

    @pytest.mark.parametrize("status, said", [(405, "<html>"), (500, '{"message": "An error occurred"}')])
    def test_another_server_is_not_taken_for_one(self, status: int, said: str, play: Any) -> None:
        tokens, error = ask(play([exchange("POST", "/conversation", status, (said,))] * 2).url)
        assert error is not None and error.hint is not Hint.USE_H2O

    @pytest.mark.parametrize("model", ["", "falcon-180b"])
    def test_this_packages_own_server(self, model: str) -> None:
        with serve_in_background(create_app("Echo"), threads=4) as url:
            tokens, error = ask(url, model=model)
        assert tokens == [] and error is not None and error.hint is Hint.USE_H2O


@pytest.mark.usefixtures("any_wording")
class TestH2oAtHostsOfToday:
    def ask(self, url: str) -> Any:
        with pytest.raises(ProviderError) as raised:
            list(H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=url))
        return raised.value

    def at(self, *exchanges: Dict[str, Any]) -> List[Dict[str, Any]]:
        return [exchange("GET", "/", 200, content_length="0"), *exchanges]

    @pytest.mark.parametrize(
        "status, said",
        [
            (403, "Non-JSON form requests need to have an origin"),
            (500, '{"message": "An error occurred", "errorId": "x"}'),
        ],
    )
    def test_the_terms(self, status: int, said: str, play: Any) -> None:
        error = self.ask(play(self.at(exchange("POST", "/settings", status, (said,)))).url)
        assert error.hint is Hint.USE_HUGGINGCHAT

    def test_the_conversation(self, play: Any) -> None:
        made, _, _, deleted = load("hugging_chat/hello")
        replay = play(self.at(exchange("POST", "/settings", 200, content_length="0"), made, deleted))
        assert self.ask(replay.url).hint is Hint.USE_HUGGINGCHAT
        assert replay.steps[-3:] == ["POST /conversation", *STOPPED[-2:]]

    @pytest.mark.parametrize(
        "status, said",
        [(500, '{"message": "An error occurred", "errorId": "x"}'), (200, stream("a") + final("a"))],
    )
    def test_the_question(self, status: int, said: str, play: Any) -> None:
        made = exchange("POST", "/conversation", 200, ('{"conversationId": "c1"}',), content_length="?")
        settings = exchange("POST", "/settings", 200, content_length="0")
        question = exchange("POST", "/conversation/c1", status, (said,))
        assert self.ask(play(self.at(settings, made, question)).url).hint is Hint.USE_HUGGINGCHAT

    def test_hosts_of_2023_are_not_taken_for_one(self, play: Any) -> None:
        for name in ("unknown_model", "empty_prompt", "overloaded", "error_event", "cut"):
            with pytest.raises(ProviderError) as raised:
                replay = play(load(f"h2o/{name}"))
                list(H2o._create_completion("", [{"role": "user", "content": "hello"}], True, base_url=replay.url))
            assert "HuggingChat" not in raised.value.args[0]


@pytest.mark.parametrize("name", ["../x", "a/b", "a?b", "Ж"])
def test_ids_stay_in_their_segment(name: str, play: Any) -> None:
    made = exchange("POST", "/conversation", 200, (json.dumps({"conversationId": name}),), content_length="?")
    replay = play([made])
    ask(replay.url, retries=0)
    assert len(replay.sent) > 3
    assert all(
        re.fullmatch(r"/(api/|api/v2/)?conversations?/[\w%.-]+(/__data\.json)?", one.path) for one in replay.sent[1:]
    )
