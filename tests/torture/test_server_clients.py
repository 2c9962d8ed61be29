"""Clients that are slow, many, or gone. The server ends what they left, and goes on serving the others."""

from contextlib import ExitStack, suppress
import json
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, Iterator, List

from abuse import TEXT, connect, goes_on_serving, request, serving, two_engines, wait_until
import pytest
from raw_host import reset
import requests

from g4f_legacy.Provider import H2o, OpenAI, OpenAssistant
from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.server import channel, create_app, serve_in_background
from g4f_legacy.server.routes import open_assistant

CHAT = "/v1/chat/completions"
ABUSE = [{"role": "user", "content": "abuse"}]
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Both ends of all connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def asked(**more: Any) -> bytes:
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, **more}
    return request(CHAT, json.dumps(body).encode(), "Connection: close")


SLOW = {
    "nothing": (b"", b""),
    "a request line now and then": (b"", b"\r\n"),
    "a byte of a header now and then": (HEAD + b"X: ", b"a"),
    "bare line feeds": (HEAD.replace(b"\r\n", b"\n") + b"\n", b""),
    "a length and nothing": (HEAD + b"Content-Length: 50\r\n\r\n", b""),
    "a byte of the body now and then": (HEAD + b"Content-Length: 5000\r\n\r\n", b"{"),
    "waiting to be told to go on": (HEAD + b"Content-Length: 50\r\nExpect: 100-continue\r\n\r\n", b""),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n", b""),
    "a byte of a chunk's size now and then": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "nothing after an answer": (request("/v1/models", method="GET"), b""),
    "half a request after an answer": (request("/v1/models", method="GET") + HEAD, b"X"),
}


def test_slow_senders(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(channel, "ASK_WITHIN", 1)
    with serving(two_engines(), caplog) as url, ExitStack() as clients:
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

        assert goes_on_serving(url)
        assert wait_until(all_closed)


def test_who_waits_for_the_engine_is_not_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel, "ASK_WITHIN", 0.2)
    monkeypatch.setattr(channel, "READ_WITHIN", 0.2)
    with serving(two_engines(lambda: time.sleep(1.3), "a", lambda: time.sleep(1.3), "b"), caplog) as url:
        assert list(OpenAI._create_completion("scripted", ABUSE, True, base_url=f"{url}/v1", retries=0)) == ["a", "b"]


def test_500_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with serving(two_engines(), caplog, threads=32) as url, ExitStack() as clients:
        half = len(asked()) // 2
        waiting = [clients.enter_context(connect(url, asked()[:half])) for _ in range(500)]
        for client in waiting:
            client.sendall(asked()[half:])
        for client in waiting:
            with client.makefile("rb") as answer:
                assert answer.read().count(b'"content":') == len(TEXT)


def test_more_than_it_takes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    # The process comes to have more than 1,024 files, too, which is more than select can look at.
    with serving(two_engines(), caplog) as url, ExitStack() as clients:
        waiting = [clients.enter_context(connect(url, HEAD)) for _ in range(1000)]
        assert wait_until(lambda: "reached the connection limit" in caplog.text)
        monkeypatch.setattr(channel, "ASK_WITHIN", 1)
        assert goes_on_serving(url)
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
        said = list(OpenAI._create_completion("echo", ABUSE, True, base_url=f"{url}/v1", retries=0, timeout=20))
        server.send_signal(signal.SIGINT)
        rest = server.stderr.read()
    assert said == ["abuse"] and "Traceback" not in rest


class Asking:
    """Clients that have asked a question by each protocol, and got the first of its answer."""

    def __init__(self, url: str, pipelined: bytes) -> None:
        body = {"messages": ABUSE, "prompt": "abuse", "stream": True}
        visitor = requests.Session()
        visitor.post(f"{url}/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": url})
        model = {"model": H2o.models["falcon-7b"]}
        conversation = visitor.post(f"{url}/conversation", json=model).json()["conversationId"]
        cookie = f"Cookie: h2o-chat={visitor.cookies['h2o-chat']}"
        login = "Cookie: next-auth.session-token=a"
        visitor.cookies.set("next-auth.session-token", "a")
        chat = {"chat_id": visitor.post(f"{url}/api/chat").json()["id"]}
        said = {**chat, "parent_id": None, "content": "abuse"}
        parent = visitor.post(f"{url}/api/chat/prompter_message", json=said).json()["id"]
        wanted = {**chat, "parent_id": parent, "model_config_name": OpenAssistant.model[0]}
        message = visitor.post(f"{url}/api/chat/assistant_message", json=wanted).json()["id"]
        visitor.close()
        sent = [
            request(f"/conversation/{conversation}", b'{"inputs": "abuse"}', cookie),
            request(f"/api/chat/events?chat_id={chat['chat_id']}&message_id={message}", b"", login),
            request(CHAT, json.dumps(body).encode()),
            request("/v1/completions", json.dumps(body).encode()),
        ]
        self.clients = [connect(url, one + pipelined, window=4096) for one in sent]
        for client in self.clients:
            assert client.recv(1024).startswith(b"HTTP/1.1 200 OK")
        whole = request(CHAT, json.dumps({"messages": ABUSE}).encode())
        self.clients.append(connect(url, whole + pipelined))  # its answer comes in one piece, if ever


VANISHING = {"FIN": socket.socket.close, "RST": reset, "reads no more": lambda client: None}


@pytest.mark.parametrize("how", VANISHING)
def test_clients_that_vanish(how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(channel, "READ_WITHIN", 1)
    monkeypatch.setattr(open_assistant, "ABANDONED", 1)
    provider = two_engines(*[lambda: time.sleep(0.02) or "x" * 100_000] * 5_000)
    abused = provider.abused
    with serving(provider, caplog) as url:
        both = [Asking(url, more).clients for more in (b"", request("/v1/models", method="GET") * 3)]
        assert wait_until(lambda: len(abused.calls) == 10)
        for *streaming, waiting in both:
            for client in streaming:
                VANISHING[how](client)
            waiting.close()
        assert wait_until(lambda: abused.left == 10, 30)
        for client in [*both[0], *both[1]]:
            client.close()


def test_clients_that_vanish_before_they_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    provider = two_engines(lambda: gate.wait(20), *[lambda: time.sleep(0.02) or "a"] * 5_000)
    with serving(provider, caplog, threads=2) as url:
        clients = [connect(url, asked(messages=ABUSE)) for _ in range(50)]  # two are answered, the others queue
        assert wait_until(lambda: len(provider.abused.calls) == 2)
        for index, client in enumerate(clients):
            VANISHING["FIN" if index % 2 else "RST"](client)
        gate.set()
        assert wait_until(lambda: provider.abused.left == len(provider.abused.calls))


def test_the_servers_end(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody takes what it cuts for whole, and a client that reads nothing does not hold it up."""
    provider = two_engines(*[lambda: time.sleep(0.02) or "x" * 100_000] * 5_000)
    before = set(threading.enumerate())
    errors: List[Exception] = []

    def read(tokens: Any) -> None:
        with suppress(StopIteration):
            try:
                while True:
                    next(tokens)
            except StreamInterruptedError as error:
                errors.append(error)

    with ExitStack() as server:
        url = server.enter_context(serve_in_background(create_app(provider), threads=16))
        clients = Asking(url, b"").clients
        asking: Dict[str, Any] = {"stream": True, "retries": 0, "timeout": 20}
        completions = [
            H2o._create_completion("", ABUSE, base_url=url, **asking),
            OpenAI._create_completion("scripted", ABUSE, base_url=f"{url}/v1", **asking),
        ]
        readers = [threading.Thread(target=read, args=(tokens,)) for tokens in completions]
        for reader in readers:
            reader.start()
        assert wait_until(lambda: len(provider.abused.calls) == 7)
        time.sleep(1)  # windows fill
    for reader in readers:
        reader.join()
    for client in clients:
        client.close()
    assert len(errors) == 2
    assert wait_until(lambda: set(threading.enumerate()) <= before) and provider.abused.left == 7
