"""The scripted server: H2o's steps, TGI and OpenAI's API over raw sockets, in a process of its own.

Everything is prepared and sent in large blocks, so that no measurement waits for it. The first segment of the path
selects the response; see `wire.Case`. ``/counts/NAME`` has the number of requests and connections for that name.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from .process import ROOT, command, environment
from .wire import TIMESTAMP, Body, Case, make_body, parse_case

_COOKIE = "Set-Cookie: h2o-chat=0dffff08-76f2-4c56-8788-7d1ad35bd2b5; Path=/; HttpOnly; Secure; SameSite=None\r\n"
_PAGE = b"<!DOCTYPE html>".ljust(18320)
_SETTINGS = b'{"type":"redirect","status":303,"location":"/"}'
_CONVERSATION = b'{"conversationId":"6b00067043e8d70aef4d5530"}'
_FRAMINGS = {
    "chunked": "Transfer-Encoding: chunked\r\n",
    "length": "Content-Length: %d\r\n",
    "close": "Connection: close\r\n",
}


@contextmanager
def running() -> Iterator[str]:
    """Run the server for the length of the block, and return its base URL."""
    with subprocess.Popen(
        command("benchmarks.server"), cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()  # this ends it, also when this process is killed


class _Request(NamedTuple):
    method: str
    path: str
    closes: bool


class _Server:
    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()

    def listen(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        is_new, is_open = True, True
        with suppress(OSError), connection, connection.makefile("rb") as reader:
            while is_open:
                request = _read(reader)
                if request is None:
                    break
                _, segment, path = request.path.split("/", 2)
                if segment == "counts":
                    counts = {"requests": self._requests[path], "connections": self._connections[path]}
                    connection.sendall(_response(json.dumps(counts).encode()))
                    continue
                case = parse_case(segment)
                self._count(case, is_new)
                time.sleep(case.delay / 1000 * (1 + is_new))
                is_open = _respond(connection, case, request.method, path) and not request.closes
                is_new = False

    def _count(self, case: Case, is_new: bool) -> None:
        with self._lock:
            self._requests[case.name] += 1
            self._connections[case.name] += is_new


def _read(reader: Any) -> _Request | None:
    request_line = reader.readline().decode("latin-1").split(" ")
    if len(request_line) < 3:
        return None
    length, closes = 0, False
    while True:
        name, _, value = reader.readline().decode("latin-1").lower().partition(":")
        if not name.strip():
            break
        if name == "content-length":
            length = int(value)
        closes = closes or (name == "connection" and value.strip() == "close")
    reader.read(length)
    return _Request(request_line[0], request_line[1], closes)


def _respond(connection: socket.socket, case: Case, method: str, path: str) -> bool:
    """Respond to a request, and return whether the connection stays open."""
    if method == "POST" and path == "v1/chat/completions":
        return _stream(connection, case, make_body(case, is_openai=True))
    if method == "POST" and (path == "generate_stream" or path.startswith("conversation/")):
        return _stream(connection, case, make_body(case, is_openai=False))
    if method == "GET" and path == "":
        connection.sendall(_response(_PAGE, "text/html"))
    elif method == "POST" and path in ("settings", "conversation"):
        connection.sendall(_response(_SETTINGS if path == "settings" else _CONVERSATION))
    else:
        connection.sendall(_response(b"", status="200 OK" if method == "DELETE" else "404 Not Found"))
    return True


def _response(content: bytes, content_type: str = "application/json", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(content)}\r\n{_COOKIE}\r\n"
    return head.encode() + content


def _stream(connection: socket.socket, case: Case, body: Body) -> bool:
    framing = _FRAMINGS[case.framing]
    framing = framing % body.length if "%" in framing else framing
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{_COOKIE}{framing}\r\n".encode()
    if case.pause:
        connection.sendall(head + body.opening)
        for _ in range(case.tokens - 1):
            _send_with_timestamp(connection, case, body.token)
        _send_with_timestamp(connection, case, body.last)
    else:
        connection.sendall(head + body.opening)
        for _ in range(body.blocks):
            connection.sendall(body.block)
        connection.sendall(body.rest + body.last)
    return case.framing != "close"


def _send_with_timestamp(connection: socket.socket, case: Case, event: bytes) -> None:
    time.sleep(case.pause / 1000)
    # This clock is the same in all processes.
    connection.sendall(event.replace(TIMESTAMP.encode(), b"%020.9f" % time.monotonic()))


def main() -> None:
    server = _Server()
    print("http://127.0.0.1:%d" % server.listener.getsockname()[1], flush=True)
    threading.Thread(target=server.listen, daemon=True).start()
    with suppress(KeyboardInterrupt):
        sys.stdin.read()


if __name__ == "__main__":
    main()
