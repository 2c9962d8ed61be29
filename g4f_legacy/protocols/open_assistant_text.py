"""The text of a message of Open-Assistant's: the tokens of its events, and its content, which is the truth.

The worker decodes token by token, so that a character of several tokens arrives as a run of U+FFFD, and only the
content has it. The server strips white space from the ends of the content. (Both were seen in November 2026.)
"""

from collections.abc import Iterator
from contextlib import closing

from ..errors import ProviderError, StreamInterruptedError
from ..parsing.payload import remaining_text
from ..tokens import Tokens
from .open_assistant import Message

_REPLACEMENT = "\ufffd"


def yield_text(message: Message, tokens: Tokens) -> Iterator[str]:
    """Yield the text of a message: the tokens before the first U+FFFD, and at the end what the content has after them.

    Args:
        tokens: those of the events. At their end, the message has its content.

    Raises:
        ProviderError: as `tokens` raises it. What was held back is yielded before, as it was received.
        StreamInterruptedError: the tokens do not agree with the content, which is the error's `partial`.
    """
    received: list[str] = []
    held: list[str] = []
    with closing(tokens):
        try:
            for token in tokens:
                if _REPLACEMENT not in token:
                    received.append(token)
                    yield token
                    continue
                known, _, rest = token.partition(_REPLACEMENT)
                if known:
                    received.append(known)
                    yield known
                held.append(_REPLACEMENT + rest)
                for later in tokens:  # the outer loop ends as well: it is the same generator
                    held.append(later)
            remaining = match_content(message.content or "", "".join(received), "".join(held))
        except ProviderError:
            if held:
                yield "".join(held)
            raise
    if remaining:
        yield remaining


def match_content(content: str, received: str, held: str) -> str:
    """Return what follows the received text in the content.

    Each U+FFFD in the held text stands for any characters, or none. White space next to one, and at the ends of the
    content, may differ; elsewhere it may not.

    Raises:
        StreamInterruptedError: there is another difference. Its `partial` is the content.
    """
    try:
        remaining = remaining_text(content, received)
        _check_order(remaining, held.split(_REPLACEMENT))
    except StreamInterruptedError as error:
        error.partial = content
        raise
    return remaining


def _check_order(text: str, parts: list[str]) -> None:
    """Raise StreamInterruptedError unless the text has the parts, stripped, in their order. That takes linear time."""
    position = 0
    for part in map(str.strip, parts):
        position = text.find(part, position)
        if position < 0:
            raise StreamInterruptedError("the tokens received are not in the server's complete text")
        position += len(part)
