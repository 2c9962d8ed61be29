import threading
import time
from typing import Any

import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.errors import GenerationError, RateLimitError, RequestFailedError
from g4f_legacy.parsing.event_stream import iter_json_events
from g4f_legacy.Provider import H2o
from g4f_legacy.server import create_app
from g4f_legacy.server.routes import h2o

HELLO = [{"role": "user", "content": "Hello"}]


def ask(url: str, model: str = "", **kwargs: Any) -> list[str]:
    return list(H2o._create_completion(model, HELLO, True, base_url=url, retries=0, **kwargs))


class Client:
    """A client that takes one step at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies: dict[str, str] = {}

    def post(self, path: str, method: str = "POST", **kwargs: Any) -> requests.Response:
        response = requests.request(method, self.url + path, cookies=self.cookies, **kwargs)
        self.cookies.update(response.cookies.get_dict())
        return response

    def create_conversation(self) -> str:
        self.post("/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": self.url + "/"})
        response = self.post("/conversation", json={"model": H2o.models["falcon-7b"]})
        return f"/conversation/{response.json()['conversationId']}"


def test_arguments_of_the_provider(serve: Any) -> None:
    provider = scripted_provider("a")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello\nyou: there"}]
    list(H2o._create_completion("", messages, True, base_url=serve(provider), temperature=0.9))
    assert provider.calls == [("", messages, {"temperature": 0.9, "max_tokens": 1024, "retries": 0})]


@pytest.mark.parametrize(
    "model, asked", [("falcon-7b", ""), ("falcon-40b", ""), ("scripted", "scripted"), ("the/scripted", "the/scripted")]
)
def test_models(model: str, asked: str, serve: Any) -> None:
    provider = scripted_provider("a")
    assert ask(serve(provider), model) == ["a"]
    assert provider.calls[0][0] == asked


def test_unknown_model(serve: Any) -> None:
    with pytest.raises(RequestFailedError, match="Internal Error"):
        ask(serve(scripted_provider("a")), "nope")


def test_tokens_are_sent_at_once(serve: Any) -> None:
    gate = threading.Event()
    tokens = H2o._create_completion("", HELLO, True, base_url=serve(scripted_provider("a", lambda: gate.wait(9), "b")))
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


def test_heartbeat(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2o, "HEARTBEAT", 0.05)
    gate = threading.Event()
    client = Client(serve(scripted_provider(lambda: gate.wait(9), "a")))
    with client.post(client.create_conversation(), json={"inputs": "x"}, stream=True) as response:
        lines = response.iter_lines(1)
        assert [next(lines), next(lines), next(lines)] == [b":", b"", b":"]
        gate.set()
        rest = b"\n".join(lines)
    assert [event["token"]["text"] for event in iter_json_events([rest + b"\n\n"])] == ["a", "</s>"]


@pytest.mark.parametrize(
    "error, status, kind",
    [
        (RateLimitError("x"), 429, "overloaded"),
        (GenerationError("x"), 502, "generation"),
        (ValueError("x"), 400, "validation"),
    ],
)
def test_error_before_the_first_token(error: Exception, status: int, kind: str, serve: Any) -> None:
    client = Client(serve(scripted_provider(error)))
    response = client.post(client.create_conversation(), json={"inputs": "x"})
    assert (response.status_code, response.json()) == (status, {"error": "x", "error_type": kind})


def test_error_that_is_not_ours(serve: Any) -> None:
    with pytest.raises(GenerationError, match="division"):
        ask(serve(scripted_provider("a", ZeroDivisionError("division"))))


def test_no_tokens(serve: Any) -> None:
    assert ask(serve(scripted_provider())) == []


def test_lone_surrogates(serve: Any) -> None:
    assert ask(serve(scripted_provider("\ud83d", "\udc4b"))) == ["\ud83d", "\udc4b"]


def test_stop_generating(serve: Any) -> None:
    steps = iter(range(1000))
    provider = scripted_provider(*[lambda: time.sleep(0.02) or f"{next(steps)} "] * 1000)
    client = Client(serve(provider))
    conversation = client.create_conversation()
    started = threading.Event()

    def stop() -> None:
        started.wait(5)
        assert client.post(f"{conversation}/stop-generating").status_code == 200

    thread = threading.Thread(target=stop)
    thread.start()
    received = b""
    with client.post(conversation, json={"inputs": "x"}, stream=True) as response:
        for chunk in response.iter_content(1):
            received += chunk
            started.set()
    thread.join()
    events = list(iter_json_events([received]))
    assert 2 <= len(events) < 500
    assert events[-1]["generated_text"] == "".join(event["token"]["text"] for event in events[:-1])
    assert wait_until(lambda: provider.stopped == 1)


def test_disconnecting_stops_the_completion(serve: Any) -> None:
    for delays in ([lambda: time.sleep(0.05)] * 100, [lambda: time.sleep(2)]):
        provider = scripted_provider("a", *[step for delay in delays for step in (delay, "b")])
        client = Client(serve(provider))
        response = client.post(client.create_conversation(), json={"inputs": "x"}, stream=True)
        next(response.iter_content(1))
        response.close()
        assert wait_until(lambda: provider.stopped == 1)


class TestRules:
    def test_conversations_belong_to_their_session(self, serve: Any) -> None:
        url = serve(scripted_provider("a"))
        conversation, other = Client(url).create_conversation(), Client(url)
        other.create_conversation()
        for path, method in (
            (conversation, "POST"),
            (f"{conversation}/stop-generating", "POST"),
            (conversation, "DELETE"),
        ):
            response = other.post(path, method, json={"inputs": "x"})
            assert (response.status_code, response.json()) == (404, {"message": "Conversation not found"})

    def test_deleted_conversation(self, serve: Any) -> None:
        client = Client(serve(scripted_provider("a")))
        conversation = client.create_conversation()
        assert client.post(conversation, "DELETE").status_code == 200
        assert client.post(conversation, "DELETE").status_code == 404

    @pytest.mark.parametrize("referer", ["", "http://evil.example/", "http://["])
    def test_referer(self, referer: str, serve: Any) -> None:
        response = Client(serve(scripted_provider())).post(
            "/settings", data={}, headers={"Referer": referer} if referer else {}
        )
        assert response.status_code == 403

    @pytest.mark.parametrize(
        "host, referer, refusal",
        [
            ("127.0.0.1:1337", "http://127.0.0.1:1337/", ""),
            ("localhost:1337", "http://127.0.0.1:1337/", ""),
            ("127.0.0.1:1337", "http://localhost:8080/llm/", ""),  # a proxy, or a forwarded port
            ("127.0.0.1:1337", "http://[::1]/", ""),
            ("192.168.0.7", "http://192.168.0.7:8080/", ""),  # nginx's $host
            ("chat.example", "https://chat.example/llm/", ""),
            ("127.0.0.1:1337", "https://chat.example/llm/", ""),
            ("127.0.0.1:1337", "https://other.example/llm/", "--allow-host other.example"),
            ("127.0.0.1:1337", "http://192.168.0.7/", ""),
            ("192.168.0.7:1337", "http://192.168.0.7:9999/", ""),
            ("127.0.0.1:1337", "http://localhost.evil.example/", "--allow-host localhost.evil.example"),
            ("127.0.0.1:1337", "http://localhost:99999/", "Wrong referer: it names another server."),
            ("127.0.0.1:1337", "localhost", "Wrong referer: it names another server."),
        ],
    )
    def test_referer_through_proxies(self, host: str, referer: str, refusal: str) -> None:
        client = create_app("Echo", hosts=["chat.example"]).test_client()
        headers = {"Host": host, "Referer": referer}
        environ = {"SERVER_PORT": "1337"}
        response = client.post("/settings", data={}, headers=headers, environ_overrides=environ)
        assert response.status_code == (403 if refusal else 200)
        assert refusal in response.text
        assert response.text.startswith("Wrong referer") == bool(refusal)

    def test_forwarded_host(self) -> None:
        client = create_app("Echo").test_client()
        for forwarded, status in (("chat.example", 200), ("other.example", 403)):
            headers = {"X-Forwarded-Host": forwarded, "Referer": "https://chat.example/llm/"}
            assert client.post("/settings", data={}, headers=headers).status_code == status

    def test_origin_is_checked_before_the_referer(self) -> None:
        client = create_app("Echo").test_client()
        headers = {"Host": "localhost:1337", "Origin": "http://localhost:9999", "Referer": "http://localhost:9999/"}
        assert client.post("/settings", data={}, headers=headers).status_code == 403

    def test_several_processes(self) -> None:
        client = create_app("Echo").test_client()
        for is_multiprocess in (False, True):
            environ = {"wsgi.multiprocess": is_multiprocess}
            response = client.post("/conversation", json={}, environ_overrides=environ)
            assert response.status_code == 405
            assert response.json["error"].startswith("You need to accept the welcome modal first")
            assert ("one process with many threads" in response.text) == is_multiprocess
            for method, path in (("POST", "/x"), ("POST", "/x/stop-generating"), ("DELETE", "/x")):
                response = client.open(f"/conversation{path}", method=method, json={}, environ_overrides=environ)
                assert response.status_code == 404
                assert response.json["message"].startswith("Conversation not found")
                assert ("one process with many threads" in response.text) == is_multiprocess

    @pytest.mark.parametrize("body", ["", "[]", '"x"', "{", '{"inputs": 5}', '{"inputs": " \\n"}', '{"model": []}'])
    def test_invalid_bodies(self, body: str, serve: Any) -> None:
        client = Client(serve(scripted_provider("a")))
        response = client.post(client.create_conversation(), data=body)
        assert (response.status_code, response.json()) == (500, {"message": "Internal Error"})
        assert client.post("/conversation", data=body).status_code == 500

    def test_cookie_is_secure_over_https(self) -> None:
        client = create_app("Echo").test_client()
        assert "; Secure" not in client.get("/").headers["Set-Cookie"]
        assert "; Secure" in client.get("/", base_url="https://localhost").headers["Set-Cookie"]

    def test_limit_of_conversations(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(h2o, "MAX_CONVERSATIONS", 2)
        client = Client(serve(scripted_provider("a")))
        conversations = [client.create_conversation() for _ in range(3)]
        statuses = [client.post(path, json={"inputs": "x"}).status_code for path in conversations]
        assert statuses == [404, 200, 200]

    def test_limit_of_sessions(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(h2o, "MAX_SESSIONS", 3)
        url = serve(scripted_provider("a"))
        clients = [Client(url) for _ in range(4)]
        for client in clients:
            client.create_conversation()
            clients[1].post("/conversation", json={})  # keeps it
        statuses = [client.post("/conversation", json={}).status_code for client in clients]
        assert statuses == [405, 500, 500, 500]


def test_64_streams_of_200_tokens(serve: Any) -> None:
    barrier = threading.Barrier(64)
    text = [f" {number}" for number in range(199)]
    url = serve(scripted_provider("0", lambda: barrier.wait(20) and None, *text), threads=128)
    completions: list[list[str]] = []

    threads = [threading.Thread(target=lambda: completions.append(ask(url))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert completions == [["0", *text]] * 64


def wait_until(condition: Any) -> bool:
    """Return whether a condition becomes true within five seconds."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False
