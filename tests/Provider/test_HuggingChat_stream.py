"""How HuggingChat reads the lines of a stream, and how streams end."""

import threading
import time
from typing import Any

import pytest
from chat_ui_lines import exchanges_with, final_line, line, token_line
from completions import HELLO, HUGGING_CHAT_STEPS, ask_hugging_chat
from replay import exchange

from g4f_legacy.errors import GenerationError, RateLimitError, ResponseFormatError, StreamInterruptedError
from g4f_legacy.Provider import HuggingChat

STOPPED_STEPS = [*HUGGING_CHAT_STEPS[:2], "POST /conversation/…/stop-generating", HUGGING_CHAT_STEPS[2]]

KEEP_ALIVE = line(type="status", status="keepAlive")
FAILED = line(type="status", status="error", message="out of memory")
FINISHED = " " * 4096 + line(type="status", status="finished")

# The lines, the tokens, and the error's class.
STREAMS: dict[str, tuple[list[str], list[str], Any]] = {
    "padding": ([token_line("a\0b"), token_line(" "), token_line(""), final_line("a\0b ")], ["a\0b", " "], None),
    "no tokens": ([final_line("ab"), FINISHED], ["ab"], None),
    "tokens for half of the text": ([token_line("a"), final_line("abc"), FINISHED], ["a", "bc"], None),
    "several tokens": ([token_line("a"), token_line("b"), final_line("abc")], ["a", "b", "c"], None),
    "a stripped final text": ([token_line(" a"), token_line("b\n"), final_line("ab")], [" a", "b\n"], None),
    "a tool": (
        [token_line("Let me see."), line(type="tool"), token_line("4"), final_line("4")],
        ["Let me see.", "4"],
        None,
    ),
    "a tool, and a final text with more": (
        [token_line("Let me see."), line(type="tool", error="no web"), token_line("It is"), final_line("It is 4.")],
        ["Let me see.", "It is", " 4."],
        None,
    ),
    "a tool, and a final text with what preceded it": (
        [token_line("Let me see."), line(type="tool"), token_line(" It is"), final_line("Let me see. It is 4.")],
        ["Let me see.", " It is", " 4."],
        None,
    ),
    "a tool, and no tokens after it": (
        [token_line("Let me see."), line(type="tool"), final_line("It is 4.")],
        ["Let me see.", "\n\nIt is 4."],
        None,
    ),
    "another final text": ([token_line("a"), final_line("b")], ["a"], None),
    "a final text with the end of the tokens": (
        [token_line("a"), token_line("b"), final_line("b")],
        ["a", "b"],
        None,
    ),
    "a final text with the end of several tokens": (
        [token_line("I"), token_line(" am"), token_line(" it"), final_line("am it")],
        ["I", " am", " it"],
        None,
    ),
    "an empty final text, then an error": ([final_line(""), FAILED], [], GenerationError),
    "other lines": (
        [
            line(type="title", title="x"),
            line(type="reasoning", token="hm"),
            line(new=5),
            token_line("a"),
            final_line("a"),
        ],
        ["a"],
        None,
    ),
    "an error, then the prompt": ([FAILED, final_line("hello")], [], GenerationError),
    "an error after tokens": ([token_line("a"), FAILED, final_line("a")], ["a"], GenerationError),
    "an error without a message": ([line(type="status", status="error")], [], GenerationError),
    "too many requests": ([line(type="status", status="error", message="x", statusCode=429)], [], RateLimitError),
    "an error without a type": ([token_line("a"), line(error="no")], ["a"], GenerationError),
    "interrupted": ([token_line("a"), final_line("a").replace("false", "true")], ["a"], StreamInterruptedError),
    "complete and empty": ([final_line("")], [], None),
    "no marker": ([token_line("a"), FINISHED], ["a"], StreamInterruptedError),
    "no lines": ([], [], StreamInterruptedError),
    "only keep-alives": ([KEEP_ALIVE] * 2, [], StreamInterruptedError),
    "a truncated line": ([token_line("a"), '{"type":"fin'], ["a"], StreamInterruptedError),
    "a last line without an end": ([token_line("a"), final_line("ab").strip()], ["a", "b"], None),
    "not JSON": ([token_line("a"), "nonsense\n", final_line("a")], ["a"], ResponseFormatError),
    "not an object": ([token_line("a"), "5\n", final_line("a")], ["a"], ResponseFormatError),
    "a token that is not a string": ([line(type="stream", token=5), final_line("a")], [], ResponseFormatError),
    "a final text that is null": ([line(type="finalAnswer", text=None)], [], ResponseFormatError),
}


@pytest.mark.parametrize("framing", [{"transfer_encoding": "chunked"}, {"content_length": "?"}, {"x": "y"}], ids=str)
@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, framing: Any, play: Any) -> None:
    chunks, expected, kind = STREAMS[name]
    replay = play(exchanges_with(*chunks, **framing))
    tokens, error = ask_hugging_chat(replay.url)
    assert [token for token in tokens if token] == expected
    assert type(error) is (kind or type(None))
    assert replay.steps == (STOPPED_STEPS if kind is ResponseFormatError else HUGGING_CHAT_STEPS)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_byte_by_byte(name: str, play: Any) -> None:
    chunks, expected, kind = STREAMS[name]
    tokens, error = ask_hugging_chat(play(exchanges_with(*(bytes([byte]) for byte in "".join(chunks).encode()))).url)
    assert [token for token in tokens if token] == expected
    assert type(error) is (kind or type(None))


def test_a_stream_without_an_event_says_so(play: Any) -> None:
    _, error = ask_hugging_chat(play(exchanges_with(KEEP_ALIVE)).url)
    assert error is not None
    assert error.args == ("the server sent no events; it may have failed, or the prompt may be too long",)


@pytest.mark.parametrize(
    "chunks, kind", [([token_line("a")], StreamInterruptedError), ([token_line("a"), final_line("a")], None)]
)
def test_a_lost_connection(chunks: list[str], kind: Any, play: Any) -> None:
    tokens, error = ask_hugging_chat(play(exchanges_with(*chunks, ended="aborted")).url)
    assert tokens == ["a"] and type(error) is (kind or type(None))


def test_a_server_that_does_not_close_the_stream(play: Any) -> None:
    finished = threading.Event()
    replay = play(exchanges_with(token_line("a"), final_line("ab"), lambda: finished.wait(9)))
    assert ask_hugging_chat(replay.url, timeout=5) == (["a", "b"], None)
    finished.set()
    assert replay.steps == HUGGING_CHAT_STEPS


class TestProgress:
    def test_keep_alives_are_not_progress(self, play: Any) -> None:
        exchanges = exchanges_with(token_line("a"), *[KEEP_ALIVE, lambda: time.sleep(0.02)] * 100)
        path = exchanges[1]["request"]["path"]
        replay = play([*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")])
        tokens, error = ask_hugging_chat(replay.url, timeout=(5, 0.4))
        assert tokens == ["a"] and type(error) is StreamInterruptedError
        assert error.args == ("no event was received for 0.4 seconds",)
        assert replay.steps == STOPPED_STEPS

    def test_other_lines_are_progress(self, play: Any) -> None:
        pause = [lambda: time.sleep(0.2), KEEP_ALIVE, line(type="title"), KEEP_ALIVE]
        replay = play(exchanges_with(token_line("a"), *pause * 4, final_line("a")))
        assert ask_hugging_chat(replay.url, timeout=(5, 0.5)) == (["a"], None)

    def test_a_slow_reader_does_not_expire_the_timeout(self, play: Any) -> None:
        replay = play(exchanges_with(token_line("a"), *[KEEP_ALIVE] * 9, token_line("b"), final_line("ab")))
        tokens = HuggingChat._create_completion("x", HELLO, True, base_url=replay.url, timeout=(5, 0.2))
        assert next(tokens) == "a"
        time.sleep(0.4)
        assert list(tokens) == ["b"]
