"""The providers: the modules in `Provider`, and those of other distributions.

No list is kept by hand. A distribution offers a provider by an entry point of the group ``g4f_legacy.providers`` whose
name is the provider's and whose value is the module. One that is broken does not affect the others: it is logged once.
"""

import logging
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from . import Provider
from .availability import is_unavailable, is_usable
from .contract import check_module
from .contract import check_provider as check_provider  # noqa: F401  # for whoever calls a provider
from .credentials import wrap_secrets
from .errors import ProviderNotFoundError
from .options import has_working_public_server

ENTRY_POINTS = "g4f_legacy.providers"

_MIN_SIMILARITY = 0.75  # of names, as `difflib` measures it
_MIN_TYPO_LENGTH = 4  # in characters; shorter names are similar by chance

log = logging.getLogger(__name__)

placeholder_names: Callable[[], list[str]] = list
"""Returns further names that `get` knows. `compat.placeholders` sets it, because it imports this module."""

_warned: dict["BrokenProvider", object] = {}


class BrokenProvider(NamedTuple):
    """A file in `Provider` or an entry point that cannot be used as a provider, and why not."""

    name: str
    error: str


def names() -> list[str]:
    """Return the names of all providers in alphabetical order, placeholders left out. Nothing is imported."""
    offered, _ = _sort_entry_points()
    return sorted({*_builtin_names(), *offered})


def get(name: str) -> Any:
    """Import a provider, or return the placeholder of that name.

    Raises:
        ProviderNotFoundError: no provider has that name; the message suggests the nearest.
        ImportError: importing the provider fails; the message tells why.
        TypeError: it is not a module, or an attribute is missing or wrong.
    """
    if name in _builtin_names():
        module = _import_provider(name, partial(import_module, f"{Provider.__name__}.{name}"))
    elif name in (offered := _sort_entry_points()[0]):
        module = _import_provider(name, offered[name].load)
    else:
        module = _import_placeholder(name)
    setattr(Provider, name, module)  # as the import system does; `compat.provider_package` then adds the names of 2023
    return module


def all() -> dict[str, Any]:
    """Import and return all providers, by name. Those that are broken are logged once, and left out."""
    return import_all()[0]


def import_all() -> tuple[dict[str, Any], list[BrokenProvider]]:
    """Import all providers, and return them by name, and those that are broken, in the order of their names."""
    found = {}
    _, broken = _sort_entry_points()
    for name in names():
        try:
            found[name] = get(name)
        except (ImportError, TypeError) as error:
            broken.append(BrokenProvider(name, str(error)))
    broken.sort()
    for provider in broken:
        _warn_once(provider)
    return found, broken


def find(
    *,
    stream: bool | None = None,
    needs_auth: bool | None = None,
    working: bool | None = None,
    usable: bool | None = None,
    model: str | None = None,
) -> list[Any]:
    """Return the providers that match all conditions, in the order of their names; None means any.

    Args:
        stream: whether the provider supports streams.
        needs_auth: whether its public server needs credentials.
        working: whether its public server of 2023 still responds.
        usable: whether a call would reach a server now: the public one, a configured one or the redirect target, with
            the credentials that it needs. See `availability.is_usable`.
        model: a short name or model id that the provider lists, in upper or lower case.
    """
    conditions = {"stream": stream, "needs_auth": needs_auth, "working": working, "usable": usable, "model": model}
    return [provider for provider in all().values() if matches(provider, conditions)]


def matches(provider: Any, conditions: Mapping[str, Any]) -> bool:
    """Return whether a provider matches all conditions, which are the arguments of `find` by name."""
    facts = {
        "stream": provider.supports_stream,
        "needs_auth": provider.needs_auth,
        "working": has_working_public_server(provider),
    }
    if any(conditions.get(name) not in (None, fact) for name, fact in facts.items()):
        return False
    model, usable = conditions.get("model"), conditions.get("usable")
    if model is not None and model.lower() not in _lowered_models(provider):
        return False
    return usable is None or is_usable(provider, {}) == usable


def _lowered_models(provider: Any) -> set[str]:
    listed = (*provider.model, *provider.models, *provider.models.values())
    return {model.lower() for model in listed}


def list_models(provider: Any, options: Mapping[str, Any]) -> list[str] | None:
    """Ask a provider's server which models it has.

    Args:
        provider: a provider module.
        options: the options of the call, such as ``base_url``.

    Returns:
        The model ids, or None if the protocol cannot list them or the server is gone.

    Raises:
        AuthenticationRequiredError: credentials are missing.
        ProviderError: the server failed.
        TypeError: an option has a wrong type.
        ValueError: an option has a wrong value.
    """
    options = dict(options)
    wrap_secrets(options)
    if not hasattr(provider, "_list_models") or is_unavailable(provider, options):
        return None
    listed: list[str] = provider._list_models(**options)
    return listed


def _import_provider(name: str, load: Callable[[], Any]) -> Any:
    try:
        module = load()
    except (Exception, SystemExit) as error:  # whatever its code raises
        reason = str(error) if isinstance(error, (ImportError, SyntaxError)) else f"{type(error).__name__}: {error}"
        raise ImportError(f"{name} cannot be imported: {reason}") from error
    if getattr(module, "_registered_name", None) == name:
        return module  # it was checked before; scripts may change its attributes since
    try:
        check_module(module)
        _check_other_name(module, name)
    except TypeError:
        vars(Provider).pop(name, None)  # set by the import system
        raise
    module._registered_name = name  # which may differ from that of the module
    return module


def _check_other_name(module: Any, name: str) -> None:
    """Raise a TypeError if a module is a provider by another name: it would get that of the last entry point."""
    folder, _, file_name = vars(module)["__name__"].rpartition(".")
    other = getattr(module, "_registered_name", file_name if folder == Provider.__name__ else name)
    if other != name:
        raise TypeError(f"the entry point {name} names the module of another provider: {other}")


def _import_placeholder(name: str) -> Any:
    if not name or "." in name or name.startswith("_"):
        raise _not_found(name)
    path = f"{Provider.__name__}.{name}"
    try:
        module = import_module(path)  # finds placeholders: see `compat.provider_package`
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise _not_found(name) from None
    if not hasattr(module, "_create_completion"):
        raise _not_found(name)
    return module


def _builtin_names() -> list[str]:
    """Return the names of the files that are providers: not those of packages, and none with a leading underscore."""
    found = pkgutil.iter_modules(Provider.__path__)
    return [module.name for module in found if not module.ispkg and not module.name.startswith("_")]


def _sort_entry_points() -> tuple[dict[str, EntryPoint], list[BrokenProvider]]:
    """Return the entry points of providers by name, and those that are malformed or whose names are taken.

    A name is taken in any case, because the environment variables of H2o and h2o, say, would be the same.
    """
    owners = {name.lower(): f"the built-in provider {name}" for name in _builtin_names()}
    offered: dict[str, EntryPoint] = {}
    refused = []
    for entry_point in _read_entry_points(entry_points, tuple(sys.path)):
        name, module = entry_point.name, entry_point.value
        owner = owners.setdefault(name.lower(), module)
        if not entry_point.pattern.match(module):
            refused.append(BrokenProvider(name, f"the value of the entry point is not a module: {module}"))
        elif "." in name:
            refused.append(BrokenProvider(name, f"the name of the entry point for {module} contains a dot"))
        elif owner != module:
            refused.append(BrokenProvider(name, f"the entry point for {module} has the name of {owner}"))
        elif not name.startswith("_"):
            offered[name] = entry_point
    return offered, refused


@lru_cache(maxsize=1)
def _read_entry_points(read: Callable[..., Iterable[EntryPoint]], path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return what the distributions on a path offer. Reading their files takes long, and scripts look up many names.

    The arguments are the key of the cache.
    """
    try:
        return tuple(read(group=ENTRY_POINTS))
    except Exception as error:  # one malformed file fails them all
        log.warning("Providers of other distributions are left out: an entry_points.txt cannot be read: %s", error)
        return ()


def _warn_once(provider: BrokenProvider) -> None:
    marker = object()
    if _warned.setdefault(provider, marker) is marker:  # atomic, because several threads may import the providers
        log.warning("A provider named %s is left out: %s", provider.name, provider.error)


def _not_found(name: str) -> ProviderNotFoundError:
    nearest = _find_nearest_name(name)
    suggestion = f": did you mean {nearest}?" if nearest else "."
    return ProviderNotFoundError(f"there is no provider {name!r}{suggestion} There are {', '.join(names())}.")


def _find_nearest_name(name: str) -> str | None:
    known = {_fold(known_name): known_name for known_name in [*placeholder_names(), *names()]}
    folded = _fold(name)
    if folded in known or len(name) < _MIN_TYPO_LENGTH:
        return known.get(folded)
    nearest = get_close_matches(folded, known, n=1, cutoff=_MIN_SIMILARITY)
    return known[nearest[0]] if nearest else None


def _fold(name: str) -> str:
    return name.lower().replace("0", "o")
