import threading
import time
from typing import Any

import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.parsing.event_stream import iter_json_events
from g4f_legacy.Provider import OpenAssistant
from g4f_legacy.server import chat_store, create_app

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = OpenAssistant.model[0]


def ask(url: str, messages: Any = HELLO, **kwargs: Any) -> list[str]:
    return list(OpenAssistant._create_completion("", messages, True, base_url=url, auth="a", retries=0, **kwargs))


class Client:
    """A client that takes one step at a time."""

    def __init__(self, url: str, session: str = "a") -> None:
        self.url = f"{url}/api/chat"
        self.cookies = {"next-auth.session-token": session}

    def send(self, path: str, method: str = "POST", **kwargs: Any) -> requests.Response:
        return requests.request(method, self.url + path, cookies=self.cookies, **kwargs)

    def create_chat(self) -> str:
        chat_id: str = self.send("").json()["id"]
        return chat_id

    def add_prompter_message(self, chat_id: str, content: str, parent_id: Any = None) -> str:
        body = {"chat_id": chat_id, "content": content, "parent_id": parent_id}
        message_id: str = self.send("/prompter_message", json=body).json()["id"]
        return message_id

    def add_assistant_message(self, chat_id: str, parent_id: Any, **more: Any) -> dict[str, str]:
        body = {
            "chat_id": chat_id,
            "parent_id": parent_id,
            "model_config_name": MODEL,
            "sampling_parameters": {},
            **more,
        }
        return {"chat_id": chat_id, "message_id": self.send("/assistant_message", json=body).json()["id"]}

    def events(self, message: dict[str, str], method: str = "POST") -> list[dict[str, Any]]:
        return list(iter_json_events(iter([self.send("/events", method, params=message).content])))


def test_arguments_of_the_provider(serve: Any) -> None:
    provider = scripted_provider("a")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    ask(serve(provider), messages, temperature=0.9, system_prompt="You are a test.")
    parameters = {"temperature": 0.9, "max_tokens": 1024, "retries": 0}
    assert provider.calls == [("", [{"role": "system", "content": "You are a test."}, *messages], parameters)]


def test_conversation_of_several_turns(serve: Any) -> None:
    provider = scripted_provider("fine")
    client = Client(serve(provider))
    chat = client.create_chat()
    first = client.add_assistant_message(chat, client.add_prompter_message(chat, "How are you?"))
    assert [event["event_type"] for event in client.events(first)] == ["token", "message"]
    second = client.add_assistant_message(chat, client.add_prompter_message(chat, "Good.", first["message_id"]))
    client.events(second, "GET")
    assert provider.calls[1][1] == [
        {"role": "user", "content": "How are you?"},
        {"role": "assistant", "content": "fine"},
        {"role": "user", "content": "Good."},
    ]


def test_tokens_are_sent_at_once(serve: Any) -> None:
    gate = threading.Event()
    url = serve(scripted_provider("a", lambda: gate.wait(9), "b"))
    tokens = OpenAssistant._create_completion("", HELLO, True, base_url=url, auth="a")
    assert next(tokens) == "a"
    gate.set()
    assert list(tokens) == ["b"]


def test_heartbeat(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "HEARTBEAT", 0.05)
    gate = threading.Event()
    client = Client(serve(scripted_provider(lambda: gate.wait(9), "a")))
    chat = client.create_chat()
    message = client.add_assistant_message(chat, client.add_prompter_message(chat, "x"))
    with client.send("/events", params=message, stream=True) as response:
        chunks = response.iter_content(5)
        assert next(chunks) == b":\r\n\r\n"
        gate.set()
        events = list(iter_json_events(chunks))
    assert [event["event_type"] for event in events] == ["token", "message"]


def test_several_processes() -> None:
    client = create_app(scripted_provider()).test_client()
    client.set_cookie("next-auth.session-token", "a")
    requests_of_a_chat = [
        ("POST", "/prompter_message", {"chat_id": "x", "content": "x"}),
        ("POST", "/assistant_message", {"chat_id": "x", "model_config_name": MODEL}),
        ("POST", "/events?chat_id=x&message_id=x", None),
        ("GET", "/message?chat_id=x&message_id=x", None),
        ("PUT", "", {"chat_id": "x"}),
        ("DELETE", "?chat_id=x", None),
    ]
    for method, path, body in requests_of_a_chat:
        for is_multiprocess in (False, True):
            environ = {"wsgi.multiprocess": is_multiprocess}
            response = client.open(f"/api/chat{path}", method=method, json=body, environ_overrides=environ)
            assert response.status_code == 500
            assert ("one process with many threads" in response.text) == is_multiprocess


def test_events_are_consumed_once(serve: Any) -> None:
    gate = threading.Event()
    client = Client(serve(scripted_provider("a", lambda: gate.wait(9), "b")))
    chat = client.create_chat()
    message = client.add_assistant_message(chat, client.add_prompter_message(chat, "x"))
    with client.send("/events", params=message, stream=True) as response:
        assert b'"text": "a"' in next(response.iter_content(1000))
    gate.set()
    while client.send("/message", "GET", params=message).json()["state"] != "complete":
        time.sleep(0.02)
    assert client.events(message) == []
    assert client.send("/message", "GET", params=message).json()["content"] == "ab"


def test_generation_starts_without_a_request_for_events(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "START_DELAY", 0)
    assert ask(serve(scripted_provider("a", "b"))) in (["ab"], ["a", "b"])


def test_events_are_ascii_with_crlf(serve: Any) -> None:
    client = Client(serve(scripted_provider("Привет\ud83d")))
    chat = client.create_chat()
    response = client.send("/events", params=client.add_assistant_message(chat, client.add_prompter_message(chat, "x")))
    token = b'data: {"event_type": "token", "text": "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442\\ud83d"}\r\n\r\n'
    assert response.content.startswith(token)
    assert "Content-Type" not in response.headers


def test_models(serve: Any) -> None:
    assert OpenAssistant._list_models(base_url=serve(scripted_provider()), auth="a") == [
        MODEL,
        "scripted",
        "the/scripted",
    ]


@pytest.mark.parametrize("value", ["hot", True, [1], {}])
def test_parameters_of_a_wrong_type(value: Any, serve: Any) -> None:
    client = Client(serve(scripted_provider("a")))
    chat = client.create_chat()
    sampling = {"temperature": value, "top_k": value, "top_p": None, "max_new_tokens": 5}
    body = {"chat_id": chat, "parent_id": client.add_prompter_message(chat, "x"), "model_config_name": MODEL}
    response = client.send("/assistant_message", json={**body, "sampling_parameters": sampling})
    assert response.status_code == 422
    assert [(error["loc"][2], error["msg"]) for error in response.json()["message"]] == [
        ("temperature", "value is not a valid float"),
        ("top_k", "value is not a valid integer"),
    ]


def test_chats_belong_to_their_session(serve: Any) -> None:
    url = serve(scripted_provider("a"))
    client, other = Client(url), Client(url, "b")
    chat = client.create_chat()
    message = client.add_assistant_message(chat, client.add_prompter_message(chat, "x"))
    assert other.send("/prompter_message", json={"chat_id": chat, "content": "x", "parent_id": None}).status_code == 500
    assert other.send("/events", params=message).status_code == 500
    assert other.send("/message", "GET", params=message).status_code == 500
    assert other.send("", "PUT", json={"chat_id": chat, "hidden": True}).status_code == 500
    assert other.send("", "DELETE", params={"chat_id": chat}).status_code == 500
    assert client.send("", "PUT", json={"chat_id": chat, "hidden": True}).status_code == 200
    assert client.send("", "DELETE", params={"chat_id": chat}).status_code == 200


def test_abandoned_message(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 0.3)
    provider = scripted_provider("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
    client = Client(serve(provider))
    chat = client.create_chat()
    message = client.add_assistant_message(chat, client.add_prompter_message(chat, "x"))
    with client.send("/events", params=message, stream=True) as response:
        next(response.iter_content(10))
    wait_until_stopped(provider)
    assert client.send("/message", "GET", params=message).json()["state"] == "cancelled"


def test_message_with_a_reader_is_not_abandoned(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 0.7)
    assert ask(serve(scripted_provider("a", lambda: time.sleep(1.5), "b"))) == ["a", "b"]


def wait_until_stopped(provider: Any) -> None:
    for _ in range(500):
        if provider.stopped:
            break
        time.sleep(0.01)
    assert provider.stopped == 1


def test_deleting_the_chat_stops_the_completion(serve: Any) -> None:
    provider = scripted_provider("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
    client = Client(serve(provider))
    chat = client.create_chat()
    message = client.add_assistant_message(chat, client.add_prompter_message(chat, "x"))
    with client.send("/events", "GET", params=message, stream=True) as response:
        next(response.iter_content(10))
        assert client.send("", "DELETE", params={"chat_id": chat}).status_code == 200
    wait_until_stopped(provider)


@pytest.mark.parametrize("is_abandoned_soon", [False, True])
def test_an_early_exit_hides_the_chat(is_abandoned_soon: bool, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "ABANDON_TIMEOUT", 0.3 if is_abandoned_soon else 30)
    stores: list[Any] = []
    create = chat_store.ChatStore.create
    monkeypatch.setattr(chat_store.ChatStore, "create", lambda *args: stores.append(create(*args)) or stores[-1])
    gate = threading.Event()
    last = [lambda: time.sleep(0.02) or "b"] * 1000 if is_abandoned_soon else [lambda: gate.wait(9), "b"]
    provider = scripted_provider("a", *last)
    for _ in OpenAssistant._create_completion("", HELLO, True, base_url=serve(provider), auth="a"):
        break
    [chat] = stores
    assert chat.fields["hidden"] is True
    message = list(chat.messages.values())[-1]
    if is_abandoned_soon:
        wait_until_stopped(provider)
    gate.set()
    while message.fields["state"] == "in_progress":
        time.sleep(0.01)
    assert message.fields["state"] == ("cancelled" if is_abandoned_soon else "complete")
    assert is_abandoned_soon or message.fields["content"] == "ab"


class TestUpdate:
    def test_fields(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        client = Client(serve(scripted_provider()))
        chats: list[Any] = []
        create = chat_store.ChatStore.create
        monkeypatch.setattr(chat_store.ChatStore, "create", lambda *args: chats.append(create(*args)) or chats[-1])
        chat_id = client.create_chat()
        before = dict(chats[0].fields)
        changes = {"title": "A", "hidden": True, "allow_data_use": False, "active_thread_tail_message_id": "m"}
        response = client.send("", "PUT", json={"chat_id": chat_id, **changes, "id": "x", "created_at": "x"})
        assert (response.status_code, response.content) == (200, b"")
        assert chats[0].fields == {**before, **changes, "modified_at": chats[0].fields["modified_at"]}
        assert chats[0].fields["modified_at"] > before["modified_at"]
        unchanged = {"title": None, "hidden": "no", "allow_data_use": 1, "active_thread_tail_message_id": {}}
        assert client.send("", "PUT", json={"chat_id": chat_id, **unchanged}).status_code == 200
        assert {name: chats[0].fields[name] for name in changes} == changes

    def test_size(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chat_store, "MAX_SIZE", 100_000)
        client = Client(serve(scripted_provider()))
        first, second = client.create_chat(), client.create_chat()
        for _ in range(9):
            assert client.send("", "PUT", json={"chat_id": first, "title": "x" * 60_000}).status_code == 200
        assert client.send("", "PUT", json={"chat_id": second, "title": "x" * 60_000}).status_code == 200
        statuses = [client.send("", "DELETE", params={"chat_id": chat}).status_code for chat in (first, second)]
        assert statuses == [500, 200]

    @pytest.mark.parametrize("body", ["", "[]", "{", "{}", '{"chat_id": 5}', '{"chat_id": [], "hidden": true}'])
    def test_invalid_bodies(self, body: str, serve: Any) -> None:
        response = Client(serve(scripted_provider())).send("", "PUT", data=body)
        assert (response.status_code, response.content) == (500, b"")


@pytest.mark.parametrize("path", ["/prompter_message", "/assistant_message"])
@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"chat_id": 5}', '{"chat_id": [], "model_config_name": {}}', '{"parent_id": []}']
)
def test_invalid_bodies(path: str, body: str, serve: Any) -> None:
    response = Client(serve(scripted_provider())).send(path, data=body)
    assert response.status_code in (422, 500) and response.json()["message"]


def test_limit_of_chats(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_store, "MAX_CHATS", 2)
    client = Client(serve(scripted_provider("a")))
    chats = [client.create_chat() for _ in range(3)]
    statuses = [client.send("", "DELETE", params={"chat_id": chat}).status_code for chat in chats]
    assert statuses == [500, 200, 200]
