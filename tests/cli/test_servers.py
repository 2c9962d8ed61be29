import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from command_line import run
from raw_server import RawServer, response

from g4f_legacy import local_servers
from g4f_legacy.cli import servers
from g4f_legacy.cli.servers import suggest_servers
from g4f_legacy.server import create_app, serve_in_background

HOSTILE_NAME = "evil\x1b]0;owned\x07\x9b31m\u202e\nname"


def serve(pages: dict[str, Any]) -> RawServer:
    """Return a server that has a JSON payload, or the status of a refusal, for each path."""

    def respond(connection: socket.socket, sent: Any) -> None:
        page = pages.get(sent.path, 404)
        connection.sendall(response(status=page) if isinstance(page, int) else response(json.dumps(page).encode()))

    return RawServer(respond)


def model_list(*models: str, owner: str = "vllm") -> dict[str, Any]:
    return {"object": "list", "data": [{"id": model, "owned_by": owner} for model in models]}


CHAT_UI = {"/api/models": [{"id": "falcon-180b", "displayName": "Falcon"}]}


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that starts servers at the well-known ports, and returns their URLs."""
    with ExitStack() as stack:

        def start(*servers: RawServer) -> list[str]:
            urls = [stack.enter_context(server).url for server in servers]
            ports = {int(url.rpartition(":")[2]): "vLLM" for url in urls}
            monkeypatch.setattr(local_servers, "WELL_KNOWN_PORTS", ports)
            return urls

        start()
        yield start


class TestList:
    def test_each_server_has_its_models_and_a_line_to_use_it(self, listen: Any) -> None:
        one, other = listen(serve({"/v1/models": model_list("a", "b")}), serve(CHAT_UI))
        code, out, err = run("servers")
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            f"vLLM at {one}: a, b",
            f"  g4f-legacy ask --base-url {one}/v1 'Hello'",
            f"chat-ui at {other}: falcon-180b",
            f"  g4f-legacy ask -p HuggingChat --base-url {other} 'Hello'",
        ]

    def test_the_line_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve_in_background(create_app("Echo"), threads=2) as url:
            monkeypatch.setattr(local_servers, "WELL_KNOWN_PORTS", {int(url.rpartition(":")[2]): "Jan"})
            code, out, _ = run("servers")
            assert code == 0 and out.startswith(f"g4f_legacy at {url}: echo\n")
            words = out.splitlines()[1].split()
            assert words[0] == "g4f-legacy" and words[-1] == "'Hello'"
            assert run(*words[1:-1], "Hello")[:2] in [(0, "Hello"), (0, "Hello\n")]

    def test_many_models(self, listen: Any) -> None:
        listen(serve({"/v1/models": model_list(*"abcdefg")}))
        assert ": a, b, c, d, e and 2 more\n" in run("servers")[1]

    def test_no_models(self, listen: Any) -> None:
        listen(serve({"/v1/models": model_list()}))
        assert ": it lists no models\n" in run("servers")[1]

    def test_credentials(self, listen: Any) -> None:
        (url,) = listen(serve({"/v1/models": 401}))
        assert run("servers")[1].splitlines() == [
            f"OpenAI-compatible server at {url}: it requires credentials",
            f"  g4f-legacy ask --base-url {url}/v1 --auth … 'Hello'",
        ]

    def test_control_characters_and_long_names(self, listen: Any) -> None:
        (url,) = listen(serve({"/v1/models": model_list(HOSTILE_NAME, "x" * 10_000)}))
        out = run("servers")[1]
        assert out.splitlines()[0] == f"vLLM at {url}: evil]0;owned31m name, {'x' * 80}"
        assert out.replace("\n", "").isprintable()

    def test_none(self, listen: Any) -> None:
        code, out, err = run("servers")
        assert (code, out) == (1, "")
        assert err.startswith("No server was found at the ports ") and "g4f-legacy serve" in err

    def test_the_ports_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("g4f_legacy.cli.servers.find_servers", list)
        err = run("servers")[2]
        assert servers.WELL_KNOWN_PORTS
        for port, name in servers.WELL_KNOWN_PORTS.items():
            assert f"{port} ({name})" in err


class TestJson:
    def test_servers(self, listen: Any) -> None:
        (url,) = listen(serve({"/v1/models": model_list("a", HOSTILE_NAME)}))
        code, out, err = run("servers", "--json")
        assert (code, err) == (0, "")
        assert json.loads(out) == [
            {
                "kind": "vLLM",
                "provider": "OpenAI",
                "base_url": f"{url}/v1",
                "models": ["a", HOSTILE_NAME],
                "needs_auth": False,
            }
        ]

    def test_none(self, listen: Any) -> None:
        code, out, err = run("servers", "--json")
        assert (code, json.loads(out)) == (1, []) and err


class TestSuggest:
    def test_the_line_fits_the_command(self, listen: Any) -> None:
        (url,) = listen(serve({"/v1/models": model_list("a")}))
        start = f"Found vLLM at {url}: g4f-legacy"
        assert suggest_servers("ask") == f"{start} ask --base-url {url}/v1 …"
        assert suggest_servers("chat") == f"{start} chat --base-url {url}/v1"
        assert suggest_servers("run") == f"{start} run --base-url {url}/v1 SCRIPT"

    def test_another_provider(self, listen: Any) -> None:
        (url,) = listen(serve(CHAT_UI))
        assert suggest_servers("run").endswith(f" run -p HuggingChat --base-url {url} SCRIPT")

    def test_at_most_three_lines(self, listen: Any) -> None:
        listen(*(serve({"/v1/models": model_list("a")}) for _ in range(4)))
        assert len(suggest_servers("ask").splitlines()) == 3

    def test_none(self, listen: Any) -> None:
        assert suggest_servers("ask") == ""

    def test_no_error_is_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr("g4f_legacy.cli.servers.find_servers", fail)
        assert suggest_servers("ask") == ""


def test_help() -> None:
    code, out, _ = run("servers", "--help")
    assert code == 0 and "exit code is 1 if no server is found" in " ".join(out.split())
    assert "example: g4f-legacy servers" in out
