"""A server that repeats the secrets it was sent, in responses with one fault each."""

import html
import json
import socket
import time
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

from every_server import other_response
from protocols import is_for_text
from raw_server import RawServer, head, response
from replay import Sent

KEY, COOKIE = "key-9f/Kz+7q%41&<Qx~w", "cookie-3a/Kz+7q%41&<Qy~v"
PASSWORD, HEADER = "pass\"w'ord\\éö/Kz+:@&<Qz~u", "hdr\"7'q\\9fé/Kz+41&<Qw~t"
CREDENTIALS = f"user:{quote(PASSWORD, safe='')}"
SECRETS = {"key": KEY, "cookie": COOKIE, "password": PASSWORD, "header": HEADER}


def encodings(secret: str) -> dict[str, str]:
    """Return a secret as servers may repeat it."""
    data, json_text = secret.encode(), json.dumps(secret)[1:-1]
    return {
        "as it is": secret,
        "percent": quote(data, safe=""),
        "percent in lower case": quote(data, safe="").lower() if secret == secret.lower() else quote(data),
        "form": quote_plus(data),
        "HTML": html.escape(secret),
        "JSON": json_text,
        "JSON in JSON": json.dumps(json_text)[1:-1],
        "JSON, slashes escaped": json_text.replace("/", "\\/"),
        "in Python": repr(secret)[1:-1],
        "JSON in Python": repr(f'{{"{json_text}"}}')[3:-3],
        "base64": b64encode(data).decode(),
        "Basic": b64encode(f"user:{secret}".encode("latin-1")).decode(),
        "Latin-1 decoded as UTF-8": secret.encode("latin-1").decode("utf-8", "replace"),
        "UTF-8 decoded as Latin-1": data.decode("latin-1"),
    }


def _windows(text: str) -> set[str]:
    return {text[start : start + 8] for start in range(len(text) - 7)}


_SECRET_WINDOWS = {
    window for secret in SECRETS.values() for encoded in encodings(secret).values() for window in _windows(encoded)
}


def leaks(text: str) -> set[str]:
    """Return the parts of secrets in a text: eight characters in a row."""
    return _windows(text) & _SECRET_WINDOWS


def visible_text(error: BaseException) -> str:
    """Return everything of an error that a program may print."""
    frames = traceback.format_exception(type(error), error, error.__traceback__)
    return f"{error} {error!r} {getattr(error, 'url', '')} {''.join(frames)}"


def _repeated(sent: Sent, first: int) -> str:
    """Return the secrets in a request, from that one on: an error shows only the beginning of a long text."""
    found = [text.encode("latin-1").decode("latin-1") for name, text in sorted(sent.headers.items())]
    found = [text for text in found if leaks(text)]
    found += [b64decode(text[6:]).decode("latin-1") for text in found if text.startswith("Basic ")]
    first %= len(found) or 1
    return " ".join(found[first:] + found[:first])


def _json_error(text: str, status: int = 200, *headers: str) -> bytes:
    return response(json.dumps({"error": {"message": text}}).encode(), status, *headers)


def _event(payload: Any) -> bytes:
    return head("close") + f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def _truncated(data: bytes) -> bytes:
    """Return a response without its end, which is within a secret."""
    return data[: data.rindex(b"~")]


# What a server sends, given the secrets that it received; None: nothing for a while.
FAULTS: dict[str, Callable[[str], bytes | None]] = {
    "401, JSON": lambda text: _json_error(text, 401),
    "403, HTML": lambda text: response(
        f"<h1>Not with {html.escape(text)}</h1>".encode(), 403, "Content-Type: text/html"
    ),
    "429, reason": lambda text: f"HTTP/1.1 429 No {text}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"),
    "500, bytes": lambda text: response(text.encode("latin-1"), 500),
    "400, list": lambda text: response(json.dumps({"detail": [{"loc": ["x"], "msg": text}]}).encode(), 400),
    "407, headers": lambda text: _json_error(
        text, 407, f"Proxy-Authenticate: {text}", f"Retry-After: {text}", f"X-A: {text}"
    ),
    "401, truncated": lambda text: _truncated(_json_error(text, 401)),
    "another origin": lambda text: response(
        b"", 307, f"Location: http://user:{quote(text)}@127.0.0.1:1/{quote(text)}?a={quote(text)}#{quote(text)}"
    ),
    "the same origin": lambda text: response(
        b"", 307, f"Location: /{quote(text)}/OpenAI/?a={quote(text)}#{quote(text)}"
    ),
    "not JSON": lambda text: response(f"Welcome, {text}".encode()),
    "unknown JSON": lambda text: response(json.dumps({"you": text}).encode()),
    "a page": lambda text: response(f"<h1>Welcome, {text}</h1>".encode(), 200, "Content-Type: text/html"),
    "error event": lambda text: _event({"error": {"message": f"No {text}"}, "event_type": "error"}),
    "error line": lambda text: head("close") + f"error: {text}\n\n".encode(),
    "status line": lambda text: head("close")
    + json.dumps({"type": "status", "status": "error", "message": text}).encode(),
    "unknown event": lambda text: _event({"you": text}),
    "event, truncated": lambda text: _truncated(_event({"you": text})),
    "not HTTP": lambda text: f"{text}\r\n\r\n".encode("latin-1"),
    "chunk size": lambda text: head("chunked") + f"{text}\r\n".encode("latin-1"),
    "nothing": lambda text: b"",
    "nothing for a while": lambda text: None,
}


def faulty_server(
    respond: Callable[[str], bytes | None], at: str, first_secret: int = 0, cookie: str = ""
) -> RawServer:
    """Return a server with a fault at the "first" request, or at that for the "stream"."""

    def respond_to(connection: socket.socket, sent: Sent) -> bool:
        if at == "stream" and not is_for_text(sent):
            connection.sendall(other_response(sent, cookie=cookie))
            return True
        data = respond(_repeated(sent, first_secret))
        if data is None:
            time.sleep(0.6)
        connection.sendall(data or b"")
        return False

    return RawServer(respond_to)
