"""A small, synchronous client for the chat protocols that g4f spoke in 2023.

`ChatCompletion.create` completes a conversation. `Provider` has the providers, `registry.find` selects some of them,
and `errors` has the exceptions. All names are imported when they are used: importing the package imports nothing heavy.
"""

import sys

TYPE_CHECKING = False  # as type checkers know it: importing `typing`, `types` or `importlib` takes longer than the rest
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from . import Provider, api, debug, errors, gui, interference, models, options, registry
    from . import server as server  # noqa: F401
    from . import typing
    from ._version import __version__ as __version__  # noqa: F401
    from ._version import version as version  # noqa: F401
    from .compat.base_provider import AsyncGeneratorProvider, AsyncProvider, BaseProvider, ProviderUtils
    from .compat.redirects import redirect
    from .compat.retry_provider import RetryProvider
    from .completion import ChatCompletion, Completion, get_model_and_provider
    from .models import Model, ModelUtils
    from .typing import AsyncResult, CreateResult, Messages
else:
    ModuleType = type(sys)

# Switches that scripts of 2023 set. Nothing here checks for a newer version.
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
    "api",
    "debug",
    "errors",
    "get_model_and_provider",
    "gui",
    "interference",
    "models",
    "options",
    "redirect",
    "registry",
    "typing",
]

_MODULES = {
    **dict.fromkeys(
        ["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "compat.base_provider"
    ),
    **dict.fromkeys(["ChatCompletion", "Completion", "get_model_and_provider"], "completion"),
    **dict.fromkeys(["Model", "ModelUtils"], "models"),
    **dict.fromkeys(["AsyncResult", "CreateResult", "Messages"], "typing"),
    **dict.fromkeys(["__version__", "version"], "_version"),
    "RetryProvider": "compat.retry_provider",
    "redirect": "compat.redirects",
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: "Any") -> None:
        if name == "Provider":  # the import system has just imported it, however that came about
            from .compat.provider_package import install

            install(value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    if name == "provider":  # the spelling of one README of 2023
        name = "Provider"
    if name in __all__ or name == "server":  # which a star import leaves out, because importing it needs an extra
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":
    # Whatever is listed is imported by `help`, so `server`, which needs an extra, is listed only after it has been
    # imported.
    switches = {"__version__", "version", "check_version", "version_check", "logging"}
    special = {name for name in globals() if name.startswith("__") or name == "server"}
    return sorted({*__all__, *switches, *special} - {"__all__", "__dir__", "__getattr__"})
