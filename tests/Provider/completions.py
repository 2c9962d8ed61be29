"""How the tests of providers run a completion, and what the recorded completions are."""

from collections.abc import Iterable
from typing import Any

from g4f_legacy.errors import ProviderError
from g4f_legacy.Provider import Google, H2o, HuggingChat, OpenAI, OpenAssistant

TOKENS = 'Привет!| Hello| —| 你好| 👋,| I| am| a| *test*| model.|\nSecond| line:| data:| {"a":1}.'.split("|")
"""The completion in most recordings of chat-ui and Open-Assistant."""

FIRST_TOKENS = TOKENS[:3]
"""What the recorded servers sent before they failed."""

H2O_STEPS = ["GET /", "POST /settings", "POST /conversation", "POST /conversation/…", "DELETE /conversation/…"]
HUGGING_CHAT_STEPS = ["POST /conversation", "POST /conversation/…", "DELETE /conversation/…"]
OPEN_ASSISTANT_STEPS = [
    "POST /api/chat",
    "POST /api/chat/prompter_message",
    "POST /api/chat/assistant_message",
    "POST /api/chat/events/…",
    "DELETE /api/chat/…",
]

HELLO = [{"role": "user", "content": "hello"}]

Outcome = tuple[list[str], ProviderError | None]


def collect(completion: Iterable[str]) -> Outcome:
    """Return the tokens of a completion, and the error that ended it."""
    tokens: list[str] = []
    try:
        for token in completion:
            tokens.append(token)
    except ProviderError as error:
        return tokens, error
    return tokens, None


def ask_google(url: str, stream: bool = True, **kwargs: Any) -> Outcome:
    arguments = {"model": "", "messages": HELLO, "auth": "s3cr3t-key", "base_url": url, **kwargs}
    return collect(Google._create_completion(stream=stream, **arguments))


def ask_h2o(url: str, stream: bool = True, *, prompt: str = "hello", **kwargs: Any) -> Outcome:
    arguments = {"model": "falcon-40b", "messages": [{"role": "user", "content": prompt}], "base_url": url, **kwargs}
    return collect(H2o._create_completion(stream=stream, **arguments))


def ask_hugging_chat(url: str, stream: bool = True, *, prompt: str = "hello", **kwargs: Any) -> Outcome:
    arguments = {"model": "falcon-180b", "messages": [{"role": "user", "content": prompt}], "base_url": url, **kwargs}
    return collect(HuggingChat._create_completion(stream=stream, **arguments))


def ask_openai(url: str, stream: bool = True, **kwargs: Any) -> Outcome:
    arguments = {"model": "tiny", "messages": HELLO, "base_url": url, **kwargs}
    return collect(OpenAI._create_completion(stream=stream, **arguments))


def ask_open_assistant(url: str, stream: bool = True, *, prompt: str = "hello", **kwargs: Any) -> Outcome:
    messages = [{"role": "user", "content": prompt}]
    arguments = {"model": "", "messages": messages, "auth": "session-token", "base_url": url, **kwargs}
    return collect(OpenAssistant._create_completion(stream=stream, **arguments))
