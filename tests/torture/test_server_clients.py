"""Clients that are slow, many, or gone: the server stops their completions, and still serves the others."""

import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import requests
from abuse import TEXT, connect, is_serving, request, serving, two_providers, wait_until
from raw_server import reset

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.Provider import H2o, OpenAI, OpenAssistant
from g4f_legacy.server import chat_store, create_app, listener, serve_in_background

CHAT = "/v1/chat/completions"
ABUSE = [{"role": "user", "content": "abuse"}]
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Allow enough open files: both ends of all connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def chat_request(**parameters: Any) -> bytes:
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, **parameters}
    return request(CHAT, json.dumps(body).encode(), "Connection: close")


# What a client sends at first, and then again and again.
SLOW = {
    "nothing": (b"", b""),
    "a request line from time to time": (b"", b"\r\n"),
    "a byte of a header from time to time": (HEAD + b"X: ", b"a"),
    "bare line feeds": (HEAD.replace(b"\r\n", b"\n") + b"\n", b""),
    "a length and nothing": (HEAD + b"Content-Length: 50\r\n\r\n", b""),
    "a byte of the body from time to time": (HEAD + b"Content-Length: 5000\r\n\r\n", b"{"),
    "waiting for 100 Continue": (HEAD + b"Content-Length: 50\r\nExpect: 100-continue\r\n\r\n", b""),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n", b""),
    "a byte of a chunk size from time to time": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "nothing after a response": (request("/v1/models", method="GET"), b""),
    "half a request after a response": (request("/v1/models", method="GET") + HEAD, b"X"),
}


def test_slow_senders(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listener, "REQUEST_TIMEOUT", 1)
    with serving(two_providers(), caplog) as url, ExitStack() as clients:
        drips = {clients.enter_context(connect(url, first)): drip for first, drip in SLOW.values() for _ in range(20)}
        open_ = set(drips)

        def all_closed() -> bool:
            for client in list(open_):
                with suppress(BlockingIOError):
                    try:
                        client.setblocking(False)
                        client.send(drips[client])
                        if not client.recv(65536):
                            open_.discard(client)
                    except (BrokenPipeError, ConnectionResetError):
                        open_.discard(client)
            time.sleep(0.1)
            return not open_

        assert is_serving(url)
        assert wait_until(all_closed)


def test_waiting_for_the_provider_is_not_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr(listener, "WRITE_TIMEOUT", 0.2)
    with serving(two_providers(lambda: time.sleep(1.3), "a", lambda: time.sleep(1.3), "b"), caplog) as url:
        assert list(OpenAI._create_completion("scripted", ABUSE, True, base_url=f"{url}/v1", retries=0)) == ["a", "b"]


def test_500_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with serving(two_providers(), caplog, threads=32) as url, ExitStack() as clients:
        half = len(chat_request()) // 2
        waiting = [clients.enter_context(connect(url, chat_request()[:half])) for _ in range(500)]
        for client in waiting:
            client.sendall(chat_request()[half:])
        for client in waiting:
            with client.makefile("rb") as response:
                assert response.read().count(b'"content":') == len(TEXT)


def test_more_connections_than_the_server_accepts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # This is also more than the 1,024 files that select can watch.
    monkeypatch.setattr(listener, "REQUEST_TIMEOUT", 5)  # longer than it takes to open all connections
    with serving(two_providers(), caplog) as url, ExitStack() as clients:
        waiting = [clients.enter_context(connect(url, HEAD)) for _ in range(1000)]
        assert wait_until(lambda: "reached the connection limit" in caplog.text)
        assert is_serving(url)
        assert waiting[-1].fileno() > 1000


def test_fewer_files_than_connections() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\n"
    code += "from g4f_legacy.cli.main import main; main(['serve', '--engine', 'Echo', '--port', '0'])"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        url = next(filter(None, (re.search(r"http://[\d.:]+", line) for line in server.stderr))).group()
        with ExitStack() as clients:
            for _ in range(100):
                clients.enter_context(connect(url, HEAD))
        tokens = list(OpenAI._create_completion("echo", ABUSE, True, base_url=f"{url}/v1", retries=0, timeout=20))
        server.send_signal(signal.SIGINT)
        log = server.stderr.read()
    assert tokens == ["abuse"] and "Traceback" not in log


class StartedClients:
    """Clients that have asked for a completion by each protocol, and received its first token."""

    def __init__(self, url: str, pipelined: bytes) -> None:
        body = {"messages": ABUSE, "prompt": "abuse", "stream": True}
        session = requests.Session()
        session.post(f"{url}/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": url})
        model = {"model": H2o.models["falcon-7b"]}
        conversation = session.post(f"{url}/conversation", json=model).json()["conversationId"]
        cookie = f"Cookie: h2o-chat={session.cookies['h2o-chat']}"
        session_cookie = "Cookie: next-auth.session-token=a"
        session.cookies.set("next-auth.session-token", "a")
        chat = {"chat_id": session.post(f"{url}/api/chat").json()["id"]}
        prompt = {**chat, "parent_id": None, "content": "abuse"}
        parent = session.post(f"{url}/api/chat/prompter_message", json=prompt).json()["id"]
        answer = {**chat, "parent_id": parent, "model_config_name": OpenAssistant.model[0]}
        message = session.post(f"{url}/api/chat/assistant_message", json=answer).json()["id"]
        session.close()
        started = [
            request(f"/conversation/{conversation}", b'{"inputs": "abuse"}', cookie),
            request(f"/api/chat/events?chat_id={chat['chat_id']}&message_id={message}", b"", session_cookie),
            request(CHAT, json.dumps(body).encode()),
            request("/v1/completions", json.dumps(body).encode()),
        ]
        self.clients = [connect(url, sent + pipelined, window=4096) for sent in started]
        for client in self.clients:
            assert client.recv(1024).startswith(b"HTTP/1.1 200 OK")
        not_streamed = request(CHAT, json.dumps({"messages": ABUSE}).encode())
        self.clients.append(connect(url, not_streamed + pipelined))  # which receives nothing before the end


VANISHING = {"FIN": socket.socket.close, "RST": reset, "reads no more": lambda client: None}


@pytest.mark.parametrize("how", VANISHING)
def test_clients_that_vanish(how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listener, "WRITE_TIMEOUT", 1)
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 1)
    provider = two_providers(*[lambda: time.sleep(0.02) or "x" * 100_000] * 5_000)
    abused = provider.abused
    with serving(provider, caplog) as url:
        both = [StartedClients(url, pipelined).clients for pipelined in (b"", request("/v1/models", method="GET") * 3)]
        assert wait_until(lambda: len(abused.calls) == 10)
        for *streaming, waiting in both:
            for client in streaming:
                VANISHING[how](client)
            waiting.close()
        assert wait_until(lambda: abused.stopped == 10, 30)
        for client in [*both[0], *both[1]]:
            client.close()


def test_clients_that_vanish_before_the_response(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    provider = two_providers(lambda: gate.wait(20), *[lambda: time.sleep(0.02) or "a"] * 5_000)
    with serving(provider, caplog, threads=2) as url:
        clients = [connect(url, chat_request(messages=ABUSE)) for _ in range(50)]  # two are served, the others wait
        assert wait_until(lambda: len(provider.abused.calls) == 2)
        for index, client in enumerate(clients):
            VANISHING["FIN" if index % 2 else "RST"](client)
        gate.set()
        assert wait_until(lambda: provider.abused.stopped == len(provider.abused.calls))


def test_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    """No client takes its truncated completion for complete, and one that reads nothing does not delay the end."""
    provider = two_providers(*[lambda: time.sleep(0.02) or "x" * 100_000] * 5_000)
    before = set(threading.enumerate())
    errors: list[Exception] = []

    def read(tokens: Any) -> None:
        with suppress(StopIteration):
            try:
                while True:
                    next(tokens)
            except StreamInterruptedError as error:
                errors.append(error)

    with ExitStack() as server:
        url = server.enter_context(serve_in_background(create_app(provider), threads=16))
        clients = StartedClients(url, b"").clients
        options: dict[str, Any] = {"stream": True, "retries": 0, "timeout": 20}
        completions = [
            H2o._create_completion("", ABUSE, base_url=url, **options),
            OpenAI._create_completion("scripted", ABUSE, base_url=f"{url}/v1", **options),
        ]
        readers = [threading.Thread(target=read, args=(tokens,)) for tokens in completions]
        for reader in readers:
            reader.start()
        assert wait_until(lambda: len(provider.abused.calls) == 7)
        time.sleep(1)  # until receive buffers are full
    for reader in readers:
        reader.join()
    for client in clients:
        client.close()
    assert len(errors) == 2
    assert wait_until(lambda: set(threading.enumerate()) <= before) and provider.abused.stopped == 7
