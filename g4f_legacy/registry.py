"""Which providers there are: the modules in `Provider`, those that other distributions offer, and the stand-ins for
those of 2023 that are gone.

No list is kept by hand. A distribution offers a provider by an entry point of the group ``g4f_legacy.providers`` whose
name is the provider's and whose value is the module.
"""

import logging
import pkgutil
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, Optional

from . import stand_ins
from .errors import ProviderNotFoundError
from .provider_module import ProviderModule
from .redirects import is_gone

ENTRY_POINTS = "g4f_legacy.providers"

log = logging.getLogger("g4f_legacy")


def names() -> List[str]:
    """The names of all live providers, in alphabetical order. Imports none of them."""
    return sorted({*_built_in(), *_offered()})


def get(name: str) -> ProviderModule:
    """The provider of that name: imported, or a stand-in.

    Raises:
        ProviderNotFoundError: there is none; the error names the nearest.
        ImportError, TypeError: a provider of another distribution cannot be imported, or is none.
    """
    if name in _built_in():
        module = import_module(f"{__package__}.Provider.{name}")
    elif name in _offered():
        module = _offered()[name].load()
    elif name in stand_ins.names():
        return stand_ins.get(name)
    else:
        known = [*names(), *stand_ins.names()]
        nearest = get_close_matches(name.lower(), [known_name.lower() for known_name in known], n=1)
        guess = next((f"did you mean {known_name}? " for known_name in known if [known_name.lower()] == nearest), "")
        raise ProviderNotFoundError(f"there is no provider {name!r}: {guess}There are {', '.join(names())}.")
    return adopt(module)


def all() -> Dict[str, ProviderModule]:
    """Imports all live providers. Those of other distributions that cannot be imported are logged and left out."""
    found = {}
    for name in names():
        try:
            found[name] = get(name)
        except Exception as error:  # whatever another distribution does wrong, the others go on working
            if name in _built_in():
                raise
            log.warning("The provider %s cannot be imported: %s", name, error)
    return found


def list_models(provider: Any, options: Dict[str, Any]) -> Optional[List[str]]:
    """Asks a provider's host which models it has.

    Args:
        provider: a provider module.
        options: of the call, such as ``base_url``.

    Returns:
        What the host lists; None where no host can be asked: the protocol has no way to, or the public host is gone.

    Raises:
        AuthenticationRequiredError, ProviderError, TypeError, ValueError: as a completion.
    """
    if not hasattr(provider, "_list_models") or is_gone(provider, options):
        return None
    listed: List[str] = provider._list_models(**options)
    return listed


def check(provider: Any) -> None:
    """Raises a TypeError that says what an object lacks to be a provider."""
    names = ("__name__", "url", "model", "models", "supports_stream", "needs_auth", "working", "_create_completion")
    lacking = [name for name in names if not hasattr(provider, name)]
    if lacking:
        raise TypeError(f"{getattr(provider, '__name__', provider)} is no provider: it lacks {', '.join(lacking)}")


def adopt(module: ModuleType) -> ProviderModule:
    """Makes a provider module a `ProviderModule`, which has itself under its own name."""
    if not isinstance(module, ProviderModule):
        check(module)
        module.__class__ = ProviderModule
        module._public_url = module.url  # type: ignore[attr-defined]
        setattr(module, module.__name__.rpartition(".")[2], module)
    return module  # type: ignore[return-value]


def _built_in() -> List[str]:
    folder = str(Path(__file__).with_name("Provider"))
    return [module.name for module in pkgutil.iter_modules([folder]) if not module.ispkg]


def _offered() -> Dict[str, EntryPoint]:
    if sys.version_info >= (3, 10):
        found = entry_points(group=ENTRY_POINTS)
    else:
        found = entry_points().get(ENTRY_POINTS, ())
    return {entry_point.name: entry_point for entry_point in found}
