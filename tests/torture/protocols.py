"""The five protocols, and OpenAI without streaming: how each is asked, what its server sends, what that means."""

import base64
import json
import re
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from outcomes import (
    DONE,
    Outcome,
    Payload,
    interpret_gemini,
    interpret_h2o,
    interpret_hugging_chat,
    interpret_open_assistant,
    interpret_openai,
    interpret_openai_completion,
)
from raw_server import Respond, response
from replay import Sent, exchange, load
from test_Google import event as gemini

from g4f_legacy.errors import ProviderError
from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "s3cr3t-key"

TEXT_REQUEST = "POST .*(/conversation/[^/]+|/api/chat/events[?].*|/chat/completions|:streamGenerateContent.*)"
_GEMINI = [
    gemini("При"),
    gemini("вет", " 👋"),
    gemini(" you\nare", usageMetadata={"totalTokenCount": 9}),
    gemini("", reason="STOP", usageMetadata=None),
]
_CHAT_UI_CLEAN_UP = ("POST /conversation/…/stop-generating", "DELETE /conversation/…")
_KEPT_HEADERS = ("content-type", "location", "set-cookie")


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
        interpret: returns the outcome of payloads.
        keys: those that the provider reads.
        clean_up: the requests of the provider when a completion ends early.
        base_path: the path of the base URL.
        stream_options: the values of `stream` to ask with.
        ends_with_next_line: whether an event is known to be complete only by the line that follows it.
    """

    provider: Any
    recording: str
    event: str
    token_payload: Callable[[str], Payload]
    end_payload: Callable[[str], Payload]
    interpret: Callable[[list[Payload]], Outcome]
    keys: str
    clean_up: tuple[str, ...] = ()
    base_path: str = ""
    stream_options: tuple[bool, ...] = (True, False)
    ends_with_next_line: bool = False

    def events(self, *tokens: str) -> list[bytes]:
        """Return a stream: an event for each token, and the one that ends it."""
        payloads = [*map(self.token_payload, tokens), self.end_payload("".join(tokens))]
        return [(self.event % json.dumps(payload)).encode() for payload in payloads]

    def payloads(self, prefix: bytes, accept_rest: bool = False) -> list[Payload]:
        """Return the payloads in the beginning of a stream, found without the parsers of the package.

        Args:
            prefix: the beginning of the stream.
            accept_rest: whether what follows the last complete event is an event, too: it is where the body ends with
                the connection.
        """
        separator = self.event.partition("%s")[2].encode()
        if separator.endswith(b"\r\n"):
            separator = separator[:-1]  # a CR ends a line, too
        *events, rest = prefix.split(separator) if separator else (prefix, b"")
        if self.ends_with_next_line and not accept_rest:
            events = events[:-1]
        parsed = map(_parse, [*events, rest] if accept_rest else events)
        return [payload for payload in parsed if payload is not None]

    def expected(self, prefix: bytes, accept_rest: bool = False) -> Outcome:
        """Return what the beginning of a stream has to mean. The arguments are those of `payloads`."""
        return self.interpret(self.payloads(prefix, accept_rest))


def _parse(event: bytes) -> Payload | None:
    data = event.lstrip(b"\n").removeprefix(b"data:").strip()
    if data == b"[DONE]":
        return DONE
    try:
        payload = json.loads(data)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


PROTOCOLS = {
    "H2o": Protocol(
        H2o,
        "h2o/hello",
        "data:%s\n\n",
        lambda token: {"token": {"text": token, "special": False}},
        lambda text: {"token": {"text": "</s>", "special": True}, "generated_text": text},
        interpret_h2o,
        "token text special generated_text",
        _CHAT_UI_CLEAN_UP,
    ),
    "HuggingChat": Protocol(
        HuggingChat,
        "hugging_chat/hello",
        "%s\n",
        lambda token: {"type": "stream", "token": token},
        lambda text: {"type": "finalAnswer", "text": text},
        interpret_hugging_chat,
        "type token text status interrupted",
        _CHAT_UI_CLEAN_UP,
    ),
    "OpenAssistant": Protocol(
        OpenAssistant,
        "open_assistant/hello",
        "data: %s\r\n\r\n",
        lambda token: {"event_type": "token", "text": token},
        lambda text: {"event_type": "message", "message": {"content": text}},
        interpret_open_assistant,
        "event_type text message content",
        ("PUT /api/chat",),
    ),
    "OpenAI": Protocol(
        OpenAI,
        "openai/stream",
        "data: %s\n\n",
        lambda token: {"choices": [{"delta": {"content": token}}]},
        lambda _: {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        interpret_openai,
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
        interpret_gemini,
        "candidates index content parts text finishReason",
    ),
}
VARIANTS = {
    **PROTOCOLS,
    "OpenAI, not streamed": PROTOCOLS["OpenAI"]._replace(
        recording="openai/plain",
        event="%s",
        interpret=interpret_openai_completion,
        keys="choices index message content finish_reason object",
        stream_options=(False,),
    ),
}
WITH_CONVERSATION = [name for name, protocol in PROTOCOLS.items() if protocol.clean_up]


def begin(
    name: str, url: str, stream: bool = True, model: str = "m", *, prompt: str = "hello", **options: Any
) -> Generator[str, None, None]:
    """Return a completion by one of the `VARIANTS`."""
    protocol = VARIANTS[name]
    options = {"base_url": url + protocol.base_path, "auth": KEY, "timeout": 9, "retries": 0, **options}
    messages = [{"role": "user", "content": prompt}]
    tokens: Any = protocol.provider._create_completion(model, messages, stream, **options)
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
        stream: the body that has the text, with less of what some servers pad it with.
        content_type: its Content-Type.
        path: the path of the request for it.
        prompt: the JSON body of the request for it, if the server refuses any other; else None.
        text: the text in it.
        responses: the other responses, as they are sent, by method and path.
        refusals: those to a request that had another response later: when it had a cookie, or had the `prompt`.
    """

    def __init__(self, name: str, respond: Respond = lambda *_: None, recording: str = "") -> None:
        self.name, self.protocol, self.respond = name, VARIANTS[name], respond
        self.responses: dict[tuple[str, str], bytes] = {}
        self.refusals: dict[tuple[str, str], bytes] = {}
        self.stream, self.content_type, self.path = b"", "", ""
        self.prompt: Payload | None = None
        for recorded in _exchanges(recording or self.protocol.recording):
            method, path = recorded["request"]["method"], recorded["request"]["path"]
            status, headers = recorded["response"]["status"], _headers(recorded["response"])
            body = _shorten(b"".join(map(_bytes, recorded["response"]["chunks"])))
            if status in (405, 500):
                self.refusals[method, path] = response(body, status, f"content-type: {headers['content-type']}")
            elif not self.stream and is_for_text(Sent(method, path, {}, "")):
                self.stream, self.content_type, self.path = body, headers.get("content-type", "text/plain"), path
                self.prompt = json.loads(recorded["request"]["body"]) if self.refusals else None
            elif (method, path) not in self.responses:
                kept = [f"{name}: {headers[name]}" for name in _KEPT_HEADERS if name in headers]
                self.responses[method, path] = response(body, status, *kept)
        self.text = self.text_of(self.stream)

    def __call__(self, connection: Any, sent: Sent) -> bool | None:
        other = self.other_response(sent)
        if other is None:
            return self.respond(connection, sent)
        connection.sendall(other)
        return True

    def other_response(self, sent: Sent) -> bytes | None:
        """Return the response to a request; an empty one if that was not recorded, or None if it has the text."""
        request = (sent.method, sent.path)
        if is_for_text(sent):
            is_prompt = self.prompt is None or sent.body.startswith("{") and sent.json == self.prompt
            return None if is_prompt else self.refusals.get(request) or response(b"{}", 500)
        if request in self.refusals and "cookie" not in sent.headers:
            return self.refusals[request]
        return self.responses.get(request) or response()

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
        return "".join(self.protocol.expected(prefix).tokens)


def _exchanges(recording: str) -> Any:
    if recording != "gemini/hello":
        return load(recording)
    path = "/v1beta/models/m:streamGenerateContent?alt=sse"
    return [exchange("POST", path, chunks=tuple(_GEMINI), content_type="text/event-stream")]


def _headers(recorded_response: Any) -> dict[str, str]:
    """Return the headers by their names in lower case; of a cookie without its attributes, which would expire."""
    headers = {name.lower(): value for name, value in recorded_response["headers"]}
    if "set-cookie" in headers:
        headers["set-cookie"] = headers["set-cookie"].partition(";")[0]
    return headers


def _shorten(body: bytes) -> bytes:
    """Return a body with fewer of the spaces that chat-ui sends by the thousand, and of the NULs after its tokens."""
    return body.replace(b" " * 4096, b" " * 16).replace(rb"\u0000" * 9, rb"\u0000")


def _bytes(chunk: Any) -> bytes:
    return base64.b64decode(chunk["base64"]) if isinstance(chunk, dict) else chunk.encode()
