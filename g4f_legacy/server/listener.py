"""Run the application: in the foreground, or in the background of another program."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import waitress

from .. import registry
from ..credentials import wrap_secrets
from ..options import get_base_url
from ..transport.failures import strip_credentials
from ..transport.session import is_loopback
from .access import is_address
from .app import MAX_REQUEST_SIZE, create_app

DEFAULT_THREADS = 128
"""How many requests are processed at the same time. A stream takes a thread for as long as it lasts."""

REQUEST_TIMEOUT = 30.0
"""Seconds within which a request has to arrive completely. Also how long a connection may be idle between requests."""

WRITE_TIMEOUT = 120.0
"""Seconds after which a client that reads nothing of its response is disconnected."""

_MAX_CONNECTIONS = 768  # many systems allow a process 1,024 open files, and the provider needs some of them
_MAX_HEADER_SIZE = 64 * 1024
_MAX_UNSENT = 1024 * 1024  # bytes that a client may lag behind before the provider has to wait for it
_STOP_TIMEOUT = 2.0

log = logging.getLogger(__name__)


def serve(
    engine: str | ModuleType = "Echo",
    model: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 1337,
    on_ready: Callable[[str], Any] = lambda url: None,
    hosts: Iterable[str] = (),
    **options: Any,
) -> None:
    """Serve requests until interrupted.

    Args:
        host, port: the address to listen on; port 0 picks a free one.
        on_ready: is called once the server listens, with a URL that a browser on this machine can open.
        engine, model, hosts, options: as for `create_app`. The name in `host` is allowed as well.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the provider's base URL is this server itself.
    """
    wrap_secrets(options)
    provider = registry.get(engine) if isinstance(engine, str) else engine
    names = [*hosts] if is_address(host) else [host, *hosts]
    app = create_app(provider, model, hosts=names, **options)
    base_url = strip_credentials(str(options.get("base_url") or get_base_url(provider)))
    url = urlsplit(base_url)
    if is_loopback(host) and is_loopback(url.hostname or "") and url.port == port:
        raise ValueError(f"the provider's base URL {base_url} is this server itself: give it another, or use --port")
    with serve_in_background(app, host, port) as own_url:
        if not is_loopback(host) and not options.get("token"):
            log.warning("Everyone who can reach %s can use this server, because it requires no token.", own_url)
        on_ready(_openable(own_url))
        while True:
            time.sleep(3600)


def _openable(url: str) -> str:
    """Return a URL that a browser can open for one whose address stands for all of the machine's addresses."""
    address = ip_address(urlsplit(url).hostname or "")
    if not address.is_unspecified:
        return url
    return url.replace(f"[{address}]", "[::1]") if address.version == 6 else url.replace(str(address), "127.0.0.1")


@contextmanager
def serve_in_background(
    app: Any, host: str = "127.0.0.1", port: int = 0, threads: int = DEFAULT_THREADS
) -> Iterator[str]:
    """Serve a WSGI application in the background for the length of the block. Yield its URL.

    Raises:
        OSError: the address cannot be listened on.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(address[:2], family=family, backlog=_MAX_CONNECTIONS)
    # Its warnings, of each request that finds no idle thread at once, mean nothing where streams hold threads for long.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=threads,
        asyncore_use_poll=True,  # select, the default, fails at the first file descriptor above 1,023
        connection_limit=_MAX_CONNECTIONS,
        max_request_body_size=2 * MAX_REQUEST_SIZE,  # above the application's limit, so that its own error is sent
        max_request_header_size=_MAX_HEADER_SIZE,
        outbuf_high_watermark=_MAX_UNSENT,
        clear_untrusted_proxy_headers=False,  # `access` reads X-Forwarded-Host, which no web page can send
        # Without a lookahead, `waitress.client_disconnected` never returns True:
        # https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
        channel_request_lookahead=1,
        log_socket_errors=False,
        ident="g4f_legacy",
    )
    runner = _start(server)
    name, bound_port = listener.getsockname()[:2]
    try:
        yield f"http://[{name}]:{bound_port}" if family == socket.AF_INET6 else f"http://{name}:{bound_port}"
    finally:
        engine = getattr(app, "extensions", {}).get("g4f_legacy")  # None for an application of others
        runner.stop(engine.stop if engine else lambda: None)


class PublicServer:
    """waitress run and stopped by its public API alone.

    The fallback for releases of waitress without the private parts that `waitress_internals` needs. Slow clients are
    then limited by waitress's own `channel_timeout` only, and a response that is being sent when the server stops runs
    to its end.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, name="g4f_legacy server", daemon=True)
        self._thread.start()

    def stop(self, stop_completions: Callable[[], Any]) -> None:
        """Stop accepting connections. The completions are not stopped, because their responses would look complete."""
        self._server.close()
        self._thread.join(_STOP_TIMEOUT)


def _start(server: Any) -> Any:
    try:
        from .waitress_internals import TimedServer  # fails where a release of waitress has moved these parts

        return TimedServer(server, REQUEST_TIMEOUT, WRITE_TIMEOUT)
    except (AttributeError, ImportError) as error:
        log.warning("This release of waitress is unknown: slow clients are not disconnected (%s)", error)
        return PublicServer(server)
