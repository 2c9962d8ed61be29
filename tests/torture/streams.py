"""The streams of all protocols, and what a cut one has to come to: told by another reader than the package's."""

import json
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from raw_host import Answer, Recorded
from test_Google import event

from g4f_legacy.errors import GenerationError, RateLimitError, StreamInterruptedError
from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant
from g4f_legacy.session import new_session

HELLO = [{"role": "user", "content": "hello"}]
GEMINI = [event("При"), event("вет", " 👋"), event(" you\nare"), event("", reason="STOP")]
NAMES = """h2o/hello h2o/length_limit h2o/error_event h2o/cut openai/stream gemini open_assistant/hello
    open_assistant/pending open_assistant/error_event open_assistant/worker_lost hugging_chat/hello
    hugging_chat/keep_alive hugging_chat/refused hugging_chat/stopped_early hugging_chat/cut hugging_chat/error_event
    hugging_chat/nothing_generated""".split()
_PROVIDERS: Dict[str, Any] = {
    "h2o": H2o,
    "open_assistant": OpenAssistant,
    "openai": OpenAI,
    "gemini": Google,
    "hugging_chat": HuggingChat,
}

Outcome = Tuple[List[str], Any]  # the tokens, and the class of the error behind them
Tried = Tuple[int, List[str]]  # how many completions, and what was wrong with some


class Stream(NamedTuple):
    """One stream: the provider that reads it, the host's answers, the body, and its Content-Type."""

    name: str
    provider: Any
    host: Answer
    body: bytes
    kind: str

    def jobs(self, every: int, size: int = 150) -> List[Tuple[str, range]]:
        """The name and some of the places at which the body can be cut, so that all jobs together have all of them."""
        places = range(0, len(self.body) + 1, every)
        return [(self.name, places[first : first + size]) for first in range(0, len(places), size)]

    @property
    def protocol(self) -> str:
        return self.name.partition("/")[0]

    def ask(self, url: str, **options: Any) -> Any:
        """Begins a completion."""
        session = None
        if self.provider is H2o:  # one that has been there before: fewer requests
            session = new_session()
            session.cookies.set("h2ogpt", "1", domain="127.0.0.1")
        base_url = f"{url}/v1" if self.provider is OpenAI else url
        options = {"base_url": base_url, "auth": "a-token", "session": session, "retries": 0, "timeout": 9, **options}
        return self.provider._create_completion("m", HELLO, True, **options)

    def outcome(self, tokens: Any) -> Outcome:
        """What a completion came to."""
        came: List[str] = []
        try:
            for token in tokens:
                came.append(token)
        except Exception as error:
            return came, type(error)
        return came, None

    def expected(self, part: bytes, takes_rest: bool = False) -> Outcome:
        """What the first bytes of the body have to come to; the rest of them is an event, if it looks whole and the
        host seems to have ended there."""
        # A CR may be half of a line's end: the event is whole with it.
        separator = b"\n" if self.protocol == "hugging_chat" else b"\n\n|\r\n\r\n?"
        *events, rest = re.split(separator, part)
        tokens: List[str] = []
        for written in [*events, rest] if takes_rest else events:
            said = _said(written)
            text, end = _MEANINGS[self.protocol](said) if said else ("", None)
            if text:
                tokens.append(text)
            if end:
                return tokens, None if end == "whole" else end
        return tokens, StreamInterruptedError


def find(name: str, say: Answer) -> Stream:
    """The stream of that name; its host says what the function says."""
    provider = _PROVIDERS[name.partition("/")[0]]
    if name == "gemini":
        return Stream(name, provider, say, "".join(GEMINI).encode(), "text/event-stream")
    recorded = Recorded(name, say)
    return Stream(name, provider, recorded, recorded.stream, recorded.kind or "text/plain")


def tried(function: Callable[..., Tried], jobs: Iterable[Tuple[Any, ...]]) -> int:
    """Calls a function for each job, in processes of their own on all cores; how many completions they tried.

    Raises:
        AssertionError: something was wrong with some of them.
    """
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        results = [future.result() for future in [pool.submit(function, *job) for job in jobs]]
    problems = [problem for _, found in results for problem in found]
    assert problems == [], f"{len(problems)} problems, such as {problems[:3]}"
    return sum(count for count, _ in results)


def _said(written: bytes) -> Optional[Dict[str, Any]]:
    try:
        said = json.loads(written[len(b"data:") :] if written.startswith(b"data:") else written)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _of_h2o(said: Dict[str, Any]) -> Tuple[str, Any]:
    if "error" in said:
        return "", GenerationError
    special, over = said["token"]["special"], said["generated_text"] is not None
    return "" if special else said["token"]["text"], "whole" if special or over else None


def _of_openai(said: Dict[str, Any]) -> Tuple[str, Any]:
    choice = said["choices"][0]
    return choice["delta"].get("content") or "", "whole" if choice.get("finish_reason") else None


def _of_gemini(said: Dict[str, Any]) -> Tuple[str, Any]:
    candidate = said["candidates"][0]
    text = "".join(part["text"] for part in candidate["content"]["parts"])
    return text, "whole" if candidate.get("finishReason") else None


def _of_hugging_chat(said: Dict[str, Any]) -> Tuple[str, Any]:
    if said["type"] == "stream":
        return said["token"].rstrip("\0"), None
    if said["type"] == "status" and said["status"] == "error":
        return "", RateLimitError if said.get("statusCode") == 429 else GenerationError
    return "", "whole" if said["type"] == "finalAnswer" else None


def _of_open_assistant(said: Dict[str, Any]) -> Tuple[str, Any]:
    if said["event_type"] == "token":
        return said["text"], None
    return "", {"message": "whole", "error": GenerationError}.get(said["event_type"])


_MEANINGS = {
    "h2o": _of_h2o,
    "openai": _of_openai,
    "gemini": _of_gemini,
    "hugging_chat": _of_hugging_chat,
    "open_assistant": _of_open_assistant,
}
