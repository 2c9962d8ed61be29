"""The synchronous provider modules of 2023: a ``for`` loop over a plain generator, one file per chat service.

The names below are handed out when they are asked for: importing the package imports nothing heavy.
"""

from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it; the module `typing` would take most of the import's time
if TYPE_CHECKING:
    from typing import Any, List

    from . import Provider, check, debug, errors, models, options, redirects, registry, runner, scan, server, typing
    from .base_provider import AsyncGeneratorProvider, AsyncProvider, BaseProvider, ProviderUtils
    from .completion import ChatCompletion, Completion, get_model_and_provider
    from .models import Model, ModelUtils
    from .redirects import redirect
    from .retry import RetryProvider
    from .typing import AsyncResult, CreateResult, Messages

__version__ = "0.1.0"

# Switches that scripts of 2023 set; nothing here asks anyone for a newer version.
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
    "check",
    "debug",
    "errors",
    "get_model_and_provider",
    "models",
    "options",
    "redirect",
    "redirects",
    "registry",
    "runner",
    "scan",
    "server",
    "typing",
]

_FROM = {
    **dict.fromkeys(["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "base_provider"),
    **dict.fromkeys(["ChatCompletion", "Completion", "get_model_and_provider"], "completion"),
    **dict.fromkeys(["Model", "ModelUtils"], "models"),
    **dict.fromkeys(["AsyncResult", "CreateResult", "Messages"], "typing"),
    "RetryProvider": "retry",
    "redirect": "redirects",
}


def __getattr__(name: str) -> "Any":
    if name in _FROM:
        return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
    if name == "provider":  # as one old README has it
        name = "Provider"
    if name in __all__ or name in ("cli", "commands"):  # these for the command line alone
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "List[str]":
    return sorted({*globals(), *__all__})
