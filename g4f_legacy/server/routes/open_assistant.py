"""Open-Assistant's ``/api/chat``, as its website speaks it in front of the inference server."""

from collections import OrderedDict
from datetime import datetime, timezone
import queue
import secrets
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from .. import http as wire
from ...Provider import OpenAssistant
from ...prompt import read_prompt
from ..engine import ActiveCompletion, Engine

COOKIES = ("next-auth.session-token", "__Secure-next-auth.session-token")
PENDING = 1.0
"""Seconds between two events that tell the place in the queue."""

GRACE = 0.5
"""Seconds for which a message waits for its events to be asked for, before it is answered all the same."""

ABANDONED = 30.0
"""Seconds after which a message that nobody asks for is no longer answered. A client that lost its connection may come
back for it before that, as on the real host."""

_MOST_CHATS = 10_000
_MOST_BYTES = 64 * 1024 * 1024  # that all chats may hold, about
_MOST_ANSWERS = 512  # that may be under way: each has a thread
_OVERHEAD = 2048  # bytes of a chat or a message that are not its text, about
_FLOATS = ("top_p", "typical_p", "temperature", "repetition_penalty")
_INTEGERS = ("top_k", "max_new_tokens")


class _Chat:
    def __init__(self, owner: str, chats: "_Chats") -> None:
        now = _now()
        self.owner = owner
        self.size = 0
        self._chats = chats
        self.messages: Dict[str, "_Message"] = {}
        self.described = {
            "id": str(uuid4()),
            "created_at": now,
            "modified_at": now,
            "title": None,
            "hidden": False,
            "allow_data_use": True,
            "active_thread_tail_message_id": None,
        }

    def grow(self, size: int) -> None:
        """Says that it holds so many bytes more."""
        self._chats.grow(self, size)

    def has(self, message_id: Any) -> bool:
        return isinstance(message_id, str) and message_id in self.messages

    def thread(self, message_id: Optional[str]) -> List[Dict[str, str]]:
        """The conversation up to a message, oldest first."""
        turns: List[Dict[str, str]] = []
        while message_id is not None:
            described = self.messages[message_id].described
            role = "user" if described["role"] == "prompter" else "assistant"
            turns.append({"role": role, "content": described["content"] or ""})
            message_id = described["parent_id"]
        turns.reverse()
        return turns if len(turns) > 1 else read_prompt(turns[0]["content"])


class _Message:
    """A message; an assistant's is answered by a thread, which leaves events in a queue until they are asked for."""

    def __init__(self, chat: _Chat, role: str, parent_id: Optional[str], content: Optional[str], state: str) -> None:
        self.described: Dict[str, Any] = {
            "id": str(uuid4()),
            "parent_id": parent_id,
            "content": content,
            "chat_id": chat.described["id"],
            "created_at": _now(),
            "role": role,
            "state": state,
            "score": 0,
            "reports": [],
            "work_parameters": None,
            "safe_content": None,
            "safety_level": None,
            "safety_label": None,
            "safety_rots": None,
            "used_plugin": None,
        }
        self.reply: Optional[ActiveCompletion] = None
        self.seen = time.monotonic()
        self._chat = chat
        self._events: "queue.Queue[Optional[bytes]]" = queue.Queue()
        self._asked_for = threading.Event()
        chat.messages[self.described["id"]] = self
        chat.grow(_OVERHEAD + len(content or ""))

    def answer(self, reply: ActiveCompletion, done: Callable[[], Any]) -> None:
        """Has the message answered, and says when it is."""
        self.reply = reply
        threading.Thread(target=self._work, args=(reply, done), name="g4f_legacy answer", daemon=True).start()

    def events(self, is_gone: Callable[[], bool]) -> Iterator[bytes]:
        """The events that nobody has read yet; none when the message was finished before they were asked for."""
        if self.described["state"] not in ("pending", "in_progress"):
            return
        self._asked_for.set()
        while not is_gone():
            self.seen = time.monotonic()
            try:
                one = self._events.get(timeout=0.5)
            except queue.Empty:
                continue
            if one is None:
                self._events.put(None)  # for whoever asks next
                return
            yield one

    def is_abandoned(self) -> bool:
        """Whether nobody has asked for the message, or read its events, for a while."""
        return time.monotonic() - self.seen > ABANDONED

    def _work(self, reply: ActiveCompletion, done: Callable[[], Any]) -> None:
        self._asked_for.wait(GRACE)
        try:
            for text in reply.read(PENDING, self.is_abandoned):
                if text is not None:
                    self.described["state"] = "in_progress"
                    self._put(event_type="token", text=text)
                elif reply.place is not None:
                    position, size = reply.place
                    self._put(event_type="pending", queue_position=position, queue_size=size)
            self.described.update(content=reply.text, state="cancelled" if reply.is_stopped else "complete")
            if not reply.is_stopped:  # else the events end without it, so that nobody takes them for whole
                self._put(event_type="message", message=self.described)
        except Exception as error:
            self.described["state"] = "aborted_by_worker"
            self._put(event_type="error", error=wire.failure_text(error), message=self.described)
        finally:
            self._events.put(None)
            done()

    def _put(self, **fields: Any) -> None:
        event = wire.event(fields, "data: ", "\r\n\r\n", ascii_only=True)
        self._chat.grow(len(event))
        self._events.put(event)


class _Chats:
    """The chats. When there are too many, or they hold too much, the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chats: "OrderedDict[str, _Chat]" = OrderedDict()
        self._size = 0

    def add(self, owner: str) -> _Chat:
        chat = _Chat(owner, self)
        with self._lock:
            self._chats[str(chat.described["id"])] = chat
        self.grow(chat, _OVERHEAD + len(owner))
        return chat

    def grow(self, chat: _Chat, size: int) -> None:
        with self._lock:
            if chat.described["id"] in self._chats:
                chat.size += size
                self._size += size
            while len(self._chats) > _MOST_CHATS or self._size > _MOST_BYTES:
                self._forget(next(iter(self._chats.values())))

    def get(self, chat_id: Any, owner: str) -> Optional[_Chat]:
        chat = self._chats.get(str(chat_id))
        return chat if chat and chat.owner == owner else None

    def remove(self, chat: _Chat) -> None:
        with self._lock:
            self._forget(chat)

    def _forget(self, chat: _Chat) -> None:
        if self._chats.pop(str(chat.described["id"]), None):
            self._size -= chat.size
        for message in list(chat.messages.values()):
            if message.reply is not None:
                message.reply.stop()


def blueprint(engine: Engine, token: Optional[str]) -> Blueprint:
    """The routes of the protocol. Any login will do, unless there is a token."""
    routes = Blueprint("open_assistant", __name__, url_prefix="/api/chat")
    chats = _Chats()
    places = threading.Semaphore(_MOST_ANSWERS)

    def login() -> str:
        return next(filter(None, map(request.cookies.get, COOKIES)), "")

    @routes.before_request
    def check_login() -> Any:
        if not login() or (token and not secrets.compare_digest(login().encode(), token.encode())):
            return Response(status=403)
        return None

    @routes.post("")
    def begin_chat() -> Any:
        return jsonify(chats.add(login()).described)

    @routes.delete("")
    def delete_chat() -> Any:
        chat = chats.get(request.args.get("chat_id"), login())
        if chat is None:
            return Response(status=500)
        chats.remove(chat)
        return Response(status=200)

    @routes.get("/models")
    def list_models() -> Any:
        models = dict.fromkeys([*OpenAssistant.model, *engine.models])
        return jsonify([{"name": name, "description": "", "parameter_configs": []} for name in models])

    @routes.post("/prompter_message")
    def add_question() -> Any:
        asked = wire.body()
        chat = chats.get(asked.get("chat_id"), login())
        parent_id, content = asked.get("parent_id"), asked.get("content")
        if chat is None or not isinstance(content, str) or not (parent_id is None or chat.has(parent_id)):
            return _went_wrong()
        return jsonify(_Message(chat, "prompter", parent_id, content, "manual").described)

    @routes.post("/assistant_message")
    def add_answer() -> Any:
        asked = wire.body()
        chat = chats.get(asked.get("chat_id"), login())
        model, sampling = asked.get("model_config_name"), asked.get("sampling_parameters")
        sampling = sampling if isinstance(sampling, dict) else {}
        mistakes = _mistakes(sampling)
        if mistakes:
            return jsonify(message=mistakes), 422
        known = wire.known_model(model, OpenAssistant.model, engine)
        if known is None:
            return jsonify(message=f"Model {model} not found"), 422
        if chat is None or not chat.has(asked.get("parent_id")):
            return _went_wrong()
        turns = chat.thread(asked["parent_id"])
        if isinstance(asked.get("system_prompt"), str):
            turns.insert(0, {"role": "system", "content": asked["system_prompt"]})
        reply = engine.start(known, turns, sampling)
        if not places.acquire(blocking=False):
            return jsonify(message="Too many answers are under way"), 503
        message = _Message(chat, "assistant", asked["parent_id"], None, "pending")
        described = dict(message.described)
        message.answer(reply, places.release)
        return jsonify(described)

    @routes.route("/events", methods=["GET", "POST"])
    def show_events() -> Any:
        message = find_message()
        if message is None:
            return _went_wrong()
        response = wire.stream(message.events(wire.client_is_gone()))
        del response.headers["Content-Type"]
        return response

    @routes.get("/message")
    def show_message() -> Any:
        message = find_message()
        return _went_wrong() if message is None else jsonify(message.described)

    def find_message() -> Optional[_Message]:
        chat = chats.get(request.args.get("chat_id"), login())
        message = chat.messages.get(request.args.get("message_id", "")) if chat else None
        if message is not None:
            message.seen = time.monotonic()
        return message

    return routes


def _mistakes(sampling: Dict[str, Any]) -> List[Dict[str, Any]]:
    found = []
    for names, kinds, name_of_kind in ((_FLOATS, (int, float), "float"), (_INTEGERS, (int,), "integer")):
        for name in names:
            value = sampling.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                place = ["body", "sampling_parameters", name]
                kind = f"type_error.{name_of_kind}"
                found.append({"loc": place, "msg": f"value is not a valid {name_of_kind}", "type": kind})
    return found


def _went_wrong() -> Any:
    return jsonify(message="Something went wrong"), 500


def _now() -> str:
    return datetime.now(timezone.utc).replace(tzinfo=None).isoformat()
