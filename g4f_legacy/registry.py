"""The providers: the modules in `Provider`, and those of other distributions.

One that is broken does not affect the others: it is logged once.
"""

import logging
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from . import Provider
from .availability import is_unavailable, is_usable
from .contract import check_module
from .credentials import wrap_secrets
from .errors import Hint, ProviderNotFoundError
from .options import has_working_public_server
from .provider_sources import BrokenProvider, classify_entry_points, classify_files

_MIN_SIMILARITY = 0.75  # of names, as `difflib` measures it
_MIN_PLACEHOLDER_SIMILARITY = 0.85  # higher, because calls to placeholders fail unless they are redirected
_MIN_TYPO_LENGTH = 4  # in characters; shorter names are similar by chance

_OPENAI_SERVERS = ("llamacpp", "lmstudio", "localai", "ollama", "openrouter", "tgi", "vllm")
"""Servers that speak OpenAI's API, whose names may be given instead of the provider's."""

log = logging.getLogger(__name__)

placeholder_names: Callable[[], list[str]] = list
"""Returns further names that `get` knows. `compat.placeholders` sets it, because it imports this module."""

_warned: dict[BrokenProvider, object] = {}


def names() -> list[str]:
    """Return the names of all providers in alphabetical order, placeholders left out. Nothing is imported."""
    offered, _ = classify_entry_points()
    return sorted({*classify_files()[0], *offered})


def get(name: str) -> Any:
    """Import a provider, or return the placeholder of that name.

    Raises:
        ProviderNotFoundError: no provider has that name; the message suggests the nearest.
        ImportError: importing the provider fails; the message tells why.
        TypeError: it is not a module, or an attribute is missing or wrong.
    """
    if name in classify_files()[0]:
        module = _import_provider(name, partial(import_module, f"{Provider.__name__}.{name}"))
    elif name in (offered := classify_entry_points()[0]):
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
    broken = [*classify_files()[1], *classify_entry_points()[1]]
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
    for name, fact in facts.items():
        condition = conditions.get(name)
        if condition is not None and condition != fact:
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
        raise ImportError(f"{name} cannot be imported: {_describe_import_failure(error)}") from error
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


def _describe_import_failure(error: BaseException) -> str:
    """Return the message of what a module's code raised, with the place in its file unless the message has that."""
    if isinstance(error, (ImportError, SyntaxError)):
        return str(error)
    frames = extract_tb(error.__traceback__)
    path = next((frame.filename for frame in frames if frame.name == "<module>"), "")
    lines = [frame.lineno for frame in frames if frame.filename == path]
    place = f" ({Path(path).name}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{place}"


def _check_other_name(module: Any, name: str) -> None:
    """Raise a TypeError if a module is already a provider under another name: a module has only one."""
    folder, _, file_name = vars(module)["__name__"].rpartition(".")
    other = getattr(module, "_registered_name", file_name if folder == Provider.__name__ else name)
    if other != name:
        raise TypeError(f"the entry point {name} names the module of another provider: {other}")


def _import_placeholder(name: str) -> Any:
    is_refused = name in (provider.name for provider in classify_files()[1])
    if not name or "." in name or name.startswith("_") or is_refused:
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


def _warn_once(provider: BrokenProvider) -> None:
    marker = object()
    if _warned.setdefault(provider, marker) is marker:  # atomic, because several threads may import the providers
        log.warning("A provider named %s is left out: %s", provider.name, provider.error)


def _not_found(name: str) -> ProviderNotFoundError:
    is_openai_server = re.sub(r"[\W_]", "", name.lower()) in _OPENAI_SERVERS
    nearest = None if is_openai_server else _find_nearest_name(name)
    suggestion = f": did you mean {nearest}?" if nearest else "."
    message = f"there is no provider {name!r}{suggestion} There are {', '.join(names())}."
    return ProviderNotFoundError(message, hint=Hint.USE_OPENAI if is_openai_server else None)


def _find_nearest_name(name: str) -> str | None:
    known = {_normalize(known_name): known_name for known_name in [*placeholder_names(), *names()]}
    normalized = _normalize(name)
    if normalized in known or len(name) < _MIN_TYPO_LENGTH:
        return known.get(normalized)
    for candidates, cutoff in ((names(), _MIN_SIMILARITY), (placeholder_names(), _MIN_PLACEHOLDER_SIMILARITY)):
        nearest = get_close_matches(normalized, map(_normalize, candidates), n=1, cutoff=cutoff)
        if nearest:
            return known[nearest[0]]
    return None


def _normalize(name: str) -> str:
    return name.lower().replace("0", "o")
