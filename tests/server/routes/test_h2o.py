import threading
import time
from typing import Any, Dict, List

from engines import engine
import pytest
import requests

from g4f_legacy.Provider import H2o
from g4f_legacy.errors import GenerationError, RateLimitError, RequestFailedError
from g4f_legacy.parsing.event_stream import iter_json_events
from g4f_legacy.server.routes import h2o

HELLO = [{"role": "user", "content": "Hello"}]


def ask(url: str, model: str = "", **kwargs: Any) -> List[str]:
    return list(H2o._create_completion(model, HELLO, True, base_url=url, retries=0, **kwargs))


class Visitor:
    """A client that does one step at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies: Dict[str, str] = {}

    def post(self, path: str, method: str = "POST", **kwargs: Any) -> requests.Response:
        answer = requests.request(method, self.url + path, cookies=self.cookies, **kwargs)
        self.cookies.update(answer.cookies.get_dict())
        return answer

    def begin(self) -> str:
        self.post("/settings", data={"ethicsModalAccepted": "true"}, headers={"Referer": self.url + "/"})
        answer = self.post("/conversation", json={"model": H2o.models["falcon-7b"]})
        return f"/conversation/{answer.json()['conversationId']}"


def test_the_conversation_reaches_the_engine(serve: Any) -> None:
    provider = engine("a")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello\nyou: there"}]
    list(H2o._create_completion("", messages, True, base_url=serve(provider), temperature=0.9))
    assert provider.calls == [("", messages, {"temperature": 0.9, "max_tokens": 1024})]


@pytest.mark.parametrize(
    "model, asked", [("falcon-7b", ""), ("falcon-40b", ""), ("scripted", "scripted"), ("the/scripted", "the/scripted")]
)
def test_models(model: str, asked: str, serve: Any) -> None:
    provider = engine("a")
    assert ask(serve(provider), model) == ["a"]
    assert provider.calls[0][0] == asked


def test_unknown_model(serve: Any) -> None:
    with pytest.raises(RequestFailedError, match="Internal Error"):
        ask(serve(engine("a")), "nope")


def test_a_token_is_sent_as_soon_as_the_engine_has_it(serve: Any) -> None:
    gate = threading.Event()
    tokens = H2o._create_completion("", HELLO, True, base_url=serve(engine("a", lambda: gate.wait(9), "b")))
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


def test_a_comment_while_nothing_comes(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2o, "HEARTBEAT", 0.05)
    gate = threading.Event()
    visitor = Visitor(serve(engine(lambda: gate.wait(9), "a")))
    with visitor.post(visitor.begin(), json={"inputs": "x"}, stream=True) as answer:
        lines = answer.iter_lines(1)
        assert [next(lines), next(lines), next(lines)] == [b":", b"", b":"]
        gate.set()
        rest = b"\n".join(lines)
    assert [one["token"]["text"] for one in iter_json_events([rest + b"\n\n"])] == ["a", "</s>"]


@pytest.mark.parametrize(
    "error, status, kind",
    [
        (RateLimitError("x"), 429, "overloaded"),
        (GenerationError("x"), 502, "generation"),
        (ValueError("x"), 400, "validation"),
    ],
)
def test_an_engines_error_before_the_first_token(error: Exception, status: int, kind: str, serve: Any) -> None:
    visitor = Visitor(serve(engine(error)))
    answer = visitor.post(visitor.begin(), json={"inputs": "x"})
    assert (answer.status_code, answer.json()) == (status, {"error": "x", "error_type": kind})


def test_an_engine_that_fails_in_its_own_way(serve: Any) -> None:
    with pytest.raises(GenerationError, match="division"):
        ask(serve(engine("a", ZeroDivisionError("division"))))


def test_an_engine_that_says_nothing(serve: Any) -> None:
    assert ask(serve(engine())) == []


def test_half_a_surrogate_pair(serve: Any) -> None:
    assert ask(serve(engine("\ud83d", "\udc4b"))) == ["\ud83d", "\udc4b"]


def test_stop_generating(serve: Any) -> None:
    steps = iter(range(1000))
    provider = engine(*[lambda: time.sleep(0.02) or f"{next(steps)} "] * 1000)
    visitor = Visitor(serve(provider))
    conversation = visitor.begin()
    began = threading.Event()

    def stop() -> None:
        began.wait(5)
        assert visitor.post(f"{conversation}/stop-generating").status_code == 200

    thread = threading.Thread(target=stop)
    thread.start()
    came = b""
    with visitor.post(conversation, json={"inputs": "x"}, stream=True) as answer:
        for piece in answer.iter_content(1):
            came += piece
            began.set()
    thread.join()
    events = list(iter_json_events([came]))
    assert 2 <= len(events) < 500
    assert events[-1]["generated_text"] == "".join(one["token"]["text"] for one in events[:-1])
    assert wait_until(lambda: provider.left == 1)


def test_a_client_that_leaves_ends_the_completion(serve: Any) -> None:
    for waits in ([lambda: time.sleep(0.05)] * 100, [lambda: time.sleep(2)]):
        provider = engine("a", *[step for wait in waits for step in (wait, "b")])
        visitor = Visitor(serve(provider))
        answer = visitor.post(visitor.begin(), json={"inputs": "x"}, stream=True)
        next(answer.iter_content(1))
        answer.close()
        assert wait_until(lambda: provider.left == 1)


class TestRules:
    def test_conversations_belong_to_their_session(self, serve: Any) -> None:
        url = serve(engine("a"))
        conversation, other = Visitor(url).begin(), Visitor(url)
        other.begin()
        for path, method in (
            (conversation, "POST"),
            (f"{conversation}/stop-generating", "POST"),
            (conversation, "DELETE"),
        ):
            answer = other.post(path, method, json={"inputs": "x"})
            assert (answer.status_code, answer.json()) == (404, {"message": "Conversation not found"})

    def test_a_deleted_conversation(self, serve: Any) -> None:
        visitor = Visitor(serve(engine("a")))
        conversation = visitor.begin()
        assert visitor.post(conversation, "DELETE").status_code == 200
        assert visitor.post(conversation, "DELETE").status_code == 404

    @pytest.mark.parametrize("referer", ["", "http://evil.example/", "http://["])
    def test_referer(self, referer: str, serve: Any) -> None:
        answer = Visitor(serve(engine())).post("/settings", data={}, headers={"Referer": referer} if referer else {})
        assert answer.status_code == 403

    @pytest.mark.parametrize("body", ["", "[]", '"x"', "{", '{"inputs": 5}', '{"inputs": " \\n"}', '{"model": []}'])
    def test_bodies_that_make_no_sense(self, body: str, serve: Any) -> None:
        visitor = Visitor(serve(engine("a")))
        answer = visitor.post(visitor.begin(), data=body)
        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Error"})
        assert visitor.post("/conversation", data=body).status_code == 500

    def test_the_cookie_is_secure_over_https_only(self) -> None:
        from g4f_legacy.server import create_app

        client = create_app("Echo").test_client()
        assert "; Secure" not in client.get("/").headers["Set-Cookie"]
        assert "; Secure" in client.get("/", base_url="https://localhost").headers["Set-Cookie"]

    def test_the_conversations_are_bounded(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(h2o, "_MOST_CONVERSATIONS", 2)
        visitor = Visitor(serve(engine("a")))
        conversations = [visitor.begin() for _ in range(3)]
        statuses = [visitor.post(one, json={"inputs": "x"}).status_code for one in conversations]
        assert statuses == [404, 200, 200]

    def test_the_sessions_are_bounded(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(h2o, "_MOST_SESSIONS", 3)
        url = serve(engine("a"))
        visitors = [Visitor(url) for _ in range(4)]
        for visitor in visitors:
            visitor.begin()
            visitors[1].post("/conversation", json={})  # it stays
        statuses = [visitor.post("/conversation", json={}).status_code for visitor in visitors]
        assert statuses == [405, 500, 500, 500]


def test_many_streams_at_once(serve: Any) -> None:
    """64 simultaneous streams of 200 tokens."""
    together = threading.Barrier(64)
    text = [f" {number}" for number in range(199)]
    url = serve(engine("0", lambda: together.wait(20) and None, *text), threads=128)
    answers: List[List[str]] = []

    threads = [threading.Thread(target=lambda: answers.append(ask(url))) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [["0", *text]] * 64


def wait_until(condition: Any) -> bool:
    """Whether it comes true within five seconds."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False
