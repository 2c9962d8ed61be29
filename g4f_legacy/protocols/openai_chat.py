"""OpenAI's chat completions: the request, whether its response is complete, and a response that is passed on unchanged.

https://platform.openai.com/docs/api-reference/chat
"""

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import StreamInterruptedError
from ..parsing.event_stream import EventStream, SinglePayload
from ..parsing.payload import get_field, get_objects, get_or_empty
from ..transport.client import ServerClient

_PATH = "/chat/completions"


class Ending:
    """How one choice of a completion ends, as far as it was received.

    Attributes:
        reason (str or None): its ``finish_reason``.
        is_complete (bool): whether it needs nothing more. Further events may follow all the same.
    """

    __slots__ = ("reason", "is_complete", "_is_reason_pending")

    def __init__(self) -> None:
        self.reason: str | None = None
        self.is_complete = False
        self._is_reason_pending = False

    def update(self, choice: dict[str, Any]) -> None:
        """Update from a choice of a payload."""
        if "finish_reason" in choice:  # some servers leave it out until the end; null promises that one follows
            self._is_reason_pending = choice["finish_reason"] is None
            if choice["finish_reason"]:
                self.reason = get_field(choice, str, "finish_reason")
                self.is_complete = True
        if choice.get("message"):  # not a stream, but a complete payload
            self.is_complete = True

    def check(self) -> None:
        """Check, after the end of the response, that the choice has ended.

        Raises:
            StreamInterruptedError: its ``finish_reason`` was still null, despite ``[DONE]``. llama-cpp-python 0.3.36
                ends a stream like this when another request arrives (seen in November 2026).
        """
        if self._is_reason_pending and not self.is_complete:
            raise StreamInterruptedError("the stream ended although its finish_reason was still null")


def open_client(module_name: str, kwargs: Mapping[str, Any]) -> ServerClient:
    """Return the client of a provider that speaks this protocol. The arguments are those of `ServerClient`."""
    server = ServerClient(module_name, kwargs, page_path="(/chat)?/completions|/models")
    server.set_auth_header("Authorization", "Bearer ")
    return server


@contextmanager
def open_response(server: ServerClient, body: Mapping[str, Any]) -> Iterator[EventStream]:
    """Request a completion. Yield its response: a stream of chunks if the body asks for one, or one payload.

    Raises:
        ProviderError: as `ServerClient.stream` and `ServerClient.post`.
    """
    if body.get("stream"):
        with server.stream(_PATH, json=body) as stream:
            yield stream
    else:
        yield SinglePayload(server.post(_PATH, json=body, generates=True))


def iter_payloads(server: ServerClient, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
    """Request a completion, and yield the payloads of its response unchanged.

    If a server responds with a complete payload to a request for a stream, it is yielded as one chunk.

    Raises:
        ProviderError: as `open_response`, and as `EventStream.json_events`.
        StreamInterruptedError: a choice did not end.
    """
    endings: defaultdict[int, Ending] = defaultdict(Ending)  # by the index of the choice
    count = _count_choices(body)
    with open_response(server, body) as stream:
        for payload in stream.json_events():
            for choice in get_objects(payload, "choices"):
                endings[get_or_empty(choice, int, "index")].update(choice)
                if body.get("stream") and "message" in choice and "delta" not in choice:
                    choice["delta"] = choice.pop("message")
                    payload["object"] = "chat.completion.chunk"
            complete = [ending for ending in endings.values() if ending.is_complete]
            stream.set_complete(len(complete) >= count)
            yield payload
    for ending in endings.values():
        ending.check()


def _count_choices(body: Mapping[str, Any]) -> int:
    """Return how many choices have to end. Without a stream it is one: a server that ignores ``n`` returns one."""
    count = body.get("n")
    return max(count, 1) if body.get("stream") and isinstance(count, int) else 1
