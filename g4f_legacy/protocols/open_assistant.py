"""Open-Assistant's chats: their one message from a model, and how it ends.

Seen at the website's routes and the inference server, with workers, in November 2026:

- ``DELETE /api/chat`` while a message is generated makes the server drop its worker, and all that this generates for
  others. It stops nothing; no route does. ``PUT /api/chat`` with ``hidden`` harms nobody, nor does a later DELETE.
- A message may end without an event: a login's next message cancels the one that waits (``cancelled``), and a worker
  may be lost (``timeout``). Only ``GET /api/chat/message`` tells. Without a worker, a message stays ``pending``.
- A ``cancelled`` message stays in the work queue, so that its chat must not be deleted, either. (This was not
  seen, but read in the server's source.)
- The rate limit of 20 messages in 600 seconds is 500, by a bug; and a refusal may be ``{"message": …}`` with 200.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..concurrency.worker import shielded, sleep
from ..errors import (
    GenerationError,
    Hint,
    ProviderError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from ..parsing.event_stream import error_from_payload
from ..parsing.payload import extract_message, get_field, get_or_empty, truncate
from ..transport.cleanup import cleanup_on_exit
from ..transport.client import ServerClient

_WAITING_STATES = ("pending", "in_progress")
_FAILED_STATES = {
    "aborted_by_worker": "the worker failed, and its log has the cause",
    "cancelled": "the server keeps one waiting message for each login, and the login's next message cancels it",
    "timeout": "no worker began it in time, or the one that did was lost; ask again",
}
_DELETABLE_STATES = ("complete", "timeout", "aborted_by_worker")
_LOOK_UP_TIMEOUT = 5.0  # seconds, in which the stream is not read, and cannot be interrupted
_POLL_INTERVAL = 0.5  # seconds

log = logging.getLogger(__name__)


class Chat:
    """A chat on the server.

    Attributes:
        server (ServerClient): the client.
        fields (dict): what names it in a request.
        must_keep (bool): whether the server may still need its message, which may be queued or generated as far as is
            known. Then the chat is hidden at the end, not deleted.
    """

    def __init__(self, server: ServerClient, chat_id: str) -> None:
        self.server = server
        self.fields = {"chat_id": chat_id}
        self.must_keep = False

    def add_question(self, content: str) -> str:
        """Add the user's message, and return its id. Errors are as in `add_answer`."""
        return self._add("prompter_message", {"content": content, "parent_id": None})

    def add_answer(self, body: dict[str, Any]) -> "Message":
        """Let the server generate the model's message. A failure is not retried: the server may have taken the first
        request, whose message the second one would cancel.

        Raises:
            RequestFailedError: the server refuses, or does not respond.
            ResponseFormatError: the response has no id.
        """
        self.must_keep = True  # before the response, which may be lost
        try:
            return Message(self, self._add("assistant_message", body, retries=0))
        except RequestFailedError as error:
            # 500 was seen only where no message is made (recorded: bad_parent). Those above it may come from a proxy in
            # front of a server that makes one.
            self.must_keep = error.status not in range(200, 501) or error.status == 408
            raise

    def clean_up(self) -> None:
        """Delete the chat; or hide it while its message is generated, which goes on then."""
        if self.must_keep:
            self.server.send_quietly("PUT", "/api/chat", json={**self.fields, "hidden": True})
        else:
            self.server.send_quietly("DELETE", "/api/chat", params=self.fields)

    def _add(self, route: str, body: dict[str, Any], **request: Any) -> str:
        try:
            return _read(self.server.post(f"/api/chat/{route}", json={**self.fields, **body}, **request), "id")
        except RequestFailedError as error:
            if error.status == 500:
                error.hint = Hint.POSSIBLE_RATE_LIMIT
            raise


@contextmanager
def open_chat(server: ServerClient) -> Iterator[Chat]:
    """Create a chat, and delete it at the end of the block, or hide it while its message is generated.

    Raises:
        RequestFailedError: the server refuses.
        ResponseFormatError: the response has no id.
    """
    chat = Chat(server, _read(server.post("/api/chat"), "id"))
    with cleanup_on_exit(stop_if_early=lambda: None, delete=chat.clean_up):
        yield chat


class Message:
    """The model's message in a chat.

    Attributes:
        fields (dict): the query that names it.
        content (str or None): its text, once it is complete.
        has_progress (bool): set by the reader of the events, to put the next look-up off by a read timeout.
    """

    def __init__(self, chat: Chat, message_id: str) -> None:
        self.fields = {**chat.fields, "message_id": message_id}
        self.content: str | None = None
        self.has_progress = False
        self._chat = chat
        self._server = chat.server
        self._last_progress = self._last_look_up = time.monotonic()
        self._has_warned = False

    def note_end(self, event: dict[str, Any]) -> None:
        """Set `content` if an event ends the message. It is called with each event.

        Raises:
            GenerationError: the message failed.
            RequestFailedError: the server refuses to send events.
            ResponseFormatError: the event has no message, or that has no content.
        """
        kind = event.get("event_type")
        if kind is None:
            _raise_refusal(event)
        elif kind == "error":
            self._chat.must_keep = False
            raise error_from_payload(event)
        elif kind == "message":
            message = get_field(event, dict, "message")
            self._note_state(get_or_empty(message, str, "state") or "complete")
            self.content = get_field(message, str, "content")

    def note_queue(self) -> None:
        """Note that the position in the queue has changed."""
        self._last_progress = time.monotonic()

    def look_up_if_due(self) -> None:
        """Look the message up if there was no token, and no look-up, for a read timeout. Call it for each chunk.

        Raises:
            GenerationError: the message failed.
            GeneratorExit: the completion was stopped meanwhile.
            StreamInterruptedError: the message is complete, so that the rest of the events is not needed; `content` is
                set.
        """
        now = time.monotonic()
        if self.has_progress:
            self.has_progress = False
            self._last_progress = self._last_look_up = now
        if now - self._last_look_up < self._server.read_timeout:
            return
        try:
            with shielded():  # the stream remains what has to be interrupted
                timeout = min(self._server.read_timeout, _LOOK_UP_TIMEOUT)
                self._look_up(retries=0, timeout=(timeout, timeout))
        except (RequestFailedError, ResponseFormatError) as error:
            log.info("OpenAssistant: looking up the message failed: %s", self._server.redact(str(error)))
        self._last_look_up = time.monotonic()
        sleep(0)  # raises if it was stopped while it was shielded
        if self.content is not None:
            raise StreamInterruptedError("the message was complete before its last event was received")

    def complete_after(self, interruption: ProviderError) -> None:
        """Look the message up every 0.5 seconds until it is complete, and set `content`.

        The last look-up begins within a read timeout. After a first one that succeeds, failures are overcome.

        Args:
            interruption: the error that ended the events; it is raised again if the message cannot be looked up.

        Raises:
            GenerationError: the message failed.
            StreamInterruptedError: it is not complete in time.
        """
        deadline = time.monotonic() + self._server.read_timeout
        state = ""
        while self.content is None:
            try:
                state = self._look_up()
            except (RequestFailedError, ResponseFormatError) as error:
                if not state or isinstance(error, ResponseFormatError):
                    interruption.add_context(f"looking up the message failed: {error.detail or error.args[0]}")
                    raise interruption from error
            if state == "complete":
                return
            if time.monotonic() >= deadline:
                waited = time.monotonic() - self._last_progress
                message = f"{interruption.args[0]}; the message is still {state} after {waited:.3g} seconds"
                raise StreamInterruptedError(message, hint=Hint.NO_WORKER if state == "pending" else None)
            sleep(_POLL_INTERVAL)

    def _look_up(self, **request: Any) -> str:
        """Return the state, and set `content` if that is complete."""
        payload = self._server.get("/api/chat/message", dict, params=self.fields, **request)
        state = _read(payload, "state")
        if state == "pending":
            self._warn_if_late()
        if state not in _WAITING_STATES:
            self._note_state(state)
            self.content = get_field(payload, str, "content")
        return state

    def _note_state(self, state: str) -> None:
        """Note the state of a message that ended.

        Raises:
            GenerationError: it failed.
            ResponseFormatError: it has not ended.
        """
        if state in _WAITING_STATES:
            raise ResponseFormatError(f"expected a message that has ended, received one that is {state}")
        self._chat.must_keep = state not in _DELETABLE_STATES
        if state != "complete":
            raise _failure(state)

    def _warn_if_late(self) -> None:
        waited = time.monotonic() - self._last_progress
        if waited >= self._server.read_timeout and not self._has_warned:
            self._has_warned = True
            log.warning("OpenAssistant: pending for %.3g seconds. %s", waited, Hint.NO_WORKER.value)


def _read(payload: dict[str, Any], key: str) -> str:
    """Return the text at a key of a response.

    Raises:
        RequestFailedError: the response is a refusal, although its status is 200.
        ResponseFormatError: there is no such text.
    """
    if payload.get(key) is None:
        _raise_refusal(payload)
    return get_field(payload, str, key)


def _raise_refusal(payload: dict[str, Any]) -> None:
    """Raise RequestFailedError if a payload is ``{"message": …}``."""
    detail = extract_message(payload.get("message"))
    if detail:
        raise RequestFailedError(f"the server refused: {detail}", status=200, detail=detail)


def _failure(state: str) -> GenerationError:
    explanation = _FAILED_STATES.get(state, "which this protocol does not have; the server's log may explain it")
    hint = Hint.ONE_MESSAGE_PER_LOGIN if state == "cancelled" else None
    return GenerationError(f"the message ended as {truncate(state)}: {explanation}", hint=hint)
