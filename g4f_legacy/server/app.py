"""The WSGI application: one engine behind three protocols, for programs and people on this machine."""

import logging
import time
from collections.abc import Iterable
from types import ModuleType
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from .. import registry
from ..credentials import wrap_secret, wrap_secrets
from .access import AccessControl, refuse
from .engine import MAX_CONCURRENT, Engine
from .routes.h2o import H2oRoutes
from .routes.open_assistant import OpenAssistantRoutes
from .routes.openai import OpenAIRoutes

MAX_REQUEST_SIZE = 1024 * 1024
"""The maximum size of a request's body in bytes.

waitress reads chunked bodies in a time that grows with the square of their size, in the thread of all connections.
"""

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
            any other ``Host`` header are refused, which protects against DNS rebinding. Web pages at these names are
            allowed whatever their port is, because that is a proxy's.
        options: those of each call to the provider: ``base_url``, ``auth``, ``timeout``, and so on.

    Raises:
        ProviderNotFoundError: no provider has that name.
        ProviderNotWorkingError: the provider is unavailable, and there is no redirect target.
        TypeError, ValueError: an option is wrong.
        AuthenticationRequiredError: credentials are missing.

    Conversations of the protocols of 2023 are kept in the memory of one process. Run the application in one process
    with many threads (``gunicorn --workers 1 --threads 32 …``); each stream occupies a thread. OpenAI's API has no
    conversations, and works in several processes, too.
    """
    token = wrap_secret(token)
    wrap_secrets(options)
    provider = registry.get(engine) if isinstance(engine, str) else engine
    answering = Engine(provider, model, max_concurrent, options)
    access = AccessControl(token, hosts)
    app = Flask("g4f_legacy.server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_SIZE
    app.config["REQUIRES_TOKEN"] = bool(token)  # shown by the page
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(_start_timer)
    app.before_request(access.check_site)
    app.before_request(access.check_token)
    app.after_request(_add_security_headers)
    app.after_request(_log_response)
    app.register_error_handler(HTTPException, _handle_http_error)
    app.register_blueprint(H2oRoutes(answering, access.check_referer).blueprint())
    app.register_blueprint(OpenAssistantRoutes(answering, token).blueprint())
    app.register_blueprint(OpenAIRoutes(answering).blueprint())
    app.extensions["g4f_legacy"] = answering
    return app


def _start_timer() -> None:
    g.started = time.monotonic()


def _add_security_headers(response: Response) -> Response:
    policy = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"  # data: is the favicon
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _log_response(response: Response) -> Response:
    milliseconds = 1000 * (time.monotonic() - g.get("started", time.monotonic()))
    path = quote(request.path)  # quoted, so that a path cannot forge a line of the log
    log.info("%s %s %d, answered in %.0f ms", request.method, path, response.status_code, milliseconds)
    return response


def _handle_http_error(error: HTTPException) -> Any:
    return refuse(error.code or 500, f"{error.name}: {error.description}")
