"""The five protocols, and OpenAI's whole answer: how each is asked, what its host says, what that has to come to."""

import base64
import json
import re
from typing import Any, Callable, Dict, Generator, List, NamedTuple, Optional, Tuple

from raw_host import Answer, whole
from replay import Sent, exchange, load
from test_Google import event as gemini

from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant
from g4f_legacy.errors import GenerationError, ProviderError, RateLimitError, StreamInterruptedError

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "s3cr3t-key"

Said = Dict[str, Any]
Meaning = Tuple[str, Any]  # a text; then "whole", if it ends the stream, the class of an error, or None
Outcome = Tuple[List[str], Any]  # the tokens, and the class of the error behind them

QUESTION = "POST .*(/conversation/[^/]+|/api/chat/events[?].*|/chat/completions|:streamGenerateContent.*)"
_GEMINI = [gemini("При"), gemini("вет", " 👋"), gemini(" you\nare"), gemini("", reason="STOP")]
_OF_CHAT_UI = ("POST /conversation/…/stop-generating", "DELETE /conversation/…")


def is_question(sent: Sent) -> bool:
    """Whether a request is the one that is answered with the text."""
    return bool(re.fullmatch(QUESTION, f"{sent.method} {sent.path}"))


class Protocol(NamedTuple):
    """How a provider is asked, and what its host says.

    Attributes:
        recording: of the host when it is asked `MESSAGES`. Nobody can run Gemini: its own is written here.
        event: how an object stands in the stream.
        word: the object of a word.
        end: the object behind all words of a text.
        meaning: what an object comes to.
        keys: those that the provider reads.
        clean_up: what it sends after a stream that it leaves.
        page: is added to the host's address.
        ways: the values of `stream` to ask with.
    """

    provider: Any
    recording: str
    event: str
    word: Callable[[str], Said]
    end: Callable[[str], Said]
    meaning: Callable[[Said], Meaning]
    keys: str
    clean_up: Tuple[str, ...] = ()
    page: str = ""
    ways: Tuple[bool, ...] = (True, False)

    def events(self, *words: str) -> List[bytes]:
        """A stream: an event for each word, and one that ends it."""
        objects = [*map(self.word, words), self.end("".join(words))]
        return [(self.event % json.dumps(one)).encode() for one in objects]

    def expected(self, part: bytes, takes_rest: bool = False) -> Outcome:
        """What the beginning of a stream has to come to; its rest is an event, if it looks whole and the host seems to
        have ended there. Told by another reader than the package's."""
        separator = self.event.partition("%s")[2].encode().replace(b"\r\n\r\n", b"\r\n\r")  # a CR ends a line, too
        *events, rest = part.split(separator) if separator else (part, b"")
        tokens: List[str] = []
        for written in [*events, rest] if takes_rest else events:
            said = _said(written.lstrip(b"\n"))
            text, end = self.meaning(said) if said else ("", None)
            if text:
                tokens.append(text)
            if end:
                return tokens, None if end == "whole" else end
        return tokens, StreamInterruptedError


def _said(written: bytes) -> Optional[Said]:
    try:
        said = json.loads(written[len(b"data:") :] if written.startswith(b"data:") else written)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _of_h2o(said: Said) -> Meaning:
    if "error" in said:
        return "", GenerationError
    special, over = said["token"]["special"], said["generated_text"] is not None
    return "" if special else said["token"]["text"], "whole" if special or over else None


def _of_hugging_chat(said: Said) -> Meaning:
    if said["type"] == "stream":
        return said["token"].rstrip("\0"), None
    if said["type"] == "status" and said["status"] == "error":
        return "", RateLimitError if said.get("statusCode") == 429 else GenerationError
    return "", "whole" if said["type"] == "finalAnswer" else None


def _of_open_assistant(said: Said) -> Meaning:
    if said["event_type"] == "token":
        return said["text"], None
    return "", {"message": "whole", "error": GenerationError}.get(said["event_type"])


def _of_openai(said: Said) -> Meaning:
    choice = said["choices"][0]
    return choice["delta"].get("content") or "", "whole" if choice.get("finish_reason") else None


def _of_gemini(said: Said) -> Meaning:
    candidate = said["candidates"][0]
    text = "".join(part["text"] for part in candidate["content"]["parts"])
    return text, "whole" if candidate.get("finishReason") else None


PROTOCOLS = {
    "H2o": Protocol(
        H2o,
        "h2o/hello",
        "data:%s\n\n",
        lambda word: {"token": {"text": word, "special": False}},
        lambda text: {"token": {"text": "</s>", "special": True}, "generated_text": text},
        _of_h2o,
        "token text special generated_text",
        _OF_CHAT_UI,
    ),
    "HuggingChat": Protocol(
        HuggingChat,
        "hugging_chat/hello",
        "%s\n",
        lambda word: {"type": "stream", "token": word},
        lambda text: {"type": "finalAnswer", "text": text},
        _of_hugging_chat,
        "type token text status",
        _OF_CHAT_UI,
    ),
    "OpenAssistant": Protocol(
        OpenAssistant,
        "open_assistant/hello",
        "data: %s\r\n\r\n",
        lambda word: {"event_type": "token", "text": word},
        lambda text: {"event_type": "message", "message": {"content": text}},
        _of_open_assistant,
        "event_type text message content",
        ("DELETE /api/chat/…",),
    ),
    "OpenAI": Protocol(
        OpenAI,
        "openai/stream",
        "data: %s\n\n",
        lambda word: {"choices": [{"delta": {"content": word}}]},
        lambda _: {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        _of_openai,
        "choices index delta content finish_reason object",
        page="/v1",
        ways=(True,),
    ),
    "Google": Protocol(
        Google,
        "gemini/hello",
        "data: %s\r\n\r\n",
        lambda word: {"candidates": [{"content": {"parts": [{"text": word}]}}]},
        lambda _: {"candidates": [{"finishReason": "STOP"}]},
        _of_gemini,
        "candidates index content parts text finishReason",
    ),
}
ANSWERS = {
    **PROTOCOLS,
    "OpenAI, whole": PROTOCOLS["OpenAI"]._replace(
        recording="openai/plain",
        event="%s",
        meaning=lambda said: (said["choices"][0]["message"]["content"], "whole"),
        keys="choices index message content finish_reason object",
        ways=(False,),
    ),
}
IN_STEPS = [name for name, one in PROTOCOLS.items() if one.clean_up]  # those that ask for more than the answer


def begin(name: str, url: str, stream: bool = True, model: str = "m", **options: Any) -> Generator[str, None, None]:
    """A completion of one of the `ANSWERS`."""
    protocol = ANSWERS[name]
    options = {"base_url": url + protocol.page, "auth": KEY, "timeout": 9, "retries": 0, **options}
    tokens: Any = protocol.provider._create_completion(model, MESSAGES, stream, **options)
    return tokens  # type: ignore[no-any-return]


def ask(name: str, url: str, stream: bool = True, **options: Any) -> Tuple[str, Optional[ProviderError]]:
    """The text that came, and the error that ended it. Any other error is not expected, and goes on."""
    tokens: List[str] = []
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
    """What a recorded host answers to each request, as often as it is asked; its stream is said by a function.

    Attributes:
        stream: the body that has the text; spaces that some hosts send by the thousand are fewer here.
        kind: its Content-Type.
        path: what is asked for it.
        text: what it comes to.
        answers: the other answers, as they go over the wire, by method and path.
    """

    def __init__(self, name: str, say: Answer = lambda *_: None, recording: str = "") -> None:
        self.name, self.protocol, self.say = name, ANSWERS[name], say
        self.answers: Dict[Tuple[str, str], bytes] = {}
        self.stream, self.kind, self.path = b"", "", ""
        for one in _exchanges(recording or self.protocol.recording):
            asked, response = (one["request"]["method"], one["request"]["path"]), one["response"]
            headers = {name.lower(): value for name, value in response["headers"]}
            body = b"".join(map(_bytes, response["chunks"])).replace(b" " * 4096, b" " * 16)
            if not self.stream and is_question(Sent(*asked, {}, "")):
                self.stream, self.kind, self.path = body, headers.get("content-type", "text/plain"), asked[1]
            elif asked not in self.answers:
                kept = [f"{name}: {headers[name]}" for name in ("content-type", "location") if name in headers]
                self.answers[asked] = whole(body, response["status"], *kept)
        self.text = self.text_of(self.stream)

    def __call__(self, connection: Any, sent: Sent) -> Optional[bool]:
        if is_question(sent):
            return self.say(connection, sent)
        connection.sendall(self.answers.get((sent.method, sent.path)) or whole())
        return True

    def to(self, sent: Sent) -> bytes:
        """The body for a request; empty for one that was not recorded."""
        found = self.answers.get((sent.method, sent.path), whole()).partition(b"\r\n\r\n")[2]
        return self.stream if is_question(sent) else found

    def documents(self) -> List[Tuple[int, int]]:
        """Where the JSON objects in the stream begin and end."""
        return [match.span() for match in re.finditer(rb"\{.*\}", self.stream)]

    def text_of(self, part: bytes) -> str:
        """The text of the whole objects in the beginning of the stream."""
        return "".join(self.protocol.expected(part)[0])


def _exchanges(recording: str) -> Any:
    if recording != "gemini/hello":
        return load(recording)
    path = "/v1beta/models/m:streamGenerateContent?alt=sse"
    return [exchange("POST", path, chunks=tuple(_GEMINI), content_type="text/event-stream")]


def _bytes(chunk: Any) -> bytes:
    return base64.b64decode(chunk["base64"]) if isinstance(chunk, dict) else chunk.encode()
