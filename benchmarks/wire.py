"""What the scripted server says: the events of real servers, as the recordings in ``tests/recordings`` have them."""

from functools import lru_cache
import json
from typing import List, NamedTuple, Tuple

WORDS = (" The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", " — 你好")
STAMP = "0" * 20
"""The place of a time stamp, which is written so as to be just as long."""

_BLOCK = 1000  # events that are sent at once; a multiple of the number of words
_LARGEST_BLOCK = 1024 * 1024
_ID = "chatcmpl-325c351e-3662-4942-b57c-8c44d0dc0524"


class Case(NamedTuple):
    """One way for the server to answer. It is the first segment of the path, so one server does them all.

    Attributes:
        tokens: how many there are in a stream.
        size: of an event, in bytes; the text is as long as that takes. 0: the `WORDS`, one by one.
        framing: "chunked", with an event in each chunk, "length" or "close".
        delay: milliseconds before each answer, and once more on a new connection: what TCP's handshake would take.
        pause: milliseconds before each token, whose text is then the time at which it was written.
        name: sets the counts of requests and connections apart.
    """

    tokens: int = 10
    size: int = 0
    framing: str = "chunked"
    delay: float = 0.0
    pause: float = 0.0
    name: str = ""

    @property
    def path(self) -> str:
        return "/" + ",".join(f"{name}={value}" for name, value in self._asdict().items() if value)

    @property
    def expected(self) -> Tuple[int, int]:
        """How many tokens and characters a client gets."""
        rounds, rest = divmod(0 if self.size or self.pause else self.tokens, len(WORDS))
        words = rounds * sum(map(len, WORDS)) + sum(map(len, WORDS[:rest]))
        return self.tokens, words or self.tokens * len(self.text(0))

    def text(self, number: int) -> str:
        """The text of a token."""
        if self.pause:
            return STAMP
        return "x" * max(1, self.size - len(tgi(""))) if self.size else WORDS[number % len(WORDS)]


def case_of(segment: str) -> Case:
    """Reads what `Case.path` wrote.

    Raises:
        KeyError, ValueError: it is something else.
    """
    kinds = {name: type(value) for name, value in Case()._asdict().items()}
    pairs = (pair.split("=") for pair in segment.split(","))
    return Case(**{name: kinds[name](value) for name, value in pairs})


def tgi(text: str, is_last: bool = False) -> bytes:
    """An event of TGI's, also when chat-ui hands it on. The last one repeats the whole text, which is left out here:
    it would be as large as the stream."""
    document = {
        "token": {"id": 1000, "text": text, "logprob": -0.5, "special": False},
        "generated_text": "" if is_last else None,
        "details": None,
    }
    return b"data:%s\n\n" % json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def openai(text: str, is_last: bool = False) -> bytes:
    """An event of llama.cpp's server; with the last token, also those that end the stream."""
    events = _chunk({"content": text})
    return events + _chunk({}, "stop") + b"data: [DONE]\n\n" if is_last else events


def _chunk(delta: object, reason: object = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    document = {"id": _ID, "model": "tiny", "created": 1795165455, "object": "chat.completion.chunk"}
    return b"data: %s\n\n" % json.dumps({**document, "choices": [choice]}).encode()


class Body(NamedTuple):
    """The body of a stream, framed, in pieces that are sent at once.

    Attributes:
        length: of the whole, in bytes.
        opening, block, rest, last: comes once; comes `blocks` times; once; once.
        token: an event with one token.
    """

    length: int
    opening: bytes
    block: bytes
    blocks: int
    rest: bytes
    last: bytes
    token: bytes


@lru_cache(maxsize=16)
def body(case: Case, is_openai: bool) -> Body:
    """Prepares the stream of a case: OpenAI's events, or TGI's."""
    event = openai if is_openai else tgi
    in_block = max(1, min(_BLOCK, _LARGEST_BLOCK // case.size)) if case.size else _BLOCK
    blocks, in_rest = divmod(case.tokens - 1, in_block)
    opening = _framed([_chunk({"role": "assistant"})] if is_openai else [], case)
    token = _framed([event(case.text(0))], case)
    block = _framed([event(case.text(number)) for number in range(in_block if blocks else 0)], case)
    rest = _framed([event(case.text(number)) for number in range(in_rest)], case)
    last = _framed([event(case.text(case.tokens - 1), is_last=True)], case)
    if case.framing == "chunked":
        last += b"0\r\n\r\n"
    length = len(opening) + blocks * len(block) + len(rest) + len(last)
    return Body(length, opening, block, blocks, rest, last, token)


def _framed(events: List[bytes], case: Case) -> bytes:
    if case.framing == "chunked":
        events = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
    return b"".join(events)
