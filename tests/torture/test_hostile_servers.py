from collections.abc import Callable

"""Responses that are not what they should be, and what they must not reach."""

import gzip
import json
import random
import re
import socket
import zlib
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
import requests
from protocols import VARIANTS, WITH_CONVERSATION, Recorded, ask, is_for_text
from raw_server import RawServer, response
from replay import Sent

from g4f_legacy.cli import main as cli
from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    ProviderError,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)

MEBIBYTE = 1024 * 1024


def ok(*headers: str) -> Callable[[bytes], bytes]:
    """Return a function that makes a response with status 200, these headers, and a body ended by the connection."""
    return lambda body: "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode("latin-1") + body


def status(code: int, *headers: str) -> Callable[[bytes], bytes]:
    """Return a function that makes a response with that status, these headers, and no body."""
    return lambda _: "\r\n".join([f"HTTP/1.1 {code} Said So", *headers, "", ""]).encode()


NOT_HTTP = RequestFailedError
# No error either, where the end-of-stream marker arrived.
TRUNCATED = StreamInterruptedError, RequestFailedError, ResponseFormatError
NO_EVENTS = StreamInterruptedError, ResponseFormatError

# How a server spoils a response, given its body, and the error that has to be raised; None: the complete text.
SPOILED: dict[str, tuple[Callable[[bytes], bytes], Any]] = {
    "nothing": (lambda _: b"", NOT_HTTP),
    "another protocol": (lambda _: b"SSH-2.0-OpenSSH\r\n", NOT_HTTP),
    "random bytes": (lambda _: random.Random(7).getrandbits(80_000).to_bytes(10_000, "big"), NOT_HTTP),
    "NULs": (lambda _: bytes(100_000), NOT_HTTP),
    "a status that is not a number": (lambda _: b"HTTP/1.1 OK 200\r\n\r\n", NOT_HTTP),
    "a status of five digits": (lambda _: b"HTTP/1.1 20000 OK\r\n\r\n", NOT_HTTP),
    "a status that clears the terminal": (lambda _: b"HTTP/1.1 \x1b[2J " + b"x" * 60_000 + b"\r\n\r\n", NOT_HTTP),
    "a reason that clears the terminal": (
        lambda _: b"HTTP/1.1 500 \x1b[2J%s\r\n\r\n" % (b"x" * 60_000),
        RequestFailedError,
    ),
    "a header of a mebibyte": (ok("X: " + "y" * MEBIBYTE), NOT_HTTP),
    "a header name of a mebibyte": (ok("x" * MEBIBYTE), NOT_HTTP),
    "5,000 headers": (ok(*["X: y"] * 5000), NOT_HTTP),
    "invalid headers": (ok("no colon", "\xff: \xfe", " folded", "a\0b: \x01\x1c\x85"), None),
    "a page": (lambda _: response(b"<h1>Hello</h1>", 200, "Content-Type: text/html"), ResponseFormatError),
    "events, ended by the connection": (ok("Content-Type: text/event-stream"), None),
    "a text": (lambda _: response(b"Hello"), NO_EVENTS),
    "NULs as a body": (lambda _: response(bytes(100_000)), NO_EVENTS),
    "invalid UTF-8": (lambda _: response(b'data: {"\xff": \xfe}\n\n'), ResponseFormatError),
    "lone CRs": (lambda _: response(b"\r" * 100_000), NO_EVENTS),
    "204": (status(204), NO_EVENTS),
    "205": (status(205), NO_EVENTS),
    "206 without a body": (status(206, "Content-Length: 0"), NO_EVENTS),
    "100, then nothing": (status(100), RequestFailedError),
    "100, then the response": (
        lambda body: b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + ok("Connection: close")(body),
        None,
    ),
    "101": (status(101, "Upgrade: h2c"), RequestFailedError),
    "103": (status(103, "Connection: close"), RequestFailedError),
    "304": (status(304), RequestFailedError),
    "302 without a location": (status(302, "Content-Length: 0"), RequestFailedError),
    "401 with NULs": (lambda _: response(bytes(1000), 401), AuthenticationError),
    "429 with an endless Retry-After": (
        lambda _: response(b"[" * 1000, 429, "Retry-After: " + "9" * 400),
        RateLimitError,
    ),
    "503 with an invalid date": (
        lambda _: response(b"", 503, "Retry-After: , 2 Jan , 12.30 Z"),
        RequestFailedError,
    ),
    "a length that is too long": (lambda body: ok(f"Content-Length: {len(body) + 5}")(body), TRUNCATED),
    "a length that is too short": (lambda body: ok(f"Content-Length: {len(body) // 2}")(body), TRUNCATED),
    "a negative length": (ok("Content-Length: -5"), None),
    "a length that is not a number": (ok("Content-Length: many"), None),
    "a length of 5,000 digits": (ok("Content-Length: " + "9" * 5000), None),
    "invalid chunks": (ok("Transfer-Encoding: chunked"), TRUNCATED),
    "a negative chunk size": (lambda body: ok("Transfer-Encoding: chunked")(b"-5\r\n" + body), TRUNCATED),
    "a chunk of 2**80 bytes": (lambda body: ok("Transfer-Encoding: chunked")(b"1%020x\r\n%s" % (0, body)), TRUNCATED),
    "a chunk size of a mebibyte": (lambda _: ok("Transfer-Encoding: chunked")(b"0" * MEBIBYTE), TRUNCATED),
    "unrequested gzip": (lambda body: ok("Content-Encoding: gzip")(gzip.compress(body)), None),
    "unrequested deflate": (lambda body: ok("Content-Encoding: deflate")(zlib.compress(body)), None),
    "invalid gzip": (ok("Content-Encoding: gzip"), TRUNCATED),
    "truncated gzip": (lambda body: ok("Content-Encoding: gzip")(gzip.compress(body)[:-20]), TRUNCATED),
    "an unknown encoding": (ok("Content-Encoding: \x01, rot13"), None),
    "nine encodings": (ok("Content-Encoding: " + ", ".join(["gzip"] * 9)), TRUNCATED),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("spoil, expected", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_response(spoil: Callable[[bytes], bytes], expected: Any, name: str) -> None:
    recorded, options = Recorded(name), VARIANTS[name].stream_options
    for is_spoiled, stream in ((is_for_text, options[0]), (lambda _: True, options[-1])):

        def respond(connection: socket.socket, sent: Sent) -> bool:
            make = spoil if is_spoiled(sent) else response
            connection.sendall(make(recorded.body_for(sent)))
            return not is_spoiled(sent)

        with RawServer(respond) as server:
            text, error = ask(name, server.url, stream)
        if expected is None or expected is TRUNCATED and error is None:
            assert (text, error) == (recorded.text, None)
        else:
            assert isinstance(error, expected if is_spoiled == is_for_text else ProviderError)
            assert recorded.text.startswith(text) and (expected is TRUNCATED or not text)


ELSEWHERE = [
    "http://{evil}/",
    "//{evil}/",
    "http://{evil}\\@{here}/",
    "//{evil}\\@{here}/x",
    "http://{evil}#@{here}/",
    "http://{evil}?@{here}/",
    "http://{here}@{evil}/",
    "http://{here}\\@{evil}/",
    "http://{here}%40{evil}/",
    "http:{evil}/",
    "http:/\\{evil}/",
    "/\\{evil}/",
    "\\\\{evil}/",
    "http://\t{evil}/",
    "http://localhost:{port}/",
    "https://{here}/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:port/",
    "http://[::1/",
    "http://127.0.0.1\0/",
    "ftp://{here}:99999/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "\xff\xfe",
]


@pytest.mark.parametrize("code", [302, 308])
@pytest.mark.parametrize("target", ELSEWHERE)
def test_nothing_is_sent_to_another_origin(target: str, code: int) -> None:
    with RawServer(lambda connection, _: connection.sendall(response())) as evil:

        def respond(connection: socket.socket, _: Sent) -> bool:
            here = "127.0.0.1:%d" % connection.getsockname()[1]
            location = target.format(evil=evil.url[7:], here=here, port=evil.url.rpartition(":")[2])
            connection.sendall(
                b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (code, location.encode("latin-1"))
            )
            return True

        with RawServer(respond) as server:
            for name in ("OpenAI", "H2o"):  # which begin with a POST, and with a GET
                text, error = ask(name, server.url, True, cookies={"mine": "s3cr3t-cookie"}, timeout=2)
                assert text == "" and type(error) is RequestFailedError
        assert evil.connections == 0


IDS = [
    "../../admin",
    "a/b",
    "..\\..",
    "%2e%2e",
    "..;",
    "a?b#c",
    "a\r\nX-Evil: 1\r\n\r\nGET /evil",
    "\0",
    " ",
    "http://evil/",
]
IDS += ["\ud800", "Привет 👋", "x" * 50_000, ":80", "@evil"]


@pytest.mark.parametrize("name", WITH_CONVERSATION)
@pytest.mark.parametrize("id_", [*IDS, "", ".", ".."])
def test_a_hostile_id_stays_one_path_segment(id_: str, name: str) -> None:
    recorded = Recorded(name)

    def respond(connection: socket.socket, sent: Sent) -> bool:
        payload = {"conversationId": id_, "id": id_, "messages": [{"id": id_}], "state": "complete", "content": "Hello"}
        connection.sendall(response(recorded.stream if is_for_text(sent) else json.dumps(payload).encode()))
        return True

    with RawServer(respond) as server:
        text, error = ask(name, server.url, True)
    ids = [sent_id for sent in server.sent for sent_id in sent_ids(sent)]
    assert set(ids) <= {id_.encode("utf-8", "surrogatepass")}
    assert not any("x-evil" in sent.headers for sent in server.sent)
    if ids and (id_ != "\ud800" or name != "OpenAssistant"):
        assert (text, error) == (recorded.text, None)
    else:
        assert isinstance(error, (ResponseFormatError, RequestFailedError)) and text == ""


def sent_ids(sent: Sent) -> list[bytes]:
    """Return the ids in the path of a request, and check that every other part of it is as usual."""
    url = urlsplit(sent.path)
    ids = [unquote_to_bytes(value.replace("+", " ")) for value in re.findall("_id=([^&]*)", url.query)]
    assert sent.path.isascii() and url.query.count("&") == max(len(ids) - 1, 0)
    if re.fullmatch(r"/(settings)?|(/api)?/conversations?(/v2)?|/api/chat(/[a-z_]+)?", url.path):
        return ids
    match = re.fullmatch(r"(?:/api|/api/v2)?/conversations?/([^/]+)(?:/stop-generating|/__data.json)?", url.path)
    assert match and not url.query, sent.path
    return [unquote_to_bytes(match.group(1))]


@pytest.mark.parametrize(
    "attributes", ["Domain=example.org", "Domain=1", "Domain=127.0.0.1.example.org", "Path=/other", 'Port="1"']
)
@pytest.mark.parametrize("name", WITH_CONVERSATION)
def test_a_cookie_for_another_server_or_path_is_never_sent(name: str, attributes: str) -> None:
    recorded, session = Recorded(name), requests.Session()

    def respond(connection: socket.socket, sent: Sent) -> bool:
        headers = (
            f"Content-Type: {recorded.content_type}",
            "Set-Cookie: own=1; Path=/",
            f"Set-Cookie: evil=1; {attributes}",
        )
        connection.sendall(response(recorded.body_for(sent), 200, *headers))
        return True

    with RawServer(respond) as server:
        assert ask(name, server.url, True, session=session) == (recorded.text, None)
    assert {cookie.domain for cookie in session.cookies} == {"127.0.0.1"}
    cookies = [sent.headers.get("cookie", "") for sent in server.sent]
    assert not any("evil" in cookie for cookie in cookies) and all("own=1" in cookie for cookie in cookies[1:])


EVIL = "\x1b[2J\r\n\ud800" + "x" * 10_000
CONTROLLING = {
    "OpenAI": [{"error": EVIL}, {"error": {"msg": EVIL, "loc": [EVIL, 1, [EVIL]]}}, {"error": {EVIL: EVIL}}],
    "Google": [
        {"promptFeedback": {"blockReason": EVIL}},
        {"promptFeedback": {"blockReason": {EVIL: EVIL}}},
        {"candidates": [{"finishReason": EVIL, "finishMessage": EVIL}]},
        {"candidates": [{"finishReason": [EVIL]}]},
    ],
    "H2o": [{"type": "error", "error": EVIL, "status": EVIL}, {"type": "failure", "status": [EVIL]}],
}


@pytest.mark.parametrize(
    "name, payload", [(name, payload) for name, payloads in CONTROLLING.items() for payload in payloads]
)
def test_an_error_event_cannot_control_the_terminal(name: str, payload: Any) -> None:
    prefix = "" if name == "H2o" else "data: "
    body = f"{prefix}{json.dumps(payload)}\n\n".encode()
    with RawServer(lambda connection, _: connection.sendall(response(body))) as server:
        text, error = ask(name, server.url, True)  # which checks its message
    assert text == "" and type(error) in (GenerationError, RequestFailedError, ResponseFormatError)


def test_the_name_of_a_model_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    models = json.dumps({"data": [{"id": EVIL}]}).encode()
    with RawServer(lambda connection, _: connection.sendall(response(models))) as server:
        assert cli.main(["models", "-p", "OpenAI", "--base-url", server.url]) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable()
