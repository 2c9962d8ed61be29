"""waitress with request and write timeouts, and a stop from another thread.

waitress keeps a connection for as long as a byte arrives now and then, waits without limit for a client that does not
read its response, and ends its loop only by an exception inside it. What follows changes that with parts of waitress
3.0 that are not in its documentation. No other module uses them:

* of the server: ``active_channels``, ``asyncore``, ``channel_class``, ``pull_trigger``, ``task_dispatcher``, ``_map``
  (https://github.com/Pylons/waitress/blob/v3.0.2/src/waitress/server.py)
* of `HTTPChannel`: ``creation_time``, ``handle_close``, ``last_activity``, ``outbuf_lock``, ``parser_class``,
  ``received``, ``request``, ``requests``, ``service``, ``socket``, ``total_outbufs_len``
  (https://github.com/Pylons/waitress/blob/v3.0.2/src/waitress/channel.py)
* `HTTPRequestParser.parse_header` and `ParsingError`
  (https://github.com/Pylons/waitress/blob/v3.0.2/src/waitress/parser.py)

`listener.PublicServer` does without them.
"""

import select
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

_TIMEOUT_CHECK_INTERVAL = 1.0
_SHUTDOWN_TIMEOUT = 1.0
_POLLRDHUP = getattr(select, "POLLRDHUP", 0)  # Linux only: the client has closed its end


class TimedServer:
    """A waitress server in a thread of its own, which enforces the timeouts.

    Args:
        server: from `waitress.create_server`.
        request_timeout: seconds within which a request has to arrive completely.
        write_timeout: seconds for which a client may read nothing of its response.
    """

    def __init__(self, server: Any, request_timeout: float, write_timeout: float) -> None:
        self._request_timeout = request_timeout
        self._write_timeout = write_timeout
        self._channels = server.active_channels
        self._dispatchers = server._map
        self._loop = server.asyncore.loop
        self._wake = server.pull_trigger
        self._workers = server.task_dispatcher
        server.channel_class = _Channel  # last: without one of the parts above, the server has to stay as it is
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="g4f_legacy server", daemon=True)
        self._thread.start()

    def stop(self, stop_completions: Callable[[], Any]) -> None:
        """Close all connections at once, then stop the completions and the threads."""
        self._stopped.set()
        self._wake()
        self._thread.join()
        # Before the completions are stopped, because the responses of stopped completions look complete.
        self._close_channels(lambda channel: True)
        stop_completions()
        self._workers.shutdown(timeout=_SHUTDOWN_TIMEOUT)
        for dispatcher in list(self._dispatchers.values()):  # last: they include the trigger, which the threads use
            dispatcher.close()

    def _run(self) -> None:
        checked = time.monotonic()
        while not self._stopped.is_set():
            self._loop(timeout=_TIMEOUT_CHECK_INTERVAL, use_poll=True, map=self._dispatchers, count=1)
            if time.monotonic() - checked >= _TIMEOUT_CHECK_INTERVAL:
                checked = time.monotonic()
                self._close_channels(lambda channel: channel.is_timed_out(self._request_timeout, self._write_timeout))

    def _close_channels(self, condition: "Callable[[_Channel], bool]") -> None:
        # `handle_close`, because `will_close` takes effect only when something can be sent on the connection.
        for channel in filter(condition, list(self._channels.values())):
            channel.handle_close()


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a Content-Length of 5,000 digits, which `int` refuses
            raise ParsingError("HTTP message header invalid") from error


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when its client has kept the server waiting."""

    parser_class = _Parser
    _waiting_since = 0.0  # the end of the last response, or the first byte of the next request

    def received(self, data: bytes) -> bool:
        if self.request is None and data.strip():
            self._waiting_since = time.time()
        return bool(super().received(data))

    def service(self) -> None:
        super().service()
        self._waiting_since = time.time()

    def is_timed_out(self, request_timeout: float, write_timeout: float) -> bool:
        """Return whether the client is too slow to send its request, too slow to read the response, or gone."""
        with self.outbuf_lock:  # held while bytes are sent, so that those count as activity
            if self.total_outbufs_len:
                return bool(time.time() - self.last_activity > write_timeout)
        if len(self.requests) > 1:  # waitress does not read on until these are answered, and so misses the end
            return self._is_closed_by_client()
        return not self.requests and time.time() - max(self._waiting_since, self.creation_time) > request_timeout

    def _is_closed_by_client(self) -> bool:
        if not _POLLRDHUP:
            return False
        poll = select.poll()
        poll.register(self.socket, _POLLRDHUP)
        return bool(poll.poll(0))
