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
from ..credentials import wrap_secret, wrap_secrets
from ..transport.session import is_loopback
from .engine import MAX_CONCURRENT, Engine
from .exchange import Origin, get_server_origins, read_origin
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
            any other ``Host`` header are refused, which protects against DNS rebinding. Web pages at these names are
            allowed whatever their port is, because that is a proxy's.
        options: those of each call to the provider: ``base_url``, ``auth``, ``timeout``, and so on.

    Raises:
        ProviderNotFoundError: no provider has that name.
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
    app.register_blueprint(H2oRoutes(answering, access.explain_referer).blueprint())
    app.register_blueprint(OpenAssistantRoutes(answering, token).blueprint())
    app.register_blueprint(OpenAIRoutes(answering).blueprint())
    app.extensions["g4f_legacy"] = answering.stop
    return app


class _AccessControl:
    """Refuses requests that web pages of other sites make, and those without the token.

    The pages, and what tells them from pages of this server:

    - A name that its owner points at this machine (DNS rebinding) is in ``Host``, and in ``Origin`` even if a proxy
      replaces ``Host``. Neither may be a name of DNS, unless it was allowed.
    - Another site, a sandboxed frame (``Origin: null``), and a program on another port of this machine: browsers
      compare origins themselves, and send ``Sec-Fetch-Site`` to loopback addresses and over https
      (https://web.dev/articles/fetch-metadata). Otherwise ``Origin`` is compared, which each POST request of a browser
      has (https://fetch.spec.whatwg.org/#origin-header).
    - ``X-Forwarded-Host``, which proxies send, can be sent by a page only after a CORS preflight
      (https://fetch.spec.whatwg.org/#cors-safelisted-request-header), which this server never grants.
    """

    def __init__(self, token: str | None, hosts: Iterable[str]) -> None:
        self._token = token
        # Loopback names need no permission, and no port of this machine but the server's own is trusted.
        self._hosts = frozenset(name.lower() for name in hosts if not is_loopback(name.lower()))

    def check_site(self) -> Any:
        host = read_origin(f"//{request.host}")
        if not self._is_allowed_name(host.name):
            return _refuse(403, f"Requests to the host name {host.name!r} are refused. {_hint(host)}".rstrip())
        origin = request.headers.get("Origin")
        page = read_origin(origin or "")
        if _is_from_other_page() or (origin is not None and not self._allows_page(page)):
            return _refuse(403, f"Requests from web pages of other sites are refused. {_hint(page)}".rstrip())
        return None

    def explain_referer(self, referer: str) -> str | None:
        """Return why a Referer is refused, or None if it is this server's.

        `check_site` has checked ``Origin``. A POST request that has none is not a browser's, but a program's, which may
        reach the server through a proxy or a forwarded port: at any port of this machine, or at a proxy's name.
        """
        page = read_origin(referer)
        if page.name == "localhost" or self._is_own(page):
            return None
        return f"it names another server. {_hint(page)}".rstrip()

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

    def _is_allowed_name(self, name: str) -> bool:
        return is_loopback(name) or is_address(name) or name in self._hosts

    def _allows_page(self, page: Origin) -> bool:
        # The browser's comparison is with the address that it sends the request to. A proxy may replace that.
        return self._is_allowed_name(page.name) and ("Sec-Fetch-Site" in request.headers or self._is_own(page))

    def _is_own(self, page: Origin) -> bool:
        return page.name in self._hosts or any(page.is_served_by(server) for server in get_server_origins())


def _is_from_other_page() -> bool:
    """Return whether the browser states that a page of another origin sends the request, other than by a link."""
    if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
        return False
    destination = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return request.method != "GET" or destination != ("navigate", "document")


def _hint(page: Origin) -> str:
    """Return what to do if the name is one of this server's after all."""
    if page.name == "localhost":
        return "If a proxy is in front of the server, let it send the Host header that it receives."
    return f"If it is this server's, use --allow-host {page.name} (hosts= of create_app)." if page.name else ""


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


def is_address(name: str) -> bool:
    """Return whether a host name is an IP address."""
    return name.replace(".", "").isdigit() or ":" in name
