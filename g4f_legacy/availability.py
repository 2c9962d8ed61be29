"""Whether a call to a provider would reach a server."""

from collections.abc import Callable, Mapping
from typing import Any

from .options import get_base_url, has_credentials, has_working_public_server, is_public, read_options

has_target: Callable[[], bool] = lambda: False
"""Returns whether calls to unavailable providers are redirected. `compat.redirects` sets it when it is imported."""

has_usable_target: Callable[[], bool] = lambda: False
"""Returns whether a call that is redirected would reach a server. `compat.redirects` sets it, too."""


def is_placeholder(provider: Any) -> bool:
    """Return whether a provider is the placeholder of one of 2023 that no longer exists."""
    return getattr(provider, "is_placeholder", False) is True


def is_unavailable(provider: Any, options: Mapping[str, Any]) -> bool:
    """Return whether a call to a provider would reach no server.

    That is true of placeholders, and of providers whose public server is gone if neither the options nor the
    environment name another one. Nothing is sent to find out.

    Args:
        provider: a provider module.
        options: the options of the call.
    """
    if is_placeholder(provider):
        return True
    if (
        getattr(provider, "_replaced_completion", None) is not None  # a script has assigned a function of its own
        or has_working_public_server(provider)
        or options.get("base_url")
        or not is_public(provider, get_base_url(provider))
    ):
        return False
    if getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True):
        return True
    try:  # the public server still answers requests with credentials
        return not has_credentials(read_options(provider, options))
    except (TypeError, ValueError):  # credentials are missing, or the options are meant for another service
        return True


def is_usable(provider: Any, options: Mapping[str, Any]) -> bool:
    """Return whether a call to a provider would reach a server now: its own, or that of the redirect target.

    Its own is the public one if that still responds, or a configured one; credentials have to be present if it needs
    them. Nothing is sent to find out. Providers without a server, such as ``Echo``, are always usable.

    Args:
        provider: a provider module.
        options: the options of the call.
    """
    try:
        if is_unavailable(provider, options):
            return has_usable_target()
        read_options(provider, options)
    except (ImportError, OSError, TypeError, ValueError):
        return False  # an option or variable is wrong, credentials are missing, or the redirect target is broken
    return True
