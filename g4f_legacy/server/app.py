"""The WSGI application: one engine behind three protocols, for programs and people on this machine."""

import logging
import secrets
import time
from collections.abc import Iterable
from types import ModuleType
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from .. import registry
from ..transport.session import is_loopback
from .engine import MAX_CONCURRENT, Engine
from .exchange import split_url
from .routes.h2o import H2oRoutes
from .routes.open_assistant import OpenAssistantRoutes
from .routes.openai import OpenAIRoutes, error_response

MAX_REQUEST_SIZE = 1024 * 1024
"""The maximum size of a request's body in bytes."""

log = logging.getLogger(__name__)


def create_app(
    engine: str | ModuleType,
    model: str | None = None,
    *,
    token: str | None = None,
    max_concurrent: int = MAX_CONCURRENT,
    hosts: Iterable[str] = (),
    **options: Any,
) -> Flask:
    """Create an application that answers from a provider.

    Args:
        engine: a provider module or its name.
        model: the model to ask it for, whatever a client names; by default what the client names.
        token: the token that clients have to send: as ``Authorization: Bearer``, or as Open-Assistant's session cookie.
        max_concurrent: how many completions run at the same time; further ones wait.
        hosts: host names under which the server is reached, besides loopback names and bare addresses. Requests with
            any other ``Host`` header are refused, which protects against DNS rebinding.
        options: those of each call to the provider: ``base_url``, ``auth``, ``timeout``, and so on.

    Raises:
        ProviderNotFoundError: no provider has that name.
        TypeError, ValueError: an option is wrong.
        AuthenticationRequiredError: credentials are missing.
    """
    provider = registry.get(engine) if isinstance(engine, str) else engine
    answering = Engine(provider, model, max_concurrent, options)
    access = _AccessControl(token, hosts)
    app = Flask("g4f_legacy.server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_SIZE
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(_start_timer)
    app.before_request(access.check_site)
    app.before_request(access.check_token)
    app.after_request(_add_security_headers)
    app.after_request(_log_response)
    app.register_error_handler(HTTPException, _handle_http_error)
    app.register_blueprint(H2oRoutes(answering).blueprint())
    app.register_blueprint(OpenAssistantRoutes(answering, token).blueprint())
    app.register_blueprint(OpenAIRoutes(answering).blueprint())
    app.extensions["g4f_legacy"] = answering.stop
    return app


class _AccessControl:
    """Refuses requests that web pages of other sites make, and those without the token."""

    def __init__(self, token: str | None, hosts: Iterable[str]) -> None:
        self._token = token
        self._hosts = frozenset(name.lower() for name in hosts)

    def check_site(self) -> Any:
        name = split_url(f"//{request.host}").hostname or ""
        if not (is_loopback(name) or _is_address(name) or name in self._hosts):
            return _refuse(403, f"Requests to the host name {name!r} are refused. Allow it with --allow-host.")
        origin = request.headers.get("Origin")
        if origin is not None and split_url(origin).netloc != request.host:
            return _refuse(403, "Requests from web pages of other sites are refused.")
        return None

    def check_token(self) -> Any:
        # Open-Assistant's routes check the token in their cookie. The page shows nothing that needs protection.
        if not self._token or request.path == "/" or request.path.startswith("/api/chat"):
            return None
        credentials = request.headers.get("Authorization", "").partition(" ")[2]
        if secrets.compare_digest(credentials.encode(), self._token.encode()):
            return None
        if credentials:
            return _refuse(401, "The token is wrong: send the one that the server was started with.", "invalid_api_key")
        return _refuse(401, "A token is required: send Authorization: Bearer …", "invalid_api_key")


def _start_timer() -> None:
    g.started = time.monotonic()


def _add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _log_response(response: Response) -> Response:
    milliseconds = 1000 * (time.monotonic() - g.get("started", time.monotonic()))
    path = quote(request.path)  # quoted, so that a path cannot forge a line of the log
    log.info("%s %s %d, answered in %.0f ms", request.method, path, response.status_code, milliseconds)
    return response


def _refuse(status: int, message: str, code: str | None = None) -> Any:
    if request.path.startswith("/v1"):
        return error_response(message, status, code)
    return {"error": message}, status


def _handle_http_error(error: HTTPException) -> Any:
    return _refuse(error.code or 500, f"{error.name}: {error.description}")


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdigit() or ":" in name
