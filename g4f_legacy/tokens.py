"""A completion as a generator of tokens: how it ended, and its complete text."""

from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from .errors import ProviderError


class Finish(NamedTuple):
    """How a completion ended. It is what a provider's generator returns (https://peps.python.org/pep-0380/).

    Attributes:
        reason: ``"stop"``, ``"length"``, ``"content_filter"``, ``"tool_calls"``, ``"interrupted"``, or another word of
            the server's; None where the protocol does not tell.
        usage: the numbers of tokens, as the server sent them; None if it did not.
        text: the complete text, where the server stated one that may differ from the tokens; None if they are the text.
    """

    reason: str | None = None
    usage: dict[str, Any] | None = None
    text: str | None = None


Tokens = Generator[str, None, Any]
"""A completion as a provider returns it: it yields tokens and returns a `Finish`. That of a provider outside this
package may return anything."""


class TokenStream(Generator[str, None, Finish | None]):
    """The tokens of a completion: a generator that knows, after its end, how the completion ended.

    Args:
        tokens: the completion. An iterable, or a generator that returns no `Finish`, leaves `finish` at None.

    Attributes:
        finish (Finish or None): how the completion ended; None before the end, and where the provider does not tell.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.finish: Finish | None = None
        self._tokens = tokens if isinstance(tokens, Generator) else _iterate(tokens)

    @property
    def finish_reason(self) -> str | None:
        """Why the completion ended, such as ``"stop"`` or ``"length"``: see `Finish`."""
        return self.finish.reason if self.finish else None

    @property
    def usage(self) -> dict[str, Any] | None:
        """The numbers of tokens, as the server sent them."""
        return self.finish.usage if self.finish else None

    def complete_text(self, tokens: Iterable[str]) -> str:
        """Return the complete text, after the end: the server's own statement of it, or else the tokens, joined.

        Args:
            tokens: all that were yielded.
        """
        stated = self.finish.text if self.finish else None
        return "".join(tokens) if stated is None else stated

    def __next__(self) -> str:  # not by way of `send`, as `Generator` has it: this is called for each token
        try:
            return next(self._tokens)
        except StopIteration as end:
            self._note_end(end.value)
            raise

    def send(self, value: Any) -> str:
        return self._resume(self._tokens.send, value)

    def throw(self, *error: Any) -> str:
        return self._resume(self._tokens.throw, *error)

    def close(self) -> None:
        self._tokens.close()

    def _resume(self, resume: Callable[..., str], *arguments: Any) -> str:
        try:
            return resume(*arguments)
        except StopIteration as end:
            self._note_end(end.value)
            raise

    def _note_end(self, value: Any) -> None:
        if isinstance(value, Finish):
            self.finish = value


def _iterate(tokens: Iterable[str]) -> Generator[str, None, None]:
    yield from tokens


def join_tokens(tokens: Iterable[str]) -> str:
    """Return the complete text of a completion: the server's own statement of it, or else the tokens, joined.

    Raises:
        ProviderError: as the completion raises it, with the text received so far as its `partial`, unless that is set.
    """
    return _join(TokenStream(tokens))


def yield_joined(tokens: Iterable[str]) -> Tokens:
    """Yield the complete text of a completion as one token, and return how it ended. Errors are as in `join_tokens`."""
    stream = TokenStream(tokens)
    yield _join(stream)
    return stream.finish


def _join(stream: TokenStream) -> str:
    received: list[str] = []
    try:
        for token in stream:
            received.append(token)
    except ProviderError as error:
        error.partial = error.partial or "".join(received)
        raise
    return stream.complete_text(received)


def describe_ending(reason: str | None, *, has_text: bool, has_reasoning: bool = False) -> str:
    """Describe how a completion fell short of what was asked for, and what to do about it; "" if it did not.

    Args:
        reason: as in `Finish`.
        has_text: whether any text was received.
        has_reasoning: whether the server sent reasoning, which does not count as text.
    """
    if has_text:
        return _ADVICE_BY_REASON.get(reason or "", "")
    if has_reasoning and reason == "length":
        return "the completion has no text: its reasoning used up max_tokens; raise it, or ask for less reasoning"
    return f"the completion has no text (finish_reason: {reason})" if reason else "the completion has no text"


_ADVICE_BY_REASON = {
    "length": (
        "the text ends at the length limit: raise max_tokens (max_new_tokens), "
        "or shorten the prompt if the model's context is full"
    ),
    "content_filter": "the server's content filter ended the text early: put the question in other words",
    "interrupted": (
        "the server marked the text as interrupted, as it does at the length limit: ask the model to go on if the text "
        "is not complete"
    ),
}
