"""A loopback server that plays recorded exchanges: each chunk is a write of its own, an aborted end is a reset.

It keeps what it was sent, so that a test can compare that with what the real server was sent.
"""

import base64
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
from pathlib import Path
import re
import socket
import struct
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qsl

RECORDINGS = Path(__file__).with_name("recordings")
RECORDED_AT = "http://127.0.0.1:9100"  # where the recorded servers stood

Chunk = Union[str, bytes, Dict[str, str], Callable[[], Any]]


class Sent(NamedTuple):
    """A request as the server got it."""

    method: str
    path: str
    headers: Dict[str, str]
    body: str

    @property
    def form(self) -> List[Tuple[str, str]]:
        return parse_qsl(self.body, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def load(name: str) -> List[Dict[str, Any]]:
    """The exchanges of a recording such as ``h2o/hello``."""
    exchanges: List[Dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))["exchanges"]
    return exchanges


def exchange(
    method: str, path: str, status: int = 200, chunks: Tuple[Chunk, ...] = (), ended: str = "complete", **headers: str
) -> Dict[str, Any]:
    """An exchange as in a recording. A chunk may be a function, which is called in its place.

    Status 0 hangs up instead of answering. Without a ``transfer_encoding`` or ``content_length`` among the headers, the
    body ends with the connection.
    """
    named = [[name.replace("_", "-"), value] for name, value in headers.items()]
    response = {"status": status, "reason": "Said So", "headers": named, "chunks": list(chunks), "ended": ended}
    return {"request": {"method": method, "path": path}, "response": response}


def recorded(one: Dict[str, Any]) -> Sent:
    """The request of a recorded exchange."""
    request = one["request"]
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Sent(request["method"], request["path"], headers, request["body"] or "")


class Replay:
    """Plays each exchange once, to the next request of its method and path; anything else is answered with 599.

    Attributes:
        url: where it listens.
        sent: the requests, in their order.
        connections: how many connections were opened.
    """

    def __init__(self, exchanges: List[Dict[str, Any]]) -> None:
        self.sent: List[Sent] = []
        self.connections = 0
        self._left = list(exchanges)
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
    def steps(self) -> List[str]:
        """The requests in short, such as ``GET /``, with ids and queries left out."""
        return [f"{sent.method} {re.sub(r'/[0-9a-f-]{24,}|[?].*', '/…', sent.path)}" for sent in self.sent]

    def take(self, sent: Sent) -> Optional[Dict[str, Any]]:
        with self._lock:
            self.sent.append(sent)
            for one in self._left:
                if (one["request"]["method"], one["request"]["path"]) == (sent.method, sent.path):
                    self._left.remove(one)
                    response: Dict[str, Any] = one["response"]
                    return response
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    replay: Replay

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: List[socket.socket] = []

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
                pass  # it is closed already

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that leaves early is part of many tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8")
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.replay.take(Sent(self.command, self.path, headers, body))
        if response is None:
            self.send_response(599, "Not Recorded")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not response["status"]:
            return self._reset()
        chunks = [self._bytes(chunk) for chunk in response["chunks"]]
        framing = {name.lower(): value for name, value in response["headers"]}
        chunked = "transfer-encoding" in framing
        self.send_response_only(response["status"], response["reason"])
        for name, value in response["headers"]:
            if name.lower() not in ("connection", "keep-alive", "content-length"):
                self.send_header(name, self._here(value))
        if "content-length" in framing:
            # Recorded pages are cut, and addresses are rewritten: a whole body has the length that it has here.
            length = sum(len(chunk) for chunk in chunks if isinstance(chunk, bytes))
            is_whole = response["ended"] == "complete"
            self.send_header("Content-Length", str(length) if is_whole else framing["content-length"])
        self.close_connection = not chunked and "content-length" not in framing
        self.end_headers()
        for chunk in chunks:
            if callable(chunk):
                chunk()
            elif chunked:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            else:
                self.wfile.write(chunk)
        if response["ended"] != "complete":
            self._reset()
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_DELETE = answer

    def _reset(self) -> None:
        time.sleep(0.05)  # a reset overtakes what the client has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _bytes(self, chunk: Chunk) -> Any:
        if isinstance(chunk, dict):
            return base64.b64decode(chunk["base64"])
        return self._here(chunk).encode("utf-8") if isinstance(chunk, str) else chunk

    def _here(self, text: str) -> str:
        next_year = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 365 * 24 * 3600))
        return re.sub(r"Expires=[^;]+", f"Expires={next_year}", text.replace(RECORDED_AT, self.server.replay.url))

    def log_message(self, *_: Any) -> None:
        pass
