"""A small, synchronous client for the chat protocols that g4f spoke in 2023.

The names below are imported when they are used: importing the package imports nothing heavy.
"""

from importlib import import_module

from . import Provider
from ._version import __version__
from .compat.provider_package import install

TYPE_CHECKING = False  # as type checkers know it; importing `typing` would take most of the package's import time
if TYPE_CHECKING:
    from typing import Any

    from . import debug, errors, models, options, registry, server, typing
    from .compat.base_provider import AsyncGeneratorProvider, AsyncProvider, BaseProvider, ProviderUtils
    from .compat.redirects import redirect
    from .compat.retry_provider import RetryProvider
    from .completion import ChatCompletion, Completion, get_model_and_provider
    from .models import Model, ModelUtils
    from .typing import AsyncResult, CreateResult, Messages

# Switches that scripts of 2023 set. Nothing here checks for a newer version.
version = __version__
check_version = version_check = False
logging = False

__all__ = [
    "AsyncGeneratorProvider",
    "AsyncProvider",
    "AsyncResult",
    "BaseProvider",
    "ChatCompletion",
    "Completion",
    "CreateResult",
    "Messages",
    "Model",
    "ModelUtils",
    "Provider",
    "ProviderUtils",
    "RetryProvider",
    "debug",
    "errors",
    "get_model_and_provider",
    "models",
    "options",
    "redirect",
    "registry",
    "server",
    "typing",
]

_MODULES = {
    **dict.fromkeys(
        ["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "compat.base_provider"
    ),
    **dict.fromkeys(["ChatCompletion", "Completion", "get_model_and_provider"], "completion"),
    **dict.fromkeys(["Model", "ModelUtils"], "models"),
    **dict.fromkeys(["AsyncResult", "CreateResult", "Messages"], "typing"),
    "RetryProvider": "compat.retry_provider",
    "redirect": "compat.redirects",
}

install(Provider)


def __getattr__(name: str) -> "Any":
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    if name == "provider":  # the spelling of one README of 2023
        return Provider
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
