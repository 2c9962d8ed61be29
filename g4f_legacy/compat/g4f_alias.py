"""``import g4f`` finds this package: in scripts that ``g4f-legacy run`` runs, and in the processes that they start.

Those processes get it from the folder `DROP_IN` on their ``PYTHONPATH``: when Python starts, it runs that folder's
``sitecustomize.py``, which imports this module. So nothing heavy is imported here.
"""

import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from .provider_package import alias_spec
from .vendored_copy import find_in_copy

TYPE_CHECKING = False  # as type checkers know it; importing `typing` takes a while
if TYPE_CHECKING:
    from collections.abc import Sequence

DROP_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drop_in")
"""The folder that gives other Python processes ``g4f``. In an archive, it is a path into that."""

_ROOT = __name__.partition(".")[0]

_MISSING_MODULES = {
    "cli": "use the command g4f-legacy",
    "requests": "it wrapped curl_cffi; use requests",
    "webdriver": "it drove a browser, which no provider here needs",
}
"""Modules of 2023 that are not here, and what to do instead."""


def install() -> None:
    """Let ``import g4f`` find this package from now on, whatever else has that name."""
    if any(isinstance(finder, G4fFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, G4fFinder())
    for name in [name for name in sys.modules if name.partition(".")[0] == "g4f"]:
        del sys.modules[name]  # another package of that name, which a .pth file imported when Python started


def export_path() -> None:
    """Put the folder at the front of ``PYTHONPATH``, for processes that are started from now on.

    A program in one file does not contain the folder, and sets nothing.
    """
    if not has_drop_in():
        return
    others = os.environ.get("PYTHONPATH")
    entries = others.split(os.pathsep) if others else []  # an empty entry is the current folder
    os.environ["PYTHONPATH"] = os.pathsep.join([DROP_IN, *(entry for entry in entries if entry != DROP_IN)])


def has_drop_in() -> bool:
    """Return whether the folder exists. It does not in a program that PyInstaller has built."""
    return PathFinder.find_spec("g4f", [DROP_IN]) is not None


class G4fFinder:
    """Finds ``g4f``, its submodules, and copies of it vendored in other packages, in this package.

    It does not derive from `importlib.abc.MetaPathFinder`, because importing that takes longer than all of this module.
    """

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None" = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parts = fullname.split(".")
        # What `from g4f import requests` looks for. It finds `cli`, which is this package's own.
        if parts in ([_ROOT, "requests"], [_ROOT, "webdriver"]):
            return alias_spec(fullname, lambda name: find_module(name.replace(_ROOT, "g4f")))
        if "g4f" not in parts:
            return None
        if parts[0] != "g4f":
            return find_in_copy(fullname, path, find_module)
        return alias_spec(fullname, find_module)


def find_module(fullname: str) -> ModuleType:
    """Return the module of this package that a name with ``g4f`` in it stands for.

    Raises:
        ModuleNotFoundError: this package has no such module; its `name` is `fullname` then.
    """
    parts = fullname.split(".")
    submodules = ["Provider" if name == "provider" else name for name in parts[parts.index("g4f") + 1 :]]
    root = import_module(_ROOT)  # scripts import the public root as `g4f`
    if not submodules:
        _make_requirements_importable()
        return root
    hint = _MISSING_MODULES.get(".".join(submodules), "g4f_legacy has no such module")
    missing = ModuleNotFoundError(f"No module named {fullname!r}: {hint}", name=fullname)
    if submodules[0] not in (*root.__all__, "server"):
        raise missing
    try:
        return import_module(".".join([_ROOT, *submodules]))
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == _ROOT:
            raise missing from None
        raise  # a requirement is missing


def _make_requirements_importable() -> None:
    """Let modules be found that lie next to this package, if this interpreter lacks them.

    That is the case in processes that are started by an application in an archive, or run by another interpreter than
    the one that this package is installed for.
    """
    from importlib.util import find_spec

    folder = os.path.dirname(import_module(_ROOT).__path__[0])
    if "requests" not in sys.modules and find_spec("requests") is None and folder not in sys.path:
        sys.path.append(folder)
