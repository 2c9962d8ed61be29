"""Copies of g4f that scripts have in a package of their own, such as ``lib.g4f``.

What this package has is taken from it. The other modules of such a copy, such as ``lib.g4f.utils`` and
``lib.g4f.Provider.MyBot``, are the author's own, and are imported from their files.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from .provider_package import alias_spec

TYPE_CHECKING = False  # as type checkers know it; importing `typing` takes a while
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def find_in_copy(
    fullname: str, path: "Sequence[str] | None", resolve: "Callable[[str], ModuleType]"
) -> ModuleSpec | None:
    """Return the spec for a copy of g4f or a module below it, or None if Python itself shall find it.

    Args:
        fullname: a name that contains ``g4f``, but does not start with it.
        path: where the parent package has its submodules.
        resolve: returns the module of this package for that name, or raises ModuleNotFoundError with that name.
    """
    parent, _, name = fullname.rpartition(".")
    real_name = getattr(sys.modules.get(parent), "__name__", parent)
    if "g4f" in parent.split(".") and real_name != parent:  # a package of ours, where the copy has no files
        return alias_spec(fullname, resolve)
    spec = PathFinder.find_spec(fullname, path)
    if spec is None:
        return alias_spec(fullname, resolve)
    if name == "g4f" and spec.submodule_search_locations is None:
        return None  # a single file of the author's own that is called g4f.py
    spec.loader = _CopyLoader(spec.loader, resolve)  # type: ignore[assignment]
    return spec


class _CopyLoader:
    """Loads the module of this package or, where that has none, the file of the copy.

    Which of the two is decided here rather than by the finder, for the reason that `alias_spec` states.
    """

    def __init__(self, copy_loader: "Any", resolve: "Callable[[str], ModuleType]") -> None:
        self._copy_loader = copy_loader
        self._resolve = resolve

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        try:
            module = self._resolve(spec.name)
        except ModuleNotFoundError as error:
            if error.name != spec.name:
                raise
            spec.loader = self._copy_loader  # which the import system asks from now on
            return spec.loader.create_module(spec) if spec.loader else None
        if spec.submodule_search_locations is not None:
            return _Copy(spec, module)
        spec.has_location, spec.origin = False, None
        spec.loader = alias_spec(spec.name, self._resolve).loader
        return spec.loader.create_module(spec) if spec.loader else None

    def exec_module(self, module: ModuleType) -> None:
        pass  # the package of a copy: its `__init__.py` is not run


class _Copy(ModuleType):
    """The package of a copy of g4f: it has the attributes of the original's package, and the copy's own modules."""

    def __init__(self, spec: ModuleSpec, original: ModuleType) -> None:
        super().__init__(spec.name, original.__doc__)
        self.__dict__.update(_original=original, __file__=spec.origin, __path__=spec.submodule_search_locations)

    def __getattr__(self, name: str) -> "Any":
        value = getattr(self._original, name, None)
        if (value is None or isinstance(value, ModuleType)) and self._has_file(name):
            module = import_module(f"{self.__name__}.{name}")
            return vars(self).get(name, module)  # `__setattr__` may have stored the class of that name
        return getattr(self._original, name)

    def __setattr__(self, name: str, value: "Any") -> None:
        if sys.modules.get(f"{self.__name__}.{name}") is value:  # the import system has just imported it
            own = getattr(value, name, value)
            super().__setattr__(name, own if isinstance(own, type) else value)  # `from .MyBot import MyBot`
        elif name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(self._original, name, value)

    def __dir__(self) -> "list[str]":
        return dir(self._original)

    def _has_file(self, name: str) -> bool:
        return PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None
