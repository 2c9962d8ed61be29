"""A loopback server that replays recorded exchanges: it writes each chunk on its own, and aborts by a reset.

It keeps the requests it receives, so that a test can compare them with those that the real server received.
"""

import base64
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

RECORDINGS = Path(__file__).with_name("recordings")
RECORDED_AT = "http://127.0.0.1:9100"  # the address of the recorded servers

Chunk = str | bytes | dict[str, str] | Callable[[], Any]


class Sent(NamedTuple):
    """A request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def load(name: str) -> list[dict[str, Any]]:
    """Return the exchanges of a recording such as ``h2o/hello``."""
    exchanges: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))["exchanges"]
    return exchanges


def exchange(
    method: str, path: str, status: int = 200, chunks: tuple[Chunk, ...] = (), ended: str = "complete", **headers: str
) -> dict[str, Any]:
    """Return an exchange as in a recording. A function among the chunks is called in its turn.

    Status 0 resets the connection instead of responding. Without a ``transfer_encoding`` or ``content_length`` among
    the headers, the end of the connection ends the body.
    """
    named = [[name.replace("_", "-"), value] for name, value in headers.items()]
    response = {"status": status, "reason": "Said So", "headers": named, "chunks": list(chunks), "ended": ended}
    return {"request": {"method": method, "path": path}, "response": response}


def recorded(exchange: dict[str, Any]) -> Sent:
    """Return the request of a recorded exchange."""
    request = exchange["request"]
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Sent(request["method"], request["path"], headers, request["body"] or "")


class Replay:
    """Replay each exchange once, to the next request with its method and path; respond to any other request with 599.

    Attributes:
        url: the address of the server.
        sent: the requests, in their order.
        connections: the number of connections that were opened.
    """

    def __init__(self, exchanges: list[dict[str, Any]]) -> None:
        self.sent: list[Sent] = []
        self.connections = 0
        self._remaining = list(exchanges)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.replay = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Replay":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    @property
    def steps(self) -> list[str]:
        """The requests in short, such as ``GET /``, without ids and queries."""
        return [f"{sent.method} {re.sub(r'/[0-9a-f-]{24,}|[?].*', '/…', sent.path)}" for sent in self.sent]

    def respond(self, sent: Sent) -> dict[str, Any] | None:
        """Keep a request, and return the response to it; None if there is no exchange for it."""
        with self._lock:
            self.sent.append(sent)
            for exchange in self._remaining:
                if (exchange["request"]["method"], exchange["request"]["path"]) == (sent.method, sent.path):
                    self._remaining.remove(exchange)
                    response: dict[str, Any] = exchange["response"]
                    return response
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    replay: Replay

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replay.connections += 1
        self._open.append(request)
        super().process_request(request, client_address)

    def close_connections(self) -> None:
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # already closed

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # in many tests the client disconnects early


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8")
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.replay.respond(Sent(self.command, self.path, headers, body))
        if response is None:
            self.send_response(599, "Not Recorded")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif not response["status"]:
            self._reset()
        else:
            self._play(response)

    do_GET = do_POST = do_PUT = do_DELETE = respond

    def _play(self, response: dict[str, Any]) -> None:
        chunks = [self._bytes(chunk) for chunk in response["chunks"]]
        headers = {name.lower(): value for name, value in response["headers"]}
        is_chunked = "transfer-encoding" in headers
        is_complete = not response["ended"].startswith("aborted")
        self.send_response_only(response["status"], response["reason"])
        for name, value in response["headers"]:
            if name.lower() not in ("connection", "keep-alive", "content-length"):
                self.send_header(name, self._localize(value))
        if "content-length" in headers:
            # Recorded pages are shortened and addresses rewritten, so that recorded lengths are wrong.
            length = sum(len(chunk) for chunk in chunks if isinstance(chunk, bytes))
            self.send_header("Content-Length", str(length) if is_complete else headers["content-length"])
        self.close_connection = not is_chunked and "content-length" not in headers
        self.end_headers()
        for chunk in chunks:
            if callable(chunk):
                chunk()
            elif is_chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            else:
                self.wfile.write(chunk)
        if not is_complete:
            self._reset()
        elif response["ended"] == "closed by client":
            self.rfile.read(1)
            self.close_connection = True
        elif is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        time.sleep(0.05)  # a reset discards what the client has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _bytes(self, chunk: Chunk) -> Any:
        if isinstance(chunk, dict):
            return base64.b64decode(chunk["base64"])
        return self._localize(chunk).encode("utf-8") if isinstance(chunk, str) else chunk

    def _localize(self, text: str) -> str:
        """Replace the recorded address by that of this server, and the dates of cookies by a date in the future."""
        next_year = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 365 * 24 * 3600))
        return re.sub(r"Expires=[^;]+", f"Expires={next_year}", text.replace(RECORDED_AT, self.server.replay.url))

    def log_message(self, *_: Any) -> None:
        pass


def wait_after_first_token(exchanges: list[dict[str, Any]], *waits: Any) -> list[dict[str, Any]]:
    """Return exchanges whose stream sends a token, waits, and ends."""
    token = 'data:{"token":{"text":"one","special":false},"generated_text":null}\n\n'
    end = 'data:{"token":{"text":"</s>","special":true},"generated_text":"one"}\n\n'
    exchanges[3]["response"]["chunks"] = [token, *waits, end]
    path = exchanges[3]["request"]["path"]
    return [*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")]
