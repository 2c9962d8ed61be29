"""Hands out the providers by name: ``from g4f_legacy.Provider import H2o``. Each is imported when it is asked for."""

import sys
from types import ModuleType
from typing import Any, List

from .. import registry
from ..errors import ProviderNotFoundError


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # A provider that is imported by its path is set here by the import system, past `__getattr__` below.
        if isinstance(value, ModuleType) and hasattr(value, "_create_completion"):
            value = registry.adopt(value)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return list(registry.all())
    if name == "__providers__":
        return list(registry.all().values())
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        return registry.get(name)
    except (ProviderNotFoundError, ImportError, TypeError) as error:
        raise AttributeError(str(error)) from error


def __dir__() -> List[str]:
    return registry.names()


sys.modules[__name__].__class__ = _Package
