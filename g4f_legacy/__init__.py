"""The synchronous provider modules of 2023: a ``for`` loop over a plain generator, one file per chat service.

The names below are handed out when they are asked for: importing the package imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from . import Provider, check, errors, models, options, registry, server
    from .completion import ChatCompletion
    from .models import Model

__version__ = "0.1.0"

__all__ = ["ChatCompletion", "Model", "Provider", "check", "errors", "models", "options", "registry", "server"]

_ATTRIBUTES = {"ChatCompletion": "completion", "Model": "models"}


def __getattr__(name: str) -> Any:
    if name in _ATTRIBUTES:
        return getattr(import_module(f"{__name__}.{_ATTRIBUTES[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
