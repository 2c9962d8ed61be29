"""Messages: checked, and converted to what a protocol sends."""

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

_SYSTEM_ROLES = ("system", "developer")
_ROLE_PREFIX = re.compile(r"^(system|user|assistant): ", re.IGNORECASE | re.MULTILINE)


class Message(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str


def check_messages(messages: Any) -> list[Message]:
    """Return the messages of a call, checked. The list itself is not changed.

    Args:
        messages: a list of mappings with a ``role`` and a ``content``, or of `Message` objects. The content is a string
            or a list of text parts (``{"type": "text", "text": …}``), which are joined by newlines.

    Raises:
        TypeError: the list, a message, a role or a content has a wrong type; the error names the message.
        ValueError: the list is empty, or a message lacks its role or content.
    """
    if not isinstance(messages, (list, tuple)):
        raise TypeError(
            f"messages must be a list like [{{'role': 'user', 'content': 'Hello'}}], not {type(messages).__name__}"
        )
    if not messages:
        raise ValueError("messages is empty: give at least one, like {'role': 'user', 'content': 'Hello'}")
    return [_check_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def format_prompt(messages: Any) -> str:
    """Return a conversation as a text for the model to continue: ``role: content`` lines, then ``assistant:``.

    Raises:
        TypeError: as `check_messages`.
        ValueError: as `check_messages`.
    """
    conversation = "\n".join(f"{message.role}: {message.content}" for message in check_messages(messages))
    return f"{conversation}\nassistant:"


def as_one_message(messages: Any) -> str:
    """Return a conversation as the text of one message: that of a single message, or as `format_prompt`.

    Raises:
        TypeError: as `check_messages`.
        ValueError: as `check_messages`.
    """
    checked = check_messages(messages)
    return checked[0].content if len(checked) == 1 else format_prompt(checked)


def name_roles(messages: Any, roles: Mapping[str, str]) -> list[Message]:
    """Return the messages with the protocol's names for their roles.

    A role that the protocol lacks, such as the name of a bot in an old script, becomes ``user``, with the role as a
    prefix of the content.

    Args:
        roles: lower-case roles, and the protocol's names for them.

    Raises:
        TypeError: as `check_messages`.
        ValueError: as `check_messages`.
    """
    named = []
    unknown_roles = []
    for message in check_messages(messages):
        role = message.role.strip()
        if role.lower() in roles:
            named.append(Message(roles[role.lower()], message.content))
        else:
            unknown_roles.append(role)
            named.append(Message(roles["user"], f"{role}: {message.content}"))
    if unknown_roles:
        names = ", ".join(dict.fromkeys(unknown_roles))
        log.info("Messages of %s are sent as the user's, with the role as a prefix.", names)
    return named


def split_system(messages: Any) -> tuple[str, list[Message]]:
    """Return the text of the system messages, and the other messages, for a protocol that sends these separately.

    Raises:
        TypeError: as `check_messages`.
        ValueError: as `check_messages`, or there are only system messages.
    """
    system_texts = []
    others = []
    for message in check_messages(messages):
        if message.role.strip().lower() in _SYSTEM_ROLES:
            system_texts.append(message.content)
        else:
            others.append(message)
    if not others:
        raise ValueError("messages has only system messages: give a user message")
    return "\n".join(system_texts), others


def read_prompt(prompt: str) -> list[dict[str, str]]:
    """Return the messages of a text that `format_prompt` returned. Any other text is one user message.

    A line of a message that begins like ``user: `` cannot be distinguished from the beginning of a message.
    """
    conversation, assistant, rest = prompt.rpartition("\nassistant:")
    before_first_role, *parts = _ROLE_PREFIX.split(conversation)
    if not assistant or rest.strip() or before_first_role or not parts:
        return [{"role": "user", "content": prompt}]
    roles, contents = parts[::2], parts[1::2]
    contents[:-1] = [content.removesuffix("\n") for content in contents[:-1]]  # the newline before the next role
    return [{"role": role.lower(), "content": content} for role, content in zip(roles, contents)]


def _check_message(message: Any, name: str) -> Message:
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise TypeError(f"{name} must be a mapping with 'role' and 'content', not {type(message).__name__}")
    for key in ("role", "content"):
        if key not in message:
            raise ValueError(f"{name} has no {key!r}")
    role = message["role"]
    if not isinstance(role, str):
        raise TypeError(f"{name}['role'] must be a string like 'user', not {type(role).__name__}")
    if not role.strip():
        raise ValueError(f"{name}['role'] is empty: give 'user', 'assistant' or 'system'")
    return Message(role, _check_content(message["content"], f"{name}['content']"))


def _check_content(content: Any, name: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        raise TypeError(f"{name} must be a string or a list of text parts, not {type(content).__name__}")
    return "\n".join(_check_part(part, f"{name}[{index}]") for index, part in enumerate(content))


def _check_part(part: Any, name: str) -> str:
    text = part
    if isinstance(part, Mapping) and part.get("type", "text") == "text":
        text = part.get("text")
    if not isinstance(text, str):
        raise ValueError(f"{name} is not a text part: only {{'type': 'text', 'text': …}} can be sent")
    return text
