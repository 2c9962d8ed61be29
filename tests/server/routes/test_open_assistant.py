import threading
import time
from typing import Any, Dict, List

from engines import engine
import pytest
import requests

from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.parsing.event_stream import iter_json_events
from g4f_legacy.server.routes import open_assistant

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = OpenAssistant.model[0]


def ask(url: str, messages: Any = HELLO, **kwargs: Any) -> List[str]:
    return list(OpenAssistant._create_completion("", messages, True, base_url=url, auth="a", retries=0, **kwargs))


class Visitor:
    """A client that does one step at a time."""

    def __init__(self, url: str, login: str = "a") -> None:
        self.url = f"{url}/api/chat"
        self.cookies = {"next-auth.session-token": login}

    def send(self, path: str, method: str = "POST", **kwargs: Any) -> requests.Response:
        return requests.request(method, self.url + path, cookies=self.cookies, **kwargs)

    def begin(self) -> str:
        chat_id: str = self.send("").json()["id"]
        return chat_id

    def say(self, chat_id: str, content: str, parent_id: Any = None) -> str:
        body = {"chat_id": chat_id, "content": content, "parent_id": parent_id}
        message_id: str = self.send("/prompter_message", json=body).json()["id"]
        return message_id

    def answer(self, chat_id: str, parent_id: Any, **more: Any) -> Dict[str, str]:
        body = {
            "chat_id": chat_id,
            "parent_id": parent_id,
            "model_config_name": MODEL,
            "sampling_parameters": {},
            **more,
        }
        return {"chat_id": chat_id, "message_id": self.send("/assistant_message", json=body).json()["id"]}

    def events(self, message: Dict[str, str], method: str = "POST") -> List[Dict[str, Any]]:
        return list(iter_json_events(iter([self.send("/events", method, params=message).content])))


def test_what_the_engine_is_asked(serve: Any) -> None:
    provider = engine("a")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    ask(serve(provider), messages, temperature=0.9, system_prompt="You are a test.")
    parameters = {"temperature": 0.9, "max_tokens": 1024}
    assert provider.calls == [("", [{"role": "system", "content": "You are a test."}, *messages], parameters)]


def test_a_conversation_of_several_turns(serve: Any) -> None:
    provider = engine("fine")
    visitor = Visitor(serve(provider))
    chat = visitor.begin()
    first = visitor.answer(chat, visitor.say(chat, "How are you?"))
    assert [event["event_type"] for event in visitor.events(first)] == ["token", "message"]
    second = visitor.answer(chat, visitor.say(chat, "Good.", first["message_id"]))
    visitor.events(second, "GET")
    assert provider.calls[1][1] == [
        {"role": "user", "content": "How are you?"},
        {"role": "assistant", "content": "fine"},
        {"role": "user", "content": "Good."},
    ]


def test_a_token_is_sent_as_soon_as_the_engine_has_it(serve: Any) -> None:
    gate = threading.Event()
    url = serve(engine("a", lambda: gate.wait(9), "b"))
    tokens = OpenAssistant._create_completion("", HELLO, True, base_url=url, auth="a")
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


def test_events_are_consumed_once(serve: Any) -> None:
    gate = threading.Event()
    visitor = Visitor(serve(engine("a", lambda: gate.wait(9), "b")))
    chat = visitor.begin()
    message = visitor.answer(chat, visitor.say(chat, "x"))
    with visitor.send("/events", params=message, stream=True) as answer:
        assert b'"text": "a"' in next(answer.iter_content(1000))
    gate.set()
    while visitor.send("/message", "GET", params=message).json()["state"] != "complete":
        time.sleep(0.02)
    assert visitor.events(message) == []
    assert visitor.send("/message", "GET", params=message).json()["content"] == "ab"


def test_it_is_answered_without_being_asked_for(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_assistant, "GRACE", 0)
    assert ask(serve(engine("a", "b"))) in (["ab"], ["a", "b"])


def test_the_wire_is_ascii_with_crlf(serve: Any) -> None:
    visitor = Visitor(serve(engine("Привет\ud83d")))
    chat = visitor.begin()
    answer = visitor.send("/events", params=visitor.answer(chat, visitor.say(chat, "x")))
    token = b'data: {"event_type": "token", "text": "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442\\ud83d"}\r\n\r\n'
    assert answer.content.startswith(token)
    assert "Content-Type" not in answer.headers


def test_models(serve: Any) -> None:
    assert OpenAssistant._list_models(base_url=serve(engine()), auth="a") == [MODEL, "scripted", "the/scripted"]


@pytest.mark.parametrize("value", ["hot", True, [1], {}])
def test_bad_parameters(value: Any, serve: Any) -> None:
    visitor = Visitor(serve(engine("a")))
    chat = visitor.begin()
    sampling = {"temperature": value, "top_k": value, "top_p": None, "max_new_tokens": 5}
    body = {"chat_id": chat, "parent_id": visitor.say(chat, "x"), "model_config_name": MODEL}
    answer = visitor.send("/assistant_message", json={**body, "sampling_parameters": sampling})
    assert answer.status_code == 422
    assert [(one["loc"][2], one["msg"]) for one in answer.json()["message"]] == [
        ("temperature", "value is not a valid float"),
        ("top_k", "value is not a valid integer"),
    ]


def test_chats_belong_to_their_login(serve: Any) -> None:
    url = serve(engine("a"))
    visitor, other = Visitor(url), Visitor(url, "b")
    chat = visitor.begin()
    message = visitor.answer(chat, visitor.say(chat, "x"))
    assert other.send("/prompter_message", json={"chat_id": chat, "content": "x", "parent_id": None}).status_code == 500
    assert other.send("/events", params=message).status_code == 500
    assert other.send("/message", "GET", params=message).status_code == 500
    assert other.send("", "DELETE", params={"chat_id": chat}).status_code == 500
    assert visitor.send("", "DELETE", params={"chat_id": chat}).status_code == 200


def test_a_message_that_nobody_asks_for_any_more(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_assistant, "ABANDONED", 0.3)
    provider = engine("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
    visitor = Visitor(serve(provider))
    chat = visitor.begin()
    message = visitor.answer(chat, visitor.say(chat, "x"))
    with visitor.send("/events", params=message, stream=True) as answer:
        next(answer.iter_content(10))
    for _ in range(500):
        if provider.left:
            break
        time.sleep(0.01)
    assert provider.left == 1
    assert visitor.send("/message", "GET", params=message).json()["state"] == "cancelled"


def test_a_message_that_is_read_is_not_abandoned(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_assistant, "ABANDONED", 0.7)
    assert ask(serve(engine("a", lambda: time.sleep(1.5), "b"))) == ["a", "b"]


def test_deleting_the_chat_ends_the_completion(serve: Any) -> None:
    provider = engine("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
    for _ in OpenAssistant._create_completion("", HELLO, True, base_url=serve(provider), auth="a"):
        break
    for _ in range(500):
        if provider.left:
            break
        time.sleep(0.01)
    assert provider.left == 1


@pytest.mark.parametrize("path", ["/prompter_message", "/assistant_message"])
@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"chat_id": 5}', '{"chat_id": [], "model_config_name": {}}', '{"parent_id": []}']
)
def test_bodies_that_make_no_sense(path: str, body: str, serve: Any) -> None:
    answer = Visitor(serve(engine())).send(path, data=body)
    assert answer.status_code in (422, 500) and answer.json()["message"]


def test_the_chats_are_bounded(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_assistant, "_MOST_CHATS", 2)
    visitor = Visitor(serve(engine("a")))
    chats = [visitor.begin() for _ in range(3)]
    statuses = [visitor.send("", "DELETE", params={"chat_id": chat}).status_code for chat in chats]
    assert statuses == [500, 200, 200]
