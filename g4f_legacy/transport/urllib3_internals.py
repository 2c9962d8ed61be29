"""All use of undocumented parts of urllib3.

This module uses `PoolManager.pool_classes_by_scheme`, `HTTPConnectionPool.ConnectionCls` and `QueueCls`, to put
connections of our own into the pools
(https://github.com/urllib3/urllib3/blob/2.2.0/src/urllib3/connectionpool.py), and `HTTPResponse._original_response`, to
read the socket of a response with a deadline
(https://github.com/urllib3/urllib3/blob/2.2.0/src/urllib3/response.py). It relies on two things that
`HTTPConnectionPool.urlopen` does: it closes a connection that raises an unknown exception, and re-raises it; and it
gets an idle connection from its queue with `pool_timeout` as the timeout. To close idle connections, it uses
`PoolManager.pools` and `HTTPConnectionPool.pool`.

Without them, connections come from urllib3's own pools, and bodies are read with `urllib3.HTTPResponse.read1`: the
module `http_client_internals` describes what is lost then.
"""

import logging
from contextlib import suppress
from http.client import HTTPResponse
from queue import Empty
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager

# Not from `urllib3.connection`, where VCR.py replaces the classes.
from urllib3.connectionpool import HTTPConnection, HTTPSConnection  # type: ignore[attr-defined]

from .connection import NEW_CONNECTION, ConnectionStack, StaleConnectionError
from .http_client_internals import InterruptibleConnection

log = logging.getLogger(__name__)


class _SecureConnection(InterruptibleConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = InterruptibleConnection
    QueueCls: Any = ConnectionStack

    def urlopen(self, *arguments: Any, **options: Any) -> Any:
        """Send a request. If it met an idle connection that the server had closed, send it once more, on a new one.

        The option `retries` does not count it: the server has not started to respond, and nothing suggests that a new
        connection fails as well.
        """
        try:
            return super().urlopen(*arguments, **options)
        except StaleConnectionError:
            log.debug("%s:%s has closed an idle connection: sending the request on a new one.", self.host, self.port)
        return super().urlopen(*arguments, **{**options, "pool_timeout": NEW_CONNECTION})


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def install_pools(manager: PoolManager) -> None:
    """Let the pools of a manager consist of our connections, unless it does not know the attribute."""
    if hasattr(manager, "pool_classes_by_scheme"):
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def are_connections_patched() -> bool:
    """Return whether something has replaced the connection classes of urllib3, as VCR.py does for each cassette.

    Our pools would hide the replacement: https://github.com/kevin1024/vcrpy/blob/v7.0.0/vcr/patch.py
    """
    classes = [getattr(pool, "ConnectionCls", None) for pool in (HTTPConnectionPool, HTTPSConnectionPool)]
    return classes != [HTTPConnection, HTTPSConnection]


def close_pooled_connections(manager: PoolManager) -> None:
    """Close the connections in the pools of a manager. Those of unfinished responses are not there."""
    for key in manager.pools.keys():
        queue: Any = getattr(manager.pools.get(key), "pool", None)
        if queue is not None:  # None: another thread has discarded the pool
            _close_queued(queue)


def _close_queued(queue: Any) -> None:
    with suppress(Empty):
        while True:
            connection = queue.get(block=False)
            if connection is not None:
                connection.close()


def get_http_client_response(raw: Any) -> HTTPResponse | None:
    """Return the `http.client.HTTPResponse` that a `urllib3.HTTPResponse` reads from, if it has one."""
    response = getattr(raw, "_original_response", None)
    return response if isinstance(response, HTTPResponse) else None
