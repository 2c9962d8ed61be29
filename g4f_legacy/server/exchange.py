"""What the protocols share: the payload of a request, and the events of a response."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask import Response, request

from .engine import Engine


def read_payload() -> dict[str, Any]:
    """Return the JSON object in the request's body, or an empty one if the body is not a JSON object."""
    payload = None
    with suppress(RecursionError):
        payload = request.get_json(force=True, silent=True)
    return payload if isinstance(payload, dict) else {}


def resolve_model(name: Any, protocol_models: Sequence[str], engine: Engine) -> str | None:
    """Return the model to ask the engine for when a client of a 2023 protocol names one.

    Returns:
        The name itself if the engine has that model; an empty text, which means the engine's default, if it is one of
        the protocol's models; None for an unknown model.
    """
    if name in engine.models:
        return str(name)
    return "" if name in list(protocol_models) else None


def split_url(url: str) -> SplitResult:
    """Split a URL that a client sent. The parts of an invalid one are empty."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def format_event(payload: Any, prefix: str = "data:", end: str = "\n\n", ascii_only: bool = False) -> bytes:
    """Encode a server-sent event. A lone surrogate becomes a JSON escape, because UTF-8 cannot encode it."""
    separators = (", ", ": ") if ascii_only else (",", ":")
    text = json.dumps(payload, ensure_ascii=ascii_only, separators=separators)
    return f"{prefix}{text}{end}".encode("utf-8", "backslashreplace")


def get_disconnect_check() -> Callable[[], bool]:
    """Return a function that returns whether the client of the current request has disconnected.

    That is an extension of waitress, which WSGI lacks (see ``channel_request_lookahead`` in
    https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html). With other servers it returns False.
    """
    is_disconnected: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return is_disconnected


def stream_response(events: Iterator[bytes], content_type: str | None = "text/event-stream") -> Response:
    """Create a response that is sent event by event."""
    response = Response(events, content_type=content_type)
    response.headers["Cache-Control"] = "no-cache"
    return response
