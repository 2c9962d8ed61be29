"""A conversation with a provider: its messages, and the calls that continue it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from ...completion import ChatCompletion
from ...errors import StreamNotSupportedError
from ...prompt import Message
from ...tokens import TokenStream


class Conversation:
    """The messages of a chat, and the call that continues it.

    Args:
        provider: the provider's name.
        model: the model; None for the provider's default.
        options: the options of each call.

    Attributes:
        messages: those that the next call sends along. A message enters them together with its answer.
        is_answered: whether the last call returned any text.
    """

    def __init__(self, provider: str, model: str | None, options: Mapping[str, Any]) -> None:
        self.model = model
        self.messages: list[Message] = []
        self.is_answered = False
        self._provider = provider
        self._options = options
        self._unanswered: str | None = None

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
        self._unanswered = None

    def clear(self) -> None:
        """Remove all messages but the system prompt."""
        self.replace_messages(self.messages[:1] if self._has_system() else [])

    def describe_call(self) -> str:
        return f"{self._provider}, {f'model {self.model}' if self.model else 'its default model'}"

    def check_call(self) -> None:
        """Raise what a call raises before it sends anything, such as an error for missing credentials."""
        self._create([Message("user", "Hello")]).close()

    def ask(self, text: str) -> Generator[str, None, None]:
        """Yield the tokens of the answer to a message.

        What was received when the generator ends, or is closed, is the answer. If that has no text, neither message nor
        answer enters the conversation, because servers may refuse one that holds a message without an answer.

        Raises:
            TypeError, ValueError, G4fError: as `ChatCompletion.create`.
        """
        self._unanswered = text
        yield from self._continue([*self.messages, Message("user", text)])

    def retry(self) -> Generator[str, None, None]:
        """Yield the tokens of another answer to the last message, which replaces the last one if it has a text.

        Raises:
            TypeError, ValueError, G4fError: as `ask`; or there is no message.
        """
        if self._unanswered is not None:
            return self.ask(self._unanswered)
        messages = list(self.messages)
        while messages and messages[-1].role.lower() != "user":
            messages.pop()
        if not messages:
            raise ValueError("there is no message to ask again")
        return self._continue(messages)

    def _has_system(self) -> bool:
        return bool(self.messages) and self.messages[0].role == "system"

    def _continue(self, messages: list[Message]) -> Generator[str, None, None]:
        self.is_answered = False
        received: list[str] = []
        with closing(self._create(messages)) as tokens:
            try:
                for token in tokens:
                    received.append(token)
                    yield token
            finally:
                stated = tokens.finish.text if tokens.finish else None
                self._add_answer(messages, "".join(received) if stated is None else stated)

    def _add_answer(self, messages: list[Message], text: str) -> None:
        self.is_answered = bool(text.strip())
        if self.is_answered:
            self.replace_messages([*messages, Message("assistant", text)])

    def _create(self, messages: list[Message]) -> TokenStream:
        payload = [message._asdict() for message in messages]
        try:
            tokens: TokenStream = ChatCompletion.create(
                self.model, payload, self._provider, stream=True, **self._options
            )
            return tokens
        except StreamNotSupportedError:
            return TokenStream(self._complete(payload))

    def _complete(self, payload: list[dict[str, Any]]) -> Generator[str, None, None]:
        yield ChatCompletion.create(self.model, payload, self._provider, **self._options)
