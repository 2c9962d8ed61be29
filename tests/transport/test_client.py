import gzip
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from replay import exchange

from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.Provider import H2o
from g4f_legacy.transport import body, requester
from g4f_legacy.transport.client import ServerClient, quote_segment

SECRET = "s3cr3t"


def new_client(url: str, **kwargs: Any) -> ServerClient:
    return ServerClient(H2o.__name__, {"base_url": url, **kwargs})


def event(number: int) -> str:
    return f'data: {{"number": {number}}}\n\n'


def reply(path: str = "/x", text: str = "{}", status: int = 200, method: str = "GET", **headers: str) -> Any:
    return exchange(method, path, status, (text,), content_length="?", **headers)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between retries, in seconds, which are skipped."""
    seconds: list[float] = []
    monkeypatch.setattr(requester, "sleep", seconds.append)
    return seconds


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port without a server, reserved for the test."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


class TestRequests:
    def test_get_and_post(self, play: Any) -> None:
        server = new_client(play([reply("/x", '{"a": 1}'), reply("/y", "", method="POST")]).url)
        assert server.get("/x", dict) == {"a": 1}
        assert server.post("/y", json={"b": "Привет"}) == {}

    @pytest.mark.parametrize("kind", [dict, list])
    def test_an_empty_response_is_an_empty_payload(self, kind: Any, play: Any) -> None:
        assert new_client(play([reply(text="")]).url).get("/x", kind) == kind()

    def test_headers(self, play: Any) -> None:
        replay = play([reply(), reply("/y", method="POST", Content_Type="text/plain")])
        server = new_client(replay.url, headers={"X-Mine": "1", "Referer": "mine"})
        server.get("/x", dict, headers={"Referer": "the provider's"})
        with server.stream("/y"):
            pass
        assert replay.sent[0].headers["user-agent"].startswith("g4f-legacy/")
        assert (replay.sent[0].headers["x-mine"], replay.sent[0].headers["referer"]) == ("1", "mine")
        assert replay.sent[1].headers["accept-encoding"] == "identity"

    def test_a_page_is_not_json(self, play: Any) -> None:
        with pytest.raises(ResponseFormatError) as raised:
            with new_client(play([reply(text="<html>")]).url) as server:
                server.get("/x", dict)
        assert raised.value.args == ("expected JSON, received '<html>'",)
        assert raised.value.provider == "H2o" and raised.value.url == f"{server.base_url}/x"
        assert raised.value.response is not None and raised.value.response.text == "<html>"

    def test_the_next_completion_uses_the_same_connection(self, play: Any) -> None:
        replay = play([reply()] * 3)
        for _ in range(3):
            new_client(replay.url).get("/x", dict)
        assert replay.connections == 1

    def test_a_body_that_is_too_large(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(body, "MAX_BODY_SIZE", 100)
        with pytest.raises(ResponseFormatError, match="^the response is larger than 100 bytes: 'x"):
            new_client(play([reply(text="x" * 101)]).url).get("/x", dict)

    def test_a_truncated_body(self, play: Any) -> None:
        truncated = exchange("GET", "/x", 200, ('{"a":',), "aborted", content_length="100")
        with pytest.raises(RequestFailedError, match="^the connection was lost: ") as raised:
            new_client(play([truncated]).url).get("/x", dict)
        assert isinstance(raised.value.__cause__, StreamInterruptedError)

    def test_a_compressed_body_that_was_not_requested(self, play: Any) -> None:
        compressed = gzip.compress(event(1).encode() * 1000)
        replay = play([exchange("POST", "/x", 200, (compressed[:20], compressed[20:]), Content_Encoding="gzip")])
        with new_client(replay.url).stream("/x") as stream:
            stream.mark_complete()
            assert list(stream.json_events()) == [{"number": 1}] * 1000

    def test_the_rest_of_a_compressed_body_is_drained(self, play: Any) -> None:
        compressed = gzip.compress(event(1).encode() * 1000)
        chunks = (compressed[:-1], compressed[-1:])
        streamed = exchange("POST", "/x", 200, chunks, Content_Encoding="gzip", content_length="?")
        server = new_client(play([streamed, reply()]).url)
        with server.stream("/x") as stream:
            assert next(stream.json_events()) == {"number": 1}
        assert server.get("/x", dict) == {}


class TestCookies:
    def test_secure_cookies_go_over_plain_http(self, play: Any) -> None:
        replay = play([reply(Set_Cookie="a=b; Path=/; Secure"), reply()])
        server = new_client(replay.url)
        server.get("/x", dict)
        server.get("/x", dict)
        assert replay.sent[1].headers["cookie"] == "a=b"

    def test_only_those_of_the_server_are_sent(self, play: Any) -> None:
        replay = play([reply()])
        session = requests.Session()
        for name, domain in (("own", "localhost.local"), ("bank", ".local"), ("other", "example.org")):
            session.cookies.set(name, "x", domain=domain, secure=True)
        new_client(replay.url.replace("127.0.0.1", "localhost"), session=session).get("/x", dict)
        assert replay.sent[0].headers["cookie"] == "own=x"
        assert all(cookie.secure for cookie in session.cookies)

    def test_an_internationalized_host_name(self, responses: Any) -> None:
        responses.get("http://xn--bcher-kva.example/x", json={})
        new_client("http://b\xfccher.example", cookies={"a": "b"}).get("/x", dict)
        assert responses.calls[0].request.headers["Cookie"] == "a=b"

    def test_a_cookie_for_another_domain_is_refused(self, play: Any) -> None:
        replay = play([reply(Set_Cookie="a=b; Domain=example.org"), reply()])
        server = new_client(replay.url)
        server.get("/x", dict)
        server.get("/x", dict)
        assert "cookie" not in replay.sent[1].headers

    def test_completions_do_not_share_cookies(self, play: Any) -> None:
        replay = play([reply(Set_Cookie="a=b"), reply()])
        new_client(replay.url).get("/x", dict)
        new_client(replay.url).get("/x", dict)
        assert "cookie" not in replay.sent[1].headers

    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
    def test_a_given_cookie_is_sent_once_whatever_the_server_sets(self, name: str, play: Any) -> None:
        replay = play([reply(Set_Cookie="a=new; Path=/"), reply()])
        server = new_client(replay.url.replace("127.0.0.1", name), cookies={"a": "given", "b": "c"})
        server.get("/x", dict)
        server.get("/x", dict)
        assert sorted(replay.sent[0].headers["cookie"].split("; ")) == ["a=given", "b=c"]
        assert sorted(replay.sent[1].headers["cookie"].split("; ")) == ["a=given", "b=c"]


class TestProxies:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
    def test_that_of_the_environment_is_not_used_for_loopback(
        self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch, dead_port: int
    ) -> None:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{dead_port}")
        url = play([reply()] * 2).url.replace("127.0.0.1", name)
        assert new_client(url, retries=0).get("/x", dict) == {}
        assert new_client(url, retries=0, session=requests.Session()).get("/x", dict) == {}

    def test_that_of_the_environment_is_used_elsewhere(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([reply("http://example.test/x")])
        monkeypatch.setenv("http_proxy", replay.url)
        assert new_client("http://example.test").get("/x", dict) == {}

    def test_that_of_the_call_is_used_everywhere(self, play: Any, dead_port: int) -> None:
        replay = play([reply(f"http://127.0.0.1:{dead_port}/x")])
        assert new_client(f"http://127.0.0.1:{dead_port}", proxy=replay.url).get("/x", dict) == {}

    def test_that_of_the_session_is_used_everywhere(self, play: Any, dead_port: int) -> None:
        replay = play([reply(f"http://127.0.0.1:{dead_port}/x")])
        session = requests.Session()
        session.proxies["http"] = replay.url
        assert new_client(f"http://127.0.0.1:{dead_port}", session=session).get("/x", dict) == {}

    def test_errors_do_not_contain_its_password(self, dead_port: int, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        server = new_client("http://example.test", proxy=f"http://me:{SECRET}@127.0.0.1:{dead_port}", retries=0)
        with pytest.raises(RequestFailedError, match="Connection refused") as raised:
            server.get("/x", dict)
        assert SECRET not in f"{raised.value} {raised.value!r} {server!r} {caplog.text}"


class TestNetrc:
    @pytest.fixture(autouse=True)
    def netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "netrc"
        path.write_text("machine 127.0.0.1\nlogin me\npassword secret\n")
        monkeypatch.setenv("NETRC", str(path))

    def sent(self, play: Any, **kwargs: Any) -> Any:
        replay = play([reply()])
        login = kwargs.pop("login", "")
        new_client(replay.url.replace("//", f"//{login}"), **kwargs).get("/x", dict)
        return replay.sent[0].headers.get("authorization")

    def test_it_is_used_without_explicit_credentials(self, play: Any) -> None:
        assert self.sent(play) == requests.auth._basic_auth_str("me", "secret")

    def test_it_does_not_override_auth(self, play: Any) -> None:
        assert self.sent(play, auth="a-token") is None

    def test_it_does_not_override_a_header(self, play: Any) -> None:
        assert self.sent(play, headers={"authorization": "Bearer x"}) == "Bearer x"

    def test_it_does_not_override_cookies(self, play: Any) -> None:
        assert self.sent(play, cookies={"a": "b"}) is None

    def test_it_does_not_override_a_header_of_the_session(self, play: Any) -> None:
        session = requests.Session()
        session.headers["Authorization"] = "Bearer mine"
        assert self.sent(play, session=session) == "Bearer mine"

    def test_it_does_not_override_the_credentials_in_the_base_url(self, play: Any) -> None:
        assert self.sent(play, login="a:b@") == requests.auth._basic_auth_str("a", "b")

    def test_it_does_not_override_the_auth_of_the_session(self, play: Any) -> None:
        session = requests.Session()
        session.auth = ("a", "b")
        assert self.sent(play, session=session, auth="a-token") == requests.auth._basic_auth_str("a", "b")


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_get_within_the_origin(self, status: int, play: Any) -> None:
        replay = play([reply("/x?q=1", status=status, Location="/y"), reply("/y", '{"a": 1}')])
        assert new_client(replay.url).get("/x", dict, params={"q": "1"}) == {"a": 1}

    @pytest.mark.parametrize("status", [307, 308])
    def test_post_within_the_origin(self, status: int, play: Any) -> None:
        moved = reply("/x", status=status, method="POST", Location="/y")
        replay = play([moved, reply("/y", '{"a": 1}', method="POST")])
        assert new_client(replay.url).post("/x", json={"b": 2}) == {"a": 1}
        assert replay.sent[1].json == {"b": 2}

    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_post_is_never_changed_to_get(self, status: int, play: Any) -> None:
        replay = play([reply("/x", status=status, method="POST", Location="/login?state=x")])
        with pytest.raises(RequestFailedError, match="the server redirects to .*/login .*base_url=") as raised:
            new_client(replay.url).post("/x")
        assert raised.value.status == status

    @pytest.mark.parametrize(
        "target",
        [
            "{other}",
            "{other}\\@{here}/",
            "http://localhost:1/",
            "//example.test/",
            "file:///etc/passwd",
            "http://[",
            "http://127.0.0.1:99999/",
        ],
    )
    def test_to_another_origin(self, target: str, play: Any) -> None:
        other = play([reply("/")])
        for session in (None, requests.Session()):
            moved = reply(status=302)
            replay = play([moved])
            location = target.format(other=other.url, here=urlsplit(replay.url).netloc)
            moved["response"]["headers"].append(["Location", location])
            with pytest.raises(RequestFailedError):
                new_client(replay.url, auth="a-token", session=session).get("/x", dict)
        assert other.sent == []

    def test_the_body_of_a_redirect_may_be_endless(self, play: Any) -> None:
        over = threading.Event()
        moved = exchange("GET", "/x", 302, ("one", over.wait), "aborted", content_length="100", Location="/y")
        assert new_client(play([moved, reply("/y")]).url, timeout=5).get("/x", dict) == {}
        over.set()

    def test_a_redirect_loop(self, play: Any) -> None:
        replay = play([reply(status=302, Location="/x")] * 9)
        with pytest.raises(RequestFailedError, match="redirected 5 times") as raised:
            new_client(replay.url).get("/x", dict)
        assert len(replay.sent) == 5 and raised.value.status == 302

    def test_a_redirect_as_the_response(self, play: Any) -> None:
        replay = play([reply(text="<html>", status=303, method="POST", Location="/y")])
        assert new_client(replay.url).post("/x", follow_redirects=False) == {}


class TestRetries:
    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_transient_failures(self, status: int, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=status)] * 2 + [reply(text='{"a": 1}')])
        assert new_client(replay.url).get("/x", dict) == {"a": 1}
        assert waits == [0.5, 1]
        assert replay.connections == 1

    def test_streams_are_retried(self, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=503, method="POST"), exchange("POST", "/x", 200, (event(1),))])
        with new_client(replay.url).stream("/x") as stream:
            assert next(stream.json_events()) == {"number": 1}

    @pytest.mark.parametrize("status", [429, 502, 503])
    def test_requests_that_generate(self, status: int, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=status, method="POST")] * 2 + [reply(method="POST")])
        assert new_client(replay.url).post("/x", generates=True) == {}
        assert waits == [0.5, 1]

    def test_the_timeout_of_a_gateway_may_be_during_the_generation(self, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=504, method="POST")] * 4)
        with pytest.raises(RequestFailedError) as raised, new_client(replay.url).stream("/x"):
            raise AssertionError("not reached")
        assert raised.value.status == 504 and len(replay.sent) == 1
        with pytest.raises(RequestFailedError):
            new_client(replay.url).post("/x", generates=True)
        assert waits == [] and len(replay.sent) == 2
        with pytest.raises(RequestFailedError):
            new_client(replay.url, retries=1).post("/x")
        assert waits == [0.5] and len(replay.sent) == 4

    def test_a_lost_connection(self, play: Any, waits: list[float]) -> None:
        replay = play([exchange("GET", "/x", 0), reply()])
        assert new_client(replay.url).get("/x", dict) == {}
        assert replay.connections == 2 and waits == [0.5]

    @pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
    def test_other_statuses_are_not_retried(self, status: int, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=status)] * 2)
        with pytest.raises(RequestFailedError):
            new_client(replay.url).get("/x", dict)
        assert len(replay.sent) == 1 and waits == []

    def test_the_number_of_retries_is_an_option(self, play: Any, waits: list[float]) -> None:
        for retries in (0, 1, 4):
            replay = play([reply(status=503)] * 9)
            with pytest.raises(RequestFailedError):
                new_client(replay.url, retries=retries).get("/x", dict)
            assert len(replay.sent) == retries + 1

    def test_with_a_session_of_the_caller(self, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=503), reply()])
        assert new_client(replay.url, session=requests.Session()).get("/x", dict) == {}

    def test_refused_connections(self, dead_port: int, waits: list[float]) -> None:
        with pytest.raises(RequestFailedError, match="no response: Connection refused"):
            new_client(f"http://127.0.0.1:{dead_port}").get("/x", dict)
        assert waits == [0.5, 1]

    @pytest.mark.parametrize("seconds", [0, 7, 30])
    def test_retry_after_in_seconds(self, seconds: int, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=429, Retry_After=str(seconds)), reply()])
        new_client(replay.url).get("/x", dict)
        assert waits == [seconds]

    def test_retry_after_as_a_date(self, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=429, Retry_After=formatdate(time.time() + 9, usegmt=True)), reply()])
        new_client(replay.url).get("/x", dict)
        assert len(waits) == 1 and 6 < waits[0] <= 9

    def test_a_long_retry_after_is_an_error(self, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=429, Retry_After="31"), reply()])
        with pytest.raises(RateLimitError, match="Try again in 31 seconds") as raised:
            new_client(replay.url).get("/x", dict)
        assert raised.value.retry_after == 31 and waits == []

    @pytest.mark.parametrize(
        "value", ["soon", "-1", "", "Mon, 99 Foo 99999999999999999999 00:00:00 GMT", ", 2 Jan , 12.30 Z"]
    )
    def test_an_invalid_retry_after(self, value: str, play: Any, waits: list[float]) -> None:
        replay = play([reply(status=429, Retry_After=value), reply()])
        new_client(replay.url).get("/x", dict)
        assert waits == [0.5]

    @pytest.mark.parametrize("digits", [400, 5000])
    def test_an_absurd_retry_after(self, digits: int, play: Any) -> None:
        replay = play([reply(status=429, Retry_After="9" * digits)])
        with pytest.raises(RateLimitError, match="Try again"):
            new_client(replay.url, retries=0).get("/x", dict)

    def test_retries_are_logged(self, play: Any, waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "g4f_legacy")
        replay = play([reply(status=503, text='{"error": "warming up"}'), reply()])
        new_client(replay.url).get("/x", dict)
        [line] = [record.getMessage() for record in caplog.records if record.name.startswith("g4f_legacy")]
        assert line == f"H2o: 503 Said So: warming up ({replay.url}/x). Trying again in 0.5 seconds."


class TestFailures:
    @pytest.mark.parametrize(
        "status, text, kind, message",
        [
            (400, '{"message": "No"}', RequestFailedError, "400 Said So: No"),
            (401, '{"error": {"message": "No"}}', AuthenticationError, "401 Said So: No"),
            (403, "", AuthenticationError, "403 Said So"),
            (404, "<h1>No</h1>", RequestFailedError, "404 Said So: '<h1>No</h1>'"),
            (410, '{"detail": ["No", "no"]}', RequestFailedError, "410 Said So: No; no"),
            (429, "{}", RateLimitError, "429 Said So: '{}'"),
            (500, '{"error": "No", "error_type": "overloaded"}', RateLimitError, "500 Said So: No"),
            (500, "[1]", RequestFailedError, "500 Said So: '[1]'"),
            (300, "", RequestFailedError, "300 Said So"),
            (304, "", RequestFailedError, "304 Said So"),
        ],
    )
    def test_status(self, status: int, text: str, kind: Any, message: str, play: Any) -> None:
        with pytest.raises(RequestFailedError) as raised:
            new_client(play([reply(text=text, status=status)]).url, retries=0).get("/x", dict)
        error = raised.value
        assert type(error) is kind
        assert (error.args, error.status, error.provider) == ((message,), status, "H2o")
        assert error.response is not None and error.response.text == text

    def test_an_endless_error_body(self, play: Any) -> None:
        chunks = ("x" * 10_000,) * 100
        replay = play([exchange("GET", "/x", 500, chunks, Transfer_Encoding="chunked")])
        with pytest.raises(RequestFailedError) as raised:
            new_client(replay.url).get("/x", dict)
        assert len(raised.value.response.content) < 200_000  # type: ignore[union-attr]

    def test_a_truncated_error_body(self, play: Any) -> None:
        replay = play([exchange("GET", "/x", 500, ("half a",), "aborted", content_length="100")])
        with pytest.raises(RequestFailedError) as raised:
            new_client(replay.url).get("/x", dict)
        assert raised.value.args == ("500 Said So: 'half a'",)

    def test_no_connection(self, dead_port: int) -> None:
        with pytest.raises(RequestFailedError) as raised:
            new_client(f"http://127.0.0.1:{dead_port}", retries=0).get("/x?secret=1", dict)
        assert str(raised.value) == (
            f"H2o: no response: Connection refused (http://127.0.0.1:{dead_port}/x). "
            "Is the server running? Point the provider at another one with base_url= or G4F_LEGACY_H2O_URL."
        )
        assert isinstance(raised.value.__cause__, requests.ConnectionError)
        assert raised.value.request is not None and raised.value.request.method == "GET"

    def test_the_public_server_is_gone(self, dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(H2o, "url", f"http://127.0.0.1:{dead_port}")
        with pytest.raises(RequestFailedError) as raised:
            ServerClient(H2o.__name__, {"retries": 0}).get("/x", dict)
        assert raised.value.hint is Hint.CHECK_SERVER  # the configured server is another one
        monkeypatch.setattr(H2o, "_public_url", H2o.url)
        with pytest.raises(RequestFailedError, match="Connection refused") as raised:
            ServerClient(H2o.__name__, {"retries": 0}).get("/x", dict)

    def test_no_response_in_time(self, play: Any, waits: list[float]) -> None:
        replay = play([])
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(RequestFailedError, match="no response within 0.2 seconds"):
                new_client(url, timeout=(1, 0.2)).get("/x", dict)
        assert waits == [] and replay.sent == []

    def test_no_connection_in_time(self, responses: Any) -> None:
        responses.get("http://example.test/x", body=requests.ConnectTimeout("secret"))
        with pytest.raises(RequestFailedError, match="^H2o: no connection within 3 seconds "):
            new_client("http://example.test", timeout=(3, 5)).get("/x", dict)

    def test_a_server_that_does_not_speak_http(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def respond() -> None:
                connection = server.accept()[0]
                connection.recv(9999)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                connection.close()

            thread = threading.Thread(target=respond)
            thread.start()
            with pytest.raises(RequestFailedError, match="^H2o: no response: "):
                new_client(f"http://127.0.0.1:{server.getsockname()[1]}", retries=0).get("/x", dict)
            thread.join()

    def test_https_to_an_http_server(self, play: Any, waits: list[float]) -> None:
        with pytest.raises(RequestFailedError, match="^H2o: no response: .*SSL"):
            new_client(play([]).url.replace("http:", "https:")).get("/x", dict)
        assert waits == []  # an SSLError is not transient


def test_queries_are_not_logged(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")
    replay = play([reply(f"/x?key={SECRET}")])
    new_client(replay.url).get("/x", dict, params={"key": SECRET})
    assert caplog.messages == [f"H2o: GET {replay.url}/x: 200"]


FRAMINGS: dict[str, dict[str, str]] = {
    "chunked": {"transfer_encoding": "chunked"},
    "with a length": {"content_length": "?"},
    "until the connection closes": {},
}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
class TestStream:
    def test_events_are_yielded_as_soon_as_they_arrive(self, framing: Any, play: Any) -> None:
        is_read = threading.Semaphore(0)
        received = []

        def wait() -> None:
            assert is_read.acquire(timeout=5)

        chunks = (event(1), wait, event(2), wait, event(3), wait)
        replay = play([exchange("POST", "/x", 200, chunks, **framing)])
        with new_client(replay.url).stream("/x") as stream:
            stream.mark_complete()
            for payload in stream.json_events():
                received.append(payload["number"])
                is_read.release()
        assert received == [1, 2, 3]

    def test_the_connection_is_used_again_if_the_framing_allows_it(self, framing: Any, play: Any) -> None:
        replay = play([exchange("POST", "/x", 200, (event(1),), **framing), reply()])
        server = new_client(replay.url)
        with server.stream("/x") as stream:
            assert next(stream.json_events()) == {"number": 1}
        server.get("/x", dict)
        assert replay.connections == (1 if framing else 2)

    @pytest.mark.parametrize(
        "ended, message",
        [
            ("aborted", "the connection was lost: Connection reset by peer"),
            ("silent", "no data was received for 0.3 seconds"),
        ],
    )
    def test_it_is_truncated(self, framing: Any, ended: str, message: str, play: Any) -> None:
        is_over = threading.Event()
        chunks = (event(1), is_over.wait) if ended == "silent" else (event(1),)
        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, chunks, "aborted", **headers)])
        received = []
        with pytest.raises(StreamInterruptedError) as raised:
            with new_client(replay.url, timeout=(5, 0.3)).stream("/x") as stream:
                for payload in stream.json_events():
                    received.append(payload["number"])
        is_over.set()
        assert received == [1]
        assert raised.value.args == (message,)

    def test_a_server_that_never_ends_it(self, framing: Any, play: Any) -> None:
        is_over = threading.Event()
        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, (event(1), is_over.wait), "aborted", **headers), reply()])
        server = new_client(replay.url)
        with server.stream("/x") as stream:
            assert next(stream.json_events()) == {"number": 1}
        is_over.set()
        assert server.get("/x", dict) == {}

    def test_an_error_in_the_block_closes_the_connection(self, framing: Any, play: Any) -> None:
        is_closed = threading.Event()

        def wait_until_closed() -> None:
            connection = replay._server._open[0]
            connection.settimeout(5)
            if connection.recv(1) == b"":
                is_closed.set()

        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, (event(1), wait_until_closed), "aborted", **headers)])
        with pytest.raises(ZeroDivisionError):
            with new_client(replay.url).stream("/x") as stream:
                next(stream.json_events())
                1 / 0
        assert is_closed.wait(5)


class TestSessionHooks:
    def test_they_may_read_the_body(self, play: Any) -> None:
        session = requests.Session()
        read: list[str] = []
        session.hooks["response"] = [lambda response, **_: read.append(response.text)]
        replay = play([exchange("POST", "/x", 200, (event(1), event(2))), reply(text='{"c": 1}')])
        server = new_client(replay.url, session=session)
        with server.stream("/x") as stream:
            stream.mark_complete()
            assert list(stream.json_events()) == [{"number": 1}, {"number": 2}]
        assert server.get("/x", dict) == {"c": 1}
        assert read == [event(1) + event(2), '{"c": 1}']

    def test_they_may_raise_for_a_status(self, play: Any, waits: list[float]) -> None:
        session = requests.Session()
        session.hooks = {"response": lambda response, **_: response.raise_for_status()}
        replay = play([reply(status=503), reply(text='{"error": "No"}', status=401)])
        with pytest.raises(AuthenticationError) as raised:
            new_client(replay.url, session=session).get("/x", dict)
        assert raised.value.args == ("401 Said So: No",) and raised.value.status == 401
        assert waits == [0.5] and list(session.hooks) == ["response"]


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", " text/html ;charset=utf-8"])
def test_a_page_instead_of_a_stream(content_type: str, play: Any) -> None:
    replay = play([reply("/x", "<h1>Hello</h1>", method="POST", Content_Type=content_type)])
    with pytest.raises(ResponseFormatError, match="^expected a stream, received a page: Hello[.] Does"):
        with new_client(replay.url).stream("/x"):
            raise AssertionError("not reached")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_instead_of_json(method: str, play: Any) -> None:
    page = "<!DOCTYPE html><title>Sign in</title><p>Please <b>sign in</b> first.</p>"
    with new_client(play([reply("/x", page, method=method, Content_Type="text/html")]).url) as server:
        with pytest.raises(ResponseFormatError) as raised:
            server.get("/x", dict) if method == "GET" else server.post("/x")
    assert raised.value.args == ("expected JSON, received a page: Sign in – Please sign in first.",)
    assert raised.value.body == page


def test_json_with_the_type_of_a_page(play: Any) -> None:
    assert new_client(play([reply("/x", '{"a": 1}', Content_Type="text/html")]).url).get("/x", dict) == {"a": 1}


@pytest.mark.parametrize(
    "content_type, page, message",
    [
        ("text/html", "<h1>Down</h1><p>Back <i>soon</i>.", "503 Said So: Down – Back soon."),
        ("text/html", "<h1>503 Said So</h1><p>Back soon.", "503 Said So: Back soon."),
        ("text/html", "<h1>503 Said So</h1>", "503 Said So"),
        ("text/plain", "<html><h1>Down</h1>", "503 Said So: Down"),
        ("text/plain", "<h1>Down</h1>", "503 Said So: '<h1>Down</h1>'"),
        ("text/html", "Down <b>", "503 Said So: 'Down <b>'"),
        ("text/html", '{"detail": "<b>no</b>"}', "503 Said So: <b>no</b>"),
        ("application/json", '{"detail": "503 Said So: no"}', "503 Said So: 503 Said So: no"),
        ("text/html", "<html><script>1", "503 Said So: '<html><script>1'"),
    ],
)
def test_an_error_page(content_type: str, page: str, message: str, play: Any) -> None:
    with pytest.raises(RequestFailedError) as raised:
        new_client(play([reply("/x", page, 503, Content_Type=content_type)]).url, retries=0).get("/x", dict)
    assert raised.value.args == (message,) and raised.value.body == page


def test_errors_in_the_block_get_provider_and_url(play: Any) -> None:
    replay = play([reply()])
    with pytest.raises(GenerationError) as raised:
        with new_client(replay.url) as server:
            server.get("/x", dict)
            raise GenerationError("no memory")
    assert str(raised.value) == f"H2o: no memory ({replay.url}/x)."
    assert raised.value.request is not None and raised.value.status is None


def test_warnings_are_not_printed_by_default() -> None:
    script = "from g4f_legacy.transport.client import log; log.warning('cleaning up failed')"
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=30, stderr=subprocess.PIPE)
    assert done.stderr == b""


def test_quote_segment() -> None:
    assert quote_segment("6b00067043e8d70aef4d5530") == "6b00067043e8d70aef4d5530"
    assert quote_segment("a/../b?c#d\r\n") == "a%2F..%2Fb%3Fc%23d%0D%0A"
    assert quote_segment("\ud800") == "%ED%A0%80"
    for text in ("", ".", ".."):
        with pytest.raises(ResponseFormatError):
            quote_segment(text)


def test_many_threads(play: Any) -> None:
    replay = play([reply(f"/{number}", f'{{"number": {number}}}') for number in range(100)])
    received: list[Any] = []

    def send(number: int) -> None:
        server = new_client(replay.url, cookies={"number": str(number)})
        received.append((number, server.get(f"/{number}", dict)["number"]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(received) == [(number, number) for number in range(100)]
    assert all(sent.headers["cookie"] == f"number={sent.path[1:]}" for sent in replay.sent)


class TestCleanUp:
    def test_requests(self, play: Any) -> None:
        replay = play([reply(method="PUT"), reply(method="DELETE")])
        server = new_client(replay.url)
        server.send_quietly("PUT", "/x", json={"hidden": True})
        server.send_quietly("DELETE", "/x")
        assert [(sent.method, sent.body) for sent in replay.sent] == [("PUT", '{"hidden": true}'), ("DELETE", "")]

    @pytest.mark.parametrize("status", [0, 500, 503])
    def test_a_failure_is_logged_once(self, status: int, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        replay = play([reply(status=status, method="PUT")] * 3)
        new_client(replay.url, retries=2, auth=SECRET).send_quietly("PUT", "/x", json={})
        [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warning.startswith("H2o: cleaning up failed: H2o: ") and replay.url in warning
        assert len(replay.sent) == 1
