"""What Open-Assistant's servers need: messages that are looked up, text with U+FFFD, and chats that are hidden."""

import itertools
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from completions import HELLO, OPEN_ASSISTANT_STEPS, ask_open_assistant
from test_OpenAssistant_message import event, exchanges_with, message_event, token_event

from g4f_legacy.concurrency.worker import StreamWorker
from g4f_legacy.errors import (
    GenerationError,
    Hint,
    ProviderError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.protocols.open_assistant_text import match_content
from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.transport.body import ByteStream
from g4f_legacy.transport.client import ServerClient

LOOK_UP = "GET /api/chat/message/…"
DELETE = OPEN_ASSISTANT_STEPS[-1]
HIDE = "PUT /api/chat"
PENDING = event(event_type="pending", queue_position=1, queue_size=1)
PING = ": ping - 2026-11-21 08:36:38\r\n\r\n"
WAITS = {"state": "pending", "content": None}
RUNS = {"state": "in_progress", "content": None}


def begin(url: str, stream: bool = True, **options: Any) -> Any:
    return OpenAssistant._create_completion("", HELLO, stream, base_url=url, auth="session-token", **options)


class TestText:
    """What the worker's tokens and the message were seen to be, and what else may differ."""

    # The tokens; the content; what is yielded.
    AGREEING: list[tuple[list[str], str, list[str]]] = [
        (["Hello", " ", "\ufffd", "\ufffd", "\ufffd", "!"], "Hello 😀!", ["Hello", " ", "😀!"]),
        (["Hello \ufffd\ufffd\ufffd! 안\ufffd"], "Hello 😀! 안녕", ["Hello ", "😀! 안녕"]),
        (["\ufffd", "a"], "é a", ["é a"]),
        (["a", "\ufffd"], "a", ["a"]),
        (["a", "\ufffd", " \n"], "a😀", ["a", "😀"]),
        ([" a", "\ufffd", "b"], "a😀b and more", [" a", "😀b and more"]),
        (["a", "\ufffd", "b"], "a\ufffdb", ["a", "\ufffdb"]),
    ]
    DIFFERENT: list[tuple[list[str], str]] = [
        (["a", "\ufffd", "c", "b"], "a😀b"),
        (["a", "\ufffd", "b", "\ufffd", "c"], "acb"),
        (["a", "\ufffd"], "b"),
        (["x\ufffd"], "\n y"),
    ]

    @pytest.mark.parametrize("tokens, content, expected", AGREEING)
    @pytest.mark.parametrize("is_event", [True, False])
    def test_the_content_is_the_text(
        self, tokens: list[str], content: str, expected: list[str], is_event: bool, play: Any
    ) -> None:
        events = [*map(token_event, tokens), *([message_event(content)] if is_event else [])]
        assert ask_open_assistant(play(exchanges_with(events, [content])).url) == (expected, None)
        assert ask_open_assistant(play(exchanges_with(events, [content])).url, False) == ([content], None)

    def test_joined_text_is_what_the_server_stripped(self, play: Any) -> None:
        events = [token_event(" Hello \n"), message_event("Hello")]
        assert ask_open_assistant(play(exchanges_with(events, [])).url, False) == (["Hello"], None)

    @pytest.mark.parametrize("tokens, content", DIFFERENT)
    @pytest.mark.parametrize("stream", [True, False])
    def test_another_difference(self, tokens: list[str], content: str, stream: bool, play: Any) -> None:
        events = [*map(token_event, tokens), message_event(content)]
        received, error = ask_open_assistant(play(exchanges_with(events, [])).url, stream)
        assert type(error) is StreamInterruptedError and error.partial == content
        assert "".join(received) == ("".join(tokens) if stream else "")

    @pytest.mark.parametrize("stream", [True, False])
    def test_held_text_is_not_lost(self, stream: bool, play: Any) -> None:
        failure = event(event_type="error", error="CUDA out of memory")
        events = [*map(token_event, ["Hello", " \ufffd", "\ufffd", "!"]), failure]
        tokens, error = ask_open_assistant(play(exchanges_with(events, [])).url, stream)
        assert type(error) is GenerationError
        expected = ["Hello", " ", "\ufffd\ufffd!"]
        assert (tokens, error.partial) == ((expected, "") if stream else ([], "".join(expected)))

    def test_nothing_is_yielded_after_an_early_exit(self, play: Any) -> None:
        replay = play(exchanges_with([token_event("a\ufffd"), token_event("b")], [RUNS] * 9))
        tokens = begin(replay.url)
        assert next(tokens) == "a"
        tokens.close()  # raises RuntimeError if there is another token
        assert replay.steps[-1] == HIDE

    def test_all_short_texts(self) -> None:
        texts = ["".join(letters) for length in range(5) for letters in itertools.product("ab\ufffd", repeat=length)]
        contents = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]
        outcomes = {True: 0, False: 0}
        for text, content in itertools.product(texts, contents):
            received, gap, held = text.partition("\ufffd")
            agrees = re.match(".*".join(text.split("\ufffd")), content) is not None
            outcomes[agrees] += 1
            if agrees:
                assert received + match_content(content, received, gap + held) == content
            else:
                with pytest.raises(StreamInterruptedError):
                    match_content(content, received, gap + held)
        assert min(outcomes.values()) > 500

    @pytest.mark.parametrize(
        "held, content, agrees",
        [
            ("\ufffd" * 10**6, "é" * 10**6, True),
            ("\ufffda" * 10**6, "éa" * 10**6, True),
            ("\ufffda" * 10**6 + "b", "a" * 10**6, False),
            (("\ufffd" + "a" * 999) * 1000 + "b", "a" * 10**6, False),
            ("\ufffd" + "a" * 10**6 + "b", ("a" * 999 + "b") * 2000, False),
        ],
    )
    def test_long_texts_take_linear_time(self, held: str, content: str, agrees: bool) -> None:
        start = time.monotonic()
        try:
            assert match_content(content, "", held) == content and agrees
        except StreamInterruptedError:
            assert not agrees
        assert time.monotonic() - start < 3  # a second is enough on a slow machine; quadratic time takes hours


def slowly(chunk: str, seconds: float = 3.0) -> Iterator[Any]:
    """Yield a chunk every 20 ms."""
    for _ in range(int(seconds / 0.02)):
        yield lambda: time.sleep(0.02)
        yield chunk


class TestLookUps:
    """A message is looked up while the stream stays open, because some ends have no event."""

    @pytest.mark.parametrize("chunk", [PENDING, PING], ids=["pending", "ping"])
    @pytest.mark.parametrize("state", ["cancelled", "timeout", "aborted_by_worker", "new"])
    def test_a_failure_without_an_event(self, state: str, chunk: str, play: Any) -> None:
        replay = play(exchanges_with([PENDING, *slowly(chunk)], [WAITS, {"state": state, "content": None}]))
        start = time.monotonic()
        tokens, error = ask_open_assistant(replay.url, timeout=(5, 0.2))
        assert tokens == [] and type(error) is GenerationError and 0.3 < time.monotonic() - start < 2
        assert error.args[0].startswith(f"the message ended as {state!r}: ")
        must_keep = state in ("cancelled", "new")  # a cancelled message stays in the server's queue
        assert replay.steps[4:] == [LOOK_UP, LOOK_UP, HIDE if must_keep else DELETE]

    def test_a_complete_message(self, play: Any) -> None:
        replay = play(exchanges_with([token_event("Hel"), *slowly(PING)], ["Hello"]))
        start = time.monotonic()
        assert ask_open_assistant(replay.url, timeout=(5, 0.2)) == (["Hel", "lo"], None)
        assert time.monotonic() - start < 2 and replay.steps[4:] == [LOOK_UP, DELETE]

    def test_once_every_read_timeout(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        events = [PENDING, *slowly(PENDING, 0.9), token_event("Hello"), message_event("Hello")]
        replay = play(exchanges_with(events, [WAITS] * 9))
        assert ask_open_assistant(replay.url, timeout=(5, 0.25)) == (["Hello"], None)
        assert replay.steps.count(LOOK_UP) in (2, 3)
        [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert re.fullmatch(
            r"OpenAssistant: pending for 0\.\d+ seconds\. No worker has taken the message: "
            r"all are busy, or none is connected to the inference server for this model\.",
            warning,
        )

    def test_not_while_tokens_arrive(self, play: Any) -> None:
        slow = [part for _ in range(40) for part in (lambda: time.sleep(0.03), token_event("a"))]
        replay = play(exchanges_with([*slow, message_event("a" * 40)], []))
        assert ask_open_assistant(replay.url, timeout=(5, 0.6)) == (["a"] * 40, None)
        assert LOOK_UP not in replay.steps

    def test_also_while_the_queue_advances(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        positions = [event(event_type="pending", queue_position=place, queue_size=40) for place in range(40, 0, -1)]
        slow = [part for position in positions for part in (lambda: time.sleep(0.03), position)]
        replay = play(exchanges_with([*slow, token_event("a"), message_event("a")], [WAITS] * 9))
        assert ask_open_assistant(replay.url, timeout=(5, 0.4)) == (["a"], None)
        assert LOOK_UP in replay.steps
        assert not [record for record in caplog.records if record.levelno == logging.WARNING]

    @pytest.mark.parametrize("messages", [[], [{}] * 9, [{"message": "Something went wrong"}] * 9])
    def test_a_failing_look_up_changes_nothing(self, messages: list[Any], play: Any) -> None:
        events = [*slowly(PING, 0.5), token_event("Hello"), message_event("Hello")]
        replay = play(exchanges_with(events, messages))
        assert ask_open_assistant(replay.url, timeout=(5, 0.2)) == (["Hello"], None)
        assert LOOK_UP in replay.steps

    def test_an_error_of_the_stream_names_the_stream(self, play: Any) -> None:
        replay = play(exchanges_with([*slowly(PING, 0.5), event(event_type="error", error="CUDA")], [RUNS] * 9))
        _, error = ask_open_assistant(replay.url, timeout=(5, 0.2))
        assert error and error.url == f"{replay.url}/api/chat/events" and LOOK_UP in replay.steps

    @pytest.mark.parametrize("sends_nothing", [True, False])
    def test_no_worker(
        self, sends_nothing: bool, play: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("g4f_legacy.transport.client.PROGRESS_TIMEOUT_FACTOR", 2)
        chunks = [PENDING, lambda: time.sleep(1.5)] if sends_nothing else [PENDING, *slowly(PENDING, 1.5)]
        replay = play(exchanges_with(chunks, [WAITS] * 9))
        _, error = ask_open_assistant(replay.url, timeout=(5, 0.3))
        assert type(error) is StreamInterruptedError and error.hint is Hint.NO_WORKER
        waited = re.search(r"; the message is still pending after (\d+\.?\d*) seconds$", error.args[0])
        assert waited and 0.6 <= float(waited[1]) < 5
        assert len([message for message in caplog.messages if "No worker has taken the message" in message]) == 1
        assert replay.steps[-1] == HIDE

    def test_a_message_in_progress_has_its_worker(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        _, error = ask_open_assistant(play(exchanges_with([], [RUNS] * 9)).url, timeout=(5, 0.3))
        assert type(error) is StreamInterruptedError and error.hint is Hint.TRUNCATED
        assert not any("worker" in message for message in caplog.messages)

    def test_a_stream_can_be_interrupted_after_a_look_up(self, play: Any) -> None:
        chunks = [*[PENDING, lambda: time.sleep(0.4)] * 3, PENDING, lambda: time.sleep(2)]
        replay = play(exchanges_with(chunks, [WAITS] * 9))
        worker = StreamWorker(begin(replay.url, timeout=(5, 0.6)))
        worker.next()
        while LOOK_UP not in replay.steps:
            time.sleep(0.01)
        time.sleep(0.05)  # until the stream is read again
        start = time.monotonic()
        worker.stop().result(5)
        assert time.monotonic() - start < 0.4
        assert replay.steps[4:] == [LOOK_UP, HIDE]


def respond(
    exchanges: list[dict[str, Any]], number: int, status: int, *chunks: str, ended: str = "complete"
) -> list[dict[str, Any]]:
    """Replace one of the responses."""
    headers = [["Content-Length", "9"]]
    exchanges[number]["response"].update(status=status, chunks=list(chunks), headers=headers, ended=ended)
    return exchanges


class TestRefusals:
    @pytest.mark.parametrize("number", [0, 1, 2])
    @pytest.mark.parametrize("message", ['"Too long"', '[{"loc": ["body"], "msg": "Too long"}]'])
    def test_a_refusal_with_status_200(self, message: str, number: int, play: Any) -> None:
        replay = play(respond(exchanges_with([], []), number, 200, f'{{"message": {message}}}'))
        tokens, error = ask_open_assistant(replay.url)
        assert tokens == [] and type(error) is RequestFailedError
        assert (error.status, error.detail) == (200, "body: Too long" if "loc" in message else "Too long")
        assert error.args == (f"the server refused: {error.detail}",)
        assert len(replay.steps) == number + 1 + (number > 0) and (number == 0 or replay.steps[-1] == DELETE)

    def test_a_refusal_in_the_place_of_a_state(self, play: Any) -> None:
        replay = play(exchanges_with([token_event("a")], [{"message": "Message not found"}]))
        tokens, error = ask_open_assistant(replay.url)
        assert tokens == ["a"] and type(error) is StreamInterruptedError
        assert error.args[0].endswith("; looking up the message failed: Message not found")
        cause = error.__cause__
        assert type(cause) is RequestFailedError and (cause.status, cause.detail) == (200, "Message not found")

    @pytest.mark.parametrize("number", [1, 2])
    def test_the_rate_limit(self, number: int, play: Any) -> None:
        replay = play(respond(exchanges_with([], []), number, 500, '{"message": "Something went wrong"}'))
        _, error = ask_open_assistant(replay.url, retries=0)
        assert type(error) is RequestFailedError and error.hint is Hint.POSSIBLE_RATE_LIMIT and error.model is None
        assert "more than 20 messages within 10 minutes" in str(error)

    def test_no_id(self, play: Any) -> None:
        _, error = ask_open_assistant(play(respond(exchanges_with([], []), 1, 200, '{"message": {}}')).url)
        assert type(error) is ResponseFormatError and error.args[0].startswith("expected a string at 'id'")


REFUSED = '{"message": "No"}'

# The exchanges, and the clean-up: deleting is wrong while a message may be pending or in progress.
CLEAN_UPS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "question refused": (respond(exchanges_with([], []), 1, 500, REFUSED), DELETE),
    "question lost": (respond(exchanges_with([], []), 1, 200, ended="aborted"), DELETE),
    "message refused": (respond(exchanges_with([], []), 2, 422, REFUSED), DELETE),
    "message refused with 200": (respond(exchanges_with([], []), 2, 200, REFUSED), DELETE),
    "message without an id": (respond(exchanges_with([], []), 2, 200, "{}"), HIDE),
    "message behind a gateway": (respond(exchanges_with([], []), 2, 504), HIDE),
    "message lost": (respond(exchanges_with([], []), 2, 200, ended="aborted"), HIDE),
    "events lost": (exchanges_with([token_event("a")], []), HIDE),
    "in progress": (exchanges_with([token_event("a")], [RUNS] * 9), HIDE),
    "pending": (exchanges_with([], [WAITS] * 9), HIDE),
    "complete event": (exchanges_with([token_event("a"), message_event("a")], []), DELETE),
    "complete": (exchanges_with([token_event("a")], ["a"]), DELETE),
    "different": (exchanges_with([token_event("a"), message_event("b")], []), DELETE),
    "failed event": (exchanges_with([event(event_type="error", error="x")], []), DELETE),
    "failed": (exchanges_with([], [{"state": "timeout"}]), DELETE),
}


@pytest.mark.parametrize("exchanges, clean_up", CLEAN_UPS.values(), ids=CLEAN_UPS)
def test_clean_up(exchanges: list[dict[str, Any]], clean_up: str, play: Any) -> None:
    replay = play(exchanges)
    ask_open_assistant(replay.url, retries=0, timeout=(5, 0.3))
    assert replay.steps[-1] == clean_up
    assert len([step for step in replay.steps if step in (DELETE, HIDE)]) == 1
    if clean_up == HIDE:
        assert replay.sent[-1].json == {"chat_id": replay.sent[1].json["chat_id"], "hidden": True}


@pytest.mark.parametrize("count, clean_up", [(1, HIDE), (2, DELETE)])
def test_an_early_exit(count: int, clean_up: str, play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel"), message_event("Hello")], []))
    tokens = begin(replay.url)
    for _ in range(count):
        next(tokens)
    tokens.close()
    assert replay.steps == [*OPEN_ASSISTANT_STEPS[:-1], clean_up]


def test_the_stream_is_closed_before_the_clean_up(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    close = ByteStream.close
    monkeypatch.setattr(ByteStream, "close", lambda stream: calls.append("close") or close(stream))
    monkeypatch.setattr(ServerClient, "send_quietly", lambda server, method, *_, **__: calls.append(method))
    tokens = begin(play(exchanges_with([token_event("a")], [])).url)
    next(tokens)
    with pytest.raises(ProviderError, match="thrown"):
        tokens.throw(ProviderError("thrown"))  # its traceback keeps the generators alive
    assert calls == ["close", "PUT"]
