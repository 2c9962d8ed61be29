"""Where calls go whose provider is gone: to one target for the whole process.

It takes calls to stand-ins, calls that name no provider, and calls to live providers of 2023 whose public host is gone
where no other host is configured.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, Type, Union

import g4f_legacy  # its names are imported when they are used: the target is found only then

from .errors import Hint, ProviderNotWorkingError
from .options import base_url_of, has_login, is_public, read_options

PASSED_ON = (
    *("temperature", "top_p", "top_k", "max_tokens", "n", "stop", "presence_penalty", "frequency_penalty", "seed"),
    *("timeout", "proxy", "retries"),
)
"""What of a call goes to the target, too. Anything else was meant for the service that is gone."""

log = logging.getLogger("g4f_legacy")


class Call(NamedTuple):
    """Whom to ask for what, and how."""

    provider: Any
    model: str
    options: Dict[str, Any]


@dataclass(eq=False)
class Redirect:
    """A target. As a context manager, it is one for the length of the block."""

    provider: Any
    model: str = ""
    options: Dict[str, Any] = field(default_factory=dict, repr=False)

    def __enter__(self) -> "Redirect":
        self._leave()
        _targets.append(self)
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        with suppress(ValueError):
            _targets.remove(self)


_targets: List[Redirect] = []  # the last one counts; blocks of several threads need not end in their order
_noted: Set[Tuple[str, str, str]] = set()

when_missing: Optional[Callable[[ProviderNotWorkingError], Any]] = None
"""Is called, where it is set, before a call fails for want of a target. It keeps calls from public hosts that are gone,
too."""


def redirect(provider: Union[str, ModuleType, None], model: Optional[str] = None, **options: Any) -> Redirect:
    """Sends calls whose provider is gone to another one, from now on or, in a ``with`` statement, for the block.

    Args:
        provider: a live provider or its name; None redirects nothing any more, whatever the environment says.
        model: what to ask it for, whatever a call names; without one, its own default.
        options: of each call to it, such as ``base_url`` and ``auth``; generation parameters, too.

    Raises:
        ProviderNotFoundError: there is no such provider.
        ProviderNotWorkingError: it is gone itself.
        TypeError, ValueError, AuthenticationRequiredError: an option is wrong, or a login is missing.
    """
    target = Redirect(_live(provider, options) if provider else None, model or "", options)
    if target.provider:
        read_options(target.provider, options)
    _targets.append(target)
    return target


def current() -> Optional[Redirect]:
    """The target: what `redirect` was told last, or ``G4F_LEGACY_REDIRECT`` and ``G4F_LEGACY_REDIRECT_MODEL``."""
    if _targets:
        return _targets[-1] if _targets[-1].provider else None
    name = os.environ.get("G4F_LEGACY_REDIRECT")
    return Redirect(_live(name, {}), os.environ.get("G4F_LEGACY_REDIRECT_MODEL", "")) if name else None


def route(provider: Any, model: str, options: Dict[str, Any]) -> Call:
    """Where a call goes in truth.

    Raises:
        ProviderNotWorkingError: it is for a stand-in, and there is no target.
    """
    if not is_gone(provider, options):
        return Call(provider, model, options)
    if current() is None and not is_stand_in(provider) and when_missing is None:
        return Call(provider, model, options)  # whoever asks for it by name may try it
    return to_target(provider.__name__.rpartition(".")[2], options)


def to_target(name: str, options: Dict[str, Any]) -> Call:
    """The call that a call to a provider that is gone becomes.

    Args:
        name: the provider's, or what is gone, for the log and the error.

    Raises:
        ProviderNotWorkingError: there is no target.
    """
    target = current()
    if target is None:
        error = ProviderNotWorkingError(
            f"{name} is gone, and there is no redirect for its calls", hint=Hint.REDIRECT_CALLS
        )
        if when_missing:
            when_missing(error)
        raise error
    to = target.provider.__name__.rpartition(".")[2]
    if (name, to, target.model) not in _noted:
        _noted.add((name, to, target.model))
        log.info("Calls to %s go to %s%s.", name, to, f", model {target.model}" if target.model else "")
    given = passed_on(options)
    if not is_public(target.provider, target.options.get("base_url") or base_url_of(target.provider)):
        given.pop("proxy", None)  # it was meant for a service far away, not for a host of one's own
    return Call(target.provider, target.model, {**given, **target.options})


def passed_on(options: Dict[str, Any]) -> Dict[str, Any]:
    """What of a call's options is not for one service alone, and can be used."""
    given = {option: value for option, value in options.items() if option in PASSED_ON and value is not None}
    for option, kinds in (("timeout", (int, float, tuple)), ("proxy", str), ("retries", int)):
        if option in given and not (given[option] and isinstance(given[option], kinds)):
            del given[option]
    return given


def is_stand_in(provider: Any) -> bool:
    """Whether it stands for a service of 2023 that is gone."""
    return getattr(provider, "is_stand_in", False) is True


def is_gone(provider: Any, options: Dict[str, Any]) -> bool:
    """Whether a call reaches nothing: its provider is a stand-in, or its public host is gone and no other is meant."""
    if is_stand_in(provider):
        return True
    if getattr(provider, "working", True) or options.get("base_url") or not is_public(provider, base_url_of(provider)):
        return False
    if getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True):
        return True
    try:  # its public host takes a login
        return not has_login(read_options(provider, options))
    except (TypeError, ValueError):  # it lacks one, or its options are another service's
        return True


def _live(provider: Union[str, ModuleType], options: Dict[str, Any]) -> Any:
    module = g4f_legacy.registry.get(provider) if isinstance(provider, str) else provider
    g4f_legacy.registry.check(module)
    if is_gone(module, options):
        name = module.__name__.rpartition(".")[2]
        message = f"{name} is gone itself, and cannot take calls"
        if is_stand_in(module):
            raise ProviderNotWorkingError(f"{message}: there are {', '.join(g4f_legacy.registry.names())}")
        raise ProviderNotWorkingError(message, provider=name, hint=Hint.SET_SERVER)
    return module
