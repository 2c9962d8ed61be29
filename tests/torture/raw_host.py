"""A host on a real socket that says exactly what it is told, byte for byte."""

from contextlib import suppress
import os
import socket
import struct
import threading
from typing import Any, Callable, Dict, List, Optional

from replay import Sent

FRAMINGS = ("chunked", "length", "close")

Answer = Callable[[socket.socket, Sent], Optional[bool]]


class RawHost:
    """Calls a function with each request and the socket that it came on; a true result keeps the connection.

    Attributes:
        url: where it listens.
        sent: the requests, in their order.
        connections: how many connections were opened.
        left: how many of them the client has closed.
    """

    def __init__(self, answer: Answer) -> None:
        self.sent: List[Sent] = []
        self.connections = self.left = 0
        self._answer = answer
        self._open: List[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "RawHost":
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
                    self.left += 1
                    break
                self.sent.append(sent)
                if not self._answer(connection, sent):
                    break
        self._open.remove(connection)


def _read(requests: Any) -> Optional[Sent]:
    first = requests.readline()
    if not first:
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers: Dict[str, str] = {}
    while True:
        name, _, value = requests.readline().decode("latin-1").partition(":")
        if not name.strip():
            break
        headers[name.lower()] = value.strip()
    body = requests.read(int(headers.get("content-length", 0)))
    return Sent(method, path, headers, body.decode("utf-8", "surrogateescape"))


def whole(body: bytes = b"", status: int = 200, *headers: str) -> bytes:
    """A whole answer of known length."""
    head = "".join(f"{header}\r\n" for header in headers)
    return b"HTTP/1.1 %d Said So\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), head.encode(), body)


def head(framing: str, length: int = 0, kind: str = "text/event-stream") -> bytes:
    """The head of a streamed answer, in one of the `FRAMINGS`."""
    framed = {
        "chunked": "Transfer-Encoding: chunked",
        "length": f"Content-Length: {length}",
        "close": "X-Framing: none",
    }
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framed[framing]}\r\n\r\n".encode()


def piece(data: bytes, framing: str) -> bytes:
    """Some bytes of a body as they go over the wire; none, when chunked, end it."""
    return b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data


def reset(connection: socket.socket) -> None:
    """Ends a connection by RST. Where systems let it overtake what was sent (Linux does not), text may be missing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
