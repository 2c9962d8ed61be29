"""`g4f_legacy.Provider` as scripts of 2023 know ``g4f.Provider``.

Scripts read providers as its attributes, walk `dir()` of it, and import providers and helpers from below it. What the
folder itself does not have is resolved here, when it is used. This module imports nothing heavy, because the package
root imports it.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # as type checkers know it; importing `typing` takes a while
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FOLDERS = ("Providers", "deprecated", "needs_auth")
"""Folders of the old package that scripts import providers from."""

_MODULES = ("base_provider", "helper", "retry_provider")
"""Modules of the old package that are in `compat` here."""

_CLASSES = {
    **dict.fromkeys(["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "base_provider"),
    "RetryProvider": "retry_provider",
}


def install(package: ModuleType) -> None:
    """Give the package of the providers the attributes and submodules that it had in 2023."""
    if not isinstance(package, _ProviderPackage):  # it is one already when the package root is reloaded
        package.__class__ = _ProviderPackage
        sys.meta_path.append(_SubmoduleFinder(package.__name__))


class _ProviderPackage(ModuleType):
    def __setattr__(self, name: str, value: "Any") -> None:
        # The import system sets submodules as attributes of their package, without asking `__getattr__`.
        if isinstance(value, ModuleType) and hasattr(value, "_create_completion"):
            from .provider_module import wrap_module

            wrap_module(value)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> "Any":
        if name in _FOLDERS or name in _MODULES:
            return import_module(f"{self.__name__}.{name}")
        if name in _CLASSES:
            return getattr(import_module(f"{__package__}.{_CLASSES[name]}"), name)
        if name == "__all__":
            return ["BaseProvider", *dir(self)]
        if name == "__providers__":
            return [getattr(self, provider) for provider in dir(self)]
        if name == "__map__":
            return {provider: getattr(self, provider) for provider in dir(self)}
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _find_provider(name)

    def __dir__(self) -> "list[str]":
        # Scripts walk it for providers: it lists nothing else.
        from .. import registry
        from .placeholders import placeholder_names

        return sorted({*registry.all(), *placeholder_names()})


def _find_provider(name: str) -> "Any":
    from .. import registry
    from ..errors import ProviderNotFoundError

    try:
        return registry.get(name.rpartition(".")[2])  # scripts look providers up by their `__name__` as well
    except (ProviderNotFoundError, ImportError, TypeError) as error:
        raise AttributeError(str(error)) from error


class _SubmoduleFinder:
    """Finds what is not a file below the package: placeholders, and folders and modules of the old package."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, path: "Any", target: "Any" = None) -> "ModuleSpec | None":
        return alias_spec(fullname, self._resolve) if fullname.startswith(f"{self._package}.") else None

    def _resolve(self, fullname: str) -> ModuleType:
        from .placeholders import get_placeholder, placeholder_names

        parent, _, name = fullname.rpartition(".")
        if parent != self._package:  # in a folder of the old package
            return import_module(f"{self._package}.{name}")
        if name in _FOLDERS:
            folder = _ProviderPackage(fullname)
            folder.__path__ = []  # makes it a package, whose submodules are found here
            return folder
        if name in _MODULES:
            return import_module(f"{__package__}.{name}")
        if name in placeholder_names():
            return get_placeholder(name)
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def alias_spec(fullname: str, resolve: "Callable[[str], ModuleType]") -> ModuleSpec:
    """Return the spec for importing a module under another name than its own.

    Finders are called with the global import lock held. To wait there for a module that another thread imports would be
    a deadlock, so the module is only resolved when the spec is loaded
    (https://github.com/python/cpython/blob/3.13/Lib/importlib/_bootstrap.py, `_find_spec`).

    Args:
        fullname: the name that is imported.
        resolve: returns the module for that name, or raises ModuleNotFoundError.
    """
    return ModuleSpec(fullname, _AliasLoader(resolve))  # type: ignore[arg-type]


class _AliasLoader:
    """Loads a module that has a name of its own, and leaves it as it is.

    It does not derive from `importlib.abc.Loader`, because importing that takes longer than all of the package root.
    """

    def __init__(self, resolve: "Callable[[str], ModuleType]") -> None:
        self._resolve = resolve

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = self._resolve(spec.name)
        self._own_attributes = {name: getattr(module, name) for name in ("__spec__", "__loader__", "__package__")}
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(self._own_attributes)  # the import system has replaced them
