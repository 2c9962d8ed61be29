"""What the protocols share: the payload of a request, and the events of a response."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from flask import Response, request

from .engine import Engine


def read_payload_or_empty() -> dict[str, Any]:
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


def add_process_hint(message: str) -> str:
    """Add to a message about unknown state that another process may have it, where the WSGI server runs several.

    https://peps.python.org/pep-3333/#environ-variables
    """
    if not request.environ.get("wsgi.multiprocess"):
        return message
    return (
        f"{message}. This server runs in several processes, and each of them knows its own conversations only: run it "
        "as one process with many threads (gunicorn --workers 1 --threads 32 …)"
    )


def format_event(payload: Any, prefix: str = "data:") -> bytes:
    """Encode a server-sent event. A lone surrogate becomes a JSON escape, because UTF-8 cannot encode it."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"{prefix}{text}\n\n".encode("utf-8", "backslashreplace")


def get_disconnect_check() -> Callable[[], bool]:
    """Return a function that returns whether the client of the current request has disconnected.

    WSGI has no such check. waitress has one (see ``channel_request_lookahead`` in
    https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html); with other servers, the function returns
    False.
    """
    is_disconnected: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return is_disconnected


def stream_response(events: Iterator[bytes], content_type: str | None = "text/event-stream") -> Response:
    """Create a response that is sent event by event, also through nginx, which would otherwise buffer it
    (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering)."""
    response = Response(events, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
