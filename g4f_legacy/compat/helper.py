"""Helpers that scripts of 2023 import from ``g4f.Provider.helper``."""

from http.cookiejar import LoadError, MozillaCookieJar
import logging
import os
from typing import Dict

from ..prompt import format_prompt

__all__ = ["format_prompt", "get_cookies"]

log = logging.getLogger("g4f_legacy")


def get_cookies(cookie_domain: str = "") -> Dict[str, str]:
    """The cookies that are configured for a domain; the browsers' are not read.

    Args:
        cookie_domain: such as ``"huggingface.co"`` or ``".bing.com"``; an empty one means all.

    Returns:
        Names and values, from the ``cookies.txt`` that ``G4F_LEGACY_COOKIES_FILE`` names, and then from the cookie text
        in ``G4F_LEGACY_COOKIES``. Where there are none, a warning in the log says how to configure some.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no ``cookies.txt`` of Netscape's format.
    """
    found: Dict[str, str] = {}
    path = os.environ.get("G4F_LEGACY_COOKIES_FILE")
    if path:
        jar = MozillaCookieJar(path)
        try:
            jar.load(ignore_discard=True, ignore_expires=True)
        except LoadError as error:
            raise ValueError(f"G4F_LEGACY_COOKIES_FILE: {path!r} is no cookies.txt of Netscape's format") from error
        wanted = cookie_domain.lstrip(".").lower()
        for cookie in jar:
            domain = cookie.domain.lstrip(".").lower()
            if not wanted or wanted == domain or wanted.endswith(f".{domain}"):
                found[cookie.name] = cookie.value or ""
    for pair in os.environ.get("G4F_LEGACY_COOKIES", "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            found[name] = value
    if not found:
        log.warning(
            "There are no cookies for %s: give a cookies.txt as G4F_LEGACY_COOKIES_FILE, or a text like 'name=value' "
            "as G4F_LEGACY_COOKIES.",
            cookie_domain or "any domain",
        )
    return found
