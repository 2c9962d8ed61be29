"""The streams of OpenAI-compatible servers, each with its own peculiarities and its own way to fail."""

import gc
import json
import threading
from typing import Any

import pytest
from completions import HELLO, ask_openai
from openai_events import COMPLETE_STREAM, DONE, END, PATH, TOKEN_CHUNKS, TOKENS, chunk, data
from replay import exchange

from g4f_legacy.errors import GenerationError, ProviderError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.Provider import OpenAI
from g4f_legacy.tokens import Finish, TokenStream

NO_MARKER = "the stream ended without an end-of-stream marker"
NULL_REASON = "the stream ended although its finish_reason was still null"
NO_EVENTS = "the server sent no events; it may have failed, or the prompt may be too long"
TOKENS_WITHOUT_REASON = [chunk(choices=[{"index": 0, "delta": {"content": token}}]) for token in TOKENS]
OUT_OF_MEMORY = {"message": "out of memory", "type": "server_error", "code": 500}

# What a server sends after its 200: the chunks, the tokens that they contain, the error's class and message.
STREAMS: dict[str, tuple[list[str], list[str], Any, str]] = {
    "OpenAI: an error, and no [DONE]": (
        [*TOKEN_CHUNKS, data({"error": OUT_OF_MEMORY})],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "OpenAI: usage with empty choices": (
        [*TOKEN_CHUNKS, chunk(reason="stop"), chunk(choices=[], usage={"total_tokens": 3}), DONE],
        TOKENS,
        None,
        "",
    ),
    "OpenAI: filtered before any text": (
        [chunk(""), chunk(reason="content_filter"), DONE],
        [],
        GenerationError,
        "the server ended the completion: content_filter",
    ),
    "OpenAI: filtered after some text": ([*TOKEN_CHUNKS, chunk(reason="content_filter"), DONE], TOKENS, None, ""),
    "OpenAI: a tool call": (
        [chunk(reason="tool_calls"), DONE],
        [],
        GenerationError,
        "the server ended the completion: tool_calls",
    ),
    "OpenAI: two choices": (
        [
            chunk(choices=[{"index": 1, "delta": {"content": "x"}}]),
            chunk("a"),
            chunk(
                choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}, {"index": 0, "delta": {"content": "b"}}]
            ),
            *END,
        ],
        TOKENS,
        None,
        "",
    ),
    "vLLM: an error, then [DONE]": (
        [*TOKEN_CHUNKS, data({"error": OUT_OF_MEMORY}), DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "vLLM: an older error": (
        [*TOKEN_CHUNKS, data({"object": "error", "message": "out of memory", "code": 500}), DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "vLLM: keep-alive": (
        [": keep-alive\n\n", TOKEN_CHUNKS[0], ": keep-alive\n\n", TOKEN_CHUNKS[1], *END],
        TOKENS,
        None,
        "",
    ),
    "vLLM: reasoning": ([chunk(choices=[{"delta": {"reasoning": "hm"}}]), *TOKEN_CHUNKS, *END], TOKENS, None, ""),
    "DeepSeek: reasoning": (
        [chunk(choices=[{"delta": {"reasoning_content": "hm", "content": None}}]), *TOKEN_CHUNKS, *END],
        TOKENS,
        None,
        "",
    ),
    "vLLM: usage with null choices": (
        [*TOKEN_CHUNKS, chunk(reason="stop"), chunk(choices=None), DONE],
        TOKENS,
        None,
        "",
    ),
    "llama.cpp: an error": ([*TOKEN_CHUNKS, data({"error": OUT_OF_MEMORY})], TOKENS, GenerationError, "out of memory"),
    "llama.cpp: an error field, then [DONE]": (
        [*TOKEN_CHUNKS, f"error: {json.dumps(OUT_OF_MEMORY)}\n\n", DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "llama.cpp: an error field alone": (
        [f"error: {json.dumps(OUT_OF_MEMORY)}\n\n"],
        [],
        GenerationError,
        "out of memory",
    ),
    "llama.cpp: a bare comment": ([":\n\n", TOKEN_CHUNKS[0], ":\n\n", TOKEN_CHUNKS[1], *END], TOKENS, None, ""),
    "llama.cpp: null content at first": (
        [
            chunk(choices=[{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]),
            *TOKEN_CHUNKS,
            *END,
        ],
        TOKENS,
        None,
        "",
    ),
    "llama.cpp: [DONE] without its blank line": (
        [*TOKEN_CHUNKS, chunk(reason="stop"), "data: [DONE]\n"],
        TOKENS,
        None,
        "",
    ),
    "llama.cpp: [DONE] without its line end": (
        [*TOKEN_CHUNKS, chunk(reason="stop"), "data: [DONE]"],
        TOKENS,
        None,
        "",
    ),
    "llama-cpp-python: another request interrupts": (
        [*TOKEN_CHUNKS, DONE],
        TOKENS,
        StreamInterruptedError,
        NULL_REASON,
    ),
    "llama-cpp-python: another request interrupts before any text": (
        [chunk(choices=[{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]), DONE],
        [],
        StreamInterruptedError,
        NULL_REASON,
    ),
    "transformers: no reason until the end": ([*TOKENS_WITHOUT_REASON, *END], TOKENS, None, ""),
    "llama.cpp: no event at all": ([], [], StreamInterruptedError, NO_EVENTS),
    "Ollama: the stream just ends": (TOKEN_CHUNKS, TOKENS, StreamInterruptedError, NO_MARKER),
    "TGI: an error, then [DONE]": (
        [*TOKEN_CHUNKS, data({"error": {"message": "out of memory", "http_status_code": 424}}), DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "TGI: comments": ([":\n\n", ": \n\n", *TOKEN_CHUNKS, ":keep\n", *END], TOKENS, None, ""),
    "TGI: a finish_reason of its own": ([*TOKEN_CHUNKS, chunk(reason="eos_token"), DONE], TOKENS, None, ""),
    "LM Studio: an error": (
        ["event: error\n" + data({"error": {"message": "out of memory"}})],
        [],
        GenerationError,
        "out of memory",
    ),
    "OpenRouter: an error in a chunk": (
        [*TOKEN_CHUNKS, chunk("", "error", error={"code": "server_error", "message": "out of memory"}), DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "OpenRouter: only the reason": (
        [*TOKEN_CHUNKS, chunk("", "error"), DONE],
        TOKENS,
        GenerationError,
        "the server ended the completion: error",
    ),
    "OpenRouter: processing": ([": OPENROUTER PROCESSING\n\n"] * 3 + [*TOKEN_CHUNKS, *END], TOKENS, None, ""),
    "OpenRouter: an error instead of a stream": (
        [json.dumps({"error": {"message": "out of memory", "code": 502}})],
        [],
        GenerationError,
        "out of memory",
    ),
    "any: a complete payload instead of a stream": (
        [json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "ab"}}]}, indent=2)],
        ["ab"],
        None,
        "",
    ),
    "any: data without a space": (
        [event.replace("data: ", "data:") for event in COMPLETE_STREAM],
        TOKENS,
        None,
        "",
    ),
    "any: CRLF": ([event.replace("\n", "\r\n") for event in COMPLETE_STREAM], TOKENS, None, ""),
    "any: the reason and text in one chunk": ([TOKEN_CHUNKS[0], chunk("b", "stop")], TOKENS, None, ""),
    "any: no reason but [DONE]": ([*TOKENS_WITHOUT_REASON, DONE], TOKENS, None, ""),
    "any: an empty reason, and [DONE]": ([chunk("a", ""), chunk("b", ""), DONE], TOKENS, None, ""),
    "any: an empty reason after a null": ([chunk("a"), chunk("b", ""), DONE], TOKENS, None, ""),
    "any: usage after a null reason": (
        [*TOKEN_CHUNKS, chunk(choices=[], usage={"total_tokens": 3}), DONE],
        TOKENS,
        StreamInterruptedError,
        NULL_REASON,
    ),
    "any: an empty reason": ([chunk("a", ""), chunk("b", "")], TOKENS, StreamInterruptedError, NO_MARKER),
    "any: a reason, then more text": ([chunk("a", "stop"), chunk("b", "stop"), DONE], TOKENS, None, ""),
    "any: choices are missing": ([*TOKEN_CHUNKS, data({"id": "1"}), *END], TOKENS, None, ""),
    "any: delta is missing or null": (
        [chunk(choices=[{}]), chunk(choices=[{"delta": None}]), *TOKEN_CHUNKS, *END],
        TOKENS,
        None,
        "",
    ),
    "any: an error after the reason": (
        [*TOKEN_CHUNKS, chunk(reason="stop"), data({"error": OUT_OF_MEMORY}), DONE],
        TOKENS,
        GenerationError,
        "out of memory",
    ),
    "any: [DONE] and nothing else": ([DONE], [], StreamInterruptedError, NO_EVENTS),
    "any: text of another type": (
        [TOKEN_CHUNKS[0], chunk(5)],
        ["a"],
        ResponseFormatError,
        "expected a string at 'content', received '{\"content\": 5}'",
    ),
    "any: choices of another type": (
        [TOKEN_CHUNKS[0], chunk(choices=[5])],
        ["a"],
        ResponseFormatError,
        "expected JSON objects in 'choices', received '5'",
    ),
    "any: a null message is not a complete one": (
        [chunk(choices=[{"delta": {"content": "a"}, "message": None}])],
        ["a"],
        StreamInterruptedError,
        NO_MARKER,
    ),
    "any: a text": (
        ["Bad Gateway"],
        [],
        ResponseFormatError,
        "expected server-sent events, received 'Bad Gateway'",
    ),
}


@pytest.mark.parametrize("framing", [{"transfer_encoding": "chunked"}, {"content_length": "?"}, {}], ids=str)
@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, framing: Any, play: Any) -> None:
    chunks, expected, kind, message = STREAMS[name]
    replay = play([exchange("POST", PATH, 200, tuple(chunks), content_type="text/event-stream", **framing)])
    tokens, error = ask_openai(replay.url + "/v1")
    assert tokens == expected
    assert error is None if kind is None else type(error) is kind and error.args == (message,)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_byte_by_byte(name: str, play: Any) -> None:
    chunks, expected, kind, _ = STREAMS[name]
    stream = "".join(chunks).encode()
    single_bytes = tuple(bytes([byte]) for byte in stream)
    replay = play([exchange("POST", PATH, 200, single_bytes, transfer_encoding="chunked")])
    tokens, error = ask_openai(replay.url + "/v1")
    assert (tokens, type(error)) == (expected, kind or type(None))


@pytest.mark.parametrize("ended", ["aborted", "complete"])
@pytest.mark.parametrize("end", [[chunk(reason="stop")], [*END]], ids=["finish_reason", "[DONE]"])
def test_a_connection_lost_after_the_marker(end: list[str], ended: str, play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (*TOKEN_CHUNKS, *end), ended, transfer_encoding="chunked")])
    assert ask_openai(replay.url + "/v1") == (TOKENS, None)


def test_a_connection_lost_before_the_marker(play: Any) -> None:
    chunks = (*TOKEN_CHUNKS, chunk(reason="stop")[:-9])
    tokens, error = ask_openai(
        play([exchange("POST", PATH, 200, chunks, "aborted", content_length="9999")]).url + "/v1"
    )
    assert tokens == TOKENS and type(error) is StreamInterruptedError


def test_a_token_is_yielded_as_soon_as_its_event_is_complete(play: Any) -> None:
    is_received = threading.Event()
    chunks = (TOKEN_CHUNKS[0], lambda: is_received.wait(9), TOKEN_CHUNKS[1], *END)
    replay = play([exchange("POST", PATH, 200, chunks, transfer_encoding="chunked")])
    tokens = OpenAI._create_completion("tiny", HELLO, True, base_url=replay.url + "/v1")
    assert next(tokens) == "a"
    is_received.set()
    assert list(tokens) == ["b"]


def test_completions_share_a_connection(play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, COMPLETE_STREAM, transfer_encoding="chunked") for _ in range(3)])
    for _ in range(3):
        assert ask_openai(replay.url + "/v1") == (TOKENS, None)
    assert (len(replay.sent), replay.connections) == (3, 1)


def test_an_error_that_is_overcome_is_freed_at_once(play: Any) -> None:
    refusal = exchange("POST", "/chat/completions", 404, content_length="0")
    replay = play([refusal, exchange("POST", PATH, 200, COMPLETE_STREAM)])
    gc.collect()
    gc.disable()  # only the collector frees reference cycles
    try:
        errors_before = count_errors()
        assert ask_openai(replay.url) == (TOKENS, None)
        assert count_errors() == errors_before
    finally:
        gc.enable()


def count_errors() -> int:
    return sum(issubclass(type(item), ProviderError) for item in gc.get_objects())


@pytest.mark.parametrize("reason", [{"a": 1}, ["stop"], 5, True], ids=str)
def test_a_reason_of_another_type(reason: Any, play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (*TOKEN_CHUNKS, chunk(reason=reason), DONE))])
    tokens, error = ask_openai(replay.url + "/v1")
    assert tokens == TOKENS and type(error) is ResponseFormatError


@pytest.mark.parametrize("usage", [None, [1], "much"], ids=str)
def test_usage_of_another_type_is_ignored(usage: Any, play: Any) -> None:
    replay = play([exchange("POST", PATH, 200, (*TOKEN_CHUNKS, chunk(usage=usage, reason="stop"), DONE))])
    stream = TokenStream(OpenAI._create_completion("tiny", HELLO, True, base_url=replay.url + "/v1"))
    assert list(stream) == TOKENS and stream.finish == Finish("stop")
