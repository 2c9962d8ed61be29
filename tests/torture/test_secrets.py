"""Secrets never appear in errors, logs and output, whatever servers make of them, and reach only their own server."""

import json
import logging
import socket
from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import requests
from every_server import base_url, get_provider, other_response
from protocols import MESSAGES, PROTOCOLS, begin, is_for_text
from raw_server import RawServer, response
from repeating_server import (
    COOKIE,
    CREDENTIALS,
    FAULTS,
    HEADER,
    KEY,
    PASSWORD,
    SECRETS,
    encodings,
    faulty_server,
    leaks,
    visible_text,
)
from replay import Sent
from secret_options import OPTIONS, WRONG, as_options
from urllib3.exceptions import ProtocolError

from g4f_legacy import ChatCompletion, registry
from g4f_legacy.cli import main as cli
from g4f_legacy.errors import ProviderError, RequestFailedError, StreamInterruptedError
from g4f_legacy.options import read_options
from g4f_legacy.Provider import OpenAI
from g4f_legacy.server import create_app, serve, serve_in_background
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.transport.failures import redact_error
from g4f_legacy.transport.redaction import collect_secrets

ROUNDS = 1  # over the providers, each with one of the `OPTIONS` in turn; 4 are all combinations


@pytest.mark.parametrize("encoding", encodings(""))
@pytest.mark.parametrize("name", SECRETS)
def test_a_truncated_secret_in_any_encoding(name: str, encoding: str) -> None:
    secrets = [SECRETS[name], f"user:{SECRETS[name]}"]
    encoded = encodings(SECRETS[name])[encoding]
    for end in (*range(8, len(encoded), 5), None):
        error = RequestFailedError(f"before {encoded[:end]}")
        error.__cause__ = ProtocolError(f"Cannot connect to {encoded[:end]}", ValueError(encoded[:end].encode()))
        redact_error(error, secrets)
        assert leaks(visible_text(error)) == set(), end
        assert error.args == ("before …",)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("g4f_legacy").setLevel(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", ["first", "stream"])
def test_a_server_repeats_secrets(at: str, fault: str, log: Any) -> None:
    first = crc32(fault.encode())
    for number, provider in enumerate([*PROTOCOLS] * ROUNDS):
        kind = [*OPTIONS][(first + number) % len(OPTIONS)]
        with faulty_server(FAULTS[fault], at, first + number // 4) as server:
            options = {**OPTIONS[kind](server.url, provider), "retries": 0, "timeout": (5, 0.3)}
            module = registry.get(provider)
            representations = f"{ServerClient(module.__name__, options)!r} {read_options(module, options)!r}"
            with pytest.raises(ProviderError) as raised:
                list(ChatCompletion.create("some", MESSAGES, provider, stream=True, **options))
        assert any(leaks("".join(sent.headers.values())) for sent in server.sent)
        assert leaks(representations) | leaks(visible_text(raised.value)) == set(), (provider, kind)
        assert leaks(log.text) == set(), (provider, kind)


@pytest.mark.parametrize("encoding", sorted({*encodings("")} - {"Basic"}))  # which is of a user that is not given
def test_logs_without_an_error(encoding: str, log: Any) -> None:
    text = encodings(KEY)[encoding] + "\x1b[2J\n"
    events = {
        "OpenAI": {"choices": [{"delta": {"reasoning": [[]]}, "finish_reason": text}]},
        "OpenAssistant": {"event_type": "pending", "queue_position": text},
    }

    def respond(connection: socket.socket, sent: Sent) -> bool:
        if is_for_text(sent):
            connection.sendall(response(f"data: {json.dumps(events[get_provider(sent)])}\n\n".encode()))
        elif sent.method == "GET":
            connection.sendall(response(json.dumps({"data": [{"id": text}]}).encode()))
        else:
            connection.sendall(other_response(sent))
        return True

    with RawServer(respond) as server:
        options = {"auth": KEY, "stream": True}
        url = base_url(server.url, "OpenAI")
        assert list(ChatCompletion.create("", MESSAGES, "OpenAI", base_url=url, **options)) == []
        url = base_url(server.url, "OpenAssistant")
        with pytest.raises(StreamInterruptedError):
            list(ChatCompletion.create("", MESSAGES, "OpenAssistant", base_url=url, **options))
    assert "asking for the first of" in log.text and "has no text" in log.text
    assert leaks(log.text) == set() and "\x1b" not in log.text


@pytest.mark.parametrize(
    "fault", ["401, JSON", "not HTTP", "a page", "error event", "event, truncated", "nothing for a while"]
)
@pytest.mark.parametrize("source", ["netrc", "the server's own cookie"])
def test_credentials_that_are_not_given(source: str, fault: str, log: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if source == "netrc":
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login user password {KEY}\n")
    for provider in ("H2o", "HuggingChat", "OpenAI") if source == "netrc" else ("H2o", "HuggingChat"):
        with faulty_server(FAULTS[fault], "stream", 0, cookie=COOKIE) as server:
            with pytest.raises(ProviderError) as raised:
                options = {"base_url": base_url(server.url, provider), "retries": 0, "timeout": (5, 0.3)}
                list(ChatCompletion.create("some", MESSAGES, provider, stream=True, **options))
            assert any(leaks("".join(sent.headers.values())) for sent in server.sent)
        assert leaks(visible_text(raised.value)) | leaks(log.text) == set()


def fail_lookup(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize("kind", ["as_options", "as_cookie_texts", "in_a_session"])
def test_no_server(kind: str, provider: str, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "http://127.0.0.1:%d" % listener.getsockname()[1]
    for address in (url, url.replace("http", "https"), "http://nowhere.test", f"{url}0000"):
        monkeypatch.setattr(socket, "getaddrinfo", fail_lookup if "nowhere" in address else socket.getaddrinfo)
        with pytest.raises((ProviderError, ValueError)) as raised:
            list(ChatCompletion.create("some", MESSAGES, provider, **OPTIONS[kind](address, provider), retries=0))
        assert leaks(visible_text(raised.value)) | leaks(log.text) == set()


@pytest.mark.parametrize("where", ["option", "environment", "session"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("state", ["refusing", "gone"])
def test_a_proxy(state: str, scheme: str, where: str, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = faulty_server(lambda text: FAULTS["429, reason"](text).replace(b" 429 ", b" 407 "), "first")  # type: ignore
    url, session = proxy.url.replace("//", f"//{CREDENTIALS}@"), requests.Session()
    options: dict[str, Any] = {"base_url": f"{scheme}://chat.test", "retries": 0}
    if where == "environment":
        monkeypatch.setenv(f"{scheme}_proxy", url)
    else:
        session.proxies[scheme] = url
        options.update({"proxy": url} if where == "option" else {"session": session})
    with proxy:
        if state == "gone":
            proxy.__exit__()
        with pytest.raises(ProviderError) as raised:
            list(ChatCompletion.create("some", MESSAGES, "H2o", **options))
    assert any(leaks("".join(sent.headers.values())) for sent in proxy.sent) is (state == "refusing")
    assert leaks(visible_text(raised.value)) | leaks(log.text) == set()


def test_basic_credentials_in_a_header() -> None:
    options = read_options(OpenAI, {"headers": {"Authorization": requests.auth._basic_auth_str("user", PASSWORD)}})
    error = RequestFailedError(f"Not {PASSWORD}, nor {dict(zip(options.headers, map(str, options.headers.values())))}")
    redact_error(error, collect_secrets(options))
    assert error.args == ("Not …, nor {'Authorization': 'Basic …'}",)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_option(wrong: dict[str, Any], log: Any) -> None:
    with pytest.raises((TypeError, ValueError, ProviderError)) as raised:
        options = {"base_url": "http://127.0.0.1:1", "retries": 0, **wrong}
        list(ChatCompletion.create("some", MESSAGES, "OpenAI", **options))
    assert leaks(visible_text(raised.value)) | leaks(log.text) == set()


@pytest.mark.parametrize(
    "fault", ["401, JSON", "429, reason", "not HTTP", "a page", "error event", "event, truncated", "nothing"]
)
@pytest.mark.parametrize("command", ["ask", "check", "models"])
def test_the_command_line(command: str, fault: str, log: Any, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    at, chat_ui = ("first", "HuggingChat") if command == "models" else ("stream", "H2o")
    for provider in (chat_ui, "OpenAI", "Google"):
        with faulty_server(FAULTS[fault], at, crc32(provider.encode())) as server:
            url = base_url(server.url, provider).replace("//", f"//{CREDENTIALS}@" if provider == "H2o" else "//")
            arguments = [command, "-vv", "-p", provider, "--base-url", url, "--auth", KEY, "-o", "retries=0"]
            arguments += [f"-ocookies={json.dumps({'mine': COOKIE})}", f"-oheaders={json.dumps({'X-One': HEADER})}"]
            if command == "ask":
                arguments.append("Hello")
            assert cli.main(arguments) in (3, 5)
    printed = capfd.readouterr()
    assert printed.err + printed.out and leaks(printed.err + printed.out) | leaks(log.text) == set()


@pytest.mark.parametrize(
    "fault", ["401, JSON", "429, reason", "not HTTP", "unknown JSON", "error event", "event, truncated"]
)
def test_the_local_server(fault: str, log: Any) -> None:
    with faulty_server(FAULTS[fault], "stream", crc32(fault.encode())) as server:
        options = {**as_options(server.url, "OpenAI"), "retries": 0}
        with serve_in_background(create_app("OpenAI", "some", token=COOKIE, **options), threads=4) as url:
            for provider, token in product(("H2o", "OpenAssistant", "OpenAI"), (COOKIE, PASSWORD)):
                with pytest.raises(ProviderError) as raised:
                    list(begin(provider, url, model="", auth=token))
                assert leaks(visible_text(raised.value)) == set(), provider
            for path, key in product(("chat/completions", "models", "models/x", "x"), (COOKIE, HEADER)):
                headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
                reply = requests.post(f"{url}/v1/{path}", json={"messages": MESSAGES}, headers=headers)
                assert leaks(reply.text + str(reply.headers)) == set()
            with pytest.raises(ValueError) as wrong:
                serve("OpenAI", base_url=url.replace("//", f"//{CREDENTIALS}@"), port=int(url.rpartition(":")[2]))
    assert leaks(f"{wrong.value} {log.text}") == set()
