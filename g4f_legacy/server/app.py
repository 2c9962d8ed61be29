"""The WSGI application: one engine behind three protocols, for this machine's own programs and people."""

import logging
import secrets
import time
from types import ModuleType
from typing import Any, FrozenSet, Iterable, Optional, Union
from urllib.parse import quote

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from . import http as wire
from .. import registry
from ..transport.session import is_loopback
from .engine import MAX_CONCURRENT, Engine
from .routes import h2o, open_assistant, openai

MAX_REQUEST_SIZE = 1024 * 1024
"""The most bytes that a request may carry."""

log = logging.getLogger("g4f_legacy")


def create_app(
    engine: Union[str, ModuleType],
    model: Optional[str] = None,
    *,
    token: Optional[str] = None,
    slots: int = MAX_CONCURRENT,
    hosts: Iterable[str] = (),
    **options: Any,
) -> Flask:
    """Makes an application that answers from a provider.

    Args:
        engine: a provider module or its name.
        model: the model to ask it for, whatever a client names; without one, what the client names.
        token: what clients have to log in with: as ``Authorization: Bearer``, or as Open-Assistant's session cookie.
        slots: how many completions run at the same time; further ones wait.
        hosts: names under which the server is reached, besides those of this machine and bare addresses. A request to
            another name is refused: it is some web page's, which has its own name lead here.
        options: of each call to the provider: ``base_url``, ``auth``, ``timeout``, and so on.

    Raises:
        ProviderNotFoundError: there is no such engine.
        TypeError, ValueError, AuthenticationRequiredError: its options are wrong, or lack a login.
    """
    provider = registry.get(engine) if isinstance(engine, str) else engine
    behind = Engine(provider, model, slots, options)
    app = Flask("g4f_legacy.server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_SIZE
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _finish_answers(app)
    _guard(app, token, frozenset(name.lower() for name in hosts))
    app.register_blueprint(h2o.blueprint(behind))
    app.register_blueprint(open_assistant.blueprint(behind, token))
    app.register_blueprint(openai.blueprint(behind))
    app.extensions["g4f_legacy"] = behind.stop
    app.register_error_handler(HTTPException, _explain)
    return app


def _guard(app: Flask, token: Optional[str], hosts: FrozenSet[str]) -> None:
    @app.before_request
    def refuse_other_sites() -> Any:
        name = wire.split(f"//{request.host}").hostname or ""
        if not (is_loopback(name) or _is_address(name) or name in hosts):
            return _refuse(403, f"This server does not answer to the name {name!r}. Say so with --allow-host.")
        origin = request.headers.get("Origin")
        if origin is not None and wire.split(origin).netloc != request.host:
            return _refuse(403, "This server does not answer to pages of other sites.")
        return None

    @app.before_request
    def check_token() -> Any:
        # Open-Assistant's routes look at their own cookie; the page has nothing to hide.
        if not token or request.path == "/" or request.path.startswith("/api/chat"):
            return None
        given = request.headers.get("Authorization", "").partition(" ")[2]
        if secrets.compare_digest(given.encode(), token.encode()):
            return None
        return _refuse(401, "A token is needed: send Authorization: Bearer …", "invalid_api_key")


def _finish_answers(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def keep_to_itself(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.after_request
    def note(response: Response) -> Response:
        seconds = time.monotonic() - g.get("began", time.monotonic())
        log.info(
            "%s %s %d, answered in %.0f ms", request.method, quote(request.path), response.status_code, 1000 * seconds
        )
        return response


def _refuse(status: int, message: str, code: Optional[str] = None) -> Any:
    if request.path.startswith("/v1"):
        return openai.error(message, status, code)
    return {"error": message}, status


def _explain(error: HTTPException) -> Any:
    return _refuse(error.code or 500, f"{error.name}: {error.description}")


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdigit() or ":" in name
