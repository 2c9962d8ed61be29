"""Nobody can run a Gemini server: the one here follows Google's API definition and documentation."""

import json
import logging
from typing import Any

import pytest
from completions import HELLO, ask_google
from replay import exchange

from g4f_legacy.errors import (
    AuthenticationError,
    AuthenticationRequiredError,
    GenerationError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.Provider import Google
from g4f_legacy.tokens import TokenStream

NOT_RECORDED = "Gemini cannot be self-hosted: these tests use a server that behaves as Google documents it"
PATH = "/v1beta/models/gemini-flash-latest:streamGenerateContent?alt=sse"
NO_MARKER = "the stream ended without an end-of-stream marker"
NO_EVENTS = "the server sent no events; it may have failed, or the prompt may be too long"
KEY = "s3cr3t-key"


def data(payload: Any) -> str:
    return f"data: {json.dumps(payload)}\r\n\r\n"


def event(*parts: Any, reason: str | None = None, **fields: Any) -> str:
    """Return an event with one candidate.

    Args:
        parts: those of the candidate; a string is a part with that text.
        reason: the candidate's finishReason.
        fields: other fields of the payload.
    """
    content = {"parts": [{"text": part} if isinstance(part, str) else part for part in parts], "role": "model"}
    candidate: dict[str, Any] = {"content": content, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return data({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1}, "modelVersion": "x", **fields})


OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}

# What a server sends after its 200: the chunks, the tokens that they contain, the error's class and message.
STREAMS: dict[str, tuple[list[str], list[str], Any, str]] = {
    "an ordinary end": ([event("a"), event("b", reason="STOP")], ["a", "b"], None, ""),
    "the length limit": ([event("a"), event("b", reason="MAX_TOKENS")], ["a", "b"], None, ""),
    "several parts": ([event("a", "b"), event("Привет 👋", reason="STOP")], ["a", "b", "Привет 👋"], None, ""),
    "an end without parts": ([event("a"), event(reason="STOP")], ["a"], None, ""),
    "an end without content": ([event("a"), data({"candidates": [{"finishReason": "STOP"}]})], ["a"], None, ""),
    "parts without a text": ([event({"functionCall": {}}, "a", reason="STOP")], ["a"], None, ""),
    "usage after the end": ([event("a", reason="STOP"), data({"usageMetadata": {}})], ["a"], None, ""),
    "thoughts": (
        [event({"text": "hm", "thought": True}), event({"text": "so", "thought": True}, "a", reason="STOP")],
        ["a"],
        None,
        "",
    ),
    "several candidates": (
        [
            data({"candidates": [{"index": 1, "content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}),
            event("a", reason="STOP"),
        ],
        ["a"],
        None,
        "",
    ),
    "no finishReason": ([event("a"), event("b")], ["a", "b"], StreamInterruptedError, NO_MARKER),
    "only thoughts, no finishReason": ([event({"text": "hm", "thought": True})], [], StreamInterruptedError, NO_MARKER),
    "no events": ([], [], StreamInterruptedError, NO_EVENTS),
    "a reason with a control character": (
        [event("a", reason="\x1b[2J" + "x" * 5000)],
        ["a"],
        GenerationError,
        "the server ended the completion: [2J" + "x" * 997,
    ),
    "a blocked prompt": (
        [data({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}})],
        [],
        GenerationError,
        "the prompt was blocked: SAFETY",
    ),
    "feedback that does not block the prompt": ([event("a", reason="STOP", promptFeedback={})], ["a"], None, ""),
    **{
        f"ended: {reason}": (
            [event("a"), event("b", reason=reason)],
            ["a", "b"],
            GenerationError,
            f"the server ended the completion: {reason}",
        )
        for reason in "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII LANGUAGE OTHER SOMETHING_NEW".split()
    },
    "ended, with a message": (
        [data({"candidates": [{"finishReason": "SAFETY", "finishMessage": "too hot"}]})],
        [],
        GenerationError,
        "the server ended the completion: SAFETY: too hot",
    ),
    "an error event": ([event("a"), data(OVERLOADED)], ["a"], GenerationError, "The model is overloaded."),
    "an error over several lines": (
        [event("a"), json.dumps(OVERLOADED, indent=2)],
        ["a"],
        GenerationError,
        "The model is overloaded.",
    ),
    "an error in a list over several lines": (
        [json.dumps([OVERLOADED], indent=2) + "\n"],
        [],
        GenerationError,
        "The model is overloaded.",
    ),
    "a list instead of a stream": (
        ["[", json.dumps(json.loads(event("a")[6:]), indent=2), ",\r\n", event("b", reason="STOP")[6:].strip(), "]"],
        ["a", "b"],
        None,
        "",
    ),
    "text of another type": (
        [event({"text": 5})],
        [],
        ResponseFormatError,
        "expected a string at 'text', received '{\"text\": 5}'",
    ),
    "parts of another type": (
        [data({"candidates": [{"content": {"parts": {}}}]})],
        [],
        ResponseFormatError,
        "expected a JSON array at 'parts', received '{\"parts\": {}}'",
    ),
    "no candidate": (
        [data({"candidates": "a"})],
        [],
        ResponseFormatError,
        "expected a JSON array at 'candidates', received '{\"candidates\": \"a\"}'",
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, play: Any) -> None:
    chunks, expected, kind, message = STREAMS[name]
    replay = play(
        [exchange("POST", PATH, 200, tuple(chunks), content_type="text/event-stream", transfer_encoding="chunked")]
    )
    tokens, error = ask_google(replay.url)
    assert tokens == expected
    assert type(error) is (kind or type(None))
    if error:
        assert error.provider == "Google" and error.args == (message,)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_byte_by_byte_and_joined(name: str, play: Any) -> None:
    chunks, expected, kind, _ = STREAMS[name]
    single_bytes = tuple(bytes([byte]) for byte in "".join(chunks).encode())
    tokens, error = ask_google(play([exchange("POST", PATH, 200, single_bytes)]).url, stream=False)
    assert type(error) is (kind or type(None))
    if error:
        assert tokens == [] and error.partial == "".join(expected)
    else:
        assert tokens == ["".join(expected)]


@pytest.mark.parametrize("name", ["an ordinary end", "no finishReason"])
def test_a_lost_connection(name: str, play: Any) -> None:
    chunks, expected, kind, _ = STREAMS[name]
    replay = play([exchange("POST", PATH, 200, tuple(chunks), "aborted", transfer_encoding="chunked")])
    tokens, error = ask_google(replay.url)
    assert (tokens, type(error)) == (expected, kind or type(None))


def test_request(play: Any) -> None:
    messages = [
        {"role": "System", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "USER", "content": "two"},
        {"role": "assistant", "content": "three"},
        {"role": "model", "content": "four"},
        {"role": "developer", "content": "Be kind."},
        {"role": "Bing", "content": "five"},
    ]
    replay = play([exchange("POST", PATH, 200, (event("a", reason="STOP"),))])
    parameters = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "max_tokens": 5,
        "stop": "x",
        "seed": 42,
        "presence_penalty": 1,
        "thinkingConfig": {"thinkingBudget": 0},
        "safetySettings": [],
    }
    assert ask_google(replay.url, messages=messages, **parameters, timeout=5) == (["a"], None)
    [sent] = replay.sent
    assert sent.json == {
        "contents": [
            {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
            {"role": "model", "parts": [{"text": "three"}, {"text": "four"}]},
            {"role": "user", "parts": [{"text": "Bing: five"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief.\nBe kind."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 3,
            "maxOutputTokens": 5,
            "stopSequences": ["x"],
            "seed": 42,
            "presencePenalty": 1,
            "thinkingConfig": {"thinkingBudget": 0},
        },
        "safetySettings": [],
    }
    assert sent.headers["x-goog-api-key"] == KEY
    assert KEY not in sent.path and "authorization" not in sent.headers and "cookie" not in sent.headers


def test_only_system_messages() -> None:
    with pytest.raises(ValueError, match="only system messages"):
        list(Google._create_completion("", [{"role": "system", "content": "x"}], True, auth=KEY))


@pytest.mark.parametrize(
    "model, path",
    [
        ("", "models/gemini-flash-latest"),
        ("gemini-pro-latest", "models/gemini-pro-latest"),
        ("models/other", "models/other"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("a?b#c d", "models/a%3Fb%23c%20d"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/", "/v1beta", "/v1"])
def test_models(suffix: str, model: str, path: str, play: Any) -> None:
    target = f"/v1beta/{path}:streamGenerateContent?alt=sse"
    replay = play([exchange("POST", target, 200, (event("a", reason="STOP"),))])
    assert ask_google(replay.url + suffix, model=model) == (["a"], None)


@pytest.mark.parametrize("model", ["models/../../x", "a/./b", "/", "models/"])
def test_a_model_stays_within_its_path(model: str, play: Any) -> None:
    replay = play([])
    _, error = ask_google(replay.url, model=model)
    assert type(error) is ResponseFormatError and replay.sent == []


@pytest.mark.parametrize(
    "status, payload, kind, message",
    [
        (
            400,
            {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]},
            AuthenticationError,
            "API key not valid.",
        ),
        (400, {"message": "Invalid value", "status": "INVALID_ARGUMENT"}, RequestFailedError, "Invalid value"),
        (403, {"message": "denied", "status": "PERMISSION_DENIED"}, AuthenticationError, "denied"),
        (404, {"message": "models/x is not found"}, RequestFailedError, "models/x is not found"),
        (429, {"message": "quota", "status": "RESOURCE_EXHAUSTED"}, RateLimitError, "quota"),
        (500, {"message": "internal"}, RequestFailedError, "internal"),
        (503, {"message": "overloaded"}, RequestFailedError, "overloaded"),
        (504, {"message": "deadline"}, RequestFailedError, "deadline"),
    ],
)
@pytest.mark.parametrize("in_list", [False, True])
def test_errors_instead_of_a_completion(
    in_list: bool, status: int, payload: Any, kind: Any, message: str, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps([{"error": payload}] if in_list else {"error": payload}, indent=2)
    replay = play([exchange("POST", PATH, status, (body,), content_length="?")])
    with caplog.at_level(logging.DEBUG, "g4f_legacy"):
        tokens, error = ask_google(replay.url, retries=0)
    assert tokens == [] and type(error) is kind and error.status == status
    assert error.args == (f"{status} Said So: {message}",)
    assert KEY not in f"{error!s}{error!r}{caplog.text}"


class TestCredentials:
    def test_they_are_required(self) -> None:
        with pytest.raises(AuthenticationRequiredError, match="G4F_LEGACY_GOOGLE_AUTH or GEMINI_API_KEY or GOOGLE_API"):
            list(Google._create_completion("", HELLO, True))

    @pytest.mark.parametrize("name", ["GOOGLE_API_KEY", "GEMINI_API_KEY", "G4F_LEGACY_GOOGLE_AUTH"])
    def test_environment(self, name: str, responses: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        responses.post("https://generativelanguage.googleapis.com" + PATH, event("a", reason="STOP"))
        for weaker in ["GOOGLE_API_KEY", "GEMINI_API_KEY", "G4F_LEGACY_GOOGLE_AUTH"]:
            monkeypatch.setenv(weaker, "weaker")
            if weaker == name:
                break
        monkeypatch.setenv(name, KEY)
        assert list(Google._create_completion("", HELLO, True)) == ["a"]
        assert responses.calls[0].request.headers["x-goog-api-key"] == KEY


def test_a_completion_without_text_is_logged(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    thought = event({"text": "hm", "thought": True}, reason="MAX_TOKENS", usageMetadata={"thoughtsTokenCount": 9})
    with caplog.at_level(logging.DEBUG, "g4f_legacy"):
        assert ask_google(play([exchange("POST", PATH, 200, (thought,))]).url) == ([], None)
    assert caplog.messages[1:] == [
        "Google: reasoning: hm",
        "Google: the completion has no text: its reasoning used up max_tokens; raise it, or ask for less reasoning",
    ]


def test_list_models(play: Any) -> None:
    listed = [
        {"name": "models/gemini-x", "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/embedding-x", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/aqa"},
    ]
    path = "/v1beta/models?pageSize=1000"
    replay = play([exchange("GET", path, 200, (json.dumps({"models": listed}),), content_length="?")])
    assert Google._list_models(base_url=replay.url, auth=KEY) == ["gemini-x"]
    assert replay.sent[0].headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    "chunks, reason, warning",
    [
        ([event("Hi", reason="STOP")], "stop", ""),
        ([event("Hi", reason="MAX_TOKENS")], "length", "length limit"),
        ([event("Hi"), "data: [DONE]\r\n\r\n"], None, ""),  # as a proxy may end the stream
        ([event("Hi", reason="STOP", usageMetadata=[1])], "stop", ""),
        ([event(reason="MAX_TOKENS", usageMetadata={"thoughtsTokenCount": 0})], "length", "(finish_reason: length)"),
    ],
)
def test_how_it_ended(
    chunks: list[str], reason: Any, warning: str, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    replay = play([exchange("POST", PATH, 200, tuple(chunks))])
    stream = TokenStream(Google._create_completion("", HELLO, True, base_url=replay.url, auth=KEY))
    collected = list(stream)
    assert stream.finish is not None and stream.finish_reason == reason
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert bool(warnings) == bool(warning) and warning in "".join(warnings)
    assert collected == ([] if "no text" in caplog.text else ["Hi"])
