"""The five protocols, and OpenAI without streaming: how each is asked, what its server sends, what that means."""

import base64
import json
import re
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from raw_server import Respond, response
from replay import Sent, exchange, load
from test_Google import event as gemini

from g4f_legacy.errors import GenerationError, ProviderError, RateLimitError, StreamInterruptedError
from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "s3cr3t-key"

Payload = dict[str, Any]
Meaning = tuple[str, Any]  # a text; then "complete", if it ends the stream, the class of an error, or None
Outcome = tuple[list[str], Any]  # the tokens, and the class of the error after them

TEXT_REQUEST = "POST .*(/conversation/[^/]+|/api/chat/events[?].*|/chat/completions|:streamGenerateContent.*)"
_GEMINI = [gemini("При"), gemini("вет", " 👋"), gemini(" you\nare"), gemini("", reason="STOP")]
_CHAT_UI_CLEAN_UP = ("POST /conversation/…/stop-generating", "DELETE /conversation/…")


def is_for_text(sent: Sent) -> bool:
    """Return whether a request is the one whose response has the text."""
    return bool(re.fullmatch(TEXT_REQUEST, f"{sent.method} {sent.path}"))


class Protocol(NamedTuple):
    """How a provider is asked, and what its server sends.

    Attributes:
        recording: of the server when it is asked `MESSAGES`. There is none of Gemini: its stream is written here.
        event: how a payload is written into the stream.
        token_payload: the payload of a token.
        end_payload: the payload after all tokens of a text.
        interpret: returns what a payload means.
        keys: those that the provider reads.
        clean_up: the requests of the provider when a completion ends early.
        base_path: the path of the base URL.
        stream_options: the values of `stream` to ask with.
    """

    provider: Any
    recording: str
    event: str
    token_payload: Callable[[str], Payload]
    end_payload: Callable[[str], Payload]
    interpret: Callable[[Payload], Meaning]
    keys: str
    clean_up: tuple[str, ...] = ()
    base_path: str = ""
    stream_options: tuple[bool, ...] = (True, False)

    def events(self, *tokens: str) -> list[bytes]:
        """Return a stream: an event for each token, and the one that ends it."""
        payloads = [*map(self.token_payload, tokens), self.end_payload("".join(tokens))]
        return [(self.event % json.dumps(payload)).encode() for payload in payloads]

    def expected(self, prefix: bytes, accept_rest: bool = False) -> Outcome:
        """Return what the beginning of a stream has to mean, found without the parsers of the package.

        Args:
            prefix: the beginning of the stream.
            accept_rest: whether what follows the last complete event is an event, too: it is where the body ends with
                the connection.
        """
        separator = self.event.partition("%s")[2].encode().replace(b"\r\n\r\n", b"\r\n\r")  # a CR ends a line, too
        *events, rest = prefix.split(separator) if separator else (prefix, b"")
        tokens: list[str] = []
        for event in [*events, rest] if accept_rest else events:
            payload = _parse(event.lstrip(b"\n"))
            text, end = self.interpret(payload) if payload else ("", None)
            if text:
                tokens.append(text)
            if end:
                return tokens, None if end == "complete" else end
        return tokens, StreamInterruptedError


def _parse(event: bytes) -> Payload | None:
    try:
        payload = json.loads(event.removeprefix(b"data:"))
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _interpret_h2o(payload: Payload) -> Meaning:
    if "error" in payload:
        return "", GenerationError
    if payload["token"]["special"]:
        return "", "complete"
    return payload["token"]["text"], None if payload["generated_text"] is None else "complete"


def _interpret_hugging_chat(payload: Payload) -> Meaning:
    if payload["type"] == "stream":
        return payload["token"].rstrip("\0"), None
    if payload["type"] == "status" and payload["status"] == "error":
        return "", RateLimitError if payload.get("statusCode") == 429 else GenerationError
    return "", "complete" if payload["type"] == "finalAnswer" else None


def _interpret_open_assistant(payload: Payload) -> Meaning:
    if payload["event_type"] == "token":
        return payload["text"], None
    return "", {"message": "complete", "error": GenerationError}.get(payload["event_type"])


def _interpret_openai(payload: Payload) -> Meaning:
    choice = payload["choices"][0]
    return choice["delta"].get("content") or "", "complete" if choice.get("finish_reason") else None


def _interpret_openai_completion(payload: Payload) -> Meaning:
    return payload["choices"][0]["message"]["content"], "complete"


def _interpret_gemini(payload: Payload) -> Meaning:
    candidate = payload["candidates"][0]
    text = "".join(part["text"] for part in candidate["content"]["parts"])
    return text, "complete" if candidate.get("finishReason") else None


PROTOCOLS = {
    "H2o": Protocol(
        H2o,
        "h2o/hello",
        "data:%s\n\n",
        lambda token: {"token": {"text": token, "special": False}},
        lambda text: {"token": {"text": "</s>", "special": True}, "generated_text": text},
        _interpret_h2o,
        "token text special generated_text",
        _CHAT_UI_CLEAN_UP,
    ),
    "HuggingChat": Protocol(
        HuggingChat,
        "hugging_chat/hello",
        "%s\n",
        lambda token: {"type": "stream", "token": token},
        lambda text: {"type": "finalAnswer", "text": text},
        _interpret_hugging_chat,
        "type token text status",
        _CHAT_UI_CLEAN_UP,
    ),
    "OpenAssistant": Protocol(
        OpenAssistant,
        "open_assistant/hello",
        "data: %s\r\n\r\n",
        lambda token: {"event_type": "token", "text": token},
        lambda text: {"event_type": "message", "message": {"content": text}},
        _interpret_open_assistant,
        "event_type text message content",
        ("DELETE /api/chat/…",),
    ),
    "OpenAI": Protocol(
        OpenAI,
        "openai/stream",
        "data: %s\n\n",
        lambda token: {"choices": [{"delta": {"content": token}}]},
        lambda _: {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        _interpret_openai,
        "choices index delta content finish_reason object",
        base_path="/v1",
        stream_options=(True,),
    ),
    "Google": Protocol(
        Google,
        "gemini/hello",
        "data: %s\r\n\r\n",
        lambda token: {"candidates": [{"content": {"parts": [{"text": token}]}}]},
        lambda _: {"candidates": [{"finishReason": "STOP"}]},
        _interpret_gemini,
        "candidates index content parts text finishReason",
    ),
}
VARIANTS = {
    **PROTOCOLS,
    "OpenAI, not streamed": PROTOCOLS["OpenAI"]._replace(
        recording="openai/plain",
        event="%s",
        interpret=_interpret_openai_completion,
        keys="choices index message content finish_reason object",
        stream_options=(False,),
    ),
}
WITH_CONVERSATION = [name for name, protocol in PROTOCOLS.items() if protocol.clean_up]


def begin(name: str, url: str, stream: bool = True, model: str = "m", **options: Any) -> Generator[str, None, None]:
    """Return a completion by one of the `VARIANTS`."""
    protocol = VARIANTS[name]
    options = {"base_url": url + protocol.base_path, "auth": KEY, "timeout": 9, "retries": 0, **options}
    tokens: Any = protocol.provider._create_completion(model, MESSAGES, stream, **options)
    return tokens  # type: ignore[no-any-return]


def ask(name: str, url: str, stream: bool = True, **options: Any) -> tuple[str, ProviderError | None]:
    """Return the text of a completion, and the `ProviderError` that ended it. Any other error is raised."""
    tokens: list[str] = []
    try:
        for token in begin(name, url, stream, **options):
            assert type(token) is str and (token or not stream)
            tokens.append(token)
    except ProviderError as error:
        assert error.args[0].isprintable() and len(error.args[0]) < 2500
        assert error.status is None or type(error.status) is int
        assert error.provider == name.partition(",")[0]
        return "".join(tokens) + error.partial, error
    return "".join(tokens), None


class Recorded:
    """What a recorded server responds, as often as it is asked. A function responds to the request for the text.

    Attributes:
        stream: the body that has the text; with fewer of the spaces that some servers send by the thousand.
        content_type: its Content-Type.
        path: the path of the request for it.
        text: the text in it.
        responses: the other responses, as they are sent, by method and path.
    """

    def __init__(self, name: str, respond: Respond = lambda *_: None, recording: str = "") -> None:
        self.name, self.protocol, self.respond = name, VARIANTS[name], respond
        self.responses: dict[tuple[str, str], bytes] = {}
        self.stream, self.content_type, self.path = b"", "", ""
        for recorded in _exchanges(recording or self.protocol.recording):
            method, path = recorded["request"]["method"], recorded["request"]["path"]
            headers = {name.lower(): value for name, value in recorded["response"]["headers"]}
            body = b"".join(map(_bytes, recorded["response"]["chunks"])).replace(b" " * 4096, b" " * 16)
            if not self.stream and is_for_text(Sent(method, path, {}, "")):
                self.stream, self.content_type, self.path = body, headers.get("content-type", "text/plain"), path
            elif (method, path) not in self.responses:
                kept = [f"{name}: {headers[name]}" for name in ("content-type", "location") if name in headers]
                self.responses[method, path] = response(body, recorded["response"]["status"], *kept)
        self.text = self.text_of(self.stream)

    def __call__(self, connection: Any, sent: Sent) -> bool | None:
        if is_for_text(sent):
            return self.respond(connection, sent)
        connection.sendall(self.responses.get((sent.method, sent.path)) or response())
        return True

    def body_for(self, sent: Sent) -> bytes:
        """Return the body of the response to a request; an empty one if that was not recorded."""
        if is_for_text(sent):
            return self.stream
        return self.responses.get((sent.method, sent.path), response()).partition(b"\r\n\r\n")[2]

    def payload_spans(self) -> list[tuple[int, int]]:
        """Return where the JSON objects in the stream begin and end."""
        return [match.span() for match in re.finditer(rb"\{.*\}", self.stream)]

    def text_of(self, prefix: bytes) -> str:
        """Return the text of the complete events in the beginning of the stream."""
        return "".join(self.protocol.expected(prefix)[0])


def _exchanges(recording: str) -> Any:
    if recording != "gemini/hello":
        return load(recording)
    path = "/v1beta/models/m:streamGenerateContent?alt=sse"
    return [exchange("POST", path, chunks=tuple(_GEMINI), content_type="text/event-stream")]


def _bytes(chunk: Any) -> bytes:
    return base64.b64decode(chunk["base64"]) if isinstance(chunk, dict) else chunk.encode()
