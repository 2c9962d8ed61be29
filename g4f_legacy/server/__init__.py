"""A server of one's own that speaks the protocols of 2023 and OpenAI's, and answers from any provider."""

import logging
import socket
import threading
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Callable, Iterable, Iterator, Optional, Union
from urllib.parse import urlsplit

from waitress.server import create_server

from .. import registry
from ..options import base_url_of
from ..session import is_loopback
from .app import LARGEST_BODY, create_app

__all__ = ["create_app", "running", "serve"]

THREADS = 128
"""How many requests are answered at the same time: a stream takes a thread for as long as it lasts."""

_CONNECTIONS = 1000

log = logging.getLogger("g4f_legacy")


def serve(
    engine: Union[str, ModuleType] = "Echo",
    model: Optional[str] = None,
    *,
    host: str = "127.0.0.1",
    port: int = 1337,
    ready: Callable[[str], Any] = lambda url: None,
    hosts: Iterable[str] = (),
    **options: Any,
) -> None:
    """Answers requests until it is interrupted.

    Args:
        host, port: where to listen; port 0 is any that is free.
        ready: is called with the address once the server listens.
        engine, model, hosts, options: as for `create_app`; it answers to the name in `host`, too.

    Raises:
        OSError: it cannot listen there.
        ValueError: the engine would ask this server itself.
    """
    provider = registry.get(engine) if isinstance(engine, str) else engine
    base_url = urlsplit(str(options.get("base_url") or base_url_of(provider)))
    if is_loopback(host) and is_loopback(base_url.hostname or "") and base_url.port == port:
        raise ValueError(f"the engine points to {base_url.geturl()}, which is this server: give it another, or --port")
    with running(create_app(engine, model, hosts=[host, *hosts], **options), host, port) as url:
        if not is_loopback(host) and not options.get("token"):
            log.warning("Everyone who reaches %s can use this server, for it has no token.", url)
        ready(url)
        while True:
            threading.Event().wait(3600)


@contextmanager
def running(app: Any, host: str = "127.0.0.1", port: int = 0, threads: int = THREADS) -> Iterator[str]:
    """Serves an application in the background for as long as the block lasts, and gives its address.

    Raises:
        OSError: it cannot listen there.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(address[:2], family=family, backlog=_CONNECTIONS)
    server = create_server(
        app,
        sockets=[listener],
        threads=threads,
        connection_limit=_CONNECTIONS,
        max_request_body_size=2 * LARGEST_BODY,  # so that the application can refuse what is too large itself
        channel_request_lookahead=1,  # so that it notices when a client hangs up
        log_socket_errors=False,
        ident="g4f_legacy",
    )
    over = threading.Event()
    thread = threading.Thread(target=_run, args=(server, over), name="g4f_legacy server", daemon=True)
    thread.start()
    name, real_port = listener.getsockname()[:2]
    try:
        yield f"http://[{name}]:{real_port}" if family == socket.AF_INET6 else f"http://{name}:{real_port}"
    finally:
        getattr(app, "extensions", {}).get("g4f_legacy", lambda: None)()
        over.set()
        server.trigger.pull_trigger()  # wakes the thread
        thread.join()
        server.task_dispatcher.shutdown(timeout=1)
        for dispatcher in list(server._map.values()):  # only now: the trigger is among them
            dispatcher.close()


def _run(server: Any, over: threading.Event) -> None:
    # What waitress itself offers cannot be ended from another thread.
    while not over.is_set():
        server.asyncore.loop(timeout=1, map=server._map, count=1)
