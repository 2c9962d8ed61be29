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
    from types import CodeType
    from typing import Any

_FOLDERS = ("Providers", "deprecated", "needs_auth")
"""Folders of the old package that scripts import providers from."""

_MODULES = ("base_provider", "helper", "retry_provider")
"""Modules of the old package that are in `compat` here."""

_MISSING_FOLDERS = ("npm", "selenium", "unfinished", "webdriver")
"""Folders of the old package that are not here."""

_MISSING_FOLDER = (
    "there is no Provider.{} in g4f_legacy, and no provider needs it: import providers from g4f.Provider; "
    "g4f-legacy providers --all lists them"
)

_NOT_PROVIDERS = ("Provider", "Providers")
"""What scripts of June 2023 found next to the providers: the template for new ones, and their folder."""

_CLASSES = {
    **dict.fromkeys(["AsyncGeneratorProvider", "AsyncProvider", "BaseProvider", "ProviderUtils"], "base_provider"),
    "RetryProvider": "retry_provider",
}

_STAR_IMPORTED = ("AsyncProvider", "AsyncGeneratorProvider", "RetryProvider")
"""Classes that a star import gets. They follow the providers: scripts take all names but the first as providers."""


def install(package: ModuleType) -> None:
    """Give the package of the providers the attributes and submodules that it had in 2023."""
    if not isinstance(package, _ProviderPackage):  # it is one already when the package root is reloaded
        package.__class__ = _ProviderPackage
        sys.meta_path.append(_SubmoduleFinder(package.__name__))


class _ProviderPackage(ModuleType):
    def __setattr__(self, name: str, value: "Any") -> None:
        # The import system sets submodules as attributes of their package, without asking `__getattr__`. A broken one
        # may lack anything: the registry says so when it is asked for it.
        if isinstance(value, ModuleType) and hasattr(value, "_create_completion") and hasattr(value, "url"):
            from .provider_module import wrap_module

            wrap_module(value)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> "Any":
        if name == "__all__":
            return ["BaseProvider", *_provider_names(), *_STAR_IMPORTED]
        if name == "__providers__":
            return [getattr(self, provider) for provider in _provider_names()]
        if name == "__map__":
            return {provider: getattr(self, provider) for provider in _provider_names()}
        if name == "__modules__":
            return [getattr(self, listed) for listed in dir(self)]
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        name = name.rpartition(".")[2]  # scripts look providers up by their `__name__` as well
        if name in _FOLDERS or name in _MODULES:
            return import_module(f"{self.__name__}.{name}")
        if name in _CLASSES:
            return getattr(import_module(f"{__package__}.{_CLASSES[name]}"), name)
        return _find_provider(name)

    def __dir__(self) -> "list[str]":
        # Scripts walk it for providers: what else it lists looks like providers that do not work.
        return sorted([*_provider_names(), *_NOT_PROVIDERS])


class _ProviderFolder(_ProviderPackage):
    """A folder of the old package: a package with all providers, and to scripts a provider that does not work."""

    url = params = ""
    model: "list[str]" = []
    models: "dict[str, str]" = {}
    model_aliases: "dict[str, str]" = {}
    working = needs_auth = supports_stream = supports_message_history = False
    supports_gpt_35_turbo = supports_gpt_4 = False

    def __dir__(self) -> "list[str]":
        return _provider_names()


def _provider_names() -> "list[str]":
    from .. import registry
    from .placeholders import placeholder_names

    return sorted({*registry.all(), *placeholder_names()})


def _find_provider(name: str) -> "Any":
    from .. import registry
    from ..errors import ProviderNotFoundError

    try:
        return registry.get(name)
    except (ProviderNotFoundError, ImportError, TypeError) as error:
        raise AttributeError(str(error)) from error


class _SubmoduleFinder:
    """Finds what is not a file below the package: placeholders, and folders and modules of the old package."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, path: "Any", target: "Any" = None) -> "ModuleSpec | None":
        return alias_spec(fullname, self._resolve) if fullname.startswith(f"{self._package}.") else None

    def _resolve(self, fullname: str) -> ModuleType:
        from .placeholders import get_placeholder

        parent, _, name = fullname.rpartition(".")
        if parent != self._package:  # in a folder of the old package
            return import_module(f"{self._package}.{name}")
        if name in _FOLDERS:
            folder = _ProviderFolder(fullname)
            folder.__path__ = []  # makes it a package, whose submodules are found here
            return folder
        if name in _MODULES:
            return import_module(f"{__package__}.{name}")
        if name in _MISSING_FOLDERS:
            # Under its name of 2023: an error with `fullname` would be ignored by `from g4f.Provider import selenium`.
            raise ModuleNotFoundError(_MISSING_FOLDER.format(name), name=f"g4f.Provider.{name}")
        try:
            return get_placeholder(name)
        except KeyError:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname) from None


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
        self._own_attributes: "dict[str, Any]" = {}

    def get_code(self, fullname: str) -> "CodeType":
        """Return code that runs the module under its own name, which its relative imports need, for ``-m``."""
        own_name = self._resolve(fullname).__name__
        return compile(f"from {own_name} import main; main()", f"<{own_name}>", "exec")

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = self._resolve(spec.name)
        self._own_attributes = {name: getattr(module, name) for name in ("__spec__", "__loader__", "__package__")}
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(self._own_attributes)  # the import system has replaced them
