"""What logs a caller in is nowhere to be seen, whatever a host makes of it; and it reaches that host alone."""

from itertools import product
import json
import logging
from pathlib import Path
import socket
from typing import Any, Dict
from zlib import crc32

from every_host import base_url
from protocols import MESSAGES, PROTOCOLS, begin
import pytest
from raw_host import RawHost, whole
from repeating_host import COOKIE, FAULTS, HEADER, KEY, LOGIN, PASSWORD, SECRETS, answering, seen, shown, ways_to_write
from replay import Sent
import requests
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import ProtocolError

from g4f_legacy import ChatCompletion, registry
from g4f_legacy.Provider import OpenAI, OpenAssistant
from g4f_legacy.cli import main as cli
from g4f_legacy.errors import ProviderError, RequestFailedError, StreamInterruptedError
from g4f_legacy.options import read_options
from g4f_legacy.server import create_app, serve, serve_in_background
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.transport.failures import redact_error

ROUNDS = 1  # of the ways to give them, which take turns; 4 are all ways with all providers


@pytest.mark.parametrize("way", ways_to_write(""))
@pytest.mark.parametrize("name", SECRETS)
def test_however_it_is_written_and_cut(name: str, way: str) -> None:
    secrets = [SECRETS[name], f"user:{SECRETS[name]}"]
    written = ways_to_write(SECRETS[name])[way]
    for end in (*range(8, len(written), 5), None):
        error = RequestFailedError(f"before {written[:end]}")
        error.__cause__ = ProtocolError(f"Cannot connect to {written[:end]}", ValueError(written[:end].encode()))
        redact_error(error, secrets)
        assert seen(shown(error)) == set(), end
        assert error.args == ("before …",)


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


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("g4f_legacy").setLevel(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", ["first", "stream"])
def test_a_host_repeats_it(at: str, fault: str, log: Any) -> None:
    turn = crc32(fault.encode())
    for number, provider in enumerate([*PROTOCOLS] * ROUNDS):
        way = [*GIVEN][(turn + number) % len(GIVEN)]
        with answering(FAULTS[fault], at, turn + number // 4) as host:
            options = {**GIVEN[way](host.url, provider), "retries": 0, "timeout": (5, 0.3)}
            module = registry.get(provider)
            stated = f"{ServerClient(module.__name__, options)!r} {read_options(module, options)!r}"
            with pytest.raises(ProviderError) as raised:
                list(ChatCompletion.create("some", MESSAGES, provider, stream=True, **options))
        assert any(seen("".join(sent.headers.values())) for sent in host.sent)
        assert seen(stated) | seen(shown(raised.value)) == set(), (provider, way)
        assert seen(log.text) == set(), (provider, way)


@pytest.mark.parametrize("way", sorted({*ways_to_write("")} - {"Basic"}))  # that is of a user whom nobody gave
def test_what_is_logged_without_an_error(way: str, log: Any) -> None:
    said = ways_to_write(KEY)[way] + "\x1b[2J\n"
    event = {"choices": [{"delta": {"reasoning": [[]]}, "finish_reason": said}]}

    def answer(connection: socket.socket, sent: Sent) -> bool:
        listed = json.dumps({"data": [{"id": said}]}).encode()
        connection.sendall(whole(listed if sent.method == "GET" else f"data: {json.dumps(event)}\n\n".encode()))
        return True

    with RawHost(answer) as host:
        assert list(ChatCompletion.create("", MESSAGES, "OpenAI", stream=True, auth=KEY, base_url=host.url)) == []
    with pytest.raises(StreamInterruptedError):
        list(OpenAssistant._tokens([{"event_type": "pending", "queue_position": said}], lambda: None, []))
    assert "asking for the first of" in log.text and "without a text" in log.text
    assert seen(log.text) == set() and "\x1b" not in log.text


@pytest.mark.parametrize("fault", ["401, JSON", "no HTTP", "a page", "error event", "event, cut", "silence"])
@pytest.mark.parametrize("login", ["netrc", "the host's own cookie"])
def test_a_login_that_nobody_gave(login: str, fault: str, log: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if login == "netrc":
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login user password {KEY}\n")
    for provider in ("H2o", "HuggingChat", "OpenAI") if login == "netrc" else ("H2o", "HuggingChat"):
        with answering(FAULTS[fault], "stream", 0, cookie=COOKIE) as host:
            with pytest.raises(ProviderError) as raised:
                options = {"base_url": base_url(host.url, provider), "retries": 0, "timeout": (5, 0.3)}
                list(ChatCompletion.create("some", MESSAGES, provider, stream=True, **options))
            assert any(seen("".join(sent.headers.values())) for sent in host.sent)
        assert seen(shown(raised.value)) | seen(log.text) == set()


def no_name(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize("way", ["given", "given_otherwise", "given_by_session"])
def test_nobody_is_there(way: str, provider: str, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = "http://127.0.0.1:%d" % server.getsockname()[1]
    for address in (url, url.replace("http", "https"), "http://nowhere.test", f"{url}0000"):
        monkeypatch.setattr(socket, "getaddrinfo", no_name if "nowhere" in address else socket.getaddrinfo)
        with pytest.raises((ProviderError, ValueError)) as raised:
            list(ChatCompletion.create("some", MESSAGES, provider, **GIVEN[way](address, provider), retries=0))
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
            list(ChatCompletion.create("some", MESSAGES, "H2o", **options))
    assert any(seen("".join(sent.headers.values())) for sent in proxy.sent) is (does == "refuses")
    assert seen(shown(raised.value)) | seen(log.text) == set()


def session_with(**headers: str) -> requests.Session:
    session = requests.Session()
    session.headers.update(headers)
    return session


def test_a_basic_login_in_a_header() -> None:
    options = read_options(OpenAI, {"headers": {"Authorization": requests.auth._basic_auth_str("user", PASSWORD)}})
    error = RequestFailedError(f"Not {PASSWORD}, nor {options.headers}")
    redact_error(error, options.secrets)
    assert error.args == ("Not …, nor {'Authorization': 'Basic …'}",)


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
        list(ChatCompletion.create("some", MESSAGES, "OpenAI", **options))
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
        with serve_in_background(create_app("OpenAI", "some", token=COOKIE, **engine), threads=4) as url:
            for provider, token in product(("H2o", "OpenAssistant", "OpenAI"), (COOKIE, PASSWORD)):
                with pytest.raises(ProviderError) as raised:
                    list(begin(provider, url, model="", auth=token))
                assert seen(shown(raised.value)) == set(), provider
            for path, key in product(("chat/completions", "models", "models/x", "x"), (COOKIE, HEADER)):
                headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
                said = requests.post(f"{url}/v1/{path}", json={"messages": MESSAGES}, headers=headers)
                assert seen(said.text + str(said.headers)) == set()
            with pytest.raises(ValueError) as wrong:
                serve("OpenAI", base_url=url.replace("//", f"//{LOGIN}@"), port=int(url.rpartition(":")[2]))
    assert seen(f"{wrong.value} {log.text}") == set()
