"""What the protocols share: reading a request's JSON, and streaming an engine's answer."""

from contextlib import suppress
import json
from typing import Any, Callable, Dict, Iterator, Optional, Sequence
from urllib.parse import SplitResult, urlsplit

from flask import Response, request

from ..errors import ProviderError
from .engine import Engine


def body() -> Dict[str, Any]:
    """The JSON object that a request carries; an empty one where it carries none."""
    document = None
    with suppress(RecursionError):
        document = request.get_json(force=True, silent=True)
    return document if isinstance(document, dict) else {}


def known_model(name: Any, known: Sequence[str], engine: Engine) -> Optional[str]:
    """What to ask an engine for when a client of a 2023 protocol names a model: the engine's own default where only the
    protocol knows the model; None where nobody does."""
    if name in engine.models:
        return str(name)
    return "" if name in list(known) else None


def split(url: str) -> SplitResult:
    """The parts of a URL that a client sent; empty ones where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def event(document: Any, before: str = "data:", ends: str = "\n\n", ascii_only: bool = False) -> bytes:
    """One server-sent event. Half a surrogate pair becomes a JSON escape, for UTF-8 has no bytes for it."""
    text = json.dumps(document, ensure_ascii=ascii_only, separators=(", ", ": ") if ascii_only else (",", ":"))
    return f"{before}{text}{ends}".encode("utf-8", "backslashreplace")


def client_is_gone() -> Callable[[], bool]:
    """Whether the client of the request at hand has hung up, as far as the WSGI server can tell."""
    is_gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected", lambda: False)
    return is_gone


def stream(events: Iterator[bytes], content_type: Optional[str] = "text/event-stream") -> Response:
    """An answer that is sent event by event."""
    response = Response(events, content_type=content_type)
    response.headers["Cache-Control"] = "no-cache"
    return response


def failure_text(error: Exception) -> str:
    """What a client is told of an engine's error: its message, without the engine's address."""
    return str(error.args[0]) if isinstance(error, ProviderError) and error.args else str(error)
