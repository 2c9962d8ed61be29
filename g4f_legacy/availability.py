"""Whether a call to a provider would reach a server."""

from collections.abc import Mapping
from typing import Any

from .options import get_base_url, has_credentials, is_public, read_options


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
    if getattr(provider, "working", True) or options.get("base_url") or not is_public(provider, get_base_url(provider)):
        return False
    if getattr(provider, "_NEEDS_AUTH_EVERYWHERE", True):
        return True
    try:  # the public server still answers requests with credentials
        return not has_credentials(read_options(provider, options))
    except (TypeError, ValueError):  # credentials are missing, or the options are meant for another service
        return True
