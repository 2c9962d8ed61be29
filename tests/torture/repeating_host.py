"""A host that repeats what it was sent, in answers that go wrong in one way each."""

from base64 import b64decode, b64encode
import html
import json
import socket
import time
import traceback
from typing import Any, Callable, Dict, Optional, Set
from urllib.parse import quote, quote_plus

from every_host import other_answer
from protocols import is_question
from raw_host import RawHost, head, whole
from replay import Sent

KEY, COOKIE = "key-9f/Kz+7q%41&<Qx~w", "cookie-3a/Kz+7q%41&<Qy~v"
PASSWORD, HEADER = "pass\"w'ord\\éö/Kz+:@&<Qz~u", "hdr\"7'q\\9fé/Kz+41&<Qw~t"
LOGIN = f"user:{quote(PASSWORD, safe='')}"
SECRETS = {"key": KEY, "cookie": COOKIE, "password": PASSWORD, "header": HEADER}


def ways_to_write(secret: str) -> Dict[str, str]:
    """How a host may repeat a secret, beside as it is."""
    data, as_json = secret.encode(), json.dumps(secret)[1:-1]
    return {
        "as it is": secret,
        "percent": quote(data, safe=""),
        "percent in small letters": quote(data, safe="").lower() if secret == secret.lower() else quote(data),
        "form": quote_plus(data),
        "HTML": html.escape(secret),
        "JSON": as_json,
        "JSON in JSON": json.dumps(as_json)[1:-1],
        "JSON, slashes escaped": as_json.replace("/", "\\/"),
        "in Python": repr(secret)[1:-1],
        "JSON in Python": repr(f'{{"{as_json}"}}')[3:-3],
        "base64": b64encode(data).decode(),
        "Basic": b64encode(f"user:{secret}".encode("latin-1")).decode(),
        "bytes mistaken for UTF-8": secret.encode("latin-1").decode("utf-8", "replace"),
        "UTF-8 mistaken for Latin-1": data.decode("latin-1"),
    }


def in_windows(text: str) -> Set[str]:
    return {text[at : at + 8] for at in range(len(text) - 7)}


SECRET = set().union(*(in_windows(way) for secret in SECRETS.values() for way in ways_to_write(secret).values()))


def seen(text: str) -> Set[str]:
    """What of the secrets can be seen in a text: eight characters of one, in a row."""
    return in_windows(text) & SECRET


def shown(error: BaseException) -> str:
    frames = traceback.format_exception(type(error), error, error.__traceback__)
    return f"{error} {error!r} {getattr(error, 'url', '')} {''.join(frames)}"


def repeated(sent: Sent, turn: int) -> str:
    """The secrets that a request has, in any order: an error shows the first ones only."""
    found = [text.encode("latin-1").decode("latin-1") for name, text in sorted(sent.headers.items())]
    found = [text for text in found if seen(text)]
    found += [b64decode(text[6:]).decode("latin-1") for text in found if text.startswith("Basic ")]
    turn %= len(found) or 1
    return " ".join(found[turn:] + found[:turn])


def as_json(text: str, status: int = 200, *headers: str) -> bytes:
    return whole(json.dumps({"error": {"message": text}}).encode(), status, *headers)


def event(document: Any) -> bytes:
    return head("close") + f"data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def cut(data: bytes) -> bytes:
    """All but the end, and its length as it was: the connection is closed within a secret."""
    return data[: data.rindex(b"~")]


# What a host answers, by what it was sent.
FAULTS: Dict[str, Callable[[str], Optional[bytes]]] = {
    "401, JSON": lambda text: as_json(text, 401),
    "403, HTML": lambda text: whole(f"<h1>Not with {html.escape(text)}</h1>".encode(), 403, "Content-Type: text/html"),
    "429, reason": lambda text: f"HTTP/1.1 429 No {text}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"),
    "500, bytes": lambda text: whole(text.encode("latin-1"), 500),
    "400, list": lambda text: whole(json.dumps({"detail": [{"loc": ["x"], "msg": text}]}).encode(), 400),
    "407, headers": lambda text: as_json(
        text, 407, f"Proxy-Authenticate: {text}", f"Retry-After: {text}", f"X-A: {text}"
    ),
    "401, cut": lambda text: cut(as_json(text, 401)),
    "another origin": lambda text: whole(
        b"", 307, f"Location: http://user:{quote(text)}@127.0.0.1:1/{quote(text)}?a={quote(text)}#{quote(text)}"
    ),
    "the same origin": lambda text: whole(b"", 307, f"Location: /{quote(text)}/OpenAI/?a={quote(text)}#{quote(text)}"),
    "no JSON": lambda text: whole(f"Welcome, {text}".encode()),
    "another JSON": lambda text: whole(json.dumps({"you": text}).encode()),
    "a page": lambda text: whole(f"<h1>Welcome, {text}</h1>".encode(), 200, "Content-Type: text/html"),
    "error event": lambda text: event({"error": {"message": f"No {text}"}, "event_type": "error"}),
    "error line": lambda text: head("close") + f"error: {text}\n\n".encode(),
    "status line": lambda text: head("close")
    + json.dumps({"type": "status", "status": "error", "message": text}).encode(),
    "another event": lambda text: event({"you": text}),
    "event, cut": lambda text: cut(event({"you": text})),
    "no HTTP": lambda text: f"{text}\r\n\r\n".encode("latin-1"),
    "size of a chunk": lambda text: head("chunked") + f"{text}\r\n".encode("latin-1"),
    "nothing": lambda text: b"",
    "silence": lambda text: None,
}


def answering(say: Callable[[str], Optional[bytes]], at: str, turn: int = 0, cookie: str = "") -> RawHost:
    """A host that does what is said at the first request, or at that for the stream."""

    def answer(connection: socket.socket, sent: Sent) -> bool:
        if at == "stream" and not is_question(sent):
            connection.sendall(other_answer(sent, cookie=cookie))
            return True
        said = say(repeated(sent, turn))
        if said is None:
            time.sleep(0.6)
        connection.sendall(said or b"")
        return False

    return RawHost(answer)
