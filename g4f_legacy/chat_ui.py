"""What the generations of chat-ui share: conversations, and how to tell a host of one from a host of another.

H2o speaks the first one (v0.3 to v0.6), HuggingChat the later ones (v0.7 on).
"""

import re
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .document import field, optional, parse
from .errors import RequestFailedError, ResponseFormatError
from .host import Host, segment

IS_OF_2023 = "this host speaks chat-ui's protocol of 2023: use H2o"
IS_OF_TODAY = "this host speaks chat-ui's protocol of 2024 and later: use HuggingChat"


@contextmanager
def recognising(signs: str, explanation: str) -> Iterator[None]:
    """Explains errors in the block whose message matches a pattern, the sign of a host of another generation."""
    try:
        yield
    except (RequestFailedError, ResponseFormatError) as error:
        if re.search(signs, error.args[0]):
            error.explain(explanation)
        raise


@contextmanager
def conversation(
    host: Host, begun: Dict[str, Any], accept_terms: Optional[Callable[[], None]]
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
    path = f"/conversation/{segment(field(made, 'conversationId', str))}"
    with host.deleting(path, stop=f"{path}/stop-generating"):
        yield path, made


def _begin(host: Host, begun: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return host.post("/conversation", json=begun)
    except RequestFailedError as error:
        if error.status in (400, 500):
            error.explain(f"does the host list the model {begun['model']!r}?")
        raise


def first_message(host: Host, path: str, made: Dict[str, Any]) -> Tuple[Optional[str], bool]:
    """Finds the message that the first question answers to.

    Args:
        path, made: as `conversation` gives them.

    Returns:
        The message's id, which v0.7 has not; and whether the host may be older than v0.9.2, which took to multipart.

    Raises:
        RequestFailedError: the host does not answer.
    """
    name = path.rpartition("/")[2]
    ways: List[Callable[[], str]] = [
        lambda: field(parse(field(made, "conversation", str), dict), "json.rootMessageId", str),
        lambda: field(host.get(f"/api/conversation/{name}", dict, retries=0), "messages.0.id", str),  # v0.9.5
        lambda: field(host.get(f"/api/v2/conversations/{name}", dict, retries=0), "json.rootMessageId", str),  # v0.9.6
        lambda: _first_in_page(host.get(f"{path}/__data.json", dict, retries=0)),  # v0.8
    ]
    for way in ways:
        try:
            return way(), way is ways[-1]
        except (RequestFailedError, ResponseFormatError) as error:
            if isinstance(error, RequestFailedError) and error.status is None:
                raise
    return None, True


def _first_in_page(page: Dict[str, Any]) -> str:
    """The id of the first message in a page's data: a list, where each number is the place of a value."""
    for node in optional(page, "nodes", list):
        with suppress(LookupError, TypeError):
            data = node["data"]
            return str(data[data[data[data[0]["messages"]][0]]["id"]])
    raise ResponseFormatError("the page has no messages")
