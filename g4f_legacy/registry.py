"""The providers: the modules in `Provider`, and those of other distributions.

No list is kept by hand. A distribution offers a provider by an entry point of the group ``g4f_legacy.providers`` whose
name is the provider's and whose value is the module.
"""

import logging
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from . import Provider
from .availability import is_unavailable, is_usable
from .credentials import wrap_secrets
from .errors import ProviderNotFoundError
from .options import has_working_public_server

ENTRY_POINTS = "g4f_legacy.providers"

log = logging.getLogger(__name__)

placeholder_names: Callable[[], list[str]] = list
"""Returns further names that `get` knows. `compat.placeholders` sets it, because it imports this module."""

_CONTRACT = ("__name__", "url", "model", "models", "supports_stream", "needs_auth", "working", "_create_completion")


def names() -> list[str]:
    """Return the names of all providers in alphabetical order, placeholders left out. Nothing is imported."""
    return sorted({*_builtin_names(), *_entry_points()})


def get(name: str) -> Any:
    """Import a provider, or return the placeholder of that name.

    Raises:
        ProviderNotFoundError: no provider has that name; the message suggests the nearest.
        ImportError: a provider of another distribution cannot be imported.
        TypeError: a provider of another distribution lacks an attribute.
    """
    if not name or "." in name:
        raise _not_found(name)
    if name not in _builtin_names() and name in (offered := _entry_points()):
        module = offered[name].load()
        check_provider(module)
        module._registered_name = name  # which may differ from that of the module
    else:
        module = _import_provider(name)
    setattr(Provider, name, module)  # as the import system does; `compat.provider_package` then adds the names of 2023
    return module


def all() -> dict[str, Any]:
    """Import and return all providers, by name. Those of other distributions that fail are logged and left out."""
    found = {}
    for name in names():
        try:
            found[name] = get(name)
        except Exception as error:  # one broken distribution must not break the other providers
            if name in _builtin_names():
                raise
            log.warning("The provider %s cannot be imported: %s", name, error)
    return found


def find(
    *,
    stream: bool | None = None,
    needs_auth: bool | None = None,
    working: bool | None = None,
    usable: bool | None = None,
) -> list[Any]:
    """Return the providers that match all conditions, in the order of their names; None means either.

    Args:
        stream: whether the provider supports streams.
        needs_auth: whether its public server needs credentials.
        working: whether its public server of 2023 still responds.
        usable: whether a call would reach a server now: the public one, a configured one or the redirect target, with
            the credentials that it needs. See `availability.is_usable`.
    """
    conditions = (
        (stream, lambda provider: provider.supports_stream),
        (needs_auth, lambda provider: provider.needs_auth),
        (working, has_working_public_server),
        (usable, lambda provider: is_usable(provider, {})),
    )
    found = list(all().values())
    for wanted, has in conditions:
        if wanted is not None:
            found = [provider for provider in found if bool(has(provider)) == wanted]
    return found


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


def check_provider(provider: Any) -> None:
    """Raise a TypeError that names what an object lacks to be a provider."""
    missing = [name for name in _CONTRACT if not hasattr(provider, name)]
    if missing:
        raise TypeError(f"{getattr(provider, '__name__', provider)} is not a provider: it lacks {', '.join(missing)}")


def _import_provider(name: str) -> ModuleType:
    path = f"{Provider.__name__}.{name}"
    try:
        module = import_module(path)  # also finds placeholders: see `compat.provider_package`
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise _not_found(name) from None
    if not hasattr(module, "_create_completion"):
        raise _not_found(name)
    return module


def _builtin_names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(Provider.__path__) if not module.ispkg]


def _entry_points() -> dict[str, EntryPoint]:
    return _read_entry_points(entry_points, tuple(sys.path))


@lru_cache(maxsize=1)
def _read_entry_points(read: Callable[..., Iterable[EntryPoint]], path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return what the distributions on a path offer. Reading their files takes long, and scripts look up many names.

    The arguments are the key of the cache.
    """
    return {entry_point.name: entry_point for entry_point in read(group=ENTRY_POINTS)}


def _not_found(name: str) -> ProviderNotFoundError:
    known = {known_name.lower(): known_name for known_name in [*placeholder_names(), *names()]}
    nearest = get_close_matches(name.lower(), known, n=1)
    suggestion = f"did you mean {known[nearest[0]]}? " if nearest else ""
    return ProviderNotFoundError(f"there is no provider {name!r}: {suggestion}There are {', '.join(names())}.")
