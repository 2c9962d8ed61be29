"""What clients can make the server keep is bounded: the oldest of it is forgotten."""

import threading
import time
from typing import Any

from abuse import serving, two_engines, wait_until
import pytest
import requests

from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.server.routes import h2o, open_assistant


class Visitor:
    """A client of Open-Assistant's that cleans nothing up."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/api/chat"

    def post(self, path: str = "", **body: Any) -> Any:
        answer = requests.post(self.url + path, json=body, cookies={"next-auth.session-token": "a"})
        return answer.json() if answer.ok else answer.status_code

    def add(self, chat: Any, text: str) -> Any:
        return self.post("/prompter_message", chat_id=chat["id"], parent_id=None, content=text)

    def ask(self, chat: Any, message: Any) -> Any:
        model = OpenAssistant.model[0]
        return self.post("/assistant_message", chat_id=chat["id"], parent_id=message["id"], model_config_name=model)


def test_chats(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(open_assistant, "_MOST_BYTES", 100_000)
    with serving(two_engines(), caplog) as url:
        visitor = Visitor(url)
        for _ in range(10):  # one that grows too large is forgotten, too, and what it held is free again
            chat = visitor.post()
            assert [visitor.add(chat, "x" * 10_000) for _ in range(12)][9:] == [500] * 3
        chats = [visitor.post() for _ in range(100)]
        assert [visitor.add(chat, "x") for chat in chats[:52]] == [500] * 52
        assert visitor.add(chats[-1], "x" * 50_000)["content"]


def test_answers_that_nobody_reads(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(open_assistant, "_MOST_BYTES", 1_000_000)
    provider = two_engines(*[lambda: time.sleep(0.004) or "x" * 20_000] * 10_000)
    with serving(provider, caplog) as url:
        visitor = Visitor(url)
        chat = visitor.post()
        assert visitor.ask(chat, visitor.add(chat, "abuse"))["state"] == "pending"
        assert wait_until(lambda: provider.abused.left == 1)
        assert visitor.add(chat, "x") == 500


def test_who_reads_what_is_forgotten_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(open_assistant, "_MOST_BYTES", 1_000_000)
    asked = [{"role": "user", "content": "abuse"}]
    with serving(two_engines(*[lambda: time.sleep(0.004) or "x" * 20_000] * 10_000), caplog) as url:
        with pytest.raises(StreamInterruptedError):
            list(OpenAssistant._create_completion("", asked, True, base_url=url, auth="a", retries=0))


def test_answers_at_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(open_assistant, "_MOST_ANSWERS", 3)
    gate = threading.Event()
    with serving(two_engines(lambda: gate.wait(20), "a"), caplog) as url:
        visitor = Visitor(url)
        chat = visitor.post()
        message = visitor.add(chat, "abuse")
        assert [visitor.ask(chat, message) for _ in range(5)][3:] == [503, 503]
        gate.set()
        assert wait_until(lambda: visitor.ask(chat, message) != 503)


def test_cookies(caplog: pytest.LogCaptureFixture) -> None:
    with serving(two_engines(), caplog) as url:
        given = requests.get(url, cookies={h2o.COOKIE: "a" * 60_000}).cookies[h2o.COOKIE]
        assert len(given) == 36
