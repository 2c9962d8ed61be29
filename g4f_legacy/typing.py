"""The type names that scripts of 2023 import."""

from typing import (
    Any,
    AsyncGenerator,
    AsyncIterator,
    Dict,
    Generator,
    Iterator,
    List,
    NewType,
    Optional,
    Tuple,
    Type,
    TypedDict,
    Union,
    get_type_hints,
)

__all__ = [
    "Any",
    "AsyncGenerator",
    "AsyncIterator",
    "AsyncResult",
    "CreateResult",
    "Dict",
    "Generator",
    "Iterator",
    "List",
    "Message",
    "Messages",
    "NewType",
    "Optional",
    "SHA256",
    "Tuple",
    "Type",
    "TypedDict",
    "Union",
    "get_type_hints",
    "sha256",
]

SHA256 = NewType("SHA256", str)
sha256 = SHA256
CreateResult = Iterator[str]
AsyncResult = AsyncIterator[str]
Message = dict[str, str]
Messages = list[Message]
