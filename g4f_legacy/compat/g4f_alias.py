"""``import g4f`` finds this package."""

from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from .provider_package import alias_spec

# The public root, which scripts import as `g4f`.
_g4f = import_module(__name__.partition(".")[0])


class G4fFinder(MetaPathFinder):
    """Finds ``g4f``, its submodules, and copies of it vendored in other packages, in this package."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        parts = fullname.split(".")
        if "g4f" not in parts:
            return None
        if parts[0] != "g4f" and parts[-1] == "g4f":
            own = PathFinder.find_spec(fullname, path)
            if own is not None and own.submodule_search_locations is None:
                return None  # a single file of the script's own that is called g4f.py
        return alias_spec(fullname, _find_module)


def _find_module(fullname: str) -> ModuleType:
    """Return the module of this package that a name with ``g4f`` in it stands for."""
    parts = fullname.split(".")
    submodules = ["Provider" if name == "provider" else name for name in parts[parts.index("g4f") + 1 :]]
    module: Any = _g4f if not submodules or submodules[0] in _g4f.__all__ else None
    for name in submodules:
        module = getattr(module, name, None)
    if not isinstance(module, ModuleType):
        raise ModuleNotFoundError(f"No module named {fullname!r}: g4f_legacy has no such module", name=fullname)
    return module
