"""Helpers that scripts of 2023 import from ``g4f.Provider.helper``."""

import logging

from ..cookies_file import read_cookies
from ..prompt import format_prompt

__all__ = ["format_prompt", "get_cookies"]

log = logging.getLogger(__name__)


def get_cookies(cookie_domain: str = "") -> dict[str, str]:
    """Return the cookies that are configured for a domain. Those of browsers are not read.

    Args:
        cookie_domain: such as ``"huggingface.co"`` or ``".bing.com"``; an empty one means all.

    Returns:
        Names and values from the ``cookies.txt`` that ``G4F_LEGACY_COOKIES_FILE`` names, and from the cookie text in
        ``G4F_LEGACY_COOKIES``, which has precedence. If none are configured, a warning is logged.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not in the Netscape format.
    """
    cookies = read_cookies(*filter(None, [cookie_domain]))
    if not cookies:
        log.warning(
            "No cookies are configured for %s: set G4F_LEGACY_COOKIES_FILE to the path of a cookies.txt, or "
            "G4F_LEGACY_COOKIES to a text like 'name=value'.",
            cookie_domain or "any domain",
        )
    return cookies
