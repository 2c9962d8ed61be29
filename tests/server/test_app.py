import logging
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from engines import engine
import pytest
import requests
from waitress.trigger import trigger

from g4f_legacy.errors import AuthenticationRequiredError, ProviderNotFoundError
import g4f_legacy.server
from g4f_legacy.server import create_app, serve_in_background

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def test_the_engine_by_name() -> None:
    assert create_app("Echo")
    with pytest.raises(ProviderNotFoundError):
        create_app("Nope")


def test_the_engines_options_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="base_url"):
        create_app("H2o", base_url="nowhere")
    with pytest.raises(AuthenticationRequiredError):
        create_app("OpenAssistant")


def test_no_other_page_can_frame_this_one(serve: Any) -> None:
    answer = requests.get(serve("Echo"))
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestOtherSites:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost:1", "[::1]:80", "192.168.0.7", "chat.example:8"])
    def test_names_that_are_answered(self, name: str, serve: Any) -> None:
        url = serve("Echo", hosts=["Chat.Example"])
        assert requests.get(f"{url}/v1/models", headers={"Host": name}).status_code == 200

    @pytest.mark.parametrize(
        "name", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[", "a b", "x:y"]
    )
    def test_names_that_are_not(self, name: str, serve: Any) -> None:
        answer = requests.get(f"{serve('Echo')}/v1/models", headers={"Host": name})
        assert answer.status_code in (400, 403)
        assert "echo" not in answer.text

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["])
    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/settings", "/api/chat", "/"])
    def test_origins_that_are_refused(self, origin: str, path: str, serve: Any) -> None:
        provider = engine("a")
        answer = requests.post(serve(provider) + path, headers={"Origin": origin}, json=HELLO)
        assert answer.status_code == 403
        assert provider.calls == []

    def test_its_own_origin(self, serve: Any) -> None:
        url = serve("Echo")
        assert requests.post(f"{url}/v1/chat/completions", headers={"Origin": url}, json=HELLO).status_code == 200


class TestToken:
    def test_it_is_needed(self, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer s3cr3tЖ".encode()}):
            answer = requests.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert requests.post(f"{url}/conversation", json={}, headers=headers).status_code == 401

    def test_it_is_enough(self, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        headers = {"Authorization": "Bearer s3cr3t"}
        assert requests.post(f"{url}/v1/chat/completions", json=HELLO, headers=headers).status_code == 200

    @pytest.mark.parametrize("cookie, status", [("s3cr3t", 200), ("wrong", 403), ("", 403)])
    def test_open_assistants_cookie(self, cookie: str, status: int, serve: Any) -> None:
        url = serve("Echo", token="s3cr3t")
        cookies = {"next-auth.session-token": cookie}
        assert requests.post(f"{url}/api/chat", cookies=cookies).status_code == status

    def test_the_page_is_shown_without(self, serve: Any) -> None:
        assert requests.get(serve("Echo", token="s3cr3t")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat/prompter_message"])
def test_bodies_are_limited(path: str, serve: Any) -> None:
    url = serve("Echo")
    cookies = {"next-auth.session-token": "a"}
    answer = requests.post(url + path, data="x" * (1024 * 1024 + 1), cookies=cookies)
    assert answer.status_code == 413
    assert "Request Entity Too Large" in str(answer.json()["error"])
    assert requests.post(url + path, data="x" * 1024 * 1024, cookies=cookies).status_code in (400, 500)


def test_a_body_is_refused_before_it_is_sent(serve: Any) -> None:
    url = serve("Echo")
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(b"POST /settings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        connection.settimeout(5)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert requests.get(f"{url}/v1/models").status_code == 200


def test_unknown_paths(serve: Any) -> None:
    url = serve("Echo")
    answer = requests.get(f"{url}/nope")
    assert answer.status_code == 404 and answer.json()["error"].startswith("Not Found: ")
    answer = requests.get(f"{url}/v1/nope")
    assert answer.status_code == 404 and answer.json()["error"]["type"] == "invalid_request_error"


def test_one_line_a_request_and_nothing_secret(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = serve("Echo", token="s3cr3t")
    headers = {"Authorization": "Bearer s3cr3t", "Cookie": "h2o-chat=s3cr3t"}
    requests.post(f"{url}/v1/chat/completions?key=s3cr3t", json=HELLO, headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "g4f_legacy"]
    assert len(lines) == 1 and lines[0].startswith("POST /v1/chat/completions 200, answered in ")
    assert "s3cr3t" not in caplog.text


def test_no_line_is_forged(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    requests.get(f"{serve('Echo')}/%0aPOST%20/forged%1b[31m")
    [line] = [record.getMessage() for record in caplog.records if record.name == "g4f_legacy"]
    assert line.startswith("GET /%0APOST%20/forged%1B%5B31m 404, ")


def test_a_body_that_is_nested_too_deeply(serve: Any) -> None:
    answer = requests.post(f"{serve('Echo')}/v1/chat/completions", data="[" * 200_000)
    assert answer.status_code == 400


class TestServe:
    def test_it_warns_when_everyone_can_use_it(self, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
        def stop(_: str) -> None:
            raise KeyboardInterrupt

        for options, warns in (({}, True), ({"token": "x"}, False), ({"host": "127.0.0.1"}, False)):
            caplog.clear()
            with pytest.raises(KeyboardInterrupt):
                g4f_legacy.server.serve(**{"host": "0.0.0.0", "port": 0, "on_ready": stop, **options})
            assert any("Everyone who reaches" in record.getMessage() for record in caplog.records) is warns

    def test_a_port_that_is_taken(self) -> None:
        with serve_in_background(create_app("Echo")) as url:
            with pytest.raises(OSError):
                with serve_in_background(create_app("Echo"), port=urlsplit(url).port or 0):
                    pass

    def test_the_address_can_be_used_again(self) -> None:
        with serve_in_background(create_app("Echo"), threads=2) as url:
            assert requests.get(url).status_code == 200
        with serve_in_background(create_app("Echo"), port=urlsplit(url).port or 0, threads=2) as again:
            assert again == url and requests.get(url).status_code == 200


def test_its_end_is_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    pull = trigger.pull_trigger

    def pull_late(self: Any, *arguments: Any) -> None:
        time.sleep(1.2)  # its thread has looked up by itself until then
        pull(self, *arguments)

    with serve_in_background(create_app("Echo"), threads=1) as url:
        assert requests.get(url).status_code == 200
        monkeypatch.setattr(trigger, "pull_trigger", pull_late)
