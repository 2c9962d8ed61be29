"""Where providers come from: the files in `Provider`, and the entry points of other distributions.

No list is kept by hand. A distribution offers a provider by an entry point of the group ``g4f_legacy.providers`` whose
name is the provider's and whose value is the module. Nothing is imported here.
"""

import logging
import pkgutil
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from . import Provider

ENTRY_POINTS = "g4f_legacy.providers"

log = logging.getLogger(__name__)


class BrokenProvider(NamedTuple):
    """A file in `Provider` or an entry point that cannot be used as a provider, and why not."""

    name: str
    error: str


def classify_files() -> tuple[list[str], list[BrokenProvider]]:
    """Return the names of the files that are providers, and those of files whose names are taken.

    Packages are not providers, nor are names with a leading underscore. A name is taken in any case, because the
    environment variables of H2o and h2o, say, would be the same.
    """
    found = pkgutil.iter_modules(Provider.__path__)
    owners: dict[str, str] = {}
    refused = []
    for name in [module.name for module in found if not module.ispkg and not module.name.startswith("_")]:
        owner = owners.setdefault(name.lower(), name)
        if owner != name:
            refused.append(BrokenProvider(name, f"the name of the file {name}.py differs from {owner} only in case"))
    return list(owners.values()), refused


def classify_entry_points() -> tuple[dict[str, EntryPoint], list[BrokenProvider]]:
    """Return the usable entry points by name, and those that are malformed or whose names are taken in any case."""
    owners = {name.lower(): f"the built-in provider {name}" for name in classify_files()[0]}
    offered: dict[str, EntryPoint] = {}
    refused = []
    for entry_point in _read_entry_points(tuple(sys.path)):
        name, module = entry_point.name, entry_point.value
        owner = owners.get(name.lower(), module)
        if not entry_point.pattern.match(module):
            refused.append(BrokenProvider(name, f"the value of the entry point is not a module: {module}"))
        elif "." in name:
            refused.append(BrokenProvider(name, f"the name of the entry point for {module} contains a dot"))
        elif owner != module:
            refused.append(BrokenProvider(name, f"the entry point for {module} has the name of {owner}"))
        elif not name.startswith("_"):
            owners[name.lower()] = module
            offered[name] = entry_point
    return offered, refused


@lru_cache(maxsize=1)
def _read_entry_points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return what the distributions on `sys.path` offer.

    It is cached, because reading their files takes long, and scripts look up many names.

    Args:
        path: a copy of `sys.path`, as the key of the cache.
    """
    try:
        return tuple(entry_points(group=ENTRY_POINTS))
    except Exception as error:  # one malformed file fails them all
        log.warning("Providers of other distributions are left out: an entry_points.txt cannot be read: %s", error)
        return ()
