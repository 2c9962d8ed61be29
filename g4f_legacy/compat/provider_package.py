"""`g4f_legacy.Provider` as scripts of 2023 know ``g4f.Provider``.

Scripts read providers as its attributes, walk `dir()` of it, and import providers and helpers from below it. What the
folder itself does not have is resolved here, when it is used. This module imports nothing heavy, because the package
root imports it.
"""

from importlib import import_module
from importlib.machinery import ModuleSpec
import sys
from types import ModuleType

TYPE_CHECKING = False  # as type checkers know it; importing `typing` takes a while
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_COMPAT = __name__.rpartition(".")[0]

_FOLDERS = ("Providers", "deprecated", "needs_auth")
"""Folders of the old package that scripts import providers from."""

_MODULES = ("base_provider", "helper", "retry_provider")
"""Modules of the old package that are below `compat` here."""

_CLASSES = {
    **dict.fromkeys(["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "base_provider"),
    "RetryProvider": "retry_provider",
}


def install(package: ModuleType) -> None:
    """Give the package of the providers the attributes and submodules that it had in 2023."""
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
        if name in _FOLDERS:
            return self
        if name in _MODULES:
            return import_module(f"{_COMPAT}.{name}")
        if name in _CLASSES:
            return getattr(import_module(f"{_COMPAT}.{_CLASSES[name]}"), name)
        if name == "__all__":
            return ["BaseProvider", *dir(self)]
        if name == "__providers__":
            return [getattr(self, provider) for provider in dir(self)]
        if name == "__map__":
            return {provider: getattr(self, provider) for provider in dir(self)}
        if name.startswith("__"):
            raise AttributeError(name)
        return self._find_provider(name)

    def _find_provider(self, name: str) -> "Any":
        from .. import registry
        from ..errors import ProviderNotFoundError

        try:
            return registry.get(name.rpartition(".")[2])  # scripts look providers up by their `__name__` as well
        except (ProviderNotFoundError, ImportError, TypeError) as error:
            raise AttributeError(str(error)) from error

    def __dir__(self) -> "list[str]":
        # Scripts walk it for providers: it lists nothing else.
        from .. import registry
        from .placeholders import placeholder_names

        return sorted({*registry.all(), *placeholder_names()})


class _SubmoduleFinder:
    """Finds what scripts of 2023 import from below ``g4f.Provider``, and placeholders as if they were files there."""

    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."

    def find_spec(self, fullname: str, path: "Sequence[str] | None", target: "Any" = None) -> "ModuleSpec | None":
        name = fullname.removeprefix(self._prefix)
        if name == fullname:
            return None
        module = self._find_module(name)
        if module is None:
            return None
        return ExistingModuleLoader(module).create_spec(fullname)

    def _find_module(self, name: str) -> "Any":
        from .placeholders import get_placeholder, placeholder_names

        if name in _FOLDERS:
            return sys.modules[self._prefix[:-1]]
        if name in _MODULES:
            return import_module(f"{_COMPAT}.{name}")
        return get_placeholder(name) if name in placeholder_names() else None


class ExistingModuleLoader:
    """Loads a module that exists already, for an import under another name.

    It does not derive from `importlib.abc.Loader`, because importing that takes longer than all of this package's root.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_spec(self, fullname: str) -> ModuleSpec:
        """Create the spec that a finder returns for the module."""
        return ModuleSpec(fullname, self, is_package=hasattr(self._module, "__path__"))  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has replaced it
