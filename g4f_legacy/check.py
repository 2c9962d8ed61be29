"""Walks a provider's protocol against a host, step by step, and says what a failure usually means."""

import logging
import socket
import ssl
from typing import Any, Callable, Dict, Optional

import requests

from .completion import ChatCompletion
from .errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    innermost,
    keyword,
)
from .failures import address
from .host import log
from .session import new_session

_STATUSES = {
    404: "The host does not know that path, or that model: it speaks another protocol, or its address needs a prefix.",
    405: "The host does not take that there. A chat-ui says so until its terms are accepted: does it keep the cookies?",
    422: "The host does not list that model, or does not take a parameter.",
    500: "Most often a model that the host does not list.",
}
_CAUSES = {
    socket.gaierror: "No host has that name: is the address right?",
    ConnectionRefusedError: "Nothing listens there: is the host running, and is the port right?",
    ssl.SSLError: "TLS failed: does the host speak https there, and is its certificate good? See the option verify.",
}
_KINDS = {
    AuthenticationError: "The host wants a login, or does not take the one that was given.",
    RateLimitError: "The host speaks the protocol, and is busy.",
    RequestFailedError: "The host did not answer as it should.",
    ResponseFormatError: "Something answers there, but it does not speak this protocol.",
    GenerationError: "The host speaks the protocol; its model failed.",
    ProviderError: "The host speaks the protocol up to there; then the answer broke off.",
}


def check(
    provider: str,
    model: Optional[str],
    options: Dict[str, Any],
    show: Callable[[str], Any],
    spell: Callable[[str], str] = keyword,
) -> int:
    """Asks a host for an answer and shows each step.

    Args:
        options: of the call.
        show: is called with each line.
        spell: how the reader gives an option.

    Returns:
        How it went, as an exit code: 0; 3 when the login failed, 5 when another step did.

    Raises:
        ProviderNotFoundError, AuthenticationRequiredError, TypeError, ValueError: the call is wrong.
    """
    session = new_session()
    session.hooks["response"].append(lambda response, **_: _show_step(response, show))
    warnings, propagate = _Warnings(show), log.propagate
    log.addHandler(warnings)
    log.propagate = False
    try:
        messages = [{"role": "user", "content": "Say hello."}]
        tokens = ChatCompletion.create(
            model, messages, provider, stream=True, **{"retries": 0, "session": session, **options}
        )
        count = sum(1 for _ in tokens)
    except ProviderError as error:
        show(f"failed  {error.describe(spell)}")
        show(f"        {meaning_of(error)}")
        return 3 if isinstance(error, AuthenticationError) else 5
    finally:
        log.removeHandler(warnings)
        log.propagate = propagate
    show(f"ok      {count} tokens and the end mark")
    return 0


def meaning_of(error: ProviderError) -> str:
    """What a failure usually means."""
    if error.hint in (Hint.USE_H2O, Hint.USE_HUGGINGCHAT):
        return "It is a chat-ui, of another generation."
    if error.status in _STATUSES:
        return _STATUSES[error.status]
    cause = innermost(error)
    for table in (_CAUSES, _KINDS):
        for kind, meaning in table.items():
            if isinstance(cause if table is _CAUSES else error, kind):
                return meaning
    raise AssertionError("every ProviderError has a meaning")


def _show_step(response: requests.Response, show: Callable[[str], Any]) -> None:
    if response.status_code < 400:
        show(f"ok      {response.request.method} {address(response.url)} {response.status_code}")


class _Warnings(logging.Handler):
    """Shows what went wrong without failing the completion, such as its clean-up."""

    def __init__(self, show: Callable[[str], Any]) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(f"failed  {record.getMessage()}")
