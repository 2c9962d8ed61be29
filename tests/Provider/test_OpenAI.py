import json
import logging
import socket
import threading
import traceback
from typing import Any, Dict, List, Optional, Tuple

import pytest
from replay import Replay, exchange, load, recorded

from g4f_legacy.Provider import OpenAI
from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
DONE = "data: [DONE]\n\n"
NO_END = "the stream ended without an end mark"
NOTHING = "not a single event came: the host failed, or the prompt is too long for it"

# Recording: the tokens, the error's class and message.
OUTCOMES: Dict[str, Tuple[List[str], Any, str]] = {
    "stream": (
        ' a| of|x|\x1b| Привет| a|"| мир|ޒ| мир|T|é| Привет|{| a| data:'.split("|"),
        type(None),
        "",
    ),
    "plain": (["\x0f a"], type(None), ""),
    "context_too_long": ([], StreamInterruptedError, NOTHING),
    "bad_parameter": (
        [],
        RequestFailedError,
        "500 Internal Server Error: 1 validation error: {'type': 'float_parsing', 'loc': ('body', 'temperature'), "
        "'msg': 'Input should be a valid number, unable to parse string as a number', 'input': 'hot'} "
        'File "site-packages/llama_cpp/server/app.py", line 376, in create_chat_completion POST /v1/chat/completions',
    ),
    "bad_path": (
        [],
        RequestFailedError,
        "599 Not Recorded",  # below /v1, where nothing was recorded
    ),
}


def ask(url: str, stream: bool = True, **kwargs: Any) -> Tuple[List[str], Optional[ProviderError]]:
    """The tokens, and the error that ended them."""
    tokens: List[str] = []
    messages = kwargs.pop("messages", HELLO)
    try:
        for token in OpenAI._create_completion(kwargs.pop("model", "tiny"), messages, stream, base_url=url, **kwargs):
            tokens.append(token)
    except ProviderError as error:
        return tokens, error
    return tokens, None


@pytest.mark.parametrize("name", OUTCOMES)
def test_recording(name: str, play: Any) -> None:
    exchanges = load(f"openai/{name}")
    replay = play(exchanges)
    asked = recorded(exchanges[0]).json
    parameters = {key: value for key, value in asked.items() if key not in ("model", "messages", "stream")}
    base = replay.url + ("" if name == "bad_path" else "/v1")
    tokens, error = ask(base, asked["stream"], messages=asked["messages"], retries=0, **parameters)
    expected, kind, message = OUTCOMES[name]
    assert tokens == expected
    assert type(error) is kind
    if error:
        assert error.args == (message,)
        assert error.provider == "OpenAI" and error.response is not None
    assert replay.sent[0].json == asked
    assert replay.sent[0].path == exchanges[0]["request"]["path"]
    assert "authorization" not in replay.sent[0].headers


def chunk(text: Any = None, reason: Any = None, **beside: Any) -> str:
    delta = {} if text is None else {"content": text}
    event = {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}], **beside}
    event["choices"] = beside.get("choices", [{"index": 0, "delta": delta, "finish_reason": reason}])
    return f"data: {json.dumps(event)}\n\n"


def data(document: Any) -> str:
    return f"data: {json.dumps(document)}\n\n"


AB = [chunk("a"), chunk("b")]
END = [chunk(reason="stop"), DONE]
FULL = {"message": "out of memory", "type": "server_error", "code": 500}

# What a server sends after its 200: the chunks, the tokens that come of them, the error's class and message.
QUIRKS: Dict[str, Tuple[List[str], List[str], Any, str]] = {
    "OpenAI: an error, and no [DONE]": ([*AB, data({"error": FULL})], ["a", "b"], GenerationError, "out of memory"),
    "OpenAI: usage with empty choices": (
        [*AB, chunk(reason="stop"), chunk(choices=[], usage={"total_tokens": 3}), DONE],
        ["a", "b"],
        None,
        "",
    ),
    "OpenAI: filtered before any text": (
        [chunk(""), chunk(reason="content_filter"), DONE],
        [],
        GenerationError,
        "the host ended the answer: content_filter",
    ),
    "OpenAI: filtered after some text": ([*AB, chunk(reason="content_filter"), DONE], ["a", "b"], None, ""),
    "OpenAI: a tool call": (
        [chunk(reason="tool_calls"), DONE],
        [],
        GenerationError,
        "the host ended the answer: tool_calls",
    ),
    "OpenAI: two answers": (
        [
            chunk(choices=[{"index": 1, "delta": {"content": "x"}}]),
            chunk("a"),
            chunk(
                choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}, {"index": 0, "delta": {"content": "b"}}]
            ),
            *END,
        ],
        ["a", "b"],
        None,
        "",
    ),
    "vLLM: an error, then [DONE]": ([*AB, data({"error": FULL}), DONE], ["a", "b"], GenerationError, "out of memory"),
    "vLLM: an older error": (
        [*AB, data({"object": "error", "message": "out of memory", "code": 500}), DONE],
        ["a", "b"],
        GenerationError,
        "out of memory",
    ),
    "vLLM: keep-alive": ([": keep-alive\n\n", AB[0], ": keep-alive\n\n", AB[1], *END], ["a", "b"], None, ""),
    "vLLM: reasoning": (
        [chunk(choices=[{"delta": {"reasoning": "hm"}}]), *AB, *END],
        ["a", "b"],
        None,
        "",
    ),
    "DeepSeek's reasoning": (
        [chunk(choices=[{"delta": {"reasoning_content": "hm", "content": None}}]), *AB, *END],
        ["a", "b"],
        None,
        "",
    ),
    "vLLM: usage with null choices": ([*AB, chunk(reason="stop"), chunk(choices=None), DONE], ["a", "b"], None, ""),
    "llama.cpp: an error": ([*AB, data({"error": FULL})], ["a", "b"], GenerationError, "out of memory"),
    "llama.cpp: an error field, then [DONE]": (
        [*AB, f"error: {json.dumps(FULL)}\n\n", DONE],
        ["a", "b"],
        GenerationError,
        "out of memory",
    ),
    "llama.cpp: an error field alone": ([f"error: {json.dumps(FULL)}\n\n"], [], GenerationError, "out of memory"),
    "llama.cpp: a bare comment": ([":\n\n", AB[0], ":\n\n", AB[1], *END], ["a", "b"], None, ""),
    "llama.cpp: null content at first": (
        [chunk(choices=[{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]), *AB, *END],
        ["a", "b"],
        None,
        "",
    ),
    "llama.cpp: [DONE] without its blank line": ([*AB, chunk(reason="stop"), "data: [DONE]\n"], ["a", "b"], None, ""),
    "llama.cpp: [DONE] without its line end": ([*AB, "data: [DONE]"], ["a", "b"], None, ""),
    "llama.cpp: no event at all": ([], [], StreamInterruptedError, NOTHING),
    "Ollama: the stream just ends": (AB, ["a", "b"], StreamInterruptedError, NO_END),
    "TGI: an error, then [DONE]": (
        [*AB, data({"error": {"message": "out of memory", "http_status_code": 424}}), DONE],
        ["a", "b"],
        GenerationError,
        "out of memory",
    ),
    "TGI: comments": ([":\n\n", ": \n\n", *AB, ":keep\n", *END], ["a", "b"], None, ""),
    "TGI: a finish_reason of its own": ([*AB, chunk(reason="eos_token"), DONE], ["a", "b"], None, ""),
    "LM Studio: an error": (
        ["event: error\n" + data({"error": {"message": "out of memory"}})],
        [],
        GenerationError,
        "out of memory",
    ),
    "OpenRouter: an error in a chunk": (
        [*AB, chunk("", "error", error={"code": "server_error", "message": "out of memory"}), DONE],
        ["a", "b"],
        GenerationError,
        "out of memory",
    ),
    "OpenRouter: only the reason": (
        [*AB, chunk("", "error"), DONE],
        ["a", "b"],
        GenerationError,
        "the host ended the answer: error",
    ),
    "OpenRouter: processing": ([": OPENROUTER PROCESSING\n\n"] * 3 + [*AB, *END], ["a", "b"], None, ""),
    "OpenRouter: an error instead of a stream": (
        [json.dumps({"error": {"message": "out of memory", "code": 502}})],
        [],
        GenerationError,
        "out of memory",
    ),
    "any: no stream but the whole answer": (
        [json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "ab"}}]}, indent=2)],
        ["ab"],
        None,
        "",
    ),
    "any: data without a space": ([one.replace("data: ", "data:") for one in [*AB, *END]], ["a", "b"], None, ""),
    "any: CRLF": ([one.replace("\n", "\r\n") for one in [*AB, *END]], ["a", "b"], None, ""),
    "any: the reason and text in one chunk": ([AB[0], chunk("b", "stop")], ["a", "b"], None, ""),
    "any: no reason but [DONE]": ([*AB, DONE], ["a", "b"], None, ""),
    "any: an empty reason": ([chunk("a", ""), chunk("b", "")], ["a", "b"], StreamInterruptedError, NO_END),
    "any: a reason, then more text": ([chunk("a", "stop"), chunk("b", "stop"), DONE], ["a", "b"], None, ""),
    "any: choices are missing": ([*AB, data({"id": "1"}), *END], ["a", "b"], None, ""),
    "any: delta is missing or null": (
        [chunk(choices=[{}]), chunk(choices=[{"delta": None}]), *AB, *END],
        ["a", "b"],
        None,
        "",
    ),
    "any: an error after the reason": (
        [*AB, chunk(reason="stop"), data({"error": FULL}), DONE],
        ["a", "b"],
        GenerationError,
        "out of memory",
    ),
    "any: [DONE] and nothing else": ([DONE], [], StreamInterruptedError, NOTHING),
    "any: text of another type": (
        [AB[0], chunk(5)],
        ["a"],
        ResponseFormatError,
        "expected a text at 'content', but got '{\"content\": 5}'",
    ),
    "any: choices of another type": (
        [AB[0], chunk(choices=[5])],
        ["a"],
        ResponseFormatError,
        "expected JSON objects in 'choices', but got '5'",
    ),
    "any: a null message is no whole one": (
        [chunk(choices=[{"delta": {"content": "a"}, "message": None}])],
        ["a"],
        StreamInterruptedError,
        NO_END,
    ),
    "any: a text": (
        ["Bad Gateway"],
        [],
        ResponseFormatError,
        "expected server-sent events, but got 'Bad Gateway'",
    ),
}


@pytest.mark.parametrize("framing", [{"transfer_encoding": "chunked"}, {"content_length": "?"}, {}], ids=str)
@pytest.mark.parametrize("quirk", QUIRKS)
def test_quirk(quirk: str, framing: Any, play: Any) -> None:
    chunks, expected, kind, message = QUIRKS[quirk]
    replay = play([exchange("POST", PATH, 200, tuple(chunks), content_type="text/event-stream", **framing)])
    tokens, error = ask(replay.url + "/v1")
    assert tokens == expected
    assert error is None if kind is None else type(error) is kind and error.args == (message,)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_quirk_byte_by_byte(quirk: str, play: Any) -> None:
    chunks, expected, kind, _ = QUIRKS[quirk]
    pieces = [bytes([byte]) for byte in "".join(chunks).encode()]
    replay = play([exchange("POST", PATH, 200, tuple(pieces), transfer_encoding="chunked")])
    tokens, error = ask(replay.url + "/v1")
    assert (tokens, type(error)) == (expected, kind or type(None))


@pytest.mark.parametrize(
    "quirk, status, body, kind, message",
    [
        (
            "OpenAI",
            401,
            {"error": {"message": "Incorrect API key", "type": "x", "param": None, "code": "invalid_api_key"}},
            AuthenticationError,
            "Incorrect API key",
        ),
        ("OpenAI", 429, {"error": {"message": "Rate limit reached"}}, RateLimitError, "Rate limit reached"),
        ("Ollama", 404, {"error": {"message": "model 'x' not found"}}, RequestFailedError, "model 'x' not found"),
        ("vLLM", 404, {"object": "error", "message": "no model x"}, RequestFailedError, "no model x"),
        ("vLLM", 400, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, RequestFailedError, "body.n: bad"),
        ("llama.cpp", 503, {"error": {"code": 503, "message": "Loading model"}}, RequestFailedError, "Loading model"),
        ("any", 500, {"error": "out of memory"}, RequestFailedError, "out of memory"),
        ("any", 400, {"detail": "no"}, RequestFailedError, "no"),
        ("any", 502, "<html>", RequestFailedError, "'<html>'"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_before_the_answer(
    quirk: str, status: int, body: Any, kind: Any, message: str, stream: bool, play: Any
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    replay = play([exchange("POST", PATH, status, (text,), content_length="?", retry_after="7")])
    tokens, error = ask(replay.url + "/v1", stream, retries=0)
    assert tokens == [] and type(error) is kind
    assert error.args == (f"{status} Said So: {message}",) and error.retry_after == 7
    assert f"({replay.url}{PATH})" in str(error)


class TestWithoutStream:
    def play(self, play: Any, document: Any) -> Tuple[List[str], Any]:
        replay = play([exchange("POST", PATH, 200, (json.dumps(document),), content_length="?")])
        return ask(replay.url + "/v1", stream=False)

    def test_a_long_answer(self, play: Any) -> None:
        text = "Ж" * 1_000_000
        assert self.play(play, {"choices": [{"message": {"content": text}}]}) == ([text], None)

    def test_the_first_of_several(self, play: Any) -> None:
        choices = [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]
        assert self.play(play, {"choices": choices}) == (["a"], None)

    @pytest.mark.parametrize(
        "document, kind",
        [
            ({"error": FULL}, GenerationError),
            ({"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}, GenerationError),
            ({"choices": []}, StreamInterruptedError),
            ({}, StreamInterruptedError),
            ([], ResponseFormatError),
            ({"choices": [{"message": "text"}]}, ResponseFormatError),
        ],
    )
    def test_errors(self, document: Any, kind: Any, play: Any) -> None:
        tokens, error = self.play(play, document)
        assert tokens == [] and type(error) is kind


def test_an_answer_without_a_text_is_said(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    reasoning = chunk(choices=[{"delta": {"reasoning": "hm"}}])
    replay = play([exchange("POST", PATH, 200, (reasoning, chunk(reason="\x1blength"), DONE))])
    with caplog.at_level(logging.DEBUG, "g4f_legacy"):
        assert ask(replay.url + "/v1") == ([], None)
    assert [record.getMessage() for record in caplog.records if "OpenAI: " in record.getMessage()][1:] == [
        "OpenAI: reasoning: hm",
        "OpenAI: the answer is whole, but without a text (finish_reason: length)",
    ]


def test_a_token_comes_as_soon_as_its_event_is_whole(play: Any) -> None:
    gate = threading.Event()
    chunks = (AB[0], lambda: gate.wait(9), AB[1], *END)
    replay = play([exchange("POST", PATH, 200, chunks, transfer_encoding="chunked")])
    tokens = OpenAI._create_completion("tiny", HELLO, True, base_url=replay.url + "/v1")
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


def test_the_connection_serves_the_next_completion(play: Any) -> None:
    streams = [exchange("POST", PATH, 200, (*AB, *END), transfer_encoding="chunked") for _ in range(3)]
    replay = play(streams)
    for _ in range(3):
        assert ask(replay.url + "/v1") == (["a", "b"], None)
    assert (len(replay.sent), replay.connections) == (3, 1)


class TestAddress:
    @pytest.mark.parametrize("suffix", ["/v1", "/v1/", PATH, PATH + "/", "/v1/completions", "/v1/models"])
    def test_one_request_where_v1_is_given(self, suffix: str, play: Any) -> None:
        replay = play([exchange("POST", PATH, 200, (*AB, *END))])
        assert ask(replay.url + suffix) == (["a", "b"], None)
        assert [sent.path for sent in replay.sent] == [PATH]

    @pytest.mark.parametrize("suffix", ["", "/", "/chat/completions"])
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.usefixtures("any_wording")
    def test_v1_is_tried_once_where_it_is_not(self, stream: bool, suffix: str, play: Any) -> None:
        refusal = load("openai/bad_path")
        whole = load("openai/stream" if stream else "openai/plain")
        replay = play(refusal + whole)
        assert ask(replay.url + suffix, stream) == (OUTCOMES["stream" if stream else "plain"][0], None)
        assert [sent.path for sent in replay.sent] == ["/chat/completions", PATH]
        assert replay.connections == 1

    def test_a_host_without_v1(self, play: Any) -> None:
        replay = play([exchange("POST", "/openai/chat/completions", 200, (*AB, *END))])
        assert ask(replay.url + "/openai") == (["a", "b"], None)
        assert len(replay.sent) == 1

    @pytest.mark.parametrize("framing", [{"content_type": "application/json", "content_length": "?"}, {}])
    @pytest.mark.usefixtures("any_wording")
    def test_lm_studio_has_no_404(self, framing: Any, play: Any) -> None:
        said = json.dumps({"error": "Unexpected endpoint or method. (POST /chat/completions)"})
        replay = play(
            [exchange("POST", "/chat/completions", 200, (said,), **framing), exchange("POST", PATH, 200, (*AB, *END))]
        )
        assert ask(replay.url) == (["a", "b"], None)

    def test_what_came_is_never_asked_for_again(self, play: Any) -> None:
        said = data({"error": "Unexpected endpoint of a tool"})
        replay = play(
            [exchange("POST", "/chat/completions", 200, (*AB, said)), exchange("POST", PATH, 200, (*AB, *END))]
        )
        tokens, error = ask(replay.url)
        assert tokens == ["a", "b"] and type(error) is GenerationError and len(replay.sent) == 1

    @pytest.mark.parametrize("name", ["v1.localhost", "localhost"])
    def test_a_name_is_no_path(self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([*load("openai/bad_path"), *load("openai/stream")])
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: real("127.0.0.1", *rest, **named))
        tokens, error = ask(replay.url.replace("127.0.0.1", name))
        assert error is None and tokens

    def test_an_unknown_model_at_a_host_without_v1(self, play: Any) -> None:
        def said(text: str) -> Tuple[str]:
            return (json.dumps({"error": {"message": text}}),)

        unknown = exchange("POST", "/chat/completions", 404, said("no model x"), content_length="?")
        replay = play([unknown, exchange("POST", PATH, 404, said("no such page"), content_length="?")])
        tokens, error = ask(replay.url)
        assert type(error) is RequestFailedError and error.status == 404
        assert error.args == ("404 Said So: no such page; without /v1: 404 Said So: no model x",)
        assert f"({replay.url}{PATH})" in str(error)

    def test_an_unknown_model_below_v1(self, play: Any) -> None:
        replay = play([exchange("POST", PATH, 404, ("{}",), content_length="?")])
        _, error = ask(replay.url + "/v1")
        assert error is not None and error.status == 404 and len(replay.sent) == 1

    def test_other_errors_are_not_tried_again(self, play: Any) -> None:
        replay = play([exchange("POST", "/chat/completions", 400, ("{}",), content_length="?")])
        _, error = ask(replay.url)
        assert error is not None and error.status == 400 and len(replay.sent) == 1

    @pytest.mark.parametrize("name", ["OPENAI_API_BASE", "OPENAI_BASE_URL", "G4F_LEGACY_OPENAI_URL"])
    def test_the_environment(self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([exchange("POST", PATH, 200, (*AB, *END))])
        for weaker in ["OPENAI_API_BASE", "OPENAI_BASE_URL", "G4F_LEGACY_OPENAI_URL"]:
            monkeypatch.setenv(weaker, "http://127.0.0.1:1")
            if weaker == name:
                break
        monkeypatch.setenv(name, replay.url + "/v1")
        assert list(OpenAI._create_completion("tiny", HELLO, True)) == ["a", "b"]


class TestLogin:
    def answer(self, responses: Any) -> Any:
        responses.post("https://api.openai.com/v1/chat/completions", "".join([*AB, *END]))
        return responses.calls

    def test_openai_itself_needs_a_key(self) -> None:
        with pytest.raises(AuthenticationRequiredError) as raised:
            list(OpenAI._create_completion("gpt-4", HELLO, True))
        assert str(raised.value) == (
            "OpenAI needs credentials. Give a token or cookie text with auth=, or cookies with cookies=, "
            "or set G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY. Your own server, given with base_url=, may need none."
        )

    @pytest.mark.parametrize("host", ["https://api.openai.com", "https://api.openai.com/v1/", "https://API.openai.com"])
    def test_however_it_is_written(self, host: str) -> None:
        with pytest.raises(AuthenticationRequiredError):
            list(OpenAI._create_completion("gpt-4", HELLO, True, base_url=host))

    @pytest.mark.parametrize("option", ["auth", "access_token"])
    @pytest.mark.parametrize("key", ["sk-123456", "sk==", "a=b"])
    def test_options(self, option: str, key: str, responses: Any) -> None:
        calls = self.answer(responses)
        assert list(OpenAI._create_completion("gpt-4", HELLO, True, **{option: key})) == ["a", "b"]
        assert calls[0].request.headers["Authorization"] == f"Bearer {key}"
        assert "Cookie" not in calls[0].request.headers

    def test_the_environment(self, responses: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = self.answer(responses)
        monkeypatch.setenv("OPENAI_API_KEY", "theirs")
        assert list(OpenAI._create_completion("gpt-4", HELLO, True)) == ["a", "b"]
        monkeypatch.setenv("G4F_LEGACY_OPENAI_AUTH", "ours")
        assert list(OpenAI._create_completion("gpt-4", HELLO, True, auth=True)) == ["a", "b"]
        assert [call.request.headers["Authorization"] for call in calls] == ["Bearer theirs", "Bearer ours"]

    @pytest.mark.parametrize("length", [0, 180, 188, 990, 1000])
    @pytest.mark.parametrize("shape", ["{}", '{{"error": "{}"}}'])
    @pytest.mark.parametrize("option", ["auth", "headers", "cookies"])
    def test_no_part_of_a_key_is_shown(self, option: str, shape: str, length: int, play: Any) -> None:
        key = "sk-0123456789abcdef"
        said = shape.format("x" * length + " Bearer " + key)
        given = {"auth": key, "headers": {"Authorization": f"Bearer {key}"}, "cookies": {"sid": key}}[option]
        for status in (200, 401):
            replay = play([exchange("POST", PATH, status, (said,), content_length="?")])
            _, error = ask(replay.url + "/v1", **{option: given})
            assert error is not None and "sk-01234" not in f"{error!s}{error!r}"
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            assert "sk-01234" not in trace

    def test_a_refused_key_is_not_shown(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        said = json.dumps({"error": {"message": "Incorrect API key provided: sk-s3cr3t."}})
        replay = play([exchange("POST", PATH, 401, (said,), content_length="?")])
        with caplog.at_level(logging.DEBUG, "g4f_legacy"):
            tokens, error = ask(replay.url + "/v1", auth="sk-s3cr3t")
        assert type(error) is AuthenticationError
        assert str(error).endswith(" Check auth=, cookies= or G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY.")
        assert "s3cr3t" not in f"{error!s}{error!r}{caplog.text}"


class TestModel:
    def models(self, *ids: str, path: str = "/v1/models") -> Dict[str, Any]:
        return exchange("GET", path, 200, (json.dumps({"data": [{"id": name} for name in ids]}),), content_length="?")

    def answers(self, count: int) -> List[Dict[str, Any]]:
        return [exchange("POST", PATH, 200, (*AB, *END), transfer_encoding="chunked") for _ in range(count)]

    def names(self, replay: Replay) -> List[str]:
        return [sent.json["model"] for sent in replay.sent if sent.method == "POST"]

    @pytest.mark.parametrize("name", ["gpt-3.5-turbo", "gpt-4", "llama3.2:8b", "org/model"])
    def test_a_name_is_passed_on(self, name: str, play: Any) -> None:
        replay = play(self.answers(1))
        ask(replay.url + "/v1", model=name)
        assert self.names(replay) == [name]

    def test_an_empty_one_is_the_first_of_the_host_asked_once(
        self, play: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        replay = play([*load("openai/models"), *self.answers(2)])
        with caplog.at_level(logging.INFO, "g4f_legacy"):
            assert [ask(replay.url + "/v1", model=name) for name in ("", None)] == [(["a", "b"], None)] * 2
        assert self.names(replay) == ["tiny.gguf"] * 2
        assert [sent.method for sent in replay.sent] == ["GET", "POST", "POST"]
        assert caplog.messages == ["OpenAI: no model is named; asking for the first of tiny.gguf"]

    def test_threads_ask_once(self, play: Any) -> None:
        replay = play([self.models("one"), *self.answers(9)])
        threads = [threading.Thread(target=ask, args=(replay.url + "/v1",), kwargs={"model": ""}) for _ in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [sent.method for sent in replay.sent].count("GET") == 1
        assert self.names(replay) == ["one"] * 9

    def test_each_host_has_its_own(self, play: Any) -> None:
        for name in ("one", "two"):
            replay = play([self.models(name, "other"), *self.answers(1)])
            ask(replay.url + "/v1", model="")
            assert self.names(replay) == [name]

    def test_openai_itself_lists_them_in_no_order(self, play: Any) -> None:
        replay = play([self.models("dall-e", "gpt-4", "gpt-3.5-turbo"), *self.answers(1)])
        ask(replay.url + "/v1", model="")
        assert self.names(replay) == ["gpt-4"]

    def test_the_environment(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_MODEL", "mine")
        replay = play(self.answers(2))
        ask(replay.url + "/v1", model="")
        ask(replay.url + "/v1", model="other")
        assert self.names(replay) == ["mine", "other"]

    def test_without_v1(self, play: Any) -> None:
        replay = play([exchange("GET", "/models", 404, content_length="0"), self.models("one"), *self.answers(1)])
        assert ask(replay.url, model="") == (["a", "b"], None)
        assert [sent.path for sent in replay.sent] == ["/models", "/v1/models", PATH]

    def test_a_host_that_cannot_list_them_is_asked_where_it_is(self, play: Any) -> None:
        chat = exchange("POST", "/openai/chat/completions", 200, (*AB, *END))
        lists = [exchange("GET", f"/openai{path}/models", 404, content_length="0") for path in ("", "/v1")]
        replay = play([*lists, chat])
        assert ask(replay.url + "/openai", model="") == (["a", "b"], None)
        assert self.names(replay) == ["gpt-3.5-turbo"]

    def test_a_host_without_models(self, play: Any) -> None:
        tokens, error = ask(play([self.models()]).url + "/v1", model="")
        assert tokens == [] and type(error) is ResponseFormatError
        assert error.args == ("the host lists no models: say which one to ask for",)

    def test_list_models(self, play: Any) -> None:
        assert OpenAI._list_models(base_url=play(load("openai/models")).url + "/v1") == ["tiny.gguf"]
        said = exchange("GET", "/v1/models", 200, ('{"error": "down"}',), content_length="?")
        with pytest.raises(GenerationError, match="down"):
            OpenAI._list_models(base_url=play([said]).url + "/v1")


class TestMessages:
    def sent(self, play: Any, *messages: Any) -> Any:
        replay = play([exchange("POST", PATH, 200, (*AB, *END))])
        assert ask(replay.url + "/v1", messages=list(messages)) == (["a", "b"], None)
        return replay.sent[0].json["messages"]

    def test_roles(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        messages = [{"role": role, "content": role} for role in ("System", "USER", " assistant ", "developer")]
        sent = self.sent(play, *messages)
        assert [message["role"] for message in sent] == ["system", "user", "assistant", "developer"]
        assert [message["content"] for message in sent] == ["System", "USER", " assistant ", "developer"]

    def test_other_roles(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "g4f_legacy"):
            sent = self.sent(
                play, *({"role": role, "content": "Привет 👋"} for role in ("Bing", "user", "Bing", "Bob"))
            )
        assert sent == [
            {"role": "user", "content": "Bing: Привет 👋"},
            {"role": "user", "content": "Привет 👋"},
            {"role": "user", "content": "Bing: Привет 👋"},
            {"role": "user", "content": "Bob: Привет 👋"},
        ]
        assert caplog.messages == ["Messages of Bing, Bob go as the user's, with that before the text."]


def test_parameters_go_as_they_are(play: Any) -> None:
    parameters = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 5,
        "n": 2,
        "stop": ["x"],
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "seed": 42,
        "own": {"x": None},
    }
    replay = play([exchange("POST", PATH, 200, (*AB, *END))])
    ask(replay.url + "/v1", **parameters, timeout=5)
    assert replay.sent[0].json == {"model": "tiny", "messages": HELLO, "stream": True, **parameters}


@pytest.mark.parametrize("ended", ["aborted", "complete"])
@pytest.mark.parametrize("end", [[chunk(reason="stop")], [DONE]], ids=["finish_reason", "[DONE]"])
def test_a_cut_behind_the_end_mark_is_none(end: List[str], ended: str, play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (*AB, *end), ended, transfer_encoding="chunked")])
    assert ask(replay.url + "/v1") == (["a", "b"], None)


def test_a_cut_before_it_is_one(play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (*AB, chunk(reason="stop")[:-9]), "aborted", content_length="9999")])
    tokens, error = ask(replay.url + "/v1")
    assert tokens == ["a", "b"] and type(error) is StreamInterruptedError
