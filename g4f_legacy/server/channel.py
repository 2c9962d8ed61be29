"""waitress's connections, with an end to those that keep the server waiting."""

import select
import time

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

ASK_WITHIN = 30.0
"""Seconds within which a request has to come whole, and after which a connection without one is closed."""

READ_WITHIN = 120.0
"""Seconds after which a client that reads nothing of its answer is given up."""

_HUNG_UP = getattr(select, "POLLRDHUP", 0)  # Linux has it


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # such as a Content-Length of 5,000 digits
            raise ParsingError("HTTP message header invalid") from error


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when its client has taken too long. waitress itself waits for as long as a byte comes now
    and then, and for ever where a client does not read the answer that it is being given."""

    parser_class = _Parser
    _began = 0.0  # when the last answer ended, or the request that is coming began

    def received(self, data: bytes) -> bool:
        if self.request is None and data.strip():
            self._began = time.time()
        return bool(super().received(data))

    def service(self) -> None:
        super().service()
        self._began = time.time()

    def is_timed_out(self) -> bool:
        """Whether the client has taken too long to ask, or to read what it asked for, or is gone."""
        with self.outbuf_lock:  # so that what is being sent at this moment does not count
            if self.total_outbufs_len:
                return bool(time.time() - self.last_activity > READ_WITHIN)
        if len(self.requests) > 1 and _HUNG_UP:  # waitress reads no further then, and does not see the end
            poll = select.poll()
            poll.register(self.socket, _HUNG_UP)
            return bool(poll.poll(0))
        return not self.requests and time.time() - max(self._began, self.creation_time) > ASK_WITHIN
