"""Models as objects, the way scripts of 2023 name them."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Model:
    """A model by name.

    Attributes:
        name: the short name, or what the host calls it.
        base_provider: who made it.
        best_provider: the provider that is asked when a call names none: a module or a name.
    """

    name: str
    base_provider: str = ""
    best_provider: Any = None
