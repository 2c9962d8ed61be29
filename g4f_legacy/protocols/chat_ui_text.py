"""The text of a completion at chat-ui v0.7 and later: its tokens, and the final text that ends the stream.

The tokens are a preview, and the final text is what the server stores. They differ where a stop sequence of several
tokens was cut off (seen at v0.9.4), where the server generated again after its model server had failed, or where white
space was trimmed (both seen at the version of November 2026). Tokens that were yielded cannot be taken back.
"""

import logging
from contextlib import suppress

from ..errors import GenerationError, StreamInterruptedError
from ..parsing.payload import remaining_text

log = logging.getLogger(__name__)


class ReceivedText:
    """The text received so far.

    Args:
        is_streamed: whether the caller sees each token. Otherwise the result is the final text.
        prompt: what the server repeats as the final text if nothing was generated, as v0.7 does; empty for others.
        marks_length_limit: whether `interrupted` only says that no end-of-text token was generated, as at v0.9.1
            (recorded). At the version of November 2026 it was seen to say that someone stopped the generation.

    Attributes:
        has_text (bool): whether there is any text.
        reason (str or None): why the completion ended, as in `Finish`.
        final_text (str or None): the complete text by the server's account; None where it is no more than the tokens.
    """

    def __init__(self, is_streamed: bool, *, prompt: str = "", marks_length_limit: bool = False) -> None:
        self.has_text = False
        self.reason: str | None = None
        self.final_text: str | None = None
        self._is_streamed = is_streamed
        self._prompt = prompt
        self._marks_length_limit = marks_length_limit
        self._tokens: list[str] = []
        self._tokens_before_tool: int | None = None  # None if no tool ran
        self._pending = ""  # the first half of a surrogate pair

    def add_token(self, token: str) -> str:
        r"""Add the token of a line, and return its text, without the NUL characters that pad it.

        v0.8.2 to v0.8.4 cut the text after every five UTF-16 code units, also through a pair: ``"\ud83d"`` and
        ``"\udc4b"``. The first half is held back until the second is received.
        """
        text = token.rstrip("\0")
        if self._pending or _ends_with_half(text):
            text = (self._pending + text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            self._pending = text[-1:] if _ends_with_half(text) else ""
            text = text.removesuffix(self._pending)
        if text:
            self._tokens.append(text)
            self.has_text = True
        return text

    def mark_tool(self) -> None:
        """Note that a tool ran. The final text may hold only what follows it."""
        self._tokens_before_tool = len(self._tokens)
        self._pending = ""

    def add_final_text(self, final_text: str, is_interrupted: bool | None) -> str:
        """Add the text of the line that ends the stream, and return the part of it that has not been yielded.

        Args:
            is_interrupted: as the server says; None if it does not.

        Raises:
            GenerationError: nothing was generated, and the final text is the prompt.
        """
        received = "".join(self._tokens)
        if not received and self._prompt and final_text.strip() == self._prompt.strip():
            raise GenerationError("the model generated no text: the server repeats the prompt")
        if is_interrupted and received:
            self.reason = "interrupted"
        elif is_interrupted is False:
            self.reason = "stop"
        self.has_text = self.has_text or bool(final_text)
        if self._tokens_before_tool is not None:
            return missing_text_after_tool(final_text, self._tokens, self._tokens_before_tool)
        self.final_text = final_text if final_text.strip() else None
        return self._compare_with_tokens(final_text, received)

    def check_complete(self) -> None:
        """Raise StreamInterruptedError if someone stopped the generation, so that the text is truncated."""
        if self.reason == "interrupted" and not self._marks_length_limit:
            raise StreamInterruptedError(
                "the server marked the text as interrupted: another client of the same login stopped it, or it reached "
                "the length limit"
            )

    def _compare_with_tokens(self, final_text: str, received: str) -> str:
        """Return what the final text adds to the tokens. Log it if the tokens are another text."""
        if final_text.startswith(received):
            return final_text[len(received) :]
        if final_text.strip() == received.strip():
            return ""
        with suppress(StreamInterruptedError):
            return remaining_text(final_text, received)
        level = logging.WARNING if self._is_streamed else logging.INFO
        if not final_text.strip():
            log.warning("HuggingChat: there is no final text; the result is that of the tokens")
        elif received.rstrip().endswith(final_text.strip()):
            log.log(level, "HuggingChat: the server generated the text again; its final text is the end of the tokens")
        elif received.strip().startswith(final_text.strip()):
            log.info("HuggingChat: the tokens go on after the final text, with a stop sequence")
        else:
            log.log(level, "HuggingChat: the final text differs from the tokens; without stream=True it is the result")
        return ""


def _ends_with_half(text: str) -> bool:
    return "\ud800" <= text[-1:] <= "\udbff"


def missing_text_after_tool(final_text: str, tokens: list[str], tokens_before_tool: int) -> str:
    """Return the part of the final text that the tokens lack, where a tool ran.

    Args:
        final_text: the text that ends the stream. It may hold only what follows the last tool.
        tokens: those received.
        tokens_before_tool: how many of them preceded the last tool.
    """
    starts = [0, tokens_before_tool] if tokens_before_tool < len(tokens) else [0]
    for start in starts:
        received = "".join(tokens[start:])
        with suppress(StreamInterruptedError):
            return remaining_text(final_text, received)
        if final_text.strip() and received.strip().startswith(final_text.strip()):  # with a stop sequence after it
            return ""
    if "".join(tokens).rstrip().endswith(final_text.strip()):
        return ""
    return f"\n\n{final_text}"
