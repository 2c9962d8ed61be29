from email.utils import formatdate
import gzip
import logging
from pathlib import Path
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, Iterator, List
from urllib.parse import urlsplit

import pytest
from replay import exchange
import requests

from g4f_legacy.Provider import H2o
from g4f_legacy.errors import (
    AuthenticationError,
    GenerationError,
    Hint,
    RateLimitError,
    RequestFailedError,
    ResponseFormatError,
    StreamInterruptedError,
)
from g4f_legacy.transport import body
from g4f_legacy.transport import client as host_module
from g4f_legacy.transport.client import ServerClient, quote_segment

SECRET = "s3cr3t"


def open_host(url: str, **kwargs: Any) -> ServerClient:
    return ServerClient(H2o.__name__, {"base_url": url, **kwargs})


def answering(path: str = "/x", text: str = "{}", status: int = 200, method: str = "GET", **headers: str) -> Any:
    return exchange(method, path, status, (text,), content_length="?", **headers)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The seconds that were waited between tries, without waiting."""
    waited: List[float] = []
    monkeypatch.setattr(host_module, "sleep", waited.append)
    return waited


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that nothing listens on, as long as the test has it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


class TestRequests:
    def test_get_and_post(self, play: Any) -> None:
        host = open_host(play([answering("/x", '{"a": 1}'), answering("/y", "", method="POST")]).url)
        assert host.get("/x", dict) == {"a": 1}
        assert host.post("/y", json={"b": "Привет"}) == {}

    @pytest.mark.parametrize("kind", [dict, list])
    def test_an_empty_answer_is_an_empty_document(self, kind: Any, play: Any) -> None:
        assert open_host(play([answering(text="")]).url).get("/x", kind) == kind()

    def test_headers(self, play: Any) -> None:
        replay = play([answering(), answering("/y", method="POST", Content_Type="text/plain")])
        host = open_host(replay.url, headers={"X-Mine": "1", "Referer": "mine"})
        host.get("/x", dict, headers={"Referer": "the provider's"})
        with host.stream("/y"):
            pass
        assert replay.sent[0].headers["user-agent"].startswith("g4f-legacy/")
        assert (replay.sent[0].headers["x-mine"], replay.sent[0].headers["referer"]) == ("1", "mine")
        assert replay.sent[1].headers["accept-encoding"] == "identity"

    def test_a_page_is_no_json(self, play: Any) -> None:
        with pytest.raises(ResponseFormatError) as raised:
            with open_host(play([answering(text="<html>")]).url) as host:
                host.get("/x", dict)
        assert raised.value.args == ("expected JSON, but got '<html>'",)
        assert raised.value.provider == "H2o" and raised.value.url == f"{host.base_url}/x"
        assert raised.value.response is not None and raised.value.response.text == "<html>"

    def test_the_next_completion_uses_the_same_connection(self, play: Any) -> None:
        replay = play([answering()] * 3)
        for _ in range(3):
            open_host(replay.url).get("/x", dict)
        assert replay.connections == 1

    def test_a_body_that_is_too_large(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(body, "MAX_BODY_SIZE", 100)
        with pytest.raises(ResponseFormatError, match="^more than 100 bytes came: 'x"):
            open_host(play([answering(text="x" * 101)]).url).get("/x", dict)

    def test_a_body_that_breaks_off(self, play: Any) -> None:
        cut = exchange("GET", "/x", 200, ('{"a":',), "aborted", content_length="100")
        with pytest.raises(RequestFailedError, match="^the answer broke off: ") as raised:
            open_host(play([cut]).url).get("/x", dict)
        assert isinstance(raised.value.__cause__, StreamInterruptedError)

    def test_a_compressed_body_that_nobody_asked_for(self, play: Any) -> None:
        zipped = gzip.compress(b"data: a\n\n" * 1000)
        replay = play([exchange("POST", "/x", 200, (zipped[:20], zipped[20:]), Content_Encoding="gzip")])
        with open_host(replay.url).stream("/x") as pieces:
            assert b"".join(pieces) == b"data: a\n\n" * 1000

    def test_leaving_a_compressed_body_at_its_end_mark(self, play: Any) -> None:
        zipped = gzip.compress(b"data: a\n\n" * 1000)
        stream = exchange("POST", "/x", 200, (zipped[:-1], zipped[-1:]), Content_Encoding="gzip", content_length="?")
        host = open_host(play([stream, answering()]).url)
        with host.stream("/x") as pieces:
            assert next(iter(pieces)).startswith(b"data: a")
        assert host.get("/x", dict) == {}


class TestCookies:
    def test_secure_cookies_go_over_plain_http(self, play: Any) -> None:
        replay = play([answering(Set_Cookie="a=b; Path=/; Secure"), answering()])
        host = open_host(replay.url)
        host.get("/x", dict)
        host.get("/x", dict)
        assert replay.sent[1].headers["cookie"] == "a=b"

    def test_only_the_hosts_own(self, play: Any) -> None:
        replay = play([answering()])
        session = requests.Session()
        for name, domain in (("own", "localhost.local"), ("bank", ".local"), ("other", "example.org")):
            session.cookies.set(name, "x", domain=domain, secure=True)
        open_host(replay.url.replace("127.0.0.1", "localhost"), session=session).get("/x", dict)
        assert replay.sent[0].headers["cookie"] == "own=x"
        assert all(cookie.secure for cookie in session.cookies)

    def test_a_host_with_a_name_of_another_script(self, responses: Any) -> None:
        responses.get("http://xn--bcher-kva.example/x", json={})
        open_host("http://b\xfccher.example", cookies={"a": "b"}).get("/x", dict)
        assert responses.calls[0].request.headers["Cookie"] == "a=b"

    def test_a_cookie_for_another_host_is_not_taken(self, play: Any) -> None:
        replay = play([answering(Set_Cookie="a=b; Domain=example.org"), answering()])
        host = open_host(replay.url)
        host.get("/x", dict)
        host.get("/x", dict)
        assert "cookie" not in replay.sent[1].headers

    def test_no_cookie_of_one_completion_in_another(self, play: Any) -> None:
        replay = play([answering(Set_Cookie="a=b"), answering()])
        open_host(replay.url).get("/x", dict)
        open_host(replay.url).get("/x", dict)
        assert "cookie" not in replay.sent[1].headers

    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
    def test_a_given_cookie_is_sent_once_whatever_the_host_sets(self, name: str, play: Any) -> None:
        replay = play([answering(Set_Cookie="a=new; Path=/"), answering()])
        host = open_host(replay.url.replace("127.0.0.1", name), cookies={"a": "given", "b": "c"})
        host.get("/x", dict)
        host.get("/x", dict)
        assert sorted(replay.sent[0].headers["cookie"].split("; ")) == ["a=given", "b=c"]
        assert sorted(replay.sent[1].headers["cookie"].split("; ")) == ["a=given", "b=c"]


class TestProxies:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
    def test_the_environments_is_not_used_for_loopback(
        self, name: str, play: Any, monkeypatch: pytest.MonkeyPatch, dead_port: int
    ) -> None:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{dead_port}")
        url = play([answering()] * 2).url.replace("127.0.0.1", name)
        assert open_host(url, retries=0).get("/x", dict) == {}
        assert open_host(url, retries=0, session=requests.Session()).get("/x", dict) == {}

    def test_the_environments_is_used_elsewhere(self, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        replay = play([answering("http://example.test/x")])
        monkeypatch.setenv("http_proxy", replay.url)
        assert open_host("http://example.test").get("/x", dict) == {}

    def test_the_options_is_used_everywhere(self, play: Any, dead_port: int) -> None:
        replay = play([answering(f"http://127.0.0.1:{dead_port}/x")])
        assert open_host(f"http://127.0.0.1:{dead_port}", proxy=replay.url).get("/x", dict) == {}

    def test_the_sessions_is_used_everywhere(self, play: Any, dead_port: int) -> None:
        replay = play([answering(f"http://127.0.0.1:{dead_port}/x")])
        session = requests.Session()
        session.proxies["http"] = replay.url
        assert open_host(f"http://127.0.0.1:{dead_port}", session=session).get("/x", dict) == {}

    def test_its_password_is_in_no_error(self, dead_port: int, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        host = open_host("http://example.test", proxy=f"http://me:{SECRET}@127.0.0.1:{dead_port}", retries=0)
        with pytest.raises(RequestFailedError, match="Connection refused") as raised:
            host.get("/x", dict)
        assert SECRET not in f"{raised.value} {raised.value!r} {host!r} {caplog.text}"


class TestNetrc:
    @pytest.fixture(autouse=True)
    def netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "netrc"
        path.write_text("machine 127.0.0.1\nlogin me\npassword secret\n")
        monkeypatch.setenv("NETRC", str(path))

    def sent(self, play: Any, **kwargs: Any) -> Any:
        replay = play([answering()])
        login = kwargs.pop("login", "")
        open_host(replay.url.replace("//", f"//{login}"), **kwargs).get("/x", dict)
        return replay.sent[0].headers.get("authorization")

    def test_it_is_used_without_an_explicit_login(self, play: Any) -> None:
        assert self.sent(play) == requests.auth._basic_auth_str("me", "secret")

    def test_never_over_auth(self, play: Any) -> None:
        assert self.sent(play, auth="a-token") is None

    def test_never_over_a_header(self, play: Any) -> None:
        assert self.sent(play, headers={"authorization": "Bearer x"}) == "Bearer x"

    def test_never_over_cookies(self, play: Any) -> None:
        assert self.sent(play, cookies={"a": "b"}) is None

    def test_never_over_the_sessions_header(self, play: Any) -> None:
        session = requests.Session()
        session.headers["Authorization"] = "Bearer mine"
        assert self.sent(play, session=session) == "Bearer mine"

    def test_never_over_the_login_in_the_address(self, play: Any) -> None:
        assert self.sent(play, login="a:b@") == requests.auth._basic_auth_str("a", "b")

    def test_never_over_the_sessions(self, play: Any) -> None:
        session = requests.Session()
        session.auth = ("a", "b")
        assert self.sent(play, session=session, auth="a-token") == requests.auth._basic_auth_str("a", "b")


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_get_within_the_origin(self, status: int, play: Any) -> None:
        replay = play([answering("/x?q=1", status=status, Location="/y"), answering("/y", '{"a": 1}')])
        assert open_host(replay.url).get("/x", dict, params={"q": "1"}) == {"a": 1}

    @pytest.mark.parametrize("status", [307, 308])
    def test_post_within_the_origin(self, status: int, play: Any) -> None:
        moved = answering("/x", status=status, method="POST", Location="/y")
        replay = play([moved, answering("/y", '{"a": 1}', method="POST")])
        assert open_host(replay.url).post("/x", json={"b": 2}) == {"a": 1}
        assert replay.sent[1].json == {"b": 2}

    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_post_is_not_turned_into_get(self, status: int, play: Any) -> None:
        replay = play([answering("/x", status=status, method="POST", Location="/login?state=x")])
        with pytest.raises(RequestFailedError, match="it redirects to .*/login .*base_url=") as raised:
            open_host(replay.url).post("/x")
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
        other = play([answering("/")])
        for session in (None, requests.Session()):
            moved = answering(status=302)
            replay = play([moved])
            location = target.format(other=other.url, here=urlsplit(replay.url).netloc)
            moved["response"]["headers"].append(["Location", location])
            with pytest.raises(RequestFailedError):
                open_host(replay.url, auth="a-token", session=session).get("/x", dict)
        assert other.sent == []

    def test_the_body_of_a_redirect_is_not_waited_for(self, play: Any) -> None:
        over = threading.Event()
        moved = exchange("GET", "/x", 302, ("one", over.wait), "aborted", content_length="100", Location="/y")
        assert open_host(play([moved, answering("/y")]).url, timeout=5).get("/x", dict) == {}
        over.set()

    def test_in_circles(self, play: Any) -> None:
        replay = play([answering(status=302, Location="/x")] * 9)
        with pytest.raises(RequestFailedError, match="redirected 5 times") as raised:
            open_host(replay.url).get("/x", dict)
        assert len(replay.sent) == 5 and raised.value.status == 302

    def test_as_an_answer(self, play: Any) -> None:
        replay = play([answering(text="<html>", status=303, method="POST", Location="/y")])
        assert open_host(replay.url).post("/x", follow_redirects=False) == {}


class TestRetries:
    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_passing_failures(self, status: int, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=status)] * 2 + [answering(text='{"a": 1}')])
        assert open_host(replay.url).get("/x", dict) == {"a": 1}
        assert naps == [0.5, 1]
        assert replay.connections == 1

    def test_streams_too(self, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=503, method="POST"), exchange("POST", "/x", 200, ("a",))])
        with open_host(replay.url).stream("/x") as pieces:
            assert list(pieces) == [b"a"]

    def test_a_lost_connection(self, play: Any, naps: List[float]) -> None:
        replay = play([exchange("GET", "/x", 0), answering()])
        assert open_host(replay.url).get("/x", dict) == {}
        assert replay.connections == 2 and naps == [0.5]

    @pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
    def test_not_for_other_statuses(self, status: int, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=status)] * 2)
        with pytest.raises(RequestFailedError):
            open_host(replay.url).get("/x", dict)
        assert len(replay.sent) == 1 and naps == []

    def test_the_number_is_an_option(self, play: Any, naps: List[float]) -> None:
        for retries in (0, 1, 4):
            replay = play([answering(status=503)] * 9)
            with pytest.raises(RequestFailedError):
                open_host(replay.url, retries=retries).get("/x", dict)
            assert len(replay.sent) == retries + 1

    def test_a_caller_session_is_retried_too(self, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=503), answering()])
        assert open_host(replay.url, session=requests.Session()).get("/x", dict) == {}

    def test_refused_connections(self, dead_port: int, naps: List[float]) -> None:
        with pytest.raises(RequestFailedError, match="no answer: Connection refused"):
            open_host(f"http://127.0.0.1:{dead_port}").get("/x", dict)
        assert naps == [0.5, 1]

    @pytest.mark.parametrize("seconds", [0, 7, 30])
    def test_retry_after_in_seconds(self, seconds: int, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=429, Retry_After=str(seconds)), answering()])
        open_host(replay.url).get("/x", dict)
        assert naps == [seconds]

    def test_retry_after_as_a_date(self, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=429, Retry_After=formatdate(time.time() + 9, usegmt=True)), answering()])
        open_host(replay.url).get("/x", dict)
        assert len(naps) == 1 and 6 < naps[0] <= 9

    def test_retry_after_that_is_too_long_is_not_waited_for(self, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=429, Retry_After="31"), answering()])
        with pytest.raises(RateLimitError, match="Try again in 31 seconds") as raised:
            open_host(replay.url).get("/x", dict)
        assert raised.value.retry_after == 31 and naps == []

    @pytest.mark.parametrize(
        "value", ["soon", "-1", "", "Mon, 99 Foo 99999999999999999999 00:00:00 GMT", ", 2 Jan , 12.30 Z"]
    )
    def test_retry_after_that_is_none(self, value: str, play: Any, naps: List[float]) -> None:
        replay = play([answering(status=429, Retry_After=value), answering()])
        open_host(replay.url).get("/x", dict)
        assert naps == [0.5]

    @pytest.mark.parametrize("digits", [400, 5000])
    def test_retry_after_that_is_absurd(self, digits: int, play: Any) -> None:
        replay = play([answering(status=429, Retry_After="9" * digits)])
        with pytest.raises(RateLimitError, match="Try again"):
            open_host(replay.url, retries=0).get("/x", dict)

    def test_they_are_logged(self, play: Any, naps: List[float], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "g4f_legacy")
        replay = play([answering(status=503, text='{"error": "warming up"}'), answering()])
        open_host(replay.url).get("/x", dict)
        [line] = [record.getMessage() for record in caplog.records if record.name == "g4f_legacy"]
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
            open_host(play([answering(text=text, status=status)]).url, retries=0).get("/x", dict)
        error = raised.value
        assert type(error) is kind
        assert (error.args, error.status, error.provider) == ((message,), status, "H2o")
        assert error.response is not None and error.response.text == text

    def test_an_endless_refusal(self, play: Any) -> None:
        pieces = ["x" * 10_000] * 100
        replay = play([exchange("GET", "/x", 500, tuple(pieces), Transfer_Encoding="chunked")])
        with pytest.raises(RequestFailedError) as raised:
            open_host(replay.url).get("/x", dict)
        assert len(raised.value.response.content) < 200_000  # type: ignore[union-attr]

    def test_a_refusal_that_breaks_off(self, play: Any) -> None:
        replay = play([exchange("GET", "/x", 500, ("half a",), "aborted", content_length="100")])
        with pytest.raises(RequestFailedError) as raised:
            open_host(replay.url).get("/x", dict)
        assert raised.value.args == ("500 Said So: 'half a'",)

    def test_no_connection(self, dead_port: int) -> None:
        with pytest.raises(RequestFailedError) as raised:
            open_host(f"http://127.0.0.1:{dead_port}", retries=0).get("/x?secret=1", dict)
        assert str(raised.value) == (
            f"H2o: no answer: Connection refused (http://127.0.0.1:{dead_port}/x). "
            "Is the server running? Point the provider at another one with base_url= or G4F_LEGACY_H2O_URL."
        )
        assert isinstance(raised.value.__cause__, requests.ConnectionError)
        assert raised.value.request is not None and raised.value.request.method == "GET"

    def test_the_public_host_is_gone(self, dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(H2o, "url", f"http://127.0.0.1:{dead_port}")
        with pytest.raises(RequestFailedError) as raised:
            ServerClient(H2o.__name__, {"retries": 0}).get("/x", dict)
        assert raised.value.hint is Hint.CHECK_SERVER  # it is another that was set
        monkeypatch.setattr(H2o, "_public_url", H2o.url)
        with pytest.raises(RequestFailedError, match="Connection refused") as raised:
            ServerClient(H2o.__name__, {"retries": 0}).get("/x", dict)

    def test_no_answer_in_time(self, play: Any, naps: List[float]) -> None:
        replay = play([])
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(RequestFailedError, match="no answer within 0.2 seconds"):
                open_host(url, timeout=(1, 0.2)).get("/x", dict)
        assert naps == [] and replay.sent == []

    def test_no_connection_in_time(self, responses: Any) -> None:
        responses.get("http://example.test/x", body=requests.ConnectTimeout("secret"))
        with pytest.raises(RequestFailedError, match="^H2o: no connection within 3 seconds "):
            open_host("http://example.test", timeout=(3, 5)).get("/x", dict)

    def test_what_is_no_http(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer() -> None:
                connection = server.accept()[0]
                connection.recv(9999)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                connection.close()

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(RequestFailedError, match="^H2o: no answer: "):
                open_host(f"http://127.0.0.1:{server.getsockname()[1]}", retries=0).get("/x", dict)
            thread.join()

    def test_http_where_https_was_meant(self, play: Any, naps: List[float]) -> None:
        with pytest.raises(RequestFailedError, match="^H2o: no answer: .*SSL"):
            open_host(play([]).url.replace("http:", "https:")).get("/x", dict)
        assert naps == []  # a certificate does not get better


def test_requests_are_logged_without_their_query(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")
    replay = play([answering(f"/x?key={SECRET}")])
    open_host(replay.url).get("/x", dict, params={"key": SECRET})
    assert caplog.messages == [f"H2o: GET {replay.url}/x: 200"]


FRAMINGS: Dict[str, Dict[str, str]] = {
    "chunked": {"transfer_encoding": "chunked"},
    "of known length": {"content_length": "?"},
    "ended by the connection": {},
}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
class TestStream:
    def test_bytes_are_given_as_soon_as_they_arrive(self, framing: Any, play: Any) -> None:
        seen = threading.Semaphore(0)
        came = []

        def wait() -> None:
            assert seen.acquire(timeout=5)

        chunks = ("one", wait, "two", wait, "three", wait)
        replay = play([exchange("POST", "/x", 200, chunks, **framing), answering()])
        host = open_host(replay.url)
        with host.stream("/x") as pieces:
            for piece in pieces:
                came.append(piece)
                seen.release()
        assert came == [b"one", b"two", b"three"]

    def test_the_connection_is_kept_where_the_framing_allows_it(self, framing: Any, play: Any) -> None:
        replay = play([exchange("POST", "/x", 200, ("end mark",), **framing), answering()])
        host = open_host(replay.url)
        with host.stream("/x") as pieces:
            assert next(iter(pieces)) == b"end mark"
        host.get("/x", dict)
        assert replay.connections == (1 if framing else 2)

    @pytest.mark.parametrize("ended", ["aborted", "silent"])
    def test_it_breaks(self, framing: Any, ended: str, play: Any) -> None:
        over = threading.Event()
        chunks = ("one", over.wait) if ended == "silent" else ("one",)
        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, chunks, "aborted", **headers)])
        came = []
        with pytest.raises(StreamInterruptedError) as raised:
            with open_host(replay.url, timeout=(5, 0.3)).stream("/x") as pieces:
                for piece in pieces:
                    came.append(piece)
        over.set()
        assert came == [b"one"]
        reason = (
            "nothing new came for 0.3 seconds"
            if ended == "silent"
            else "the answer broke off: Connection reset by peer"
        )
        assert raised.value.args == (reason,)

    def test_a_host_that_never_closes_it(self, framing: Any, play: Any) -> None:
        over = threading.Event()
        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, ("end mark", over.wait), "aborted", **headers), answering()])
        host = open_host(replay.url)
        with host.stream("/x") as pieces:
            assert next(iter(pieces)) == b"end mark"
        over.set()
        assert host.get("/x", dict) == {}

    def test_leaving_it_closes_the_connection(self, framing: Any, play: Any) -> None:
        gone = threading.Event()

        def wait_for_the_client_to_leave() -> None:
            connection = replay._server._open[0]
            connection.settimeout(5)
            if connection.recv(1) == b"":
                gone.set()

        headers = {"content_length": "100"} if "content_length" in framing else framing
        replay = play([exchange("POST", "/x", 200, ("one", wait_for_the_client_to_leave), "aborted", **headers)])
        with pytest.raises(ZeroDivisionError):
            with open_host(replay.url).stream("/x") as pieces:
                next(iter(pieces))
                1 / 0
        assert gone.wait(5)


class TestHooksOfTheSession:
    def test_they_may_read_the_body(self, play: Any) -> None:
        session = requests.Session()
        read: List[str] = []
        session.hooks["response"] = [lambda response, **_: read.append(response.text)]
        replay = play([exchange("POST", "/x", 200, ("a", "b")), answering(text='{"c": 1}')])
        host = open_host(replay.url, session=session)
        with host.stream("/x") as pieces:
            assert b"".join(pieces) == b"ab"
        assert host.get("/x", dict) == {"c": 1}
        assert read == ["ab", '{"c": 1}']

    def test_they_may_raise_for_a_status(self, play: Any, naps: List[float]) -> None:
        session = requests.Session()
        session.hooks = {"response": lambda response, **_: response.raise_for_status()}
        replay = play([answering(status=503), answering(text='{"error": "No"}', status=401)])
        with pytest.raises(AuthenticationError) as raised:
            open_host(replay.url, session=session).get("/x", dict)
        assert raised.value.args == ("401 Said So: No",) and raised.value.status == 401
        assert naps == [0.5] and list(session.hooks) == ["response"]


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", " text/html ;charset=utf-8"])
def test_a_stream_that_is_none(content_type: str, play: Any) -> None:
    replay = play([answering("/x", "<h1>Hello</h1>", method="POST", Content_Type=content_type)])
    with pytest.raises(ResponseFormatError, match="^expected a stream, but got a page: '<h1>Hello</h1>'"):
        with open_host(replay.url).stream("/x"):
            raise AssertionError("not reached")


def test_errors_in_the_block_are_told_where_they_come_from(play: Any) -> None:
    replay = play([answering()])
    with pytest.raises(GenerationError) as raised:
        with open_host(replay.url) as host:
            host.get("/x", dict)
            raise GenerationError("no memory")
    assert str(raised.value) == f"H2o: no memory ({replay.url}/x)."
    assert raised.value.request is not None and raised.value.status is None


def test_a_warning_is_printed_nowhere_unless_logging_is_set_up() -> None:
    script = "from g4f_legacy.transport.client import log; log.warning('cleaning up failed')"
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=30, stderr=subprocess.PIPE)
    assert done.stderr == b""


def test_segment() -> None:
    assert quote_segment("6b00067043e8d70aef4d5530") == "6b00067043e8d70aef4d5530"
    assert quote_segment("a/../b?c#d\r\n") == "a%2F..%2Fb%3Fc%23d%0D%0A"
    assert quote_segment("\ud800") == "%ED%A0%80"
    for text in ("", ".", ".."):
        with pytest.raises(ResponseFormatError):
            quote_segment(text)


def test_many_threads_at_once(play: Any) -> None:
    replay = play([answering(f"/{number}", f'{{"number": {number}}}') for number in range(100)])
    numbers: List[Any] = []

    def ask(number: int) -> None:
        numbers.append(
            (number, open_host(replay.url, cookies={"number": str(number)}).get(f"/{number}", dict)["number"])
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [(number, number) for number in range(100)]
    assert all(sent.headers["cookie"] == f"number={sent.path[1:]}" for sent in replay.sent)
