"""The local server behind HAProxy, with the timeouts that it requires and no other setting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from environments.web_servers import (
    HELLO,
    ask,
    find_program,
    free_port,
    hang_up,
    interruptible_pause,
    pause_until,
    running,
    wait_until,
)
from scripted_provider import scripted_provider

from g4f_legacy.server import chat_store, create_app, serve_in_background
from g4f_legacy.server.routes import h2o, openai

HAPROXY = find_program("haproxy")
PROTOCOLS = ["H2o", "OpenAssistant", "OpenAI"]
CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s

frontend public
    bind 127.0.0.1:{port}
    default_backend local

backend local
    server local {upstream}
"""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Callable[[Any], str]]:
    """Return a function that starts the local server and HAProxy in front of it, and returns the URL at HAProxy."""
    with ExitStack() as servers:

        def start(provider: Any) -> str:
            upstream = servers.enter_context(serve_in_background(create_app(provider), threads=16))
            port = free_port()
            text = CONFIGURATION.format(port=port, upstream=upstream.removeprefix("http://"))
            (tmp_path / "haproxy.cfg").write_text(text)
            command = [HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")]
            return servers.enter_context(running(command, port, tmp_path / "haproxy.log"))

        yield start


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tokens_are_sent_at_once(protocol: str, proxied: Any) -> None:
    gate = threading.Event()
    tokens = ask(protocol, proxied(scripted_provider("a", pause_until(gate), "b")))
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


@pytest.mark.parametrize("is_silent", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_disconnecting_stops_the_completion(
    protocol: str, is_silent: bool, proxied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy notices it when it sends the next bytes: a token or a heartbeat."""
    for module in (h2o, openai, chat_store):
        monkeypatch.setattr(module, "HEARTBEAT", 0.1 if is_silent else 60)
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 1)
    rest = [interruptible_pause(60)] if is_silent else [interruptible_pause(0.05, "b")] * 1000
    provider = scripted_provider("a", *rest)
    hang_up(protocol, proxied(provider))
    assert wait_until(lambda: provider.stopped == 1)


def test_origins(proxied: Any) -> None:
    """HAProxy leaves ``Host`` as it is."""
    provider = scripted_provider("a")
    url = proxied(provider)
    for origin, status in ((url, 200), ("http://evil.example", 403), ("http://127.0.0.1:9", 403)):
        response = requests.post(f"{url}/v1/chat/completions", json={"messages": HELLO}, headers={"Origin": origin})
        assert response.status_code == status
    assert len(provider.calls) == 1
