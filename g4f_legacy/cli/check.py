"""``g4f-legacy check``: try a provider's protocol against a server, step by step, and explain a failure."""

import logging
import socket
import ssl
from argparse import ArgumentParser, Namespace
from typing import Any

import requests

from ..completion import ChatCompletion
from ..errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    root_cause,
)
from ..options import DEFAULT_TIMEOUT
from ..transport.failures import strip_credentials
from ..transport.session import new_session
from .arguments import DEFAULT_PROVIDER_HELP, add_call_arguments, add_model, call_options, spell_flag
from .default_provider import find_provider_with_notice
from .failures import exit_code

EXAMPLE = "check -p H2o --base-url …"

_READ_TIMEOUTS = {"OpenAssistant": 20.0}
"""Seconds after which a message without a worker is noticed. The server sends a comment at least every 15 seconds."""

_STATUSES = {
    404: "Path or model not found: the server speaks another protocol, or its address needs a path prefix.",
    405: "Method not allowed. chat-ui answers 405 until its terms are accepted: are cookies being kept?",
    422: "The server does not list that model, or does not accept a parameter.",
    500: "The server failed: its log has the cause.",
}
_HINTS = {
    Hint.CHECK_CERTIFICATE: "The server speaks https, with a certificate that is not trusted.",
    Hint.CHECK_PROXY: "The proxy cannot be used; the server was not asked.",
    Hint.CHECK_PROXY_OR_SERVER: "The proxy was reached; the server behind it was not.",
    Hint.CHECK_PROXY_TLS: "There is no TLS connection to the proxy; the server was not asked.",
    Hint.GIVE_PROXY_CREDENTIALS: "The proxy refuses requests without a valid login; the server was not asked.",
    Hint.NO_WORKER: "No worker takes the message: none is connected for this model, or all are busy.",
    Hint.ONE_MESSAGE_PER_LOGIN: "The server speaks the protocol. Another message of the same login replaced this one.",
    Hint.POSSIBLE_RATE_LIMIT: "The server's rate limit, or a failure: its log has the cause.",
    Hint.SET_ORIGIN: "The server requires that its terms be accepted, and refuses to take that at this address.",
    Hint.USE_HTTP: "TLS failed: most likely a server of plain http.",
    Hint.USE_HTTPS: "The port speaks https.",
    Hint.USE_H2O: "It is a chat-ui of another generation.",
    Hint.USE_HUGGINGCHAT: "It is a chat-ui of another generation.",
}
_CAUSES: dict[type[Exception], str] = {
    socket.gaierror: "The host name cannot be resolved: is the address right?",
    ConnectionRefusedError: "Nothing listens there: is the server running, and is the port right?",
    ssl.SSLError: "TLS failed: does the server speak https, and is its certificate valid?",
}
_ERRORS: dict[type[Exception], str] = {
    AuthenticationError: "The server requires credentials, or refused those that were given.",
    RateLimitError: "The server speaks the protocol, and is busy.",
    RequestFailedError: "The server did not respond as expected.",
    ResponseFormatError: "The server responds, but it does not speak this protocol.",
    GenerationError: "The server speaks the protocol; its model failed.",
    ProviderError: "The server speaks the protocol, but the completion was truncated.",
}


def add_arguments(parser: ArgumentParser) -> None:
    add_call_arguments(parser, DEFAULT_PROVIDER_HELP)
    add_model(parser)


def run(arguments: Namespace) -> int:
    """Request a completion, print each step, and return the exit code."""
    provider = find_provider_with_notice(arguments)
    session = new_session()
    session.hooks["response"].append(_print_step)
    log = logging.getLogger("g4f_legacy")
    warnings, propagate = _WarningPrinter(), log.propagate
    log.addHandler(warnings)
    log.propagate = False
    read_timeout = _READ_TIMEOUTS.get(provider, DEFAULT_TIMEOUT[1])
    timeout = (DEFAULT_TIMEOUT[0], read_timeout)
    options = {"retries": 0, "session": session, "timeout": timeout, **call_options(arguments)}
    messages = [{"role": "user", "content": "Say hello."}]
    try:
        tokens = ChatCompletion.create(arguments.model, messages, provider, stream=True, **options)
        count = sum(1 for _ in tokens)
    except ProviderError as error:
        print(f"failed  {error.describe(spell_flag)}")
        print(f"        {explain(error)}")
        return exit_code(error)
    finally:
        log.removeHandler(warnings)
        log.propagate = propagate
    print(f"ok      {count} token{'' if count == 1 else 's'} and the end-of-stream marker")
    return 0


def explain(error: ProviderError) -> str:
    """Return what a failure usually means."""
    if error.hint in _HINTS:
        return _HINTS[error.hint]
    if error.status == 500 and error.hint is Hint.CHECK_MODEL:
        return "Most often a model that the server does not list."
    if error.status in _STATUSES:
        return _STATUSES[error.status]
    cause = root_cause(error)
    for kind, meaning in _CAUSES.items():
        if isinstance(cause, kind):
            return meaning
    return next(meaning for kind, meaning in _ERRORS.items() if isinstance(error, kind))


def _print_step(response: requests.Response, **_: Any) -> None:
    if response.status_code < 400:
        print(f"ok      {response.request.method} {strip_credentials(response.url)} {response.status_code}")


class _WarningPrinter(logging.Handler):
    """Prints what does not fail the completion, such as a failure of its clean-up, or an early end."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        print(f"warning {record.getMessage()}")
