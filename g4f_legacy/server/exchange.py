"""What the protocols share: the payload of a request, and the events of a response."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from flask import Response, request

from ..transport.session import is_loopback
from .engine import Engine

_DEFAULT_PORTS = {"http": 80, "https": 443}


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


class Origin(NamedTuple):
    """The host name and the port in a URL or a ``Host`` header.

    Attributes:
        name: "localhost" for each loopback name and address; empty if the URL is invalid.
        port: None if it is unknown.
    """

    name: str
    port: int | None

    def is_served_by(self, server: "Origin") -> bool:
        """Return whether a page of this origin is a page of a server."""
        return bool(self.name) and self.name == server.name and server.port in (self.port, None)


def read_origin(url: str, default_port: int | None = None) -> Origin:
    """Return the origin of a URL.

    Args:
        url: a URL; or ``//`` and a ``Host`` header.
        default_port: the port where neither a port nor a scheme is given.
    """
    parts = split_url(url)
    name = parts.hostname or ""
    with suppress(ValueError):  # raised by `port`
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, default_port)
        return Origin("localhost" if is_loopback(name) else name, port)
    return Origin("", None)


def get_server_origins() -> list[Origin]:
    """Return the origins of this server by the headers of the request: ``Host`` and a proxy's ``X-Forwarded-Host``.

    Browsers leave out a port only if it is the default one (https://www.rfc-editor.org/rfc/rfc9110#section-7.2). So a
    ``Host`` without a port that is received on another port is a proxy's, and the port that the client used is unknown:
    nginx sends that by ``proxy_set_header Host $host``
    (https://nginx.org/en/docs/http/ngx_http_core_module.html#var_host).
    """
    own_port = request.environ.get("SERVER_PORT")
    default_port = int(own_port) if own_port in ("80", "443") else None
    forwarded = request.headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
    return [read_origin(f"//{request.host}", default_port), read_origin(f"//{forwarded}")]


def explain_missing(message: str) -> str:
    """Add to a message about unknown state that another process may have it, where the WSGI server runs several.

    https://peps.python.org/pep-3333/#environ-variables
    """
    if not request.environ.get("wsgi.multiprocess"):
        return message
    return (
        f"{message}. This server runs in several processes, and each of them knows its own conversations only: run it "
        "as one process with many threads (gunicorn --workers 1 --threads 32 …)"
    )


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
    """Create a response that is sent event by event, also through nginx, which would otherwise buffer it
    (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering)."""
    response = Response(events, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
