"""Open-Assistant keeps the message, so that text that the events lack is fetched from there."""

import json
import logging
import re
from typing import Any

import pytest
from completions import OPEN_ASSISTANT_STEPS, ask_open_assistant
from replay import load

from g4f_legacy.errors import GenerationError, Hint, RequestFailedError, ResponseFormatError, StreamInterruptedError

STEPS_WITH_MESSAGE = [*OPEN_ASSISTANT_STEPS[:4], "GET /api/chat/message/…", OPEN_ASSISTANT_STEPS[4]]


def exchanges_with(events: list[str], messages: list[Any], ended: str = "complete") -> list[dict[str, Any]]:
    """Return the exchanges of a completion.

    Args:
        events: the chunks of the stream.
        messages: the responses to each request for the message: the content, or the payload.
        ended: how the stream ends.
    """
    exchanges = load("open_assistant/already_finished")
    del exchanges[4]
    exchanges[3]["response"].update(chunks=events, ended=ended)
    message = exchanges.pop(4)
    for content in messages:
        payload = {"state": "complete", "content": content} if isinstance(content, str) else content
        exchanges.append({**message, "response": {**message["response"], "chunks": [json.dumps(payload)]}})
    return exchanges


def event(**fields: Any) -> str:
    return f"data: {json.dumps(fields)}\r\n\r\n"


def token_event(text: str) -> str:
    return event(event_type="token", text=text)


def message_event(content: Any) -> str:
    return event(event_type="message", message={"content": content})


@pytest.mark.parametrize("ended", ["complete", "aborted"])
def test_a_truncated_stream(ended: str, play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel")], ["Hello"], ended))
    assert ask_open_assistant(replay.url) == (["Hel", "lo"], None)
    assert replay.steps == STEPS_WITH_MESSAGE


def test_a_truncated_stream_with_all_tokens(play: Any) -> None:
    replay = play(exchanges_with([token_event("Hello")], ["Hello"]))
    assert ask_open_assistant(replay.url) == (["Hello"], None)


def test_a_stream_truncated_within_an_event(play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel"), token_event("lo")[:-9]], ["Hello"]))
    assert ask_open_assistant(replay.url) == (["Hel", "lo"], None)


def test_the_message_event_has_more_text_than_the_tokens(play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel"), message_event("Hello")], []))
    assert ask_open_assistant(replay.url) == (["Hel", "lo"], None)
    assert replay.steps == OPEN_ASSISTANT_STEPS


@pytest.mark.parametrize(
    "token, content, rest",
    [(" Hello", "Hello", []), ("Hello \n", "Hello", []), (" Hello", "Hello!", ["!"]), ("", "", [])],
)
def test_servers_may_strip_the_message(token: str, content: str, rest: list[str], play: Any) -> None:
    replay = play(exchanges_with([token_event(token), message_event(content)], []))
    assert ask_open_assistant(replay.url) == ([token, *rest], None)


def test_tokens_that_are_not_the_beginning_of_the_message(play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel"), token_event("!"), message_event("Hello!")], []))
    tokens, error = ask_open_assistant(replay.url)
    assert tokens == ["Hel", "!"] and type(error) is StreamInterruptedError
    assert error.args == ("the tokens received are not the beginning of the server's complete text",)
    assert error.partial == "Hello!"


def test_a_pending_message_is_fetched_again(play: Any) -> None:
    states = [{"state": "pending", "content": None}, {"state": "in_progress", "content": None}]
    replay = play(exchanges_with([], [*states, "Hello"]))
    assert ask_open_assistant(replay.url) == (["Hello"], None)
    assert replay.steps.count("GET /api/chat/message/…") == 3


def test_a_pending_message_is_fetched_until_the_read_timeout(play: Any) -> None:
    replay = play(exchanges_with([], [{"state": "pending", "content": None}] * 9))
    tokens, error = ask_open_assistant(replay.url, timeout=(5, 0.6))
    assert tokens == [] and type(error) is StreamInterruptedError
    assert re.fullmatch(
        r"the server sent no events; .*; the message is still pending after \d(\.\d+)? seconds", error.args[0]
    )
    assert error.hint is Hint.NO_WORKER
    assert replay.steps[-1] == "PUT /api/chat"


@pytest.mark.parametrize("is_event", [True, False])
@pytest.mark.parametrize(
    "state, explanation, hint",
    [
        ("aborted_by_worker", "the worker failed, and its log has the cause", None),
        (
            "cancelled",
            "the server keeps one waiting message for each login, and the login's next message cancels it",
            Hint.ONE_MESSAGE_PER_LOGIN,
        ),
        ("timeout", "no worker began it in time, or the one that did was lost; ask again", None),
        ("new", "which this protocol does not have; the server's log may explain it", None),
    ],
)
def test_a_message_that_failed(state: str, explanation: str, hint: Any, is_event: bool, play: Any) -> None:
    message = {"state": state, "content": None}
    last_event = [event(event_type="message", message=message)] if is_event else []
    replay = play(exchanges_with([token_event("Hel"), *last_event], [message]))
    tokens, error = ask_open_assistant(replay.url)
    assert tokens == ["Hel"] and type(error) is GenerationError
    assert error.args == (f"the message ended as {state!r}: {explanation}",) and error.hint is hint
    last_step = "PUT /api/chat" if state in ("cancelled", "new") else "DELETE /api/chat/…"
    assert replay.steps == [*(OPEN_ASSISTANT_STEPS if is_event else STEPS_WITH_MESSAGE)[:-1], last_step]


def test_a_message_that_is_reported_before_its_end(play: Any) -> None:
    early = event(event_type="message", message={"state": "in_progress", "content": ""})
    replay = play(exchanges_with([token_event("Hel"), early], ["Hello"]))
    assert ask_open_assistant(replay.url) == (["Hel", "lo"], None)


@pytest.mark.parametrize("text", ["", " "])
def test_a_message_without_text_is_logged(text: str, play: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, error = ask_open_assistant(play(exchanges_with([message_event(text)], [])).url)
    assert error is None and "OpenAssistant: the completion has no text" in caplog.messages


def test_a_refusal_in_the_place_of_the_events(play: Any) -> None:
    refusal = ['{"message": "Chat is disabled"}']
    _, error = ask_open_assistant(play(exchanges_with(refusal, [{"state": "pending"}] * 9)).url, timeout=(5, 0.3))
    assert error is not None and error.args[0].startswith("the server refused: Chat is disabled; the message is still")
    _, error = ask_open_assistant(play(exchanges_with(refusal, [])).url)
    assert type(error) is RequestFailedError and (error.status, error.detail) == (200, "Chat is disabled")


def test_a_failing_look_up_after_another_is_overcome(play: Any) -> None:
    exchanges = exchanges_with([token_event("Hel")], [{"state": "in_progress"}, {}, "Hello"])
    exchanges[-2]["response"].update(status=500)
    assert ask_open_assistant(play(exchanges).url) == (["Hel", "lo"], None)


def test_the_request_for_the_answer_is_sent_once(play: Any) -> None:
    exchanges = exchanges_with([], [])
    exchanges[2]["response"]["status"] = 503
    replay = play(exchanges)
    _, error = ask_open_assistant(replay.url, retries=2)
    assert error is not None and error.status == 503
    assert replay.steps == [*OPEN_ASSISTANT_STEPS[:3], "PUT /api/chat"]


@pytest.mark.parametrize(
    "messages, ended, message, kind",
    [
        (
            [],
            "aborted",
            "the connection was lost: Connection reset by peer; looking up the message failed: 599 Not Recorded",
            RequestFailedError,
        ),
        (
            [{}],
            "complete",
            "the stream ended without an end-of-stream marker; looking up the message failed: expected",
            ResponseFormatError,
        ),
    ],
)
def test_a_message_that_cannot_be_fetched(messages: list[Any], ended: str, message: str, kind: Any, play: Any) -> None:
    replay = play(exchanges_with([token_event("Hel")], messages, ended))
    tokens, error = ask_open_assistant(replay.url)
    assert tokens == ["Hel"] and type(error) is StreamInterruptedError
    assert error.args[0].startswith(message)
    assert type(error.__cause__) is kind


@pytest.mark.parametrize("status", [0, 502])
def test_events_are_requested_once(status: int, play: Any) -> None:
    exchanges = exchanges_with([], ["Hello"])
    exchanges[3]["response"]["status"] = status
    replay = play(exchanges)
    assert ask_open_assistant(replay.url, retries=2) == (["Hello"], None)
    requests = 2 if status == 0 else 1  # the first one may only have met a stale connection
    assert replay.steps == [*STEPS_WITH_MESSAGE[:3], *STEPS_WITH_MESSAGE[3:4] * requests, *STEPS_WITH_MESSAGE[4:]]


def test_a_page_instead_of_events(play: Any) -> None:
    exchanges = exchanges_with(["<html>"], ["Hello"])
    exchanges[3]["response"]["headers"].append(["content-type", "text/html"])
    assert ask_open_assistant(play(exchanges).url) == (["Hello"], None)


@pytest.mark.parametrize(
    "chunk",
    [
        '{"error": "no events"}',
        "data: [DONE]\r\n\r\n",
        event(event_type="pending", queue_position=1, queue_size=1) + "data: [DONE]\r\n\r\n",
        event(event_type="message", message={"content": "Hello", "state": 5}),
    ],
)
def test_a_stream_of_another_protocol(chunk: str, play: Any) -> None:
    replay = play(exchanges_with([chunk], ["Hello"]))
    assert ask_open_assistant(replay.url) == (["Hello"], None)
    assert replay.steps == STEPS_WITH_MESSAGE


def test_unknown_events_are_skipped(play: Any) -> None:
    events = [event(event_type=kind) for kind in ("plugin_intermediate", "safe_prompt", "new", None)]
    replay = play(exchanges_with([": ping - now\r\n\r\n", *events, message_event("Hello")], []))
    assert ask_open_assistant(replay.url) == (["Hello"], None)


def test_an_error_of_a_plugin_is_skipped(play: Any) -> None:
    events = [event(event_type="plugin_intermediate", error="no web"), message_event("Hello")]
    assert ask_open_assistant(play(exchanges_with(events, [])).url) == (["Hello"], None)


@pytest.mark.parametrize(
    "position, size, is_logged", [(10**4000, 1, True), ("1", 1, False)], ids=["long", "not a number"]
)
def test_the_log_of_the_queue(
    position: Any, size: Any, is_logged: bool, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "g4f_legacy")
    pending = event(event_type="pending", queue_position=position, queue_size=size)
    assert ask_open_assistant(play(exchanges_with([pending, message_event("Hello")], [])).url) == (["Hello"], None)
    assert bool(caplog.messages) == is_logged
    assert all(len(message) < 100 for message in caplog.messages)


@pytest.mark.parametrize(
    "fields, kind, message",
    [
        ({"event_type": "error", "error": "", "message": ["a", {"msg": "b"}]}, GenerationError, "a; b"),
        ({"event_type": "error"}, GenerationError, 'an error without a message: \'{"event_type": "error"}\''),
        ({"event_type": "token", "text": 5}, ResponseFormatError, None),
        ({"event_type": "message", "message": {"content": None}}, ResponseFormatError, None),
    ],
)
def test_malformed_events(fields: dict[str, Any], kind: Any, message: str | None, play: Any) -> None:
    replay = play(exchanges_with([event(**fields)], []))
    tokens, error = ask_open_assistant(replay.url)
    assert tokens == [] and type(error) is kind
    assert message is None or error.args == (message,)
    steps = OPEN_ASSISTANT_STEPS if kind is GenerationError else STEPS_WITH_MESSAGE
    is_end = fields["event_type"] != "token"
    assert replay.steps == [*steps[:-1], "DELETE /api/chat/…" if is_end else "PUT /api/chat"]
