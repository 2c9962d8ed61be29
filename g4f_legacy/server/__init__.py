"""A server of one's own that speaks the protocols of 2023 and OpenAI's, and answers from any provider."""

from contextlib import contextmanager
import logging
import socket
import threading
import time
from types import ModuleType
from typing import Any, Callable, Iterable, Iterator, Optional, Union
from urllib.parse import urlsplit

from waitress.server import create_server

from .. import registry
from ..options import base_url_of
from ..transport.failures import strip_credentials
from ..transport.session import is_loopback
from .app import MAX_REQUEST_SIZE, create_app
from .channel import Channel

__all__ = ["create_app", "running", "serve"]

THREADS = 128
"""How many requests are answered at the same time: a stream takes a thread for as long as it lasts."""

_CONNECTIONS = 768  # of the 1,024 files that a process may have open on many machines, the engine needs some, too
_LARGEST_HEAD = 64 * 1024
_MOST_UNREAD = 1024 * 1024  # bytes that a stream's client may lag behind before the engine has to wait for it

log = logging.getLogger("g4f_legacy")


def serve(
    engine: Union[str, ModuleType] = "Echo",
    model: Optional[str] = None,
    *,
    host: str = "127.0.0.1",
    port: int = 1337,
    on_ready: Callable[[str], Any] = lambda url: None,
    hosts: Iterable[str] = (),
    **options: Any,
) -> None:
    """Answers requests until it is interrupted.

    Args:
        host, port: where to listen; port 0 is any that is free.
        on_ready: is called with the address once the server listens.
        engine, model, hosts, options: as for `create_app`; it answers to the name in `host`, too.

    Raises:
        OSError: it cannot listen there.
        ValueError: the engine would ask this server itself.
    """
    provider = registry.get(engine) if isinstance(engine, str) else engine
    base_url = urlsplit(str(options.get("base_url") or base_url_of(provider)))
    if is_loopback(host) and is_loopback(base_url.hostname or "") and base_url.port == port:
        address = strip_credentials(base_url.geturl())
        raise ValueError(f"the engine points to {address}, which is this server: give it another, or --port")
    with serve_in_background(create_app(engine, model, hosts=[host, *hosts], **options), host, port) as url:
        if not is_loopback(host) and not options.get("token"):
            log.warning("Everyone who reaches %s can use this server, for it has no token.", url)
        on_ready(url)
        while True:
            threading.Event().wait(3600)


@contextmanager
def serve_in_background(app: Any, host: str = "127.0.0.1", port: int = 0, threads: int = THREADS) -> Iterator[str]:
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
        max_request_body_size=2 * MAX_REQUEST_SIZE,  # so that the application can refuse what is too large itself
        max_request_header_size=_LARGEST_HEAD,
        outbuf_high_watermark=_MOST_UNREAD,
        channel_request_lookahead=1,  # so that it notices when a client hangs up
        log_socket_errors=False,
        ident="g4f_legacy",
    )
    server.channel_class = Channel
    over = threading.Event()
    thread = threading.Thread(target=_run, args=(server, over), name="g4f_legacy server", daemon=True)
    thread.start()
    name, real_port = listener.getsockname()[:2]
    try:
        yield f"http://[{name}]:{real_port}" if family == socket.AF_INET6 else f"http://{name}:{real_port}"
    finally:
        over.set()
        server.trigger.pull_trigger()  # wakes the thread
        thread.join()
        _close(server, lambda channel: True)  # before the engine stops: no answer that is cut looks whole
        getattr(app, "extensions", {}).get("g4f_legacy", lambda: None)()
        server.task_dispatcher.shutdown(timeout=1)
        for dispatcher in list(server._map.values()):  # only now: the trigger is among them
            dispatcher.close()


def _run(server: Any, over: threading.Event) -> None:
    # What waitress itself offers cannot be ended from another thread.
    looked = time.monotonic()
    while not over.is_set():
        # select, which is the default, fails for good at the first file whose number is 1,024 or more.
        server.asyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)
        if time.monotonic() - looked >= 1:
            looked = time.monotonic()
            _close(server, Channel.is_timed_out)


def _close(server: Any, which: Callable[[Channel], bool]) -> None:
    # At once: waitress closes a connection only when something can be sent on it.
    for channel in filter(which, list(server.active_channels.values())):
        channel.handle_close()
