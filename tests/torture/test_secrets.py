"""What logs a caller in is nowhere to be seen, whatever a host makes of it; and it reaches that host alone."""

import html
import json
import logging
import socket
import time
import traceback
from base64 import b64decode, b64encode
from itertools import product
from typing import Any, Callable, Dict, Optional, Set
from urllib.parse import quote, quote_plus
from zlib import crc32

import pytest
import requests
from every_host import PROVIDERS, base_url, is_stream, other_answer
from raw_host import RawHost, head, whole
from replay import Sent
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import ProtocolError

from g4f_legacy import ChatCompletion, cli, registry
from g4f_legacy.errors import ProviderError, RequestFailedError
from g4f_legacy.failures import hide_in
from g4f_legacy.host import Host
from g4f_legacy.options import read_options
from g4f_legacy.server import create_app, running, serve

KEY, COOKIE = "key-9f/Kz+7q%41&<Qx~w", "cookie-3a/Kz+7q%41&<Qy~v"
PASSWORD, HEADER = "pass\"w'ord\\éö/Kz+:@&<Qz~u", "hdr\"7'q\\9fé/Kz+41&<Qw~t"
LOGIN = f"user:{quote(PASSWORD, safe='')}"
SECRETS = {"key": KEY, "cookie": COOKIE, "password": PASSWORD, "header": HEADER}
ROUNDS = 1  # of the ways to give them, which take turns; 4 are all ways with all providers
HELLO = [{"role": "user", "content": "Hello"}]


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


@pytest.mark.parametrize("way", ways_to_write(""))
@pytest.mark.parametrize("name", SECRETS)
def test_however_it_is_written_and_cut(name: str, way: str) -> None:
    secrets = [SECRETS[name], f"user:{SECRETS[name]}"]
    written = ways_to_write(SECRETS[name])[way]
    for end in (*range(8, len(written)), None):
        error = RequestFailedError(f"before {written[:end]}")
        error.__cause__ = ProtocolError(f"Cannot connect to {written[:end]}", ValueError(written[:end].encode()))
        hide_in(error, secrets)
        assert seen(shown(error)) == set(), end
        assert error.args == ("before …",)


def shown(error: BaseException) -> str:
    frames = traceback.format_exception(type(error), error, error.__traceback__)
    return f"{error} {error!r} {getattr(error, 'url', '')} {''.join(frames)}"


def given(url: str, provider: str) -> Dict[str, Any]:
    return {"base_url": base_url(url, provider), "auth": KEY, "cookies": {"mine": COOKIE}, "headers": {"X-One": HEADER}}


def given_otherwise(url: str, provider: str) -> Dict[str, Any]:
    jar = RequestsCookieJar()
    jar.set("mine", COOKIE, domain="127.0.0.1", path="/")
    address = base_url(url, provider).replace("//", f"//{LOGIN}@")
    return {"base_url": address, "access_token": f"token={KEY}; other=2", "cookies": jar}


def given_by_proxy(url: str, provider: str) -> Dict[str, Any]:
    proxy = url.replace("//", f"//{LOGIN}@")
    return {"base_url": base_url("http://chat.test", provider), "auth": KEY, "proxy": proxy}


def given_by_session(url: str, provider: str) -> Dict[str, Any]:
    session = requests.Session()
    session.headers["X-One"] = HEADER
    session.cookies.set("mine", COOKIE)
    session.auth = ("user", PASSWORD)
    return {"base_url": base_url(url, provider), "session": session, "headers": {"Api-Key": KEY}}


GIVEN = {one.__name__: one for one in (given, given_otherwise, given_by_proxy, given_by_session)}


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


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("g4f_legacy").setLevel(logging.DEBUG)
    return caplog


def answering(say: Callable[[str], Optional[bytes]], at: str, turn: int = 0) -> RawHost:
    """A host that does what is said at the first request, or at that for the stream."""

    def answer(connection: socket.socket, sent: Sent) -> bool:
        if at == "stream" and not is_stream(sent):
            connection.sendall(other_answer(sent))
            return True
        said = say(repeated(sent, turn))
        if said is None:
            time.sleep(0.6)
        connection.sendall(said or b"")
        return False

    return RawHost(answer)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", ["first", "stream"])
def test_a_host_repeats_it(at: str, fault: str, log: Any) -> None:
    turn = crc32(fault.encode())
    for number, provider in enumerate(PROVIDERS * ROUNDS):
        way = [*GIVEN][(turn + number) % len(GIVEN)]
        with answering(FAULTS[fault], at, turn + number // 4) as host:
            options = {**GIVEN[way](host.url, provider), "retries": 0, "timeout": (5, 0.3)}
            stated = (
                f"{Host(registry.get(provider).__name__, options)!r} {read_options(registry.get(provider), options)!r}"
            )
            with pytest.raises(ProviderError) as raised:
                list(ChatCompletion.create("some", HELLO, provider, stream=True, **options))
        assert any(seen("".join(sent.headers.values())) for sent in host.sent)
        assert seen(stated) | seen(shown(raised.value)) == set(), (provider, way)
        lines = [line for line in log.text.splitlines() if "; asking for the message" not in line]
        assert seen("".join(lines)) == set(), (provider, way)


def no_name(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("way", ["given", "given_otherwise", "given_by_session"])
def test_nobody_is_there(way: str, provider: str, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "http://127.0.0.1:%d" % server.getsockname()[1]
    for address in (url, url.replace("http", "https"), "http://nowhere.test", f"{url}0000"):
        monkeypatch.setattr(socket, "getaddrinfo", no_name if "nowhere" in address else socket.getaddrinfo)
        with pytest.raises((ProviderError, ValueError)) as raised:
            list(ChatCompletion.create("some", HELLO, provider, **GIVEN[way](address, provider), retries=0))
        assert seen(shown(raised.value)) | seen(log.text) == set()


@pytest.mark.parametrize("where", ["option", "environment", "session"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("does", ["refuses", "is gone"])
def test_a_proxy(does: str, scheme: str, where: str, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = answering(lambda text: FAULTS["429, reason"](text).replace(b" 429 ", b" 407 "), "first")  # type: ignore
    url, session = proxy.url.replace("//", f"//{LOGIN}@"), requests.Session()
    options: Dict[str, Any] = {"base_url": f"{scheme}://chat.test", "retries": 0}
    if where == "environment":
        monkeypatch.setenv(f"{scheme}_proxy", url)
    else:
        session.proxies[scheme] = url
        options.update({"proxy": url} if where == "option" else {"session": session})
    with proxy:
        if does == "is gone":
            proxy.__exit__()
        with pytest.raises(ProviderError) as raised:
            list(ChatCompletion.create("some", HELLO, "H2o", **options))
    assert any(seen("".join(sent.headers.values())) for sent in proxy.sent) is (does == "refuses")
    assert seen(shown(raised.value)) | seen(log.text) == set()


def session_with(**headers: str) -> requests.Session:
    session = requests.Session()
    session.headers.update(headers)
    return session


WRONG: Dict[str, Dict[str, Any]] = {
    "a header as a name": {"headers": {f"Authorization: {KEY}": ""}},
    "a header over two lines": {"headers": {"Api-Key": f"{HEADER}\r\n"}},
    "a session's header over two lines": {"session": session_with(Authorization=f"{HEADER}\r\n")},
    "a key over two lines": {"auth": f"{KEY}\n{KEY}"},
    "a key in bytes": {"auth": KEY.encode()},
    "a port that is none": {"base_url": f"http://{LOGIN}@127.0.0.1:x"},
    "a host that is none": {"base_url": f"http://{LOGIN}@[127.0.0.1"},
    "a password that no header takes": {"base_url": f"http://{LOGIN}Ж@127.0.0.1:1"},
    "a key in a query": {"base_url": f"http://127.0.0.1/?key={KEY}"},
    "a proxy of another kind": {"proxy": f"ftp://{LOGIN}@127.0.0.1"},
    "a proxy without a host": {"proxy": f"http://{LOGIN}@"},
    "a proxy that no header takes": {"proxy": f"http://{LOGIN}Ж@127.0.0.1:1"},
    "cookies in a text": {"cookies": COOKIE},
    "cookies in a list": {"cookies": [("a", COOKIE)]},
    "a cookie over two lines": {"cookies": {"a": f"{COOKIE}\n"}},
    "a time-out": {"timeout": "no", "auth": KEY},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_option(wrong: Dict[str, Any], log: Any) -> None:
    with pytest.raises((TypeError, ValueError, ProviderError)) as raised:
        options = {"base_url": "http://127.0.0.1:1", "retries": 0, **wrong}
        list(ChatCompletion.create("some", HELLO, "OpenAI", **options))
    assert seen(shown(raised.value)) | seen(log.text) == set()


@pytest.mark.parametrize(
    "fault", ["401, JSON", "429, reason", "no HTTP", "a page", "error event", "event, cut", "nothing"]
)
@pytest.mark.parametrize("command", ["ask", "check", "models"])
def test_the_command_line(command: str, fault: str, log: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    for provider in ("H2o", "OpenAI", "Google") if command != "models" else ("HuggingChat", "OpenAI", "Google"):
        with answering(FAULTS[fault], "first" if command == "models" else "stream", crc32(provider.encode())) as host:
            url = base_url(host.url, provider).replace("//", f"//{LOGIN}@" * (provider == "H2o") or "//")
            called = [command, "-vv", "-p", provider, "--base-url", url, "--auth", KEY, "-o", "retries=0"]
            called += [
                "-o",
                f"cookies={json.dumps({'mine': COOKIE})}",
                "-o",
                f"headers={json.dumps({'X-One': HEADER})}",
            ]
            assert cli.main([*called, *["Hello"] * (command == "ask")]) in (3, 5)
    shown = capfd.readouterr()
    assert shown.err + shown.out and seen(shown.err + shown.out) | seen(log.text) == set()


@pytest.mark.parametrize("fault", ["401, JSON", "429, reason", "no HTTP", "another JSON", "error event", "event, cut"])
def test_the_local_server(fault: str, log: Any) -> None:
    with answering(FAULTS[fault], "stream", crc32(fault.encode())) as host:
        engine = {**given(host.url, "OpenAI"), "retries": 0}
        with running(create_app("OpenAI", "some", token=COOKIE, **engine), threads=4) as url:
            for provider, token in product(("H2o", "OpenAssistant", "OpenAI"), (COOKIE, PASSWORD)):
                with pytest.raises(ProviderError) as raised:
                    own = f"{url}/v1" if provider == "OpenAI" else url
                    list(ChatCompletion.create("", HELLO, provider, True, base_url=own, auth=token, retries=0))
                assert seen(shown(raised.value)) == set(), provider
            for path, key in product(("chat/completions", "models", "models/x", "x"), (COOKIE, HEADER)):
                headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
                said = requests.post(f"{url}/v1/{path}", json={"messages": HELLO}, headers=headers)
                assert seen(said.text + str(said.headers)) == set()
            with pytest.raises(ValueError) as wrong:
                serve("OpenAI", base_url=url.replace("//", f"//{LOGIN}@"), port=int(url.rpartition(":")[2]))
    assert seen(f"{wrong.value} {log.text}") == set()
