"""All use of undocumented parts of urllib3.

This module uses `PoolManager.pool_classes_by_scheme`, `HTTPConnectionPool.ConnectionCls` and `QueueCls`, to put
connections of our own into the pools
(https://github.com/urllib3/urllib3/blob/2.2.0/src/urllib3/connectionpool.py), and `HTTPResponse._original_response`, to
read the socket of a response with a deadline
(https://github.com/urllib3/urllib3/blob/2.2.0/src/urllib3/response.py). It relies on two things that
`HTTPConnectionPool.urlopen` does: it closes a connection that raises an unknown exception, and lets that pass; and it
gets an idle connection from its queue with `pool_timeout` as the timeout.

Without them, connections come from urllib3's own pools, and bodies are read with `urllib3.HTTPResponse.read1`: the
module `http_client_internals` describes what is lost then.
"""

import logging
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from .connection import NEW_CONNECTION, ConnectionStack, StaleConnectionError
from .http_client_internals import InterruptibleConnection

log = logging.getLogger(__name__)


class _Connection(InterruptibleConnection, HTTPConnection):
    pass


class _SecureConnection(InterruptibleConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = _Connection
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


def get_http_client_response(raw: Any) -> HTTPResponse | None:
    """Return the `http.client.HTTPResponse` that a `urllib3.HTTPResponse` reads from, if it has one."""
    response = getattr(raw, "_original_response", None)
    return response if isinstance(response, HTTPResponse) else None
