"""A server on a real socket that sends exactly what a test gives it, byte for byte."""

import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from replay import Sent

FRAMINGS = ("chunked", "length", "close")

Respond = Callable[[socket.socket, Sent], bool | None]


class RawServer:
    """Call a function with each request and its socket; a true result keeps the connection open.

    Attributes:
        url: the address of the server.
        sent: the requests, in their order.
        connections: the number of connections that were opened.
        disconnected: how many of them the client has closed.
    """

    def __init__(self, respond: Respond) -> None:
        self.sent: list[Sent] = []
        self.connections = self.disconnected = 0
        self._respond = respond
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "RawServer":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as requests:
            while True:
                sent = _read(requests)
                if sent is None:
                    self.disconnected += 1
                    break
                self.sent.append(sent)
                if not self._respond(connection, sent):
                    break
        self._open.remove(connection)


def _read(requests: Any) -> Sent | None:
    first_line = requests.readline()
    if not first_line:
        return None
    method, path, _ = first_line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while True:
        name, _, value = requests.readline().decode("latin-1").partition(":")
        if not name.strip():
            break
        headers[name.lower()] = value.strip()
    body = requests.read(int(headers.get("content-length", 0)))
    return Sent(method, path, headers, body.decode("utf-8", "surrogateescape"))


def response(body: bytes = b"", status: int = 200, *headers: str) -> bytes:
    """Return a complete response with a Content-Length."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return b"HTTP/1.1 %d Said So\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), lines.encode(), body)


def head(framing: str, length: int = 0, content_type: str = "text/event-stream") -> bytes:
    """Return the status line and headers of a streamed response, in one of the `FRAMINGS`."""
    framing_header = {
        "chunked": "Transfer-Encoding: chunked",
        "length": f"Content-Length: {length}",
        "close": "X-Framing: none",
    }[framing]
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing_header}\r\n\r\n".encode()


def chunk(data: bytes, framing: str) -> bytes:
    """Return a part of a body as it is sent in that framing; empty data ends a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data


def reset(connection: socket.socket) -> None:
    """End a connection by RST. On systems where that discards what was sent (not on Linux), text may be missing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
