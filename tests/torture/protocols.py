"""The five protocols, and OpenAI's whole answer: how to ask, and what the recorded host answers."""

import json
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from raw_host import Recorded, whole
from replay import Sent, load

from g4f_legacy.errors import ProviderError
from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "s3cr3t-key"

_GEMINI = "/v1beta/models/gemini-flash-latest:streamGenerateContent?alt=sse"


class Protocol(NamedTuple):
    """How one answer is had.

    Attributes:
        provider: to ask.
        model: what to ask for.
        page: is added to the host's address.
        ways: the values of `stream` to ask with.
        recording: of the host; for Gemini, which nobody can run, there is none.
        token: the text in one object of the stream.
        reads: the keys that the provider reads.
    """

    provider: Any
    model: str
    page: str
    ways: Tuple[bool, ...]
    recording: str
    token: Callable[[Dict[str, Any]], str]
    reads: str


PROTOCOLS = {
    "H2o": Protocol(
        H2o,
        "",
        "",
        (True, False),
        "h2o/hello",
        lambda one: "" if one["token"]["special"] else one["token"]["text"],
        "token text special generated_text",
    ),
    "OpenAssistant": Protocol(
        OpenAssistant,
        "",
        "",
        (True, False),
        "open_assistant/hello",
        lambda one: one.get("text", ""),
        "event_type text message content",
    ),
    "OpenAI": Protocol(
        OpenAI,
        "m",
        "/v1",
        (True,),
        "openai/stream",
        lambda one: one["choices"][0]["delta"].get("content", ""),
        "choices index delta content finish_reason object",
    ),
    "OpenAI, whole": Protocol(
        OpenAI,
        "m",
        "/v1",
        (False,),
        "openai/plain",
        lambda one: one["choices"][0]["message"]["content"],
        "choices index message content finish_reason object",
    ),
    "Google": Protocol(
        Google,
        "",
        "",
        (True, False),
        "",
        lambda one: one["candidates"][0]["content"]["parts"][0]["text"],
        "candidates index content parts text finishReason",
    ),
    "HuggingChat": Protocol(
        HuggingChat,
        "m",
        "",
        (True, False),
        "hugging_chat/hello",
        lambda one: one.get("token", "").rstrip("\0"),
        "type token text status",
    ),
}


def ask(name: str, url: str, stream: bool, **options: Any) -> Tuple[str, Optional[ProviderError]]:
    """The text that came, and the error that ended it. Any other error is not expected, and goes on."""
    protocol = PROTOCOLS[name]
    kwargs = {"base_url": url + protocol.page, "auth": KEY, "timeout": (5, 5), "retries": 0, **options}
    tokens: List[str] = []
    try:
        for token in protocol.provider._create_completion(protocol.model, MESSAGES, stream, **kwargs):
            assert type(token) is str
            tokens.append(token)
    except ProviderError as error:
        assert error.args[0].isprintable() and len(error.args[0]) < 2500
        assert error.status is None or type(error.status) is int
        assert error.provider == protocol.provider.__name__.rpartition(".")[2]
        return "".join(tokens) + error.partial, error
    return "".join(tokens), None


class Answers:
    """The bodies that a protocol's host answers with.

    Attributes:
        stream: the body that has the text; `kind` is its Content-Type, `documents` are the objects in it.
        text: the whole text.
    """

    def __init__(self, name: str) -> None:
        self._token, recording = PROTOCOLS[name].token, PROTOCOLS[name].recording
        self.others: Dict[Tuple[str, str], bytes] = {}
        self.kind = "text/event-stream"
        if name == "Google":
            texts, self._asked = ["Привет!", " Hello", " 👋"], ("POST", _GEMINI)
            self.stream = b"".join(map(_of_gemini, texts, (None, None, "STOP")))
        elif name == "OpenAI, whole":
            [one] = load(recording)
            self._asked, self.kind = ("POST", one["request"]["path"]), "application/json"
            self.stream = one["response"]["chunks"][0].encode()
        else:
            recorded = Recorded(recording, lambda *_: None)
            self._asked = ("POST", recorded._stream_path)
            self.others, self.stream, self.kind = recorded.answers, recorded.stream, recorded.kind or self.kind
        self.text = self.text_of(self.stream)

    def has_text(self, sent: Sent) -> bool:
        """Whether a request is the one that is answered with the text."""
        return (sent.method, sent.path) == self._asked

    def to(self, sent: Sent) -> bytes:
        """The body for a request; empty for one that was not recorded."""
        found = self.others.get((sent.method, sent.path), whole()).partition(b"\r\n\r\n")[2]
        return self.stream if self.has_text(sent) else found

    def documents(self) -> List[Tuple[int, int]]:
        """Where the JSON objects in the stream begin and end."""
        return [match.span() for match in re.finditer(rb"\{.*\}", self.stream)]

    def text_of(self, stream: bytes) -> str:
        """The text of the whole objects in a part of the stream."""
        if self.kind == "application/json":
            wholes = [self.stream] if stream == self.stream else []
        else:
            wholes = re.findall(rb"(\{.*\})\n" if self.kind == "application/jsonl" else rb"(\{.*\})\r?\n\r?\n", stream)
        return "".join(self._token(json.loads(found)) for found in wholes)


def _of_gemini(text: str, reason: Optional[str]) -> bytes:
    content = {"parts": [{"text": text}], "role": "model"}
    candidate = {"content": content, "index": 0, **({"finishReason": reason} if reason else {})}
    return b"data: %s\r\n\r\n" % json.dumps({"candidates": [candidate], "modelVersion": "x"}).encode()
