"""Helpers that scripts of 2023 import from ``g4f.Provider.helper``."""

import asyncio
import logging
import random
import string
import warnings

from ..cookies_file import read_cookies
from ..prompt import format_prompt

__all__ = ["format_prompt", "get_cookies", "get_event_loop", "get_random_string"]

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
    cookies = read_cookies(cookie_domain) if cookie_domain else read_cookies()
    if not cookies:
        log.warning(
            "No cookies are configured for %s: set G4F_LEGACY_COOKIES_FILE to the path of a cookies.txt, or "
            "G4F_LEGACY_COOKIES to a text like 'name=value'.",
            cookie_domain or "any domain",
        )
    return cookies


def get_event_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop or, outside of one, that of the thread, for ``loop.run_until_complete``.

    If the thread has none, as after `asyncio.run`, or a closed one, a new one is set for it.
    """
    try:
        with warnings.catch_warnings():
            # That there is no loop yet, of Python 3.12 and 3.13, and of some releases of 3.10 and 3.11:
            # https://docs.python.org/3.13/library/asyncio-eventloop.html#asyncio.get_event_loop
            warnings.simplefilter("ignore", DeprecationWarning)
            loop = asyncio.get_event_loop()
    except RuntimeError:  # there is none
        loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


def get_random_string(length: int = 10) -> str:
    """Return random lower-case letters and digits. They are not secret."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))
