"""Sends calls whose provider is unavailable to the redirect target, of which the process has one at a time.

These calls are redirected: calls to placeholders, calls that name no provider, and calls to providers of 2023 whose
public server is gone, unless another server is configured. Without a target they fail, and nothing is sent.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import Any, Callable, NamedTuple

from .. import availability, registry
from ..availability import is_placeholder, is_unavailable
from ..contract import check_provider
from ..credentials import wrap_secret, wrap_secrets
from ..errors import Hint, ProviderNotWorkingError, RequestFailedError
from ..option_values import OPTIONS
from ..options import get_base_url, has_working_public_server, is_public, provider_name, read_options
from ..tokens import Tokens

FORWARDED_OPTIONS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "n",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "timeout",
    "proxy",
    "retries",
)
"""The keyword arguments that are forwarded to the target. All others are meant for the service that is gone."""

_UNUSABLE_TARGET = "{} is gone itself, and cannot be a redirect target"
_TARGET_VARIABLES = {"base_url": "G4F_LEGACY_REDIRECT_URL", "auth": "G4F_LEGACY_REDIRECT_AUTH"}

log = logging.getLogger(__name__)


class Call(NamedTuple):
    """A provider, and the model and options that it is called with."""

    provider: Any
    model: str
    options: dict[str, Any]

    def start(self, messages: list[Any], stream: bool) -> Tokens:
        """Return the tokens of the provider, which is not routed again."""
        completion = (
            getattr(self.provider, "_unrouted_completion", None)  # of a `ProviderModule`
            or getattr(self.provider, "_create_completion", None)
            or self.provider.create_completion  # of a class that the script defines
        )
        tokens: Tokens = completion(self.model, messages, stream, **self.options)
        return tokens


class _RedirectedCall(Call):
    """A call to the server that the redirect names."""

    def start(self, messages: list[Any], stream: bool) -> Tokens:
        try:
            return (yield from super().start(messages, stream))
        except RequestFailedError as error:
            if error.hint is Hint.CHECK_SERVER:  # which names what configures the provider, not the redirect
                error.hint = Hint.CHECK_REDIRECT
            raise


@dataclass(eq=False)
class Target:
    """A redirect target. As a context manager, it is in force for the block."""

    provider: Any
    model: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    def __enter__(self) -> "Target":
        self._remove()
        _targets.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        with suppress(ValueError):
            _targets.remove(self)


_targets: list[Target] = []  # the last item is in force; blocks of several threads may end in any order
_logged: set[tuple[str, str, str]] = set()

on_missing_target: Callable[[ProviderNotWorkingError], Any] | None = None
"""A function that is called before a call fails because there is no target."""


def redirect(provider: str | ModuleType | None, model: str | None = None, **options: Any) -> Target:
    """Send calls whose provider is unavailable to a target: from now on or, in a ``with`` statement, for the block.

    Args:
        provider: a provider or its name; None stops redirecting, whatever the environment says.
        model: the model to ask for, whatever a call names; by default the target's own default.
        options: options of each call to the target, such as ``base_url`` and ``auth``, and generation parameters.

    Raises:
        ProviderNotFoundError: no provider has that name.
        ProviderNotWorkingError: that provider is unavailable itself.
        AuthenticationRequiredError: credentials are missing.
        TypeError: an option has a wrong type.
        ValueError: an option has a wrong value.
    """
    wrap_secrets(options)
    target = Target(_resolve_target(provider, options) if provider else None, model or "", options)
    if target.provider:
        read_options(target.provider, options)
    _targets.append(target)
    return target


def current_target() -> Target | None:
    """Return the redirect target, or None.

    It is the one that `redirect` set last, or else that of ``G4F_LEGACY_REDIRECT``, with its model, base URL and
    credentials in ``G4F_LEGACY_REDIRECT_MODEL``, ``G4F_LEGACY_REDIRECT_URL`` and ``G4F_LEGACY_REDIRECT_AUTH``. A base
    URL without a name is that of ``OpenAI``.

    Raises:
        ProviderNotFoundError, ProviderNotWorkingError: the environment names a provider that cannot be the target.
        ValueError: the environment's base URL is not a URL, or its credentials are not valid in a header.
    """
    if _targets:
        return _targets[-1] if _targets[-1].provider else None
    name = _configured_target()
    if not name:
        return None
    options = _read_target_options()
    return Target(_resolve_target(name, options), os.environ.get("G4F_LEGACY_REDIRECT_MODEL", "").strip(), options)


def _configured_target() -> str:
    name = os.environ.get("G4F_LEGACY_REDIRECT", "").strip()
    return name or ("OpenAI" if os.environ.get("G4F_LEGACY_REDIRECT_URL", "").strip() else "")


def _read_target_options() -> dict[str, Any]:
    options = {}
    for option, variable in _TARGET_VARIABLES.items():
        value = wrap_secret(os.environ.get(variable, "").strip())
        if value:
            OPTIONS[option](value, variable)  # raises an error that names the variable
            options[option] = value
    return options


def _has_target() -> bool:
    # Unlike `current_target`, it does not check the target, because the check reads `working`, which calls this.
    return bool(_targets[-1].provider if _targets else _configured_target())


def _has_usable_target() -> bool:
    try:
        target = current_target()
    except (LookupError, ValueError, ProviderNotWorkingError):
        return False
    return target is not None and availability.is_usable(target.provider, target.options)


availability.has_target = _has_target
availability.has_usable_target = _has_usable_target


def export_target(target: Target) -> None:
    """Set the environment variables that `current_target` reads, so that child processes have the same target."""
    variables = {
        "G4F_LEGACY_REDIRECT": target.provider and provider_name(target.provider),
        "G4F_LEGACY_REDIRECT_MODEL": target.model,
        **{variable: target.options.get(option) for option, variable in _TARGET_VARIABLES.items()},
    }
    for variable, value in variables.items():
        if value:
            os.environ[variable] = value
        else:
            os.environ.pop(variable, None)


def is_redirected(provider: Any, options: dict[str, Any]) -> bool:
    """Return whether a call goes to the redirect target or, without one, fails.

    With a target, credentials in the call alone are not enough to reach a public server of 2023: a script of that time
    has them from that time, and neither they nor its prompts may leave the machine.
    """
    if is_unavailable(provider, options):
        return True
    if has_working_public_server(provider) or current_target() is None:
        return False
    return is_unavailable(provider, {"base_url": options.get("base_url")})


def route(provider: Any, model: str, options: dict[str, Any]) -> Call:
    """Resolve the provider that is actually called.

    Raises:
        ProviderNotWorkingError: the provider is unavailable, and there is no target.
    """
    if not is_redirected(provider, options):
        return Call(provider, model, options)
    name = provider_name(provider)
    if current_target() is None and not getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True):
        read_options(provider, options)  # raises AuthenticationRequiredError: the public server needs credentials
    hint = Hint.REDIRECT_CALLS if is_placeholder(provider) else Hint.SET_SERVER_OR_REDIRECT
    return redirected_call(name, options, hint=hint)


def redirected_call(name: str, options: dict[str, Any], *, failure: str = "", hint: Hint = Hint.REDIRECT_CALLS) -> Call:
    """Turn a call to an unavailable provider into one to the target.

    Args:
        name: the unavailable provider, for the log and the error.
        options: the options of the call.
        failure: what fails without a target; by default, that the provider is gone.
        hint: of the error.

    Raises:
        ProviderNotWorkingError: there is no target, or it has become unavailable.
    """
    target = current_target()
    if target is None:
        message = failure or f"{name} is gone, and there is no redirect for its calls"
        error = ProviderNotWorkingError(message, hint=hint, provider=name)
        if on_missing_target:
            on_missing_target(error)
        raise error
    target_name = provider_name(target.provider)
    if (name, target_name, target.model) not in _logged:
        _logged.add((name, target_name, target.model))
        log.info("Calls to %s go to %s%s.", name, target_name, f", model {target.model}" if target.model else "")
    forwarded = forwarded_options(options)
    if not is_public(target.provider, target.options.get("base_url") or get_base_url(target.provider)):
        forwarded.pop("proxy", None)  # it was meant for a public service, not for the user's own server
    kind = _RedirectedCall if "base_url" in target.options else Call
    call = kind(target.provider, target.model, {**forwarded, **target.options})
    if is_unavailable(call.provider, call.options):  # its server was configured when it became the target
        raise _unusable_target(target_name)
    return call


def forwarded_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a call that are forwarded to the target, without those that cannot be used."""
    forwarded = {name: value for name, value in options.items() if name in FORWARDED_OPTIONS and value is not None}
    for name, types in (("timeout", (int, float, tuple)), ("proxy", str), ("retries", int)):
        value = forwarded.get(name)
        if not value or not isinstance(value, types):
            forwarded.pop(name, None)
    return forwarded


def _resolve_target(provider: str | ModuleType, options: dict[str, Any]) -> Any:
    module: Any = registry.get(provider) if isinstance(provider, str) else provider
    check_provider(module)
    if not is_unavailable(module, options):
        return module
    name = provider_name(module)
    if is_placeholder(module):
        raise ProviderNotWorkingError(f"{_UNUSABLE_TARGET.format(name)}: there are {', '.join(registry.names())}")
    raise _unusable_target(name)


def _unusable_target(name: str) -> ProviderNotWorkingError:
    return ProviderNotWorkingError(_UNUSABLE_TARGET.format(name), provider=name, hint=Hint.SET_SERVER)
