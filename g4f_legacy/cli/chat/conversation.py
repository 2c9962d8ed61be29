"""A conversation with a provider: its messages, and the calls that continue it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from ... import registry
from ...availability import is_unavailable
from ...completion import ChatCompletion
from ...errors import StreamNotSupportedError
from ...option_values import parse_base_url
from ...options import get_base_url
from ...prompt import Message
from ...tokens import TokenStream


class Conversation:
    """The messages of a chat, and the call that continues it.

    Args:
        provider: the provider's name.
        model: the model; None for the provider's default.
        options: the options of each call.

    Attributes:
        messages: those that the next call sends along. A message enters them together with its completion.
        has_text: whether the last call returned any text.
    """

    def __init__(self, provider: str, model: str | None, options: Mapping[str, Any]) -> None:
        self.model = model
        self.messages: list[Message] = []
        self.has_text = False
        self._provider = provider
        self._options = options
        self._pending: str | None = None  # the message without a completion

    @property
    def system(self) -> str:
        """The system prompt; empty if there is none."""
        return self.messages[0].content if self._has_system() else ""

    def set_system(self, text: str) -> None:
        """Replace the system prompt. An empty text removes it."""
        others = self.messages[1:] if self._has_system() else self.messages
        self.messages = [Message("system", text), *others] if text else others

    def replace_messages(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)
        self._pending = None

    def clear(self) -> None:
        """Remove all messages but the system prompt."""
        self.replace_messages(self.messages[:1] if self._has_system() else [])

    def describe_model(self) -> str:
        """Return which provider answers, where, and with which model."""
        model = f"model {self.model}" if self.model else "its default model"
        return f"{self._provider}{self._describe_address()}, {model}"

    def _describe_address(self) -> str:
        provider = registry.get(self._provider)
        if is_unavailable(provider, self._options):  # the call is redirected
            return ""
        server = parse_base_url(self._options.get("base_url") or get_base_url(provider), "base_url")
        return f" at {server.base_url}" if server.base_url else ""

    def check_call(self) -> None:
        """Raise what a call raises before it sends anything, such as an error for missing credentials."""
        self._create([Message("user", "Hello")]).close()

    def ask(self, text: str) -> Generator[str, None, None]:
        """Yield the tokens of the completion of a message.

        What was received when the generator ends, or is closed, is the completion. If that has no text, neither message
        nor completion enters the conversation, because servers may refuse one with a message that has no completion.

        Raises:
            TypeError, ValueError, G4fError: as `ChatCompletion.create`.
        """
        self._pending = text
        yield from self._continue([*self.messages, Message("user", text)])

    def retry(self) -> Generator[str, None, None]:
        """Return the tokens of a new completion of the last message, which replaces the last one if it has a text.

        Raises:
            TypeError, ValueError, G4fError: as `ask`; or there is no message.
        """
        if self._pending is not None:
            return self.ask(self._pending)
        messages = list(self.messages)
        while messages and messages[-1].role.lower() != "user":
            messages.pop()
        if not messages:
            raise ValueError("there is no message to ask again")
        return self._continue(messages)

    def _has_system(self) -> bool:
        return bool(self.messages) and self.messages[0].role == "system"

    def _continue(self, messages: list[Message]) -> Generator[str, None, None]:
        self.has_text = False
        received: list[str] = []
        with closing(self._create(messages)) as tokens:
            try:
                for token in tokens:
                    received.append(token)
                    yield token
            finally:
                self._add_completion(messages, tokens.complete_text(received))

    def _add_completion(self, messages: list[Message], text: str) -> None:
        self.has_text = bool(text.strip())
        if self.has_text:
            self.replace_messages([*messages, Message("assistant", text)])

    def _create(self, messages: list[Message]) -> TokenStream:
        dicts = [message._asdict() for message in messages]
        try:
            tokens: TokenStream = ChatCompletion.create(self.model, dicts, self._provider, stream=True, **self._options)
            return tokens
        except StreamNotSupportedError:
            return TokenStream(self._complete(dicts))

    def _complete(self, dicts: list[dict[str, Any]]) -> Generator[str, None, None]:
        yield ChatCompletion.create(self.model, dicts, self._provider, **self._options)
