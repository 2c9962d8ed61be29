"""Walks a provider's protocol against a host, step by step, and says what a failure usually means."""

import logging
import socket
import ssl
from typing import Any, Callable, Dict, Optional

from .chat_ui import IS_OF_2023, IS_OF_TODAY
from .completion import ChatCompletion
from .errors import (
    AuthenticationError,
    GenerationError,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    innermost,
)
from .host import log

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


def check(provider: str, model: Optional[str], options: Dict[str, Any], show: Callable[[str], Any]) -> int:
    """Asks a host for an answer and shows each step.

    Args:
        options: of the call.
        show: is called with each line.

    Returns:
        How it went, as an exit code: 0; 3 when the login failed, 5 when another step did.

    Raises:
        ProviderNotFoundError, AuthenticationRequiredError, TypeError, ValueError: the call is wrong.
    """
    steps = _Steps(show)
    level, propagate = log.level, log.propagate
    log.addHandler(steps)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        messages = [{"role": "user", "content": "Say hello."}]
        tokens = ChatCompletion.create(model, messages, provider, stream=True, **{"retries": 0, **options})
        count = sum(1 for _ in tokens)
    except ProviderError as error:
        show(f"failed  {error}")
        show(f"        {meaning_of(error)}")
        return 3 if isinstance(error, AuthenticationError) else 5
    finally:
        log.removeHandler(steps)
        log.setLevel(level)
        log.propagate = propagate
    show(f"ok      {count} tokens and the end mark")
    return 0


def meaning_of(error: ProviderError) -> str:
    """What a failure usually means."""
    if any(known in error.args[0] for known in (IS_OF_2023, IS_OF_TODAY)):
        return "It is a chat-ui, of another generation."
    if error.status in _STATUSES:
        return _STATUSES[error.status]
    cause = innermost(error)
    for table in (_CAUSES, _KINDS):
        for kind, meaning in table.items():
            if isinstance(cause if table is _CAUSES else error, kind):
                return meaning
    raise AssertionError("every ProviderError has a meaning")


class _Steps(logging.Handler):
    """Shows the requests that were answered with success: the log has them."""

    def __init__(self, show: Callable[[str], Any]) -> None:
        super().__init__(logging.DEBUG)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.DEBUG and isinstance(record.args, tuple) and len(record.args) == 4:
            _, method, url, status = record.args
            if isinstance(status, int) and status < 400:
                self._show(f"ok      {method} {url} {status}")
        elif record.levelno >= logging.WARNING:
            self._show(f"failed  {record.getMessage()}")
