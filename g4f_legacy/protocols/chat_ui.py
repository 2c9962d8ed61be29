"""What the generations of chat-ui share: conversations, and how to tell a host of one from a host of another.

H2o speaks the first one (v0.3 to v0.6), HuggingChat the later ones (v0.7 on).
"""

from contextlib import contextmanager, suppress
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import requests

from ..errors import Hint, ProviderError, RequestFailedError, ResponseFormatError, StreamInterruptedError
from ..parsing.event_stream import iter_json_lines, raise_reported_error
from ..parsing.payload import get_field, get_objects, get_optional, parse_json, remaining_text
from ..transport.client import ServerClient, quote_segment
from ..transport.failures import RETRIED_STATUSES


@contextmanager
def hint_if(is_sign: Callable[[ProviderError], bool], hint: Hint) -> Iterator[None]:
    """Give errors in the block a hint when they are the sign of a server of another generation."""
    try:
        yield
    except (RequestFailedError, ResponseFormatError) as error:
        if is_sign(error):
            error.hint = hint
        raise


def is_legacy_server(error: ProviderError) -> bool:
    """Whether an error shows that the server speaks the protocol of v0.3 to v0.6."""
    return error.body.startswith("data:") or "welcome modal" in error.detail


def refuses_json_settings(error: ProviderError) -> bool:
    """Whether a server does not take its settings as JSON: it takes a form, as those before v0.7 do."""
    return error.status == 415 or is_internal_error(error) or isinstance(error, ResponseFormatError)


def is_internal_error(error: ProviderError) -> bool:
    """Whether a server failed the way SvelteKit does when it cannot make sense of a request."""
    return error.status == 500 and "Internal Error" in error.detail


def is_modern_server(error: ProviderError) -> bool:
    """Whether an error shows that the server speaks the protocol of v0.7 or later."""
    if isinstance(error, ResponseFormatError):
        return error.body.startswith('{"type":')
    if error.status == 500:
        return error.detail == "An error occurred"
    return "need to have an origin" in error.detail


@contextmanager
def open_conversation(
    host: ServerClient, begun: Dict[str, Any], accept_terms: Optional[Callable[[], None]]
) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Begins a conversation, and deletes it however the block is left; leaving early stops the generation first.

    Args:
        begun: what to begin it with: ``model`` and, since v0.7, ``preprompt``.
        accept_terms: is called when the host wants its terms accepted, which it says with 405.

    Yields:
        The conversation's path, and what the host says of it.

    Raises:
        RequestFailedError, ResponseFormatError: there is none.
    """
    try:
        made = _begin(host, begun)
    except RequestFailedError as error:
        if error.status != 405 or accept_terms is None:
            raise
        accept_terms()
        made = _begin(host, begun)
    path = f"/conversation/{quote_segment(get_field(made, str, 'conversationId'))}"
    with host.deleted_on_exit(path, stop=f"{path}/stop-generating"):
        yield path, made


def _begin(host: ServerClient, begun: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return host.post("/conversation", json=begun)
    except RequestFailedError as error:
        if error.status in (400, 500):
            error.hint, error.model = Hint.CHECK_MODEL, begun["model"]
        raise


def find_parent_id(host: ServerClient, path: str, made: Dict[str, Any]) -> Tuple[str, bool]:
    """Finds the message that the first question answers to.

    Args:
        path, made: as `conversation` gives them.

    Returns:
        The message's id, empty for v0.7, which has none; and whether the host may be older than v0.9.2, which took to
        multipart.

    Raises:
        RequestFailedError: the host does not answer, wants a login, or is too busy.
    """
    name = path.rpartition("/")[2]
    ways: List[Callable[[], str]] = [
        lambda: get_field(parse_json(get_field(made, str, "conversation"), dict), str, "json", "rootMessageId"),
        lambda: _first_in_list(host.get(f"/api/conversation/{name}", dict)),  # v0.9.5
        lambda: get_field(host.get(f"/api/v2/conversations/{name}", dict), str, "json", "rootMessageId"),  # v0.9.6
        lambda: _first_in_page(host.get(f"{path}/__data.json", dict)),  # v0.8
    ]
    for way in ways:
        try:
            message_id = way()
        except ResponseFormatError:
            continue
        except RequestFailedError as error:
            if error.status in (None, 401, 403, *RETRIED_STATUSES):
                raise
            continue
        if message_id:
            return message_id, way is ways[-1]
    return "", True


def iter_answer_lines(pieces: Iterable[bytes]) -> Iterator[Dict[str, Any]]:
    """The lines of an answer, but for those that only say that the host is still there."""
    for line in iter_json_lines(pieces):
        if (line.get("type"), line.get("status")) != ("status", "keepAlive"):
            yield line


def raise_line_error(line: Dict[str, Any]) -> None:
    """As `check_error`, for the lines of an answer: what a tool reports is no error of the answer's."""
    if "type" not in line:
        raise_reported_error(line)


def page_url(host: ServerClient) -> str:
    """The address of a host's page as browsers write it, in ASCII and without a scheme's own port: the host compares
    Referer and Origin with that."""
    url = str(requests.Request("GET", f"{host.base_url}/").prepare().url)
    return re.sub(r"^(http://[^/]*):80/|^(https://[^/]*):443/", r"\1\2/", url)


def missing_text(whole: str, came: List[str], since_tool: int) -> str:
    """What of an answer's whole text has not come.

    Args:
        whole: the text that ends the stream. Where tools ran, it may have only what was said after them.
        came: the tokens.
        since_tool: how many of them came before the last tool ran.
    """
    for before in sorted({0, since_tool} - {len(came)} or {0}):
        with suppress(StreamInterruptedError):
            return remaining_text(whole, "".join(came[before:]))
    return "" if "".join(came).rstrip().endswith(whole.strip()) else f"\n\n{whole}"


def _first_in_list(listed: Dict[str, Any]) -> str:
    return get_field(next(iter(get_objects(listed, "messages")), {}), str, "id")


def _first_in_page(page: Dict[str, Any]) -> str:
    """The id of the first message in a page's data: a list, where each number is the place of a value."""
    for node in get_optional(page, list, "nodes"):
        with suppress(LookupError, TypeError):
            data = node["data"]
            message = data[data[data[0]["messages"]][0]]
            return get_field({"id": data[message["id"]]}, str, "id")
    raise ResponseFormatError("the page has no messages")
