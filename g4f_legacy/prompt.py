"""Messages: checked, and written out as the text that a protocol wants."""

import logging
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

log = logging.getLogger("g4f_legacy")

_SYSTEM = ("system", "developer")


class Message(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str


def check_messages(messages: Any) -> List[Message]:
    """Reads the messages of a call: a list of mappings with a ``role`` and a ``content``, which is a text or a list of
    text parts (``{"type": "text", "text": …}``; they are joined by newlines). The list itself is left alone. What was
    read already is given as it is.

    Raises:
        TypeError: something is of the wrong type; the error says which message.
        ValueError: there is no message, or one lacks its role or content.
    """
    if not isinstance(messages, (list, tuple)):
        raise TypeError(
            f"messages must be a list like [{{'role': 'user', 'content': 'Hello'}}], not {type(messages).__name__}"
        )
    if not messages:
        raise ValueError("messages is empty: give at least one, like {'role': 'user', 'content': 'Hello'}")
    return [_check_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def format_prompt(messages: Any) -> str:
    """Writes a conversation out for a model to go on with: one line ``role: content`` a message, then ``assistant:``.

    Raises:
        TypeError, ValueError: as `check_messages`.
    """
    conversation = "\n".join(f"{message.role}: {message.content}" for message in check_messages(messages))
    return f"{conversation}\nassistant:"


def name_roles(messages: Any, roles: Mapping[str, str]) -> List[Message]:
    """Gives each message the role that a protocol has for it. A role that it has not, such as the name that a bot has
    in an old script, goes as ``user`` with the role before the text.

    Args:
        roles: role, in lower case, to the protocol's name for it.

    Raises:
        TypeError, ValueError: as `check_messages`.
    """
    named = []
    others = []
    for message in check_messages(messages):
        role = message.role.strip()
        if role.lower() not in roles:
            others.append(role)
            message = Message("user", f"{role}: {message.content}")
        named.append(Message(roles[message.role.strip().lower()], message.content))
    if others:
        log.info("Messages of %s go as the user's, with that before the text.", ", ".join(dict.fromkeys(others)))
    return named


def split_system(messages: Any) -> Tuple[str, List[Message]]:
    """Takes the system's messages out of the others, for a protocol that has another place for them.

    Raises:
        TypeError, ValueError: as `check_messages`; or there are no others.
    """
    checked = check_messages(messages)
    others = [message for message in checked if message.role.strip().lower() not in _SYSTEM]
    if not others:
        raise ValueError("messages has only system messages: give one of the user's")
    return "\n".join(message.content for message in checked if message not in others), others


def read_prompt(prompt: str) -> List[Dict[str, str]]:
    """Reads a conversation that `format_prompt` wrote out. Any other text is one message of the user's.

    A line of a message that begins like ``user: `` cannot be told from the beginning of a message.
    """
    conversation, assistant, rest = prompt.rpartition("\nassistant:")
    parts = re.split(r"^(system|user|assistant): ", conversation, flags=re.IGNORECASE | re.MULTILINE)
    if not assistant or rest.strip() or parts[0] or len(parts) == 1:
        return [{"role": "user", "content": prompt}]
    contents = [*(content[:-1] for content in parts[2:-1:2]), parts[-1]]  # all but the last have a line end behind them
    return [{"role": role.lower(), "content": content} for role, content in zip(parts[1::2], contents)]


def as_one_message(messages: Any) -> str:
    """A conversation for a host that takes one message: a single one as it is, several as `format_prompt` writes them.

    Raises:
        TypeError, ValueError: as `check_messages`.
    """
    checked = check_messages(messages)
    return checked[0].content if len(checked) == 1 else format_prompt(messages)


def _check_message(message: Any, where: str) -> Message:
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise TypeError(f"{where} must be a mapping with 'role' and 'content', not {type(message).__name__}")
    for key in ("role", "content"):
        if key not in message:
            raise ValueError(f"{where} has no {key!r}")
    role = message["role"]
    if not isinstance(role, str):
        raise TypeError(f"{where}['role'] must be a text like 'user', not {type(role).__name__}")
    if not role.strip():
        raise ValueError(f"{where}['role'] is empty: give 'user', 'assistant' or 'system'")
    return Message(role, _check_content(message["content"], f"{where}['content']"))


def _check_content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        raise TypeError(f"{where} must be a text or a list of text parts, not {type(content).__name__}")
    return "\n".join(_check_part(part, f"{where}[{index}]") for index, part in enumerate(content))


def _check_part(part: Any, where: str) -> str:
    text = part.get("text") if isinstance(part, Mapping) and part.get("type", "text") == "text" else part
    if not isinstance(text, str):
        raise ValueError(f"{where} is no text part: only {{'type': 'text', 'text': …}} can be sent")
    return text
