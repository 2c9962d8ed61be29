"""Which requests are refused: those that web pages of other sites make, and those without the token."""

import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import request

from ..transport.session import is_loopback
from .openai_errors import create_error_response

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The host name and the port in a URL or a ``Host`` header.

    Attributes:
        name: "localhost" for each loopback name and address; empty if the URL is invalid.
        port: None if it is unknown.
    """

    name: str
    port: int | None

    def matches(self, server: "Origin") -> bool:
        """Return whether this is the origin of a server, whose port may be unknown."""
        return bool(self.name) and self.name == server.name and server.port in (self.port, None)


class AccessControl:
    """Refuses requests, by functions for ``Flask.before_request``.

    How each kind of foreign page is recognised:

    - DNS rebinding: a name that its owner points at this machine is in ``Host``, and in ``Origin`` even if a proxy
      replaces ``Host``. Neither may be a name of DNS, unless it was allowed.
    - Another site, a sandboxed frame (``Origin: null``), a program on another port of this machine: browsers compare
      origins themselves, and send ``Sec-Fetch-Site`` to loopback addresses and over https
      (https://web.dev/articles/fetch-metadata). Otherwise ``Origin`` is compared, which each POST request of a browser
      has (https://fetch.spec.whatwg.org/#origin-header).
    - ``X-Forwarded-Host``, which proxies send, can be sent by a page only after a CORS preflight
      (https://fetch.spec.whatwg.org/#cors-safelisted-request-header), which this server never grants.

    Args:
        token: what clients have to send, if anything.
        hosts: the names of the server, besides loopback names and bare addresses.

    Raises:
        ValueError: one of them is not a host name.
    """

    def __init__(self, token: str | None, hosts: Iterable[str]) -> None:
        self._token = token
        names = [*map(str.lower, hosts)]
        for name in names:
            if _read_origin(f"//{name}").port is not None or "/" in name:
                raise ValueError(f"{name!r} is not a host name: give it without a scheme and a port")
        # Not loopback names: an allowed name is trusted at any port, and other programs listen on this machine's.
        self._hosts = frozenset(name for name in names if not is_loopback(name))

    def check_site(self) -> Any:
        """Return a refusal if the request is that of a web page of another site."""
        host = _read_origin(f"//{request.host}")
        if not self._is_allowed_name(host.name):
            return refuse(403, _add_hint(f"Requests to the host name {host.name!r} are refused.", host))
        origin = request.headers.get("Origin")
        page = _read_origin(origin or "")
        if page.name == "localhost" and page in _get_server_origins():
            return None  # the same port; for browsers, localhost and 127.0.0.1 are different sites all the same
        if _is_cross_origin() or (origin is not None and not self._allows_page(page)):
            return refuse(403, _add_hint("Requests from web pages of other sites are refused.", page))
        return None

    def check_referer(self, referer: str) -> str | None:
        """Return why a Referer is refused, or None if it is this server's.

        `check_site` has checked ``Origin``. A POST request that has none is not a browser's, but a program's, which may
        reach the server through a proxy or a forwarded port: at any address and port.
        """
        page = _read_origin(referer)
        if self._is_allowed_name(page.name) or self._is_own(page):
            return None
        return _add_hint("it names another server.", page)

    def check_token(self) -> Any:
        """Return a refusal if the request lacks the token."""
        # Open-Assistant's routes check the token in their cookie. The page shows nothing that needs protection.
        if not self._token or request.path == "/" or request.path.startswith("/api/chat"):
            return None
        credentials = request.headers.get("Authorization", "").partition(" ")[2]
        if secrets.compare_digest(credentials.encode(), self._token.encode()):
            return None
        if credentials:
            return refuse(401, "The token is wrong: send the one that the server was started with.", "invalid_api_key")
        return refuse(401, "A token is required: send Authorization: Bearer …", "invalid_api_key")

    def _is_allowed_name(self, name: str) -> bool:
        return is_loopback(name) or is_address(name) or name in self._hosts

    def _allows_page(self, page: Origin) -> bool:
        # With Sec-Fetch-Site, the browser has compared the origins itself. Without it, a proxy may have replaced Host.
        return self._is_allowed_name(page.name) and ("Sec-Fetch-Site" in request.headers or self._is_own(page))

    def _is_own(self, page: Origin) -> bool:
        return page.name in self._hosts or any(page.matches(server) for server in _get_server_origins())


def refuse(status: int, message: str, code: str | None = None) -> Any:
    """Create a response with an error, in OpenAI's format if the request is one of its API."""
    if request.path.startswith("/v1"):
        return create_error_response(message, status, code=code)
    return {"error": message}, status


def is_address(name: str) -> bool:
    """Return whether a host name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _read_origin(url: str, default_port: int | None = None) -> Origin:
    """Return the origin of a URL.

    Args:
        url: a URL; or ``//`` and a ``Host`` header.
        default_port: the port where neither a port nor a scheme is given.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, default_port)
    except ValueError:
        return Origin("", None)
    name = parts.hostname or ""
    return Origin("localhost" if is_loopback(name) else name, port)


def _get_server_origins() -> list[Origin]:
    """Return the origins of this server by the headers of the request: ``Host`` and a proxy's ``X-Forwarded-Host``.

    Browsers leave out a port only if it is the default one (https://www.rfc-editor.org/rfc/rfc9110#section-7.2). So a
    ``Host`` without a port that is received on another port is a proxy's, and the port that the client used is unknown:
    nginx sends that by ``proxy_set_header Host $host``
    (https://nginx.org/en/docs/http/ngx_http_core_module.html#var_host).
    """
    own_port = request.environ.get("SERVER_PORT")
    default_port = int(own_port) if own_port in ("80", "443") else None
    forwarded = request.headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
    return [_read_origin(f"//{request.host}", default_port), _read_origin(f"//{forwarded}")]


def _is_cross_origin() -> bool:
    """Return whether the browser reports a request of another origin's page, other than one that follows a link."""
    if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
        return False
    mode, destination = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")
    follows_link = request.method == "GET" and mode == "navigate" and destination == "document"
    return not follows_link


def _add_hint(message: str, origin: Origin) -> str:
    """Add to a refusal what to do if the origin is this server's after all."""
    if origin.name == "localhost":
        return f"{message} If a proxy is in front of the server, let it send the Host header that it receives."
    if origin.name:
        return f"{message} If it is this server's, use --allow-host {origin.name} (hosts= of create_app)."
    return message
