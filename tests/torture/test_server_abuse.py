"""Requests that no honest client sends: the server still serves after each of them, and logs no traceback."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from abuse import check_log, exchange_bytes, is_serving, request, statuses, two_providers, wait_until
from protocols import MESSAGES

from g4f_legacy.Provider import H2o, OpenAssistant
from g4f_legacy.server import chat_store, create_app, serve_in_background
from g4f_legacy.server.app import MAX_REQUEST_SIZE

HOST = b"Host: 127.0.0.1\r\n"
END = b"Connection: close\r\n\r\n"
CHAT = "/v1/chat/completions"
CHAT_BODY = json.dumps({"messages": MESSAGES}).encode()
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" + END
TOO_LONG = 400 if hasattr(sys, "get_int_max_str_digits") else 413  # some versions of Python read a number of any length
SESSION_COOKIE = "Cookie: next-auth.session-token=a"


PROVIDER = two_providers()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    before = set(threading.enumerate())
    with serve_in_background(create_app(PROVIDER), threads=8) as address:
        yield address
    assert wait_until(lambda: set(threading.enumerate()) <= before)


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\n%s" % (path, b"".join(lines or [HOST])) + END


def post(*lines: bytes) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + END + CHAT_BODY


REQUESTS: dict[str, tuple[bytes, list[int]]] = {
    "NUL in the path": (get(b"/\0"), [404]),
    "NUL in a header": (get(b"/", HOST, b"X: a\0b\r\n"), [400]),
    "lone CR": (get(b"/", HOST, b"X: a\rb\r\n"), [400]),
    "lone LF": (get(b"/", HOST, b"X: a\nb\r\n"), [400]),
    "folded first header": (get(b"/", b" folded\r\n", HOST), [400]),
    "no colon": (get(b"/", b"Host 127.0.0.1\r\n"), [400]),
    "space before the colon": (get(b"/", b"Host : 127.0.0.1\r\n"), [400]),
    "no Host": (get(b"/", b""), [403]),
    "no Host, HTTP/0.9": (b"GET /\r\n\r\n", [403]),
    "empty Host": (get(b"/", b"Host:\r\n"), [403]),
    "two Hosts": (get(b"/", HOST, b"Host: evil.example\r\n"), [403]),
    "two Hosts, the other first": (get(b"/", b"Host: evil.example\r\n", HOST), [403]),
    "two lengths": (post(HOST[:-2], b"Content-Length: 5", b"Content-Length: 6"), [400]),
    "negative length": (post(HOST[:-2], b"Content-Length: -5"), [400]),
    "signed length": (post(HOST[:-2], b"Content-Length: +5"), [400]),
    "length that is not a number": (post(HOST[:-2], b"Content-Length: 0x30"), [400]),
    "length of 5,000 digits": (post(HOST[:-2], b"Content-Length: " + b"9" * 5000), [TOO_LONG]),
    "unknown coding": (post(HOST[:-2], b"Transfer-Encoding: gzip, chunked"), [501]),
    "chunked and a length": (
        CHUNKED.replace(END, b"Content-Length: 5\r\n" + END) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(CHAT_BODY), CHAT_BODY),
        [200],
    ),
    "bad chunk size": (CHUNKED + b"zz\r\n", [400]),
    "negative chunk size": (CHUNKED + b"-5\r\n", [400]),
    "chunk without an end": (CHUNKED + b"2\r\nabcdef", [400]),
    "absolute URI": (get(b"http://127.0.0.1/v1/models"), [200]),
    "absolute URI, another Host": (get(b"http://127.0.0.1/v1/models", b"Host: evil.example\r\n"), [403]),
    "invalid absolute URI": (get(b"http://[/v1/models"), [400]),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + END, [404]),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + END, [404]),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + END, [405]),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + HOST + END, [405]),
    "method in lower case": (b"get / HTTP/1.1\r\n" + HOST + END, [400]),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [403]),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00" + b"x" * 160 + b"\r\n\r\n", [400]),
    "random bytes": (b"\xff\xfe\0\r\n\r\n", [400]),
    "large header": (get(b"/", HOST, b"X: %s\r\n" % (b"a" * 64 * 1024)), [431]),
    "many headers": (get(b"/", HOST, b"X: a\r\n" * 12000), [431]),
    "large length": (post(HOST[:-2], b"Content-Length: 99999999"), [413]),
    "too large a body": (request(CHAT, b"x" * (MAX_REQUEST_SIZE + 1), "Connection: close"), [413]),
    "chunks of over 2 MiB": (CHUNKED + b"300000\r\n" + b"x" * 0x300000, [413]),
    "endless chunk size": (CHUNKED + b"0" * 0x300000, [413]),
    "endless trailer": (CHUNKED + b"0\r\n" + b"X: a\r\n" * 0x80000, [413]),
    "pipelined": (request(CHAT, CHAT_BODY) * 4 + get(b"/v1/models"), [200] * 5),
    "pipelined, then random bytes": (request(CHAT, CHAT_BODY) + b"\0\r\n\r\n", [200, 400]),
    "large cookie": (get(b"/", HOST, b"Cookie: h2o-chat=%s\r\n" % (b"a" * 60000)), [200]),
    "cookie with a line end": (get(b"/", HOST, b'Cookie: h2o-chat="a\\015\\012Evil: 1"\r\n'), [200]),
    "cookie that is not UTF-8": (get(b"/", HOST, b"Cookie: h2o-chat=\xff\xed\xa0\x80\r\n"), [200]),
    "form of 400,000 fields": (
        request("/settings", b"a&" * 400_000, "Content-Type: application/x-www-form-urlencoded", "Connection: close"),
        [403],
    ),
    ".. ": (get(b"/../../etc/passwd"), [404]),
    "%2e%2e": (get(b"/%2e%2e/%2e%2e/etc/passwd"), [404]),
    "..%2f": (get(b"/v1/models/..%2f..%2fetc%2fpasswd"), [404]),
    "path of another host": (get(b"//evil.example/v1/models"), [404]),
    "redirect to another host": (get(b"///evil.example//%2e%2e"), [404]),
    "double slash": (get(b"/v1//models"), [308]),
    "%00": (get(b"/v1/models/%00"), [404]),
    "CRLF": (get(b"/v1//models%0d%0aEvil:%201"), [404]),
    "CRLF in an id": (request("/conversation/%0d%0aEvil:%201", b"", "Connection: close"), [404]),
    "invalid ids": (get(b"/api/chat/events?chat_id=%ff%00&message_id=%0d%0aEvil:1", HOST, b""), [403]),
    "half an escape": (get(b"/%zz%f"), [404]),
    "path that is not UTF-8": (get(b"/v1/models/%ff%ed%a0%80"), [404]),
    "raw bytes in the path": (get(b"/\xff"), [400]),
    "long path": (get(b"/" + b"a" * 60000), [404]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request(name: str, url: str, caplog: pytest.LogCaptureFixture) -> None:
    sent, expected = REQUESTS[name]
    received = exchange_bytes(url, sent)
    # A client that still sends when it is refused may find the connection reset before it reads the response.
    assert statuses(received) == expected or len(sent) > 60_000 and received == b""
    assert b"\nEvil:" not in received and b"evil.example" not in received.partition(b"\r\n\r\n")[0]
    assert is_serving(url)
    check_log(caplog)


ROUTES = [
    *[("GET", "/"), ("POST", "/settings"), ("POST", "/conversation"), ("POST", "/conversation/1")],
    *[("DELETE", "/conversation/1"), ("POST", "/api/chat"), ("GET", "/api/chat/models"), ("DELETE", "/api/chat")],
    *[("POST", "/api/chat/assistant_message"), ("GET", "/api/chat/events"), ("GET", "/api/chat/message")],
    *[("GET", "/v1/models"), ("POST", CHAT), ("POST", "/v1/completions"), ("OPTIONS", CHAT), ("GET", "/nope")],
]
OTHER_SITES = {
    "rebound name": ["Host: evil.example"],
    "rebound name that begins like ours": ["Host: 127.0.0.1.evil.example:1337"],
    "rebound name after credentials": ["Host: localhost@evil.example"],
    "rebound name, forwarded": ["Host: evil.example", "X-Forwarded-Host: 127.0.0.1", "Forwarded: host=127.0.0.1"],
    "form": ["Host: 127.0.0.1", "Origin: http://evil.example", "Content-Type: application/x-www-form-urlencoded"],
    "text form": ["Host: 127.0.0.1", "Origin: http://evil.example", "Content-Type: text/plain"],
    "sandbox": ["Host: 127.0.0.1", "Origin: null", "Content-Type: text/plain"],
    "another port": ["Host: 127.0.0.1:1337", "Origin: http://127.0.0.1:8000"],
    "two origins": ["Host: 127.0.0.1", "Origin: http://127.0.0.1", "Origin: http://evil.example"],
}


@pytest.mark.parametrize("name", OTHER_SITES)
def test_other_sites(name: str, url: str, caplog: pytest.LogCaptureFixture) -> None:
    calls = len(PROVIDER.calls)
    for method, path in ROUTES:
        sent = request(path, CHAT_BODY, *OTHER_SITES[name], SESSION_COOKIE, "Connection: close", method=method)
        assert statuses(exchange_bytes(url, sent.replace(HOST, b"", 1))) == [403]
    assert len(PROVIDER.calls) == calls
    assert is_serving(url)
    check_log(caplog)


def test_a_program_needs_no_origin(url: str) -> None:
    sent = request(CHAT, CHAT_BODY, "Content-Type: text/plain", "Connection: close")  # as curl does
    assert b"Still here." in exchange_bytes(url, sent)


LITERALS = [
    *[
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "NaN",
        "-Infinity",
        "1" * 4000,
        "1" * 5000,
        '""',
        '" "',
        "[]",
        "{}",
        "[null]",
    ],
    *['"\\ud800"', '"\\u0000"', '"a\\r\\nEvil: 1"', '[""]', "[{}]", '[{"role":1}]', '[{"role":"user","content":null}]'],
    *["[" * depth + "]" * depth for depth in (400, 900, 950, 980, 100_000)],
    *['{"a":' * depth + "1" + "}" * depth for depth in (900, 100_000)],
    '[{"role":"user","content":%s}]' % ("[" * 900 + "]" * 900),
    '[{"role":"user","content":"\\ud83d"}]',
    '[{"role":"\\ud800","content":[{"type":"text","text":"\\udc00"}]}]',
    '"%s"' % ("x" * 900_000),
]
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "", "messages": MESSAGES, "stream": True, "n": 1, "stop": "x", "seed": 1, "stream_options": {}},
    "/v1/completions": {"model": "", "prompt": "x", "temperature": 1, "max_tokens": 1},
    "/conversation": {"model": H2o.models["falcon-7b"]},
    "/conversation/CONVERSATION-ID": {"inputs": "Hello", "parameters": {}},
    "/api/chat/prompter_message": {"chat_id": "CHAT-ID", "parent_id": None, "content": "x"},
    "/api/chat/assistant_message": {
        **{"chat_id": "CHAT-ID", "parent_id": "PARENT-ID", "model_config_name": OpenAssistant.model[0]},
        **{"sampling_parameters": {}, "system_prompt": "x"},
    },
}
COMPLETE_BODIES = [
    b"",
    b"\xff",
    b"\0",
    b"{",
    b"\xef\xbb\xbf{}",
    b'"\xed\xa0\x80"',
    CHAT_BODY.replace(b"Hello", b"\xff"),
    b"[" * 200_000,
]
COMPLETE_BODIES += [
    CHAT_BODY.decode().encode("utf-16"),
    b'{"messages":[],' + CHAT_BODY[1:],
]  # the last body has a key twice


@pytest.mark.parametrize("path", BODIES)
def test_json(path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(chat_store, "START_DELAY", 0)
    app = create_app(two_providers())
    client = app.test_client()
    bodies = list(COMPLETE_BODIES)
    for key in BODIES[path]:
        rest = json.dumps({name: value for name, value in BODIES[path].items() if name != key})
        bodies += [f'{rest[:-1]}{", " * (len(rest) > 2)}"{key}": {literal}}}'.encode() for literal in LITERALS]
    bodies.append(json.dumps(BODIES[path]).encode())
    ids = _begin(client)
    for name, value in ids.items():
        path, bodies = path.replace(name, value), [body.replace(name.encode(), value.encode()) for body in bodies]
    for body in bodies:
        response = client.post(path, data=body)
        assert response.status_code < 500 or response.get_json() in _REAL_ERRORS, body[:200]
    assert response.status_code == 200  # the last body is valid
    with serve_in_background(app, threads=4) as url:
        assert is_serving(url)
    check_log(caplog)


_REAL_ERRORS = [{"message": "Internal Error"}, {"message": "Something went wrong"}]  # of the real servers


def _begin(client: Any) -> dict[str, str]:
    """Begin conversations to abuse, and return their ids by the names in `BODIES`."""
    client.set_cookie("next-auth.session-token", "a")
    client.post("/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": "http://localhost/"})
    chat = client.post("/api/chat").get_json()["id"]
    prompt = {"chat_id": chat, "parent_id": None, "content": "x"}
    parent = client.post("/api/chat/prompter_message", json=prompt).get_json()["id"]
    conversation = client.post("/conversation", json={"model": H2o.models["falcon-7b"]}).get_json()["conversationId"]
    return {"PARENT-ID": parent, "CONVERSATION-ID": conversation, "CHAT-ID": chat}
