"""What the generations of chat-ui share: conversations, and how to tell a server of one generation from another's.

H2o speaks the first generation (v0.3 to v0.6), HuggingChat the later ones (v0.7 and later).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import requests

from ..errors import Hint, ProviderError, RequestFailedError, ResponseFormatError
from ..parsing.event_stream import EventStream, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_or_empty, parse_json
from ..transport.client import ServerClient, quote_segment
from ..transport.failures import RETRIED_STATUSES

# What the fetch of Node calls a connection that failed, or that was lost, and what the openai package for JavaScript
# calls it (`APIConnectionError`). chat-ui repeats them as they are.
_MODEL_SERVER_FAILURES = ("fetch failed", "terminated", "Connection error")


class Conversation(NamedTuple):
    """A conversation on the server.

    Attributes:
        path: its path.
        payload: what the server described it with.
        has_accepted_terms: whether the server required its terms to be accepted, and took that.
    """

    path: str
    payload: dict[str, Any]
    has_accepted_terms: bool = False


@contextmanager
def open_conversation(
    server: ServerClient, body: dict[str, Any], *, accept_terms: Callable[[], Any], terms_first: bool = False
) -> Iterator[Conversation]:
    """Create a conversation, and delete it at the end of the block, also after an error. An early end stops the
    generation first.

    Args:
        body: ``model`` and, since v0.7, ``preprompt``.
        accept_terms: accepts the server's terms.
        terms_first: whether to accept them before anything else, instead of when the server requires it (status 405).

    Raises:
        RequestFailedError: the server refuses.
        ResponseFormatError: the server describes no conversation.
    """
    payload, has_accepted_terms = _create_conversation(server, body, accept_terms, terms_first)
    path = f"/conversation/{quote_segment(get_field(payload, str, 'conversationId'))}"
    with server.deleted_on_exit(path, stop_path=f"{path}/stop-generating"), _explain_model_server():
        yield Conversation(path, payload, has_accepted_terms)


def _create_conversation(
    server: ServerClient, body: dict[str, Any], accept_terms: Callable[[], Any], terms_first: bool
) -> tuple[dict[str, Any], bool]:
    """Return the payload, and whether the terms were accepted."""
    if not terms_first:
        try:
            return _post_conversation(server, body), False
        except RequestFailedError as error:
            if error.status != 405:
                raise
    hint = _accept_or_get_hint(accept_terms)
    with hint_if(lambda error: error.status == 405, hint):
        return _post_conversation(server, body), hint is None


def _accept_or_get_hint(accept_terms: Callable[[], Any]) -> Hint | None:
    """Accept the terms. If the server's ORIGIN makes it refuse that, return the hint to show if it requires them.

    v0.4 answers 403 if its ORIGIN is not set, or is not the address that the request was sent to. Where it has no terms
    to show, it works all the same.
    """
    try:
        accept_terms()
    except RequestFailedError as error:
        if "Invalid referer" not in error.detail:
            raise
        return Hint.SET_ORIGIN
    return None


def _post_conversation(server: ServerClient, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return server.post("/conversation", json=body)
    except RequestFailedError as error:
        if error.status in (400, 500):
            error.hint, error.model = Hint.CHECK_MODEL, body["model"]
        raise


@contextmanager
def _explain_model_server() -> Iterator[None]:
    """Say which connection failed, where the server only repeats what its runtime or library calls it."""
    try:
        yield
    except ProviderError as error:
        if error.detail.rstrip(".") in _MODEL_SERVER_FAILURES:
            error.args = (f"the server could not reach its model server: {error.detail}",)
        raise


class Parent(NamedTuple):
    """The message that the first prompt of a conversation answers to.

    Attributes:
        message_id: empty for v0.7, whose conversations have no such message.
        may_take_json: whether the server may be older than v0.9.2. Those versions take prompts as JSON, the later ones
            as multipart.
    """

    message_id: str
    may_take_json: bool


def find_parent(server: ServerClient, conversation: Conversation) -> Parent:
    """Find the parent of the first prompt, which each version of chat-ui keeps in another place.

    The places are tried from the cheapest, which takes no request, to the oldest.

    Returns:
        The parent; one with an empty id if there is none.

    Raises:
        RequestFailedError: the server does not answer, requires credentials, or is overloaded.
    """
    for find, may_take_json in (
        (_parent_in_conversation, False),
        (_parent_in_api, True),
        (_parent_in_api_v2, False),
        (_parent_in_page_data, True),
    ):
        try:
            message_id = find(server, conversation)
        except ResponseFormatError:
            continue
        except RequestFailedError as error:
            is_disabled = "API is disabled" in error.body  # v0.9.1 with EXPOSE_API=false; its pages are open
            if error.status in (None, 401, 403, *RETRIED_STATUSES) and not is_disabled:
                raise
            continue
        if message_id:
            return Parent(message_id, may_take_json)
    return Parent("", may_take_json=True)


def _parent_in_conversation(server: ServerClient, conversation: Conversation) -> str:
    description = parse_json(get_field(conversation.payload, str, "conversation"), dict)
    return get_field(description, str, "json", "rootMessageId")


def _parent_in_api(server: ServerClient, conversation: Conversation) -> str:
    """Ask the API of v0.8.4 and later. The versions before v0.9.2 have it, and still take prompts as JSON."""
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


def list_model_ids(server: ServerClient) -> list[str]:
    """Return the model ids that the server lists.

    Raises:
        RequestFailedError: the server does not answer, has no list (older versions), or its API is disabled.
        ResponseFormatError: the response is a page, or another payload.
    """
    try:
        listed = server.get("/api/models", list)
    except (RequestFailedError, ResponseFormatError) as error:
        if has_no_model_list(error):
            error.args = ("the server has no list of its models, only pages that show them: name one of those",)
            error.hint = None  # the message says what to do
        raise
    return [get_field(entry, str, "id") for entry in listed]


def has_no_model_list(error: ProviderError) -> bool:
    """Return whether an error shows that the server cannot list its models."""
    is_page = isinstance(error, ResponseFormatError) and error.body.lstrip().lower().startswith(("<!doctype", "<html"))
    return is_page or error.status == 404 or "API is disabled" in error.body


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


@contextmanager
def hint_if(is_sign: Callable[[ProviderError], bool], hint: Hint | None) -> Iterator[None]:
    """Set the hint, unless it is None, of an error of the block for which `is_sign` returns true."""
    try:
        yield
    except (RequestFailedError, ResponseFormatError) as error:
        if hint and is_sign(error):
            error.hint = hint
        raise


@contextmanager
def hint_at_prompt(prompt: str, parent: Parent, conversation: Conversation) -> Iterator[None]:
    """Set the hint of an error by which the server refuses the prompt.

    v0.7, and the versions before it, refuse a blank prompt with 500 (seen at both): it is no sign of a version. Other
    prompts are a sign of the versions before, unless the server has taken its terms as JSON.
    """
    try:
        yield
    except RequestFailedError as error:
        if error.status in (400, 500) and not prompt.strip():
            error.hint = Hint.BLANK_PROMPT
        elif not parent.message_id and not conversation.has_accepted_terms and shows_internal_error(error):
            error.hint = Hint.USE_H2O
        raise


def shows_legacy_server(error: ProviderError) -> bool:
    """Return whether an error shows that the server speaks the protocol of v0.3 to v0.6."""
    return isinstance(error, ResponseFormatError) and error.body.startswith("data:")


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
