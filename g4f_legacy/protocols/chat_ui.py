"""What the generations of chat-ui share: conversations, and how to tell a server of one generation from another's.

H2o speaks the first generation (v0.3 to v0.6), HuggingChat the later ones (v0.7 and later).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import requests

from ..errors import (
    Hint,
    ProviderError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from ..parsing.event_stream import EventStream, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_or_empty, parse_json, remaining_text
from ..transport.client import ServerClient, quote_segment
from ..transport.failures import RETRIED_STATUSES


class Conversation(NamedTuple):
    """A conversation on the server: its path, and the payload that the server described it with."""

    path: str
    payload: dict[str, Any]


@contextmanager
def open_conversation(
    server: ServerClient, body: dict[str, Any], *, accept_terms: Callable[[], Any] | None
) -> Iterator[Conversation]:
    """Create a conversation, and delete it at the end of the block, also after an error. An early end stops the
    generation first.

    Args:
        body: ``model`` and, since v0.7, ``preprompt``.
        accept_terms: accepts the server's terms. It is called when the server requires that, with status 405; None
            makes that an error.

    Raises:
        RequestFailedError: the server refuses.
        ResponseFormatError: the server describes no conversation.
    """
    try:
        payload = _create_conversation(server, body)
    except RequestFailedError as error:
        if error.status != 405 or accept_terms is None:
            raise
        accept_terms()
        payload = _create_conversation(server, body)
    path = f"/conversation/{quote_segment(get_field(payload, str, 'conversationId'))}"
    with server.deleted_on_exit(path, stop_path=f"{path}/stop-generating"):
        yield Conversation(path, payload)


def _create_conversation(server: ServerClient, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return server.post("/conversation", json=body)
    except RequestFailedError as error:
        if error.status in (400, 500):
            error.hint, error.model = Hint.CHECK_MODEL, body["model"]
        raise


class Parent(NamedTuple):
    """The message that the first prompt of a conversation answers to.

    Attributes:
        message_id: empty for v0.7, which has no such message.
        may_take_json: whether the server may be older than v0.9.2, which prompts are sent to as JSON, not multipart.
    """

    message_id: str
    may_take_json: bool


def find_parent(server: ServerClient, conversation: Conversation) -> Parent:
    """Find the parent of the first prompt, which each version of chat-ui keeps in another place.

    Raises:
        RequestFailedError: the server does not answer, requires credentials, or is overloaded.
    """
    for find, may_take_json in (
        (_parent_in_conversation, False),
        (_parent_in_api, False),
        (_parent_in_api_v2, False),
        (_parent_in_page_data, True),
    ):
        try:
            message_id = find(server, conversation)
        except ResponseFormatError:
            continue
        except RequestFailedError as error:
            if error.status in (None, 401, 403, *RETRIED_STATUSES):
                raise
            continue
        if message_id:
            return Parent(message_id, may_take_json)
    return Parent("", may_take_json=True)


def _parent_in_conversation(server: ServerClient, conversation: Conversation) -> str:
    description = parse_json(get_field(conversation.payload, str, "conversation"), dict)
    return get_field(description, str, "json", "rootMessageId")


def _parent_in_api(server: ServerClient, conversation: Conversation) -> str:
    """Ask the API of v0.9.5 and later. (v0.8.4 was seen to have it as well.)"""
    payload = server.get(f"/api{conversation.path}", dict)
    return get_field(next(iter(get_objects(payload, "messages")), {}), str, "id")


def _parent_in_api_v2(server: ServerClient, conversation: Conversation) -> str:
    """Ask the API of v0.9.6 and later."""
    conversation_id = conversation.path.rpartition("/")[2]
    payload = server.get(f"/api/v2/conversations/{conversation_id}", dict)
    return get_field(payload, str, "json", "rootMessageId")


def _parent_in_page_data(server: ServerClient, conversation: Conversation) -> str:
    """Read the data of the page of v0.8 and later. Each node is a flat list, in which numbers refer to other items."""
    page = server.get(f"{conversation.path}/__data.json", dict)
    for node in get_or_empty(page, list, "nodes"):
        with suppress(LookupError, TypeError):
            data = node["data"]
            message = data[data[data[0]["messages"]][0]]
            return get_field({"id": data[message["id"]]}, str, "id")
    raise ResponseFormatError("the page has no messages")


def page_url(server: ServerClient) -> str:
    """Return the URL of the server's page as browsers write it, in ASCII and without a default port. chat-ui compares
    Referer and Origin with it."""
    url = str(requests.Request("GET", f"{server.base_url}/").prepare().url)
    return re.sub(r"^(http://[^/]*):80/|^(https://[^/]*):443/", r"\1\2/", url)


def iter_lines(stream: EventStream) -> Iterator[dict[str, Any]]:
    """Yield the lines of a stream, without keep-alives, and raise the errors that they report."""
    return stream.json_lines(raise_line_error, skip=is_keep_alive)


def is_keep_alive(line: dict[str, Any]) -> bool:
    """Return whether a line of the stream is a keep-alive."""
    return (line.get("type"), line.get("status")) == ("status", "keepAlive")


def raise_line_error(line: dict[str, Any]) -> None:
    """Like `raise_reported_error`, but ignore lines with a type: an ``error`` there is a tool's."""
    if "type" not in line:
        raise_reported_error(line)


def missing_text(final_text: str, tokens: list[str], tokens_before_tool: int) -> str:
    """Return the part of the final text that the tokens lack.

    Args:
        final_text: the text that ends the stream. Where tools ran, it may hold only what followed the last one.
        tokens: those received.
        tokens_before_tool: how many of them preceded the last tool.
    """
    starts = [0]
    if 0 < tokens_before_tool < len(tokens):
        starts.append(tokens_before_tool)
    for start in starts:
        with suppress(StreamInterruptedError):
            return remaining_text(final_text, "".join(tokens[start:]))
    if "".join(tokens).rstrip().endswith(final_text.strip()):
        return ""
    return f"\n\n{final_text}"


@contextmanager
def hint_if(is_sign: Callable[[ProviderError], bool], hint: Hint) -> Iterator[None]:
    """Give errors of the block a hint where they are the sign of a server of another generation."""
    try:
        yield
    except (RequestFailedError, ResponseFormatError) as error:
        if is_sign(error):
            error.hint = hint
        raise


def shows_legacy_server(error: ProviderError) -> bool:
    """Return whether an error shows that the server speaks the protocol of v0.3 to v0.6."""
    if isinstance(error, ResponseFormatError):
        return error.body.startswith("data:")
    return "welcome modal" in error.detail


def shows_modern_server(error: ProviderError) -> bool:
    """Return whether an error shows that the server speaks the protocol of v0.7 or later."""
    if isinstance(error, ResponseFormatError):
        return error.body.startswith('{"type":')
    if error.status == 500:
        return error.detail == "An error occurred"
    return "need to have an origin" in error.detail


def shows_form_settings(error: ProviderError) -> bool:
    """Return whether a server does not take its settings as JSON, but as a form, as those before v0.7 do."""
    return error.status == 415 or shows_internal_error(error) or isinstance(error, ResponseFormatError)


def shows_internal_error(error: ProviderError) -> bool:
    """Return whether a server failed as SvelteKit does on a request that it cannot handle."""
    return error.status == 500 and "Internal Error" in error.detail
