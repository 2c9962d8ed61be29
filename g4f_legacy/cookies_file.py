"""The cookies that the user has configured for old scripts: a ``cookies.txt``, and a cookie text.

They are named by the environment variables ``G4F_LEGACY_COOKIES_FILE`` and ``G4F_LEGACY_COOKIES``.
"""

import os
from http.cookiejar import LoadError, MozillaCookieJar

_FILE_VARIABLE = "G4F_LEGACY_COOKIES_FILE"
_TEXT_VARIABLE = "G4F_LEGACY_COOKIES"


def read_cookies(*domains: str) -> dict[str, str]:
    """Return the cookies that are configured for any of several domains; without a domain, all.

    Args:
        domains: such as ``"huggingface.co"`` or ``".bing.com"``.

    Returns:
        Names and values from the file, and from the cookie text, which has precedence and is for any domain.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not in the Netscape format.
    """
    return {**_read_file(domains), **_read_text()}


def _read_file(domains: tuple[str, ...]) -> dict[str, str]:
    path = os.environ.get(_FILE_VARIABLE)
    if not path:
        return {}
    jar = MozillaCookieJar(path)
    try:
        jar.load(ignore_discard=True, ignore_expires=True)
    except (LoadError, UnicodeDecodeError):
        jar.clear()  # error reporters show the variables of this frame; the cause quotes a line of the file
        raise ValueError(f"{_FILE_VARIABLE}: {path!r} is not a cookies.txt in the Netscape format") from None
    except OSError as error:
        raise OSError(error.errno, f"{_FILE_VARIABLE}: {error.strerror}", path) from error
    return {
        cookie.name: cookie.value or ""
        for cookie in jar
        if not domains or any(_is_sent_to(domain, cookie.domain) for domain in domains)
    }


def _read_text() -> dict[str, str]:
    cookies = {}
    for pair in os.environ.get(_TEXT_VARIABLE, "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies[name] = value
    return cookies


def _is_sent_to(domain: str, cookie_domain: str) -> bool:
    """Return whether a cookie is sent to a domain: to its own and those below it."""
    domain = domain.lstrip(".").lower()
    cookie_domain = cookie_domain.lstrip(".").lower()
    return domain == cookie_domain or domain.endswith(f".{cookie_domain}")
