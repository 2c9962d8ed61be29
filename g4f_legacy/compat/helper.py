"""Helpers that scripts of 2023 import from ``g4f.Provider.helper``."""

import logging
import os
from http.cookiejar import LoadError, MozillaCookieJar

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
    cookies = {**_read_cookies_file(cookie_domain), **_read_cookie_text()}
    if not cookies:
        log.warning(
            "No cookies are configured for %s: set G4F_LEGACY_COOKIES_FILE to the path of a cookies.txt, or "
            "G4F_LEGACY_COOKIES to a text like 'name=value'.",
            cookie_domain or "any domain",
        )
    return cookies


def _read_cookies_file(cookie_domain: str) -> dict[str, str]:
    path = os.environ.get("G4F_LEGACY_COOKIES_FILE")
    if not path:
        return {}
    jar = MozillaCookieJar(path)
    try:
        jar.load(ignore_discard=True, ignore_expires=True)
    except LoadError as error:
        raise ValueError(f"G4F_LEGACY_COOKIES_FILE: {path!r} is not a cookies.txt in the Netscape format") from error
    return {cookie.name: cookie.value or "" for cookie in jar if _matches(cookie.domain, cookie_domain)}


def _read_cookie_text() -> dict[str, str]:
    cookies = {}
    for pair in os.environ.get("G4F_LEGACY_COOKIES", "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies[name] = value
    return cookies


def _matches(domain: str, requested_domain: str) -> bool:
    """Return whether a cookie of a domain is sent to another: to the domain itself and those below it."""
    domain = domain.lstrip(".").lower()
    requested_domain = requested_domain.lstrip(".").lower()
    return not requested_domain or requested_domain == domain or requested_domain.endswith(f".{domain}")
