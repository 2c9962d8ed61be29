"""The servers of this machine, recognized by their protocols. Scripted servers respond as the real ones do.

Shapes: the recordings, and the documentation and sources of the servers:
https://github.com/ollama/ollama/blob/main/docs/openai.md, https://lmstudio.ai/docs/api/rest-api,
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md,
https://github.com/oobabooga/text-generation-webui/blob/main/extensions/openai/script.py,
https://github.com/janhq/jan/blob/dev/src-tauri/src/core/server/proxy.rs
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw_server import RawServer, reset, response
from replay import load

from g4f_legacy import ChatCompletion, local_servers
from g4f_legacy.cli import servers as command
from g4f_legacy.local_servers import LocalServer, find_servers
from g4f_legacy.server import create_app, serve_in_background

NOT_FOUND = response(b"Not Found", 404)
UNAUTHORIZED = response(b'{"error": "Unauthorized"}', 401)
SVELTEKIT_PAGE = response(b"<!DOCTYPE html>", 200, "X-SvelteKit-Page: true")


def as_json(payload: Any) -> bytes:
    return response(json.dumps(payload).encode(), 200, "Content-Type: application/json")


def model_list(*models: str, owner: str) -> bytes:
    return as_json({"object": "list", "data": [{"id": id, "object": "model", "owned_by": owner} for id in models]})


def recorded(name: str, path: str) -> bytes:
    """Return the body of a recorded response."""
    exchange = next(exchange for exchange in load(name) if exchange["request"]["path"].endswith(path))
    return "".join(exchange["response"]["chunks"]).encode()


def page_data_of_v0_4() -> bytes:
    """Return the data of a page as chat-ui v0.4 sends it: its settings tell when the terms were accepted."""
    data = [
        {"conversations": 1, "settings": 2, "models": 5, "oldModels": 1, "requiresLogin": 4, "messagesBeforeLogin": 6},
        [],
        {"shareConversationsWithModelAuthors": 3, "ethicsModalAcceptedAt": 7, "activeModel": 9, "searchEnabled": 4},
        True,
        False,
        [8],
        0,
        None,
        {"id": 9, "name": 9},
        "falcon-7b",
    ]
    return as_json({"type": "data", "nodes": [{"type": "data", "data": data, "uses": {}}, None]})


H2OGPT = ("7b-v3", "40b-v1")
OLLAMA_MODELS = {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "size": 1}, {"name": "llama3.2:latest"}]}
LM_STUDIO_ERROR = response(b'{"error":"Unexpected endpoint or method. (GET /)"}')
LOADING = b'{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}'
JAN_DOCUMENTATION = {"openapi": "3.0.0", "info": {"title": "Jan API Server Endpoints", "version": "1.0"}, "paths": {}}

Pages = dict[str, bytes]

SERVERS: dict[str, tuple[Pages, str, str, str, tuple[str, ...], bool]] = {
    "Ollama": (
        {"/v1/models": model_list("qwen3:8b", owner="library"), "/": response(b"Ollama is running")},
        *("Ollama", "OpenAI", "/v1", ("qwen3:8b",), False),
    ),
    "Ollama without models": (
        {"/v1/models": as_json({"object": "list", "data": None}), "/": response(b"Ollama is running")},
        *("Ollama", "OpenAI", "/v1", (), False),
    ),
    "Ollama before v0.2": (
        {"/": response(b"Ollama is running"), "/api/tags": as_json(OLLAMA_MODELS)},
        *("Ollama", "OpenAI", "/v1", ("qwen3:8b", "llama3.2:latest"), False),
    ),
    "Ollama with another list": (
        {"/": response(b"Ollama is running"), "/api/tags": as_json({"models": [1]})},
        *("Ollama", "OpenAI", "/v1", (), False),
    ),
    "LM Studio": (
        {"/v1/models": model_list("qwen/qwen3-4b", "nomic", owner="organization_owner"), "*": LM_STUDIO_ERROR},
        *("LM Studio", "OpenAI", "/v1", ("qwen/qwen3-4b", "nomic"), False),
    ),
    "llama.cpp": (
        {"/v1/models": model_list("tiny.gguf", owner="llamacpp"), "/": response(b"<!doctype html>")},
        *("llama.cpp", "OpenAI", "/v1", ("tiny.gguf",), False),
    ),
    "llama.cpp while it loads": (
        {"*": response(LOADING, 503, "Server: llama.cpp")},
        *("llama.cpp", "OpenAI", "/v1", (), False),
    ),
    "vLLM": (
        {"/v1/models": model_list("Qwen/Qwen3-8B", owner="vllm"), "/version": as_json({"version": "0.22.1"})},
        *("vLLM", "OpenAI", "/v1", ("Qwen/Qwen3-8B",), False),
    ),
    "vLLM with a key": (
        {"/v1/models": UNAUTHORIZED},
        *("OpenAI-compatible server", "OpenAI", "/v1", (), True),
    ),
    "text-generation-webui": (
        {
            "/v1/models": model_list("None", "llama-2", owner="user"),
            "/v1/internal/model/info": as_json({"model_name": "llama-2", "lora_names": []}),
        },
        *("text-generation-webui", "OpenAI", "/v1", ("None", "llama-2"), False),
    ),
    "Jan": (
        {"/v1/models": model_list("jan-v3", owner="user"), "/openapi.json": as_json(JAN_DOCUMENTATION)},
        *("Jan", "OpenAI", "/v1", ("jan-v3",), False),
    ),
    "Jan with a key": (
        {
            "/v1/models": response(b"Invalid or missing authorization token", 401),
            "/openapi.json": as_json(JAN_DOCUMENTATION),
        },
        *("Jan", "OpenAI", "/v1", (), True),
    ),
    "another": (
        {"/v1/models": response(recorded("openai/models", "/v1/models"))},
        *("OpenAI-compatible server", "OpenAI", "/v1", ("tiny.gguf",), False),
    ),
    "chat-ui": (
        {"/api/models": response(recorded("hugging_chat/models", "/api/models")), "*": response(b"<!DOCTYPE", 404)},
        *("chat-ui", "HuggingChat", "", ("falcon-180b", "oasst-30b"), False),
    ),
    "chat-ui v0.9.1 without its API": (
        {
            "/api/models": response(b"API is disabled", 403),
            "/": SVELTEKIT_PAGE,
            "/__data.json": response(recorded("hugging_chat/v0_9_1_api_disabled", "/__data.json")),
        },
        *("chat-ui", "HuggingChat", "", H2OGPT, False),
    ),
    "chat-ui v0.7": (
        {"/": SVELTEKIT_PAGE, "/__data.json": response(recorded("hugging_chat/v0_7_refused", "/__data.json"))},
        *("chat-ui", "HuggingChat", "", H2OGPT, False),
    ),
    "chat-ui v0.4": (
        {"/": SVELTEKIT_PAGE, "/__data.json": page_data_of_v0_4()},
        *("chat-ui", "H2o", "", ("falcon-7b",), False),
    ),
    "Open-Assistant": (
        {"/": response(b"<html><head><title>Open Assistant</title>"), "/api/chat/models": response(status=403)},
        *("Open-Assistant", "OpenAssistant", "", (), True),
    ),
}

OTHERS: dict[str, Pages] = {
    "nothing": {},
    "a page for every path": {"*": response(b"<!DOCTYPE html><title>My application</title>")},
    "AirPlay, which refuses everything": {"*": response(status=403)},
    "a page behind a login": {"*": response(b"", 401, 'WWW-Authenticate: Basic realm="Router"')},
    "no models": {"/v1/models": as_json({"data": []}), "/api/models": as_json([])},
    "other models": {"/v1/models": as_json({"data": [{"name": "T"}]}), "/api/models": as_json([{"id": "1"}])},
    "no objects": {"/v1/models": as_json({"data": [1, "2"]}), "/api/models": as_json([1, "2"])},
    "another SvelteKit page": {"/": SVELTEKIT_PAGE, "/__data.json": as_json({"type": "data", "nodes": [None]})},
    "data in circles": {"/": SVELTEKIT_PAGE, "/__data.json": as_json({"nodes": [{"data": [{"settings": 0}]}]})},
    "a page on Open Assistant": {"/": response(b"<title>Open Assistant</title>")},
    "numbers": {"*": as_json(7)},
    "nesting": {"*": response(b"[" * 200_000)},
}


@pytest.fixture
def start() -> Iterator[Callable[[Any], RawServer]]:
    """Return a function that starts a server, given its pages ("*": any other) or what responds to requests."""
    with ExitStack() as servers:

        def start_server(pages: Any) -> RawServer:
            def respond(connection: socket.socket, sent: Any) -> None:
                connection.sendall(pages.get(sent.path) or pages.get("*", NOT_FOUND))

            return servers.enter_context(RawServer(respond if isinstance(pages, dict) else pages))

        yield start_server


def port(server: RawServer) -> int:
    return int(server.url.rpartition(":")[2])


class TestRecognition:
    @pytest.mark.parametrize("name", SERVERS)
    def test_a_server(self, name: str, start: Any) -> None:
        pages, kind, provider, path, models, needs_auth = SERVERS[name]
        server = start(pages)
        (found,) = find_servers([port(server)])
        if models is H2OGPT:
            models = tuple(model for model in found.models if model.endswith(H2OGPT))
            assert len(models) == 2 and len(found.models) == 3
            models = found.models
        assert found == LocalServer(kind, provider, server.url + path, models, needs_auth)

    @pytest.mark.parametrize("name", OTHERS)
    def test_other_programs_are_not_listed(self, name: str, start: Any) -> None:
        server = start(OTHERS[name])
        assert find_servers([port(server)]) == []
        assert len(server.sent) >= 3

    @pytest.mark.parametrize("token, models", [(None, ("echo",)), ("secret", ())])
    def test_this_package(self, token: str | None, models: tuple[str, ...]) -> None:
        with serve_in_background(create_app("Echo", token=token), threads=2) as url:
            found = find_servers([urlsplit(url).port or 0])
        assert found == [LocalServer("g4f_legacy", "OpenAI", f"{url}/v1", models, needs_auth=token is not None)]

    @pytest.mark.parametrize("path", ["/", "/openapi.json"])
    def test_a_server_whose_other_pages_hang_is_listed(self, path: str, start: Any) -> None:
        def respond(connection: socket.socket, sent: Any) -> None:
            if sent.path == path:
                connection.recv(1)
            else:
                models = model_list("m", owner="someone")
                connection.sendall(models if sent.path == "/v1/models" else NOT_FOUND)

        (found,) = find_servers([port(start(respond))], timeout=1.5)
        assert (found.kind, found.models) == ("OpenAI-compatible server", ("m",))

    def test_servers_are_listed_in_the_order_of_the_ports(self, start: Any) -> None:
        servers = [start(SERVERS[name][0]) for name in ("vLLM", "chat-ui", "Jan")]
        found = find_servers(map(port, servers))
        assert [server.kind for server in found] == ["vLLM", "chat-ui", "Jan"]
        assert [server.kind for server in find_servers(map(port, servers[::-1]))] == ["Jan", "chat-ui", "vLLM"]

    def test_the_well_known_ports_are_the_default(self, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert list(command.WELL_KNOWN_PORTS) == [11434, 1234, 8080, 8000, 5000, 1337, 3000, 5173]
        server = start(SERVERS["vLLM"][0])
        monkeypatch.setattr(local_servers, "WELL_KNOWN_PORTS", {port(server): "vLLM"})
        assert [server.kind for server in find_servers()] == ["vLLM"]
        assert find_servers([]) == []


@pytest.fixture
def ipv6_port() -> Iterator[int]:
    """Yield a port that is free on both addresses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]
    yield free


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
class TestBothAddresses:
    def serve(self, stack: ExitStack, pages: Pages, number: int, ipv6: bool) -> RawServer:
        def respond(connection: socket.socket, sent: Any) -> None:
            connection.sendall(pages.get(sent.path, NOT_FOUND))

        server = RawServer(respond)
        server._listener.close()
        address, family = ("::1", socket.AF_INET6) if ipv6 else ("127.0.0.1", socket.AF_INET)
        server._listener = socket.create_server((address, number), family=family)
        return stack.enter_context(server)

    def test_ipv6_only(self, ipv6_port: int) -> None:
        with ExitStack() as stack:
            self.serve(stack, SERVERS["vLLM"][0], ipv6_port, ipv6=True)
            (found,) = find_servers([ipv6_port])
        assert found.base_url == f"http://[::1]:{ipv6_port}/v1"

    def test_a_server_on_both_is_listed_once(self, ipv6_port: int) -> None:
        with ExitStack() as stack:
            self.serve(stack, SERVERS["vLLM"][0], ipv6_port, ipv6=True)
            self.serve(stack, SERVERS["vLLM"][0], ipv6_port, ipv6=False)
            (found,) = find_servers([ipv6_port])
        assert found.base_url == f"http://127.0.0.1:{ipv6_port}/v1"

    def test_two_servers_are_listed_twice(self, ipv6_port: int) -> None:
        with ExitStack() as stack:
            self.serve(stack, SERVERS["vLLM"][0], ipv6_port, ipv6=True)
            self.serve(stack, SERVERS["Jan"][0], ipv6_port, ipv6=False)
            assert [server.kind for server in find_servers([ipv6_port])] == ["Jan", "vLLM"]

    def test_the_base_url_works(self, ipv6_port: int) -> None:
        stream = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
        pages = {**SERVERS["vLLM"][0], "/v1/chat/completions": response(stream, 200, "Content-Type: text/event-stream")}
        with ExitStack() as stack:
            self.serve(stack, pages, ipv6_port, ipv6=True)
            (found,) = find_servers([ipv6_port])
            messages = [{"role": "user", "content": "Hello"}]
            tokens = ChatCompletion.create("", messages, found.provider, stream=True, base_url=found.base_url)
            assert list(tokens) == ["Hi"]


def hang(connection: socket.socket, sent: Any) -> None:
    connection.recv(1)


def trickle(start: bytes, part: bytes) -> Callable[[socket.socket, Any], None]:
    def respond(connection: socket.socket, sent: Any) -> None:
        connection.sendall(start)
        while True:  # until the client has closed the connection
            connection.sendall(part)
            time.sleep(0.01)

    return respond


def flood(connection: socket.socket, sent: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def disconnect(connection: socket.socket, sent: Any) -> None:
    pass


def garbage(connection: socket.socket, sent: Any) -> None:
    connection.sendall(bytes(range(256)) * 40)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"

ENDLESS = {
    "hangs": hang,
    "trickles its status line": trickle(b"HTTP/1.1 200 ", b"O"),
    "trickles headers": trickle(HEAD, b"X: y\r\n"),
    "trickles a body": trickle(HEAD + b"\r\n", b" "),
    "trickles chunks": trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "trickles a redirect": trickle(REDIRECT, b"x"),
}

HOSTILE = {
    "floods": flood,
    "disconnects": disconnect,
    "resets": lambda connection, sent: reset(connection),
    "sends garbage": garbage,
    "sends another protocol": lambda connection, sent: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "sends a broken address": lambda connection, sent: connection.sendall(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://[::1/\r\n\r\n"
    ),
    "claims to be compressed": lambda connection, sent: connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"
    ),
}


class TestHostileServers:
    @pytest.mark.parametrize("name", ENDLESS)
    def test_they_do_not_exceed_the_deadline(self, name: str, start: Any) -> None:
        started = time.monotonic()
        assert find_servers([port(start(ENDLESS[name]))], timeout=0.3) == []
        assert time.monotonic() - started < 3
        self.wait_for_threads()

    def test_others_are_found(self, start: Any) -> None:
        servers = [*map(start, ENDLESS.values()), start(SERVERS["vLLM"][0])]
        assert [server.kind for server in find_servers(map(port, servers), timeout=2)] == ["vLLM"]
        self.wait_for_threads()

    @pytest.mark.parametrize("name", HOSTILE)
    def test_they_end_before_the_deadline(self, name: str, start: Any) -> None:
        servers = [start(HOSTILE[name]), start(SERVERS["vLLM"][0])]
        started = time.monotonic()
        assert [server.kind for server in find_servers(map(port, servers), timeout=10)] == ["vLLM"]
        assert time.monotonic() - started < 8

    def wait_for_threads(self) -> None:
        """Wait until the requests have ended by their own deadline. Until then, the process does not wait for them."""
        deadline = time.monotonic() + 5
        while threads := [thread for thread in threading.enumerate() if "_examine" in thread.name]:
            assert all(thread.daemon for thread in threads)
            assert time.monotonic() < deadline, "a request goes on"
            time.sleep(0.01)

    def test_the_deadline_is_for_all_together(self, start: Any) -> None:
        servers = [start(hang) for _ in range(16)]
        started = time.monotonic()
        assert find_servers(map(port, servers), timeout=0.3) == []
        assert 0.2 < time.monotonic() - started < 3
        self.wait_for_threads()

    def test_recognizing_a_server_does_not_exceed_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        end = threading.Event()
        monkeypatch.setattr(local_servers, "_recognize", lambda candidate: end.wait(10) and None)
        started = time.monotonic()
        assert find_servers([1], timeout=0.2) == []
        assert time.monotonic() - started < 3
        end.set()
        self.wait_for_threads()

    def test_what_does_not_respond_is_asked_once(self, start: Any) -> None:
        server = start(disconnect)
        find_servers([port(server)])
        assert server.connections == 1

    def test_the_size_is_limited(self, start: Any) -> None:
        models = model_list(*map(str, range(30_000)), owner="vllm")
        assert len(models) > local_servers.MAX_BODY_SIZE
        assert find_servers([port(start({"/v1/models": models}))]) == []

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, status: int, start: Any) -> None:
        target = start(SERVERS["vLLM"][0])
        server = start({"*": response(b"", status, f"Location: {target.url}/v1/models")})
        assert find_servers([port(server)]) == []
        assert target.connections == 0 and len(server.sent) >= 3

    def test_nothing_is_asked_twice(self, start: Any) -> None:
        server = start({})
        find_servers([port(server)])
        assert len({sent.path for sent in server.sent}) == len(server.sent)


class TestRequests:
    def test_neither_credentials_nor_cookies_are_sent(
        self, start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        for name in (
            "OPENAI_API_KEY",
            "G4F_LEGACY_OPENAI_AUTH",
            "G4F_LEGACY_H2O_AUTH",
            "G4F_LEGACY_OPENASSISTANT_AUTH",
        ):
            monkeypatch.setenv(name, "secret")
        cookie = "Set-Cookie: hf-chat=secret; Path=/"
        pages = {"/": response(b"", 200, "X-SvelteKit-Page: true", cookie), "*": response(b"{}", 404, cookie)}
        server = start(pages)
        find_servers([port(server)])
        assert len(server.sent) >= 4
        for sent in server.sent:
            assert sent.method == "GET" and not sent.body
            assert not {"authorization", "cookie", "proxy-authorization"} & set(sent.headers)
            assert "secret" not in str(sent)

    @pytest.mark.parametrize("no_proxy", ["", "example.com"])
    def test_no_proxy_is_used(self, no_proxy: str, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        proxy = start({})
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        monkeypatch.setenv("no_proxy", no_proxy)
        found = find_servers([port(start(SERVERS["vLLM"][0]))])
        assert [server.kind for server in found] == ["vLLM"]
        assert proxy.connections == 0

    def test_only_loopback_addresses_are_asked(self, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = socket.socket.connect
        connected: list[Any] = []

        def record(self: socket.socket, address: Any) -> None:
            connected.append(address)
            connect(self, address)

        monkeypatch.setattr(socket.socket, "connect", record)
        elsewhere = response(b"", 302, "Location: http://127.0.0.2/")
        servers = [start({"*": elsewhere}), *(start(pages) for pages, *_ in SERVERS.values())]
        find_servers(map(port, servers))
        assert {address[0] for address in connected} <= {"127.0.0.1", "::1"}
        assert {address[1] for address in connected} == set(map(port, servers))
