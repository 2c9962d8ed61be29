import gzip
import json
import random
import re
import socket
from typing import Any, Callable, Dict, List, Tuple
from urllib.parse import unquote_to_bytes, urlsplit
import zlib

from protocols import ANSWERS, IN_STEPS, Recorded, ask, is_question
import pytest
from raw_host import RawHost, whole
from replay import Sent
import requests

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
    """An answer with a status of 200, these headers, and a body that the connection ends."""
    return lambda said: "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode("latin-1") + said


def status(code: int, *headers: str) -> Callable[[bytes], bytes]:
    return lambda _: "\r\n".join([f"HTTP/1.1 {code} Said So", *headers, "", ""]).encode()


NO_HTTP = RequestFailedError
CUT = (StreamInterruptedError, RequestFailedError, ResponseFormatError)  # or the whole text, where its end mark came
NOTHING = StreamInterruptedError, ResponseFormatError

# What the host makes of a body, and the error that comes of it; None where the whole text comes.
SAID: Dict[str, Tuple[Callable[[bytes], bytes], Any]] = {
    "nothing at all": (lambda _: b"", NO_HTTP),
    "another protocol": (lambda _: b"SSH-2.0-OpenSSH\r\n", NO_HTTP),
    "random bytes": (lambda _: random.Random(7).getrandbits(80_000).to_bytes(10_000, "big"), NO_HTTP),
    "NULs": (lambda _: bytes(100_000), NO_HTTP),
    "a status that is none": (lambda _: b"HTTP/1.1 OK 200\r\n\r\n", NO_HTTP),
    "a status of five digits": (lambda _: b"HTTP/1.1 20000 OK\r\n\r\n", NO_HTTP),
    "a status that clears the terminal": (lambda _: b"HTTP/1.1 \x1b[2J " + b"x" * 60_000 + b"\r\n\r\n", NO_HTTP),
    "a reason that does": (lambda _: b"HTTP/1.1 500 \x1b[2J%s\r\n\r\n" % (b"x" * 60_000), RequestFailedError),
    "a header of a mebibyte": (ok("X: " + "y" * MEBIBYTE), NO_HTTP),
    "a header name of a mebibyte": (ok("x" * MEBIBYTE), NO_HTTP),
    "5,000 headers": (ok(*["X: y"] * 5000), NO_HTTP),
    "headers that are none": (ok("no colon", "\xff: \xfe", " folded", "a\0b: \x01\x1c\x85"), None),
    "a page": (lambda _: whole(b"<h1>Hello</h1>", 200, "Content-Type: text/html"), ResponseFormatError),
    "a page that says it is events": (ok("Content-Type: text/event-stream"), None),
    "a text that is no protocol": (lambda _: whole(b"Hello"), NOTHING),
    "NULs as a body": (lambda _: whole(bytes(100_000)), NOTHING),
    "invalid UTF-8": (lambda _: whole(b'data: {"\xff": \xfe}\n\n'), ResponseFormatError),
    "lone CRs": (lambda _: whole(b"\r" * 100_000), NOTHING),
    "204": (status(204), NOTHING),
    "205": (status(205), NOTHING),
    "206 without a body": (status(206, "Content-Length: 0"), NOTHING),
    "100, then nothing": (status(100), RequestFailedError),
    "100, then the answer": (
        lambda said: b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + ok("Connection: close")(said),
        None,
    ),
    "101": (status(101, "Upgrade: h2c"), RequestFailedError),
    "103": (status(103, "Connection: close"), RequestFailedError),
    "304": (status(304), RequestFailedError),
    "302 to nowhere": (status(302, "Content-Length: 0"), RequestFailedError),
    "401 with NULs": (lambda _: whole(bytes(1000), 401), AuthenticationError),
    "429 for ages": (lambda _: whole(b"[" * 1000, 429, "Retry-After: " + "9" * 400), RateLimitError),
    "503 until a day that is none": (lambda _: whole(b"", 503, "Retry-After: , 2 Jan , 12.30 Z"), RequestFailedError),
    "a length that is too long": (lambda said: ok(f"Content-Length: {len(said) + 5}")(said), CUT),
    "a length that is too short": (lambda said: ok(f"Content-Length: {len(said) // 2}")(said), CUT),
    "a length below zero": (ok("Content-Length: -5"), None),
    "a length that is no number": (ok("Content-Length: many"), None),
    "a length of 5,000 digits": (ok("Content-Length: " + "9" * 5000), None),
    "chunks that are none": (ok("Transfer-Encoding: chunked"), CUT),
    "a chunk below zero": (lambda said: ok("Transfer-Encoding: chunked")(b"-5\r\n" + said), CUT),
    "a chunk of 2**80 bytes": (lambda said: ok("Transfer-Encoding: chunked")(b"1%020x\r\n%s" % (0, said)), CUT),
    "a chunk's size of a mebibyte": (lambda said: ok("Transfer-Encoding: chunked")(b"0" * MEBIBYTE), CUT),
    "gzip that nobody asked for": (lambda said: ok("Content-Encoding: gzip")(gzip.compress(said)), None),
    "deflate that nobody asked for": (lambda said: ok("Content-Encoding: deflate")(zlib.compress(said)), None),
    "gzip that is none": (ok("Content-Encoding: gzip"), CUT),
    "gzip that breaks off": (lambda said: ok("Content-Encoding: gzip")(gzip.compress(said)[:-20]), CUT),
    "an encoding that is none": (ok("Content-Encoding: \x01, rot13"), None),
    "nine encodings": (ok("Content-Encoding: " + ", ".join(["gzip"] * 9)), CUT),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("say, error", SAID.values(), ids=SAID)
def test_the_answer_is_another_than_it_should_be(say: Callable[[bytes], bytes], error: Any, name: str) -> None:
    answers, ways = Recorded(name), ANSWERS[name].ways
    for where, stream in ((is_question, ways[0]), (lambda _: True, ways[-1])):

        def answer(connection: socket.socket, sent: Sent) -> bool:
            is_spoiled = where(sent)
            connection.sendall(say(answers.to(sent)) if is_spoiled else whole(answers.to(sent)))
            return not is_spoiled

        with RawHost(answer) as host:
            text, raised = ask(name, host.url, stream)
        if error is None or error is CUT and raised is None:
            assert (text, raised) == (answers.text, None)
        else:
            assert isinstance(raised, error if where == is_question else ProviderError)
            assert answers.text.startswith(text) and (error is CUT or not text)


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
def test_nothing_is_sent_to_where_another_origin_is(target: str, code: int) -> None:
    with RawHost(lambda connection, _: connection.sendall(whole())) as evil:

        def answer(connection: socket.socket, _: Sent) -> bool:
            here = "127.0.0.1:%d" % connection.getsockname()[1]
            location = target.format(evil=evil.url[7:], here=here, port=evil.url.rpartition(":")[2])
            connection.sendall(
                b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (code, location.encode("latin-1"))
            )
            return True

        with RawHost(answer) as host:
            for name in ("OpenAI", "H2o"):  # the first request is a POST, and a GET
                text, raised = ask(name, host.url, True, cookies={"mine": "s3cr3t-cookie"}, timeout=2)
                assert text == "" and type(raised) is RequestFailedError
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


@pytest.mark.parametrize("name", IN_STEPS)
@pytest.mark.parametrize("one", [*IDS, "", ".", ".."])
def test_an_id_of_the_hosts_does_not_leave_its_place(one: str, name: str) -> None:
    answers = Recorded(name)

    def answer(connection: socket.socket, sent: Sent) -> bool:
        made = {"conversationId": one, "id": one, "messages": [{"id": one}], "state": "complete", "content": "Hello"}
        connection.sendall(whole(answers.stream if is_question(sent) else json.dumps(made).encode()))
        return True

    with RawHost(answer) as host:
        text, raised = ask(name, host.url, True)
    quoted = [place for sent in host.sent for place in places(sent)]
    assert set(quoted) <= {one.encode("utf-8", "surrogatepass")}
    assert not any("x-evil" in sent.headers for sent in host.sent)
    if quoted and (one != "\ud800" or name != "OpenAssistant"):
        assert (text, raised) == (answers.text, None)
    else:
        assert isinstance(raised, (ResponseFormatError, RequestFailedError)) and text == ""


def places(sent: Sent) -> List[bytes]:
    """The ids in the address of a request; every other part of it has to be as ever."""
    url = urlsplit(sent.path)
    ids = [unquote_to_bytes(value.replace("+", " ")) for value in re.findall("_id=([^&]*)", url.query)]
    assert sent.path.isascii() and url.query.count("&") == max(len(ids) - 1, 0)
    path = re.fullmatch(r"/(settings)?|(/api)?/conversations?(/v2)?|/api/chat(/[a-z_]+)?", url.path)
    if path:
        return ids
    found = re.fullmatch(r"(?:/api|/api/v2)?/conversations?/([^/]+)(?:/stop-generating|/__data.json)?", url.path)
    assert found and not url.query, sent.path
    return [unquote_to_bytes(found.group(1))]


@pytest.mark.parametrize(
    "attributes", ["Domain=example.org", "Domain=1", "Domain=127.0.0.1.example.org", "Path=/other", 'Port="1"']
)
@pytest.mark.parametrize("name", IN_STEPS)
def test_a_cookie_for_elsewhere_goes_nowhere(name: str, attributes: str) -> None:
    answers, session = Recorded(name), requests.Session()

    def answer(connection: socket.socket, sent: Sent) -> bool:
        headers = (f"Content-Type: {answers.kind}", "Set-Cookie: own=1; Path=/", f"Set-Cookie: evil=1; {attributes}")
        connection.sendall(whole(answers.to(sent), 200, *headers))
        return True

    with RawHost(answer) as host:
        assert ask(name, host.url, True, session=session) == (answers.text, None)
    assert {cookie.domain for cookie in session.cookies} == {"127.0.0.1"}
    cookies = [sent.headers.get("cookie", "") for sent in host.sent]
    assert not any("evil" in one for one in cookies) and all("own=1" in one for one in cookies[1:])


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


@pytest.mark.parametrize("name, one", [(name, one) for name, some in CONTROLLING.items() for one in some])
def test_what_a_host_says_cannot_reach_the_terminal(name: str, one: Any) -> None:
    said = b"data: " * (name != "H2o") + json.dumps(one).encode() + b"\n\n"
    with RawHost(lambda connection, _: connection.sendall(whole(said))) as host:
        text, raised = ask(name, host.url, True)
    assert text == "" and type(raised) in (GenerationError, RequestFailedError)


def test_a_models_name_cannot_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.dumps({"data": [{"id": EVIL}]}).encode()
    with RawHost(lambda connection, _: connection.sendall(whole(listed))) as host:
        assert cli.main(["models", "-p", "OpenAI", "--base-url", host.url]) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable()
