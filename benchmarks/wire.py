"""What the scripted server sends: the events of real servers, as in ``tests/recordings``."""

import json
from functools import lru_cache
from typing import NamedTuple

WORDS = (" The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", " — 你好")
TIMESTAMP = "0" * 20
"""A placeholder for a time, which is written with the same length."""

_BLOCK = 1000  # events that are sent at once; a multiple of the number of words
_LARGEST_BLOCK = 1024 * 1024
_ID = "chatcmpl-325c351e-3662-4942-b57c-8c44d0dc0524"


class Case(NamedTuple):
    """One kind of response. It is the first segment of the path, so that one server has all kinds.

    Attributes:
        tokens: the number of tokens in a stream.
        size: of an event, in bytes, which decides the length of its text. 0: the `WORDS` in turn.
        framing: "chunked", with an event in each chunk, "length" or "close".
        delay: milliseconds before each response, and once more on a new connection, for TCP's handshake.
        pause: milliseconds before each token, whose text is then the time at which it was written.
        name: of a separate count of requests and connections.
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
    def expected(self) -> tuple[int, int]:
        """The number of tokens and characters that a client has to receive."""
        rounds, rest = divmod(0 if self.size or self.pause else self.tokens, len(WORDS))
        words = rounds * sum(map(len, WORDS)) + sum(map(len, WORDS[:rest]))
        return self.tokens, words or self.tokens * len(self.text(0))

    def text(self, number: int) -> str:
        """Return the text of a token."""
        if self.pause:
            return TIMESTAMP
        return "x" * max(1, self.size - len(tgi(""))) if self.size else WORDS[number % len(WORDS)]


def parse_case(segment: str) -> Case:
    """Parse what `Case.path` wrote.

    Raises:
        KeyError: a name is unknown.
        ValueError: the text has another form.
    """
    kinds = {name: type(value) for name, value in Case()._asdict().items()}
    pairs = (pair.split("=") for pair in segment.split(","))
    return Case(**{name: kinds[name](value) for name, value in pairs})


def tgi(text: str, is_last: bool = False) -> bytes:
    """Return an event of TGI, as chat-ui forwards it.

    The last event of a real stream repeats the complete text. That would be as large as the stream, and is omitted.
    """
    payload = {
        "token": {"id": 1000, "text": text, "logprob": -0.5, "special": False},
        "generated_text": "" if is_last else None,
        "details": None,
    }
    return b"data:%s\n\n" % json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def openai(text: str, is_last: bool = False) -> bytes:
    """Return an event of llama.cpp's server; after the last token, also those that end the stream."""
    events = _chunk({"content": text})
    return events + _chunk({}, "stop") + b"data: [DONE]\n\n" if is_last else events


def _chunk(delta: object, reason: object = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    payload = {"id": _ID, "model": "tiny", "created": 1795165455, "object": "chat.completion.chunk"}
    return b"data: %s\n\n" % json.dumps({**payload, "choices": [choice]}).encode()


class Body(NamedTuple):
    """The body of a stream, framed, in parts that are sent at once.

    Attributes:
        length: of the complete body, in bytes.
        opening, block, rest, last: its parts in their order; `block` is repeated `blocks` times.
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
def make_body(case: Case, is_openai: bool) -> Body:
    """Return the stream of a case, with the events of OpenAI or of TGI."""
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


def _framed(events: list[bytes], case: Case) -> bytes:
    if case.framing == "chunked":
        events = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
    return b"".join(events)
