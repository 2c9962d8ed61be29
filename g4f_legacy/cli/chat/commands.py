"""The commands of a chat, such as ``/retry``."""

from collections.abc import Callable, Generator
from difflib import get_close_matches
from typing import NamedTuple

from .conversation import Conversation
from .files import read_messages, write_messages
from .input import EndOfChat, LineSource, read_text

Result = str | Generator[str, None, None]
"""A message for the user, or the tokens of a completion."""


class Command(NamedTuple):
    """A command: its argument and its summary as the help shows them, and what it does."""

    argument: str
    summary: str
    run: Callable[[Conversation, str], Result]
    requires_argument: bool = False


def is_command(line: str) -> bool:
    """Return whether a line is a command. Two slashes begin a message that begins with one."""
    return line.startswith("/") and not line.startswith("//")


def run_command(conversation: Conversation, line: str, source: LineSource) -> Result:
    r"""Run the command in a line. Its argument may continue in further lines, in ``\"\"\"``.

    Raises:
        EndOfChat: the command ends the chat.
        ValueError: there is no such command, or its argument is wrong.
        OSError: a file cannot be read or written.
    """
    name, *rest = line[1:].split(maxsplit=1) or [""]
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        raise ValueError(_describe_unknown(name))
    argument = read_text(rest[0].rstrip(), source) if rest else ""
    if argument and not command.argument:
        raise ValueError(f"/{name} takes no argument")
    if not argument and command.requires_argument:
        raise ValueError(f"/{name} needs an argument: {command.argument}")
    return command.run(conversation, argument)


def _describe_unknown(name: str) -> str:
    nearest = get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    hint = f"did you mean /{nearest[0]}?" if nearest else "/help lists the commands."
    return f"there is no command /{name}: {hint} A message that begins with a slash needs two: //{name}"


def _set_system(conversation: Conversation, text: str) -> str:
    if text:
        conversation.set_system("" if text == '""' else text)
    return f"system prompt: {conversation.system}" if conversation.system else "no system prompt"


def _set_model(conversation: Conversation, name: str) -> str:
    conversation.model = name or conversation.model
    return conversation.describe_model()


def _retry(conversation: Conversation, _: str) -> Result:
    return conversation.retry()


def _save(conversation: Conversation, name: str) -> str:
    if not conversation.messages:
        raise ValueError("there is nothing to save: the conversation has no messages")
    write_messages(name, conversation.messages)
    return f"{_count(conversation)} saved to {name}"


def _load(conversation: Conversation, name: str) -> str:
    conversation.replace_messages(read_messages(name))
    return f"{_count(conversation)} loaded from {name}"


def _count(conversation: Conversation) -> str:
    count = len(conversation.messages)
    return f"{count} message{'s' if count > 1 else ''}"


def _clear(conversation: Conversation, _: str) -> str:
    conversation.clear()
    return "a new conversation, with the same system prompt" if conversation.system else "a new conversation"


def _help(conversation: Conversation, _: str) -> str:
    lines = [(f"{_spell(name)} {command.argument}".rstrip(), command.summary) for name, command in COMMANDS.items()]
    return "\n".join(f"{usage:<15}{summary}" for usage, summary in [*lines, *_KEYS])


def _spell(name: str) -> str:
    """Return a command and its aliases as the help shows them."""
    aliases = [alias for alias, target in ALIASES.items() if target == name]
    return ", ".join(f"/{spelling}" for spelling in [name, *aliases])


def _end(conversation: Conversation, _: str) -> str:
    raise EndOfChat


COMMANDS = {
    "system": Command("[TEXT]", 'show or set the system prompt; /system "" removes it', _set_system),
    "model": Command("[NAME]", "show or change the model", _set_model),
    "retry": Command("", "drop the last answer and ask again", _retry),
    "save": Command("FILE", "save the conversation, as a JSON list of messages", _save, requires_argument=True),
    "load": Command("FILE", "continue a saved conversation", _load, requires_argument=True),
    "clear": Command("", "begin a new conversation; the system prompt stays", _clear),
    "help": Command("", "show this", _help),
    "exit": Command("", "end the chat", _end),
}

ALIASES = {"new": "clear", "quit": "exit"}

_KEYS = [
    ('"""', "begins and ends a text of several lines"),
    ("//…", "sends a message that begins with a slash"),
    ("Ctrl-C", "stops the answer, or clears the line"),
    ("Ctrl-D", "ends the chat"),
]
