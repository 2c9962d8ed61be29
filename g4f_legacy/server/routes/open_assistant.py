"""Open-Assistant's ``/api/chat``, as its website speaks it in front of the inference server.

https://github.com/LAION-AI/Open-Assistant/tree/main/website/src/pages/api/chat
"""

import secrets
import threading
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ...Provider import OpenAssistant
from ..chat_store import ChatStore, StoredChat, StoredMessage
from ..engine import Engine
from ..exchange import add_process_hint, get_disconnect_check, read_payload_or_empty, resolve_model, stream_response

COOKIES = ("next-auth.session-token", "__Secure-next-auth.session-token")
MAX_ACTIVE = 512
"""How many messages are being generated or queued at the same time. Each has a thread."""

_ACCEPTED_TYPES = {"float": (int, float), "integer": (int,)}  # bool is neither
_SAMPLING_TYPES = {
    "top_p": "float",
    "typical_p": "float",
    "temperature": "float",
    "repetition_penalty": "float",
    "top_k": "integer",
    "max_new_tokens": "integer",
}


class OpenAssistantRoutes:
    """The routes of the protocol. Any session cookie is accepted, unless there is a token."""

    def __init__(self, engine: Engine, token: str | None) -> None:
        self._engine = engine
        self._token = token
        self._chats = ChatStore()
        self._active = threading.Semaphore(MAX_ACTIVE)

    def blueprint(self) -> Blueprint:
        routes = Blueprint("open_assistant", __name__, url_prefix="/api/chat")
        routes.before_request(self.check_session)
        routes.post("")(self.create_chat)
        routes.put("")(self.update_chat)
        routes.delete("")(self.delete_chat)
        routes.get("/models")(self.list_models)
        routes.post("/prompter_message")(self.add_prompter_message)
        routes.post("/assistant_message")(self.add_assistant_message)
        routes.route("/events", methods=["GET", "POST"])(self.stream_events)
        routes.get("/message")(self.show_message)
        return routes

    def check_session(self) -> Any:
        session = _get_session()
        if not session or (self._token and not secrets.compare_digest(session.encode(), self._token.encode())):
            return Response(status=403)
        return None

    def create_chat(self) -> Any:
        return jsonify(self._chats.create(_get_session()).fields)

    def update_chat(self) -> Any:
        """Change fields of a chat. Hiding it stops nothing: as on the website, its message is generated to the end."""
        payload = read_payload_or_empty()
        chat = self._find_chat(payload.get("chat_id"))
        if chat is None:
            return _unknown_chat(has_body=False)
        chat.update(payload)
        return Response(status=200)

    def delete_chat(self) -> Any:
        chat = self._find_chat(request.args.get("chat_id"))
        if chat is None:
            return _unknown_chat(has_body=False)
        self._chats.remove(chat)
        return Response(status=200)

    def list_models(self) -> Any:
        models = dict.fromkeys([*OpenAssistant.model, *self._engine.models])
        return jsonify([{"name": name, "description": "", "parameter_configs": []} for name in models])

    def add_prompter_message(self) -> Any:
        payload = read_payload_or_empty()
        chat = self._find_chat(payload.get("chat_id"))
        parent_id = payload.get("parent_id")
        content = payload.get("content")
        if chat is None:
            return _unknown_chat()
        if not isinstance(content, str):
            return _server_error()
        if parent_id is not None and not chat.has_message(parent_id):
            return _server_error()
        return jsonify(StoredMessage(chat, "prompter", parent_id, content, "manual").fields)

    def add_assistant_message(self) -> Any:
        payload = read_payload_or_empty()
        sampling = payload.get("sampling_parameters")
        if not isinstance(sampling, dict):
            sampling = {}
        errors = _validation_errors(sampling)
        if errors:
            return jsonify(message=errors), 422
        model = resolve_model(payload.get("model_config_name"), OpenAssistant.model, self._engine)
        if model is None:
            return jsonify(message=f"Model {payload.get('model_config_name')} not found"), 422
        chat = self._find_chat(payload.get("chat_id"))
        if chat is None:
            return _unknown_chat()
        if not chat.has_message(payload.get("parent_id")):
            return _server_error()
        conversation = chat.conversation_to(payload["parent_id"])
        if isinstance(payload.get("system_prompt"), str):
            conversation.insert(0, {"role": "system", "content": payload["system_prompt"]})
        completion = self._engine.prepare(model, conversation, sampling)
        if not self._active.acquire(blocking=False):
            return jsonify(message="Too many messages are being generated"), 503
        message = StoredMessage(chat, "assistant", payload["parent_id"], None, "pending")
        response = jsonify(message.fields)  # now, while the message is pending
        message.generate(completion, self._active.release)
        return response

    def stream_events(self) -> Any:
        message = self._find_message()
        if message is None:
            return _unknown_chat()
        response = stream_response(message.events(get_disconnect_check()))
        del response.headers["Content-Type"]
        return response

    def show_message(self) -> Any:
        message = self._find_message()
        if message is None:
            return _unknown_chat()
        message.touch()
        return jsonify(message.fields)

    def _find_chat(self, chat_id: Any) -> StoredChat | None:
        return self._chats.get(chat_id, _get_session())

    def _find_message(self) -> StoredMessage | None:
        chat = self._find_chat(request.args.get("chat_id"))
        return chat.messages.get(request.args.get("message_id", "")) if chat else None


def _get_session() -> str:
    return next(filter(None, map(request.cookies.get, COOKIES)), "")


def _validation_errors(sampling: dict[str, Any]) -> list[dict[str, Any]]:
    """List the parameters of a wrong type, as pydantic 1 reports them:
    https://docs.pydantic.dev/1.10/usage/models/#error-handling."""
    errors = []
    for name, kind in _SAMPLING_TYPES.items():
        value = sampling.get(name)
        if value is not None and type(value) not in _ACCEPTED_TYPES[kind]:
            location = ["body", "sampling_parameters", name]
            errors.append({"loc": location, "msg": f"value is not a valid {kind}", "type": f"type_error.{kind}"})
    return errors


def _unknown_chat(has_body: bool = True) -> Any:
    """Refuse a request. On the website, those that change a chat get no body; here, they do if there is advice."""
    if not (has_body or request.environ.get("wsgi.multiprocess")):
        return Response(status=500)
    return jsonify(message=add_process_hint("Something went wrong")), 500


def _server_error() -> Any:
    return jsonify(message="Something went wrong"), 500
