"""Which provider a call of `ChatCompletion` goes to."""

from typing import Any

from .. import registry
from ..availability import is_placeholder, is_unavailable
from ..contract import check_provider
from ..errors import AuthenticationRequiredError, Hint, ModelNotFoundError
from ..models import Model, find_model, model_name
from ..options import is_configured, provider_name, read_options
from . import redirects  # for on_missing_target, which may be set later
from .redirects import Call, current_target, forwarded_options, is_redirected, redirected_call, route

_ROOT = __name__.partition(".")[0]


def is_script_class(provider: Any) -> bool:
    """Return whether a provider is a class of the script's own, or an instance of one, as scripts wrote them."""
    return not hasattr(provider, "_create_completion")


def resolve_call(provider: Any, model: Any, options: dict[str, Any]) -> Call:
    """Decide which provider is called, with which model and options.

    Raises:
        TypeError: the provider or an option has a wrong type.
        ValueError: an option has a wrong value.
        ProviderNotFoundError: no provider has that name.
        ProviderNotWorkingError: the provider is unavailable, and there is no redirect target.
        ModelNotFoundError: the call names no provider, and no provider lists the model.
    """
    name = model_name(model)
    if provider:
        return _resolve_named(provider, name, options)
    known_model = model if isinstance(model, Model) else find_model(name)
    best_provider = known_model and known_model.best_provider
    if isinstance(best_provider, str):
        best_provider = registry.get(best_provider)
    call = _resolve_by_model(known_model, best_provider, name, options)
    return call or _resolve_redirect(known_model, best_provider, name, options)


def _resolve_named(provider: Any, name: str, options: dict[str, Any]) -> Call:
    if isinstance(provider, str):
        provider = registry.get(provider)
    if isinstance(provider, type) and provider.__module__.partition(".")[0] == _ROOT:
        raise TypeError(f"{provider.__name__} is a class: pass a provider, such as RetryProvider([…])")
    if not is_script_class(provider):
        check_provider(provider)
        if is_unavailable(provider, options) and not is_placeholder(provider) and current_target() is None:
            _check_options(provider, options)
        return route(provider, name, options)
    if hasattr(provider, "create_completion"):  # a class of the script's own
        return Call(provider, name, options)
    given = f"the class {provider.__name__}" if isinstance(provider, type) else type(provider).__name__
    raise TypeError(f"provider must be a provider module, its name, or have create_completion, not {given}")


def _check_options(provider: Any, options: dict[str, Any]) -> None:
    """Check the options of a call that will fail, because the provider is gone: wrong arguments are reported first."""
    try:
        read_options(provider, options)
    except AuthenticationRequiredError as error:
        if getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True):
            error.hint = Hint.GIVE_CREDENTIALS_AND_SERVER
        raise


def _resolve_by_model(known_model: Model | None, best_provider: Any, name: str, options: dict[str, Any]) -> Call | None:
    """Find the model's provider of 2023, or one that lists the model; None if the call has to be redirected."""
    if best_provider and not is_redirected(best_provider, options):
        return Call(best_provider, name, options)
    if current_target():
        return None
    for module in registry.all().values():
        lists_model = name in (*module.models, *module.models.values())
        if not lists_model or is_unavailable(module, options):
            continue
        if module.needs_auth and not is_configured(module):
            continue
        # The options of a call that names a model of 2023 are meant for another service.
        return Call(module, name, forwarded_options(options) if known_model else options)
    return None


def _resolve_redirect(known_model: Model | None, best_provider: Any, name: str, options: dict[str, Any]) -> Call:
    if known_model is None and not current_target() and redirects.on_missing_target is None:
        raise ModelNotFoundError(f"no provider lists the model {name!r}", hint=Hint.NAME_PROVIDER)
    served = name or "the default model"
    called, former, hint = f"the provider of {served}", "", Hint.REDIRECT_CALLS
    if best_provider:
        called = provider_name(best_provider)
        former = f" (in 2023: {called}, closed)"
        if not is_placeholder(best_provider):
            hint = Hint.SET_SERVER_OR_REDIRECT
    reason = "there is no redirect for such calls"
    if options.get("base_url"):
        reason, hint = "the call names a server, but not its provider", Hint.NAME_PROVIDER
    failure = f"no provider is configured that serves {served}{former}, and {reason}"
    return redirected_call(called, options, failure=failure, hint=hint)
