"""The server stores a bounded amount for its clients, and forgets the oldest first."""

import threading
import time
from typing import Any

import pytest
import requests
from abuse import serving, two_providers, wait_until

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.server import chat_store
from g4f_legacy.server.routes import h2o, open_assistant


class Client:
    """A client of Open-Assistant that cleans nothing up."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/api/chat"

    def post(self, path: str = "", **body: Any) -> Any:
        response = requests.post(self.url + path, json=body, cookies={"next-auth.session-token": "a"})
        return response.json() if response.ok else response.status_code

    def add(self, chat: Any, text: str) -> Any:
        return self.post("/prompter_message", chat_id=chat["id"], parent_id=None, content=text)

    def ask(self, chat: Any, message: Any) -> Any:
        model = OpenAssistant.model[0]
        return self.post("/assistant_message", chat_id=chat["id"], parent_id=message["id"], model_config_name=model)


def test_chats(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(chat_store, "MAX_SIZE", 100_000)
    with serving(two_providers(), caplog) as url:
        client = Client(url)
        for _ in range(10):  # a chat that grows too large is forgotten, too, and its memory is free again
            chat = client.post()
            assert [client.add(chat, "x" * 10_000) for _ in range(12)][9:] == [500] * 3
        chats = [client.post() for _ in range(100)]
        assert [client.add(chat, "x") for chat in chats[:52]] == [500] * 52
        assert client.add(chats[-1], "x" * 50_000)["content"]


def test_completions_that_nobody_reads(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(chat_store, "MAX_SIZE", 1_000_000)
    provider = two_providers(*[lambda: time.sleep(0.004) or "x" * 20_000] * 10_000)
    with serving(provider, caplog) as url:
        client = Client(url)
        chat = client.post()
        assert client.ask(chat, client.add(chat, "abuse"))["state"] == "pending"
        assert wait_until(lambda: provider.abused.stopped == 1)
        assert client.add(chat, "x") == 500


def test_a_reader_of_a_forgotten_completion_gets_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chat_store, "MAX_SIZE", 1_000_000)
    messages = [{"role": "user", "content": "abuse"}]
    with serving(two_providers(*[lambda: time.sleep(0.004) or "x" * 20_000] * 10_000), caplog) as url:
        with pytest.raises(StreamInterruptedError):
            list(OpenAssistant._create_completion("", messages, True, base_url=url, auth="a", retries=0))


def test_concurrent_completions(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(open_assistant, "MAX_ACTIVE", 3)
    gate = threading.Event()
    with serving(two_providers(lambda: gate.wait(20), "a"), caplog) as url:
        client = Client(url)
        chat = client.post()
        message = client.add(chat, "abuse")
        assert [client.ask(chat, message) for _ in range(5)][3:] == [503, 503]
        gate.set()
        assert wait_until(lambda: client.ask(chat, message) != 503)


def test_cookies(caplog: pytest.LogCaptureFixture) -> None:
    with serving(two_providers(), caplog) as url:
        cookie = requests.get(url, cookies={h2o.COOKIE: "a" * 60_000}).cookies[h2o.COOKIE]
        assert len(cookie) == 36
