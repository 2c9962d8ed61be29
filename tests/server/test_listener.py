import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from scripted_provider import scripted_provider
from waitress.trigger import trigger

from g4f_legacy.Provider import H2o
from g4f_legacy.server import create_app, serve, serve_in_background

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    "options, is_warned", [({}, True), ({"token": "x"}, False), ({"host": "127.0.0.1"}, False)], ids=str
)
def test_warning_about_a_public_server(options: Any, is_warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(**{"host": "0.0.0.0", "port": 0, "on_ready": interrupt, **options})
    assert any("Everyone who can reach" in record.getMessage() for record in caplog.records) is is_warned


def test_port_in_use() -> None:
    with serve_in_background(create_app("Echo")) as url:
        with pytest.raises(OSError):
            with serve_in_background(create_app("Echo"), port=urlsplit(url).port or 0):
                pass


def test_port_can_be_used_again() -> None:
    with serve_in_background(create_app("Echo"), threads=2) as url:
        assert requests.get(url).status_code == 200
    with serve_in_background(create_app("Echo"), port=urlsplit(url).port or 0, threads=2) as again:
        assert again == url and requests.get(url).status_code == 200


def test_stop_while_the_loop_checks_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    pull = trigger.pull_trigger

    def pull_late(self: Any, *arguments: Any) -> None:
        time.sleep(1.2)  # by then the loop has returned on its own
        pull(self, *arguments)

    with serve_in_background(create_app("Echo"), threads=1) as url:
        assert requests.get(url).status_code == 200
        monkeypatch.setattr(trigger, "pull_trigger", pull_late)


def test_without_private_parts_of_waitress(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "g4f_legacy.server.waitress_internals", None)  # importing it fails
    gate = threading.Event()
    provider = scripted_provider("a", lambda: gate.wait(9), "b")
    with serve_in_background(create_app(provider), threads=2) as url:
        running = H2o._create_completion("", HELLO, True, base_url=url, retries=0)
        assert next(running) == "a"
        assert requests.get(url).status_code == 200
    assert "This release of waitress is unknown" in caplog.text
    with pytest.raises(requests.ConnectionError):
        requests.get(url)
    gate.set()
    assert list(running) == ["b"]  # what was being sent is complete
