"""Remove secrets from texts: servers may repeat what they were sent, in any encoding, and truncated."""

import html
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.cookiejar import CookieJar
from os.path import commonprefix
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from urllib.request import getproxies

import requests

from ..credentials import ELLIPSIS
from ..near_misses import may_be_address, may_be_secret
from ..options import Options

MIN_SECRET_LENGTH = 8
"""In characters. Shorter texts occur in words, too."""

_ENCODED_ELLIPSIS = ELLIPSIS.encode().decode("latin-1")
_PADDING = re.compile("=*")
_REST_OF_WORD = re.compile(r"[^\s'\"]*")
_SCHEME = re.compile("^(bearer|basic|token) +", re.IGNORECASE)

_PUBLIC_HEADERS = re.compile(
    r"accept.*|cache-control|connection|content-.*|dnt|host|http-referer|origin|pragma|priority|referer|sec-.*|te"
    r"|transfer-encoding|upgrade.*|user-agent|x-requested-with|x-title",
    re.IGNORECASE,
)

Login = tuple[str, str] | None
"""A user and a password."""


def collect_secrets(options: Options) -> list[str]:
    """Return all secrets of a call: credentials, cookies, passwords, and headers that may contain one."""
    secrets = [
        options.auth,
        *cookie_values(options.cookies),
        *secret_headers(options.headers),
        *_login_secrets(options.basic_auth),
    ]
    for name, value in options.parameters.items():
        secrets += _parameter_secrets(name, value)
    for proxy in (options.proxy, *getproxies().values()):
        secrets += _login_secrets(credentials_in_url(proxy))
    if options.session is not None:
        secrets += _session_secrets(options.session)
    return [secret for secret in secrets if secret]


def _session_secrets(session: requests.Session) -> Iterator[str | None]:
    yield from cookie_values(session.cookies)
    yield from secret_headers(session.headers)
    yield from _login_secrets(credentials_in_auth(session.auth))
    for proxy in session.proxies.values():
        yield from _login_secrets(credentials_in_url(proxy))


def _parameter_secrets(name: str, value: Any) -> Iterator[str | None]:
    """Yield the secrets in a generation parameter that was probably meant to be an option."""
    if may_be_secret(name):
        yield from _texts_in(value)
    elif may_be_address(name):
        for text in _texts_in(value):
            yield from _login_secrets(credentials_in_url(text))
            yield from (item for key, item in parse_qsl(text.partition("?")[2]) if may_be_secret(key))


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts in a generation parameter, without those of headers that are known to be public."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not is_public_header(str(name)):
                yield from _texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts_in(item)
    else:
        yield str(value)


def cookie_values(cookies: dict[str, str] | CookieJar) -> list[str | None]:
    """Return the values of cookies; None for a cookie without one."""
    if isinstance(cookies, dict):
        return [*cookies.values()]
    return [cookie.value for cookie in cookies]


def _login_secrets(login: Login) -> list[str | None]:
    if login is None:
        return []
    user, password = login
    return [password or user, f"{user}:{password}"]  # services take a key as the user, without a password


def secret_headers(headers: Mapping[str, Any]) -> list[str]:
    """Return the values of all headers that are not known to be public, without a scheme such as Bearer, and the
    credentials in those with the scheme Basic."""
    values = [
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
        if value and not is_public_header(name)
    ]
    secrets = [_SCHEME.sub("", value) for value in values]
    for value in values:
        secrets += _decode_basic_auth(value)
    return secrets


def is_public_header(name: str | bytes) -> bool:
    """Return whether the value of a request's header is never a secret."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return _PUBLIC_HEADERS.fullmatch(text) is not None


def _decode_basic_auth(value: str) -> list[str]:
    """Return the login and the password in a header ``Basic …`` (RFC 7617)."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            login = b64decode(encoded).decode("latin-1")
            _, _, password = login.partition(":")
            return [login, password]
    return []


def credentials_in_url(url: str | None) -> Login:
    """Return the user and password in a URL, whose scheme may be missing."""
    login, at, _ = re.sub(r"^\w+://", "", url or "").rpartition("@")
    user, _, password = login.partition(":")
    return (unquote(user), unquote(password)) if at else None


def credentials_in_auth(auth: Any) -> Login:
    """Return the user and password in the `auth` of a session, if it is a pair or has such attributes."""
    if isinstance(auth, tuple):
        user, password = auth[:2]
    else:
        user, password = getattr(auth, "username", ""), getattr(auth, "password", "")
    return (str(user), str(password)) if user or password else None


def redact(value: Any, variants: list[str]) -> Any:
    """Return a text or bytes with an ellipsis for each secret, also for truncated ones. Return other values unchanged.

    Args:
        variants: of the secrets, from `encoded_variants`.
    """
    if isinstance(value, bytes):
        return redact(value.decode("latin-1"), variants).replace(ELLIPSIS, _ENCODED_ELLIPSIS).encode("latin-1")
    if isinstance(value, str) and variants:
        return _redact_text(value, variants)
    return value


def _redact_text(text: str, variants: list[str]) -> str:
    prefixes = re.compile("|".join({re.escape(variant[:MIN_SECRET_LENGTH]) for variant in variants}))
    public_parts = []
    position = 0
    while match := prefixes.search(text, position):
        public_parts.append(text[position : match.start()])
        position = _find_secret_end(text, match.start(), variants)
    return ELLIPSIS.join([*public_parts, text[position:]])


def _find_secret_end(text: str, start: int, variants: list[str]) -> int:
    """Return where the secret ends that starts in a text: the longest match, with its base64 padding.

    If it is truncated or changed, the rest of the word may be part of it.
    """
    matches = [commonprefix([variant, text[start : start + len(variant)]]) for variant in variants]
    longest = max(matches, key=len)
    end = start + len(longest)
    rest = (_PADDING if longest in variants else _REST_OF_WORD).match(text, end)
    return rest.end() if rest else end


def encoded_variants(secrets: Iterable[str]) -> list[str]:
    """Return all spellings of secrets, and of the words in them, that are long enough to be recognised."""
    variants: set[str] = set()
    for secret in secrets:
        for part in {secret, *re.split(r"[\s=;]+", secret)}:
            variants |= _encode(part)
    return [variant for variant in variants if len(variant) >= MIN_SECRET_LENGTH]


def _encode(secret: str) -> set[str]:
    """Return how a server may write a secret, and how that reads if it is decoded with the wrong charset.

    The steps build on each other, because servers do: a URL is put into HTML, and HTML into JSON.
    """
    in_utf8 = secret.encode("utf-8", "surrogatepass")
    in_latin1 = secret.encode("latin-1", "replace")
    spellings = {secret, in_utf8.decode("latin-1"), in_latin1.decode("utf-8", "replace")}
    for data in (in_utf8, in_latin1):
        spellings.update(_encode_base64(data))
        spellings.update(_encode_percent(data))
    spellings |= {html.escape(spelling) for spelling in spellings}
    for _ in range(2):  # gateways put the JSON of an error into a JSON error
        spellings |= {escaped for spelling in spellings for escaped in _encode_json(spelling)}
    return spellings | {shown for spelling in spellings for shown in _encode_repr(spelling)}


def _encode_base64(data: bytes) -> list[str]:
    standard = b64encode(data).decode().rstrip("=")
    return [standard, standard.replace("+", "-").replace("/", "_")]


def _encode_percent(data: bytes) -> list[str]:
    strict = quote(data, safe="")
    lower_case = re.sub("%..", _to_lower_case, strict)
    return [strict, lower_case, quote(data), quote_plus(data)]


def _to_lower_case(match: re.Match[str]) -> str:
    return match.group().lower()


def _encode_json(text: str) -> Iterator[str]:
    for ensure_ascii in (True, False):
        encoded = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield encoded
        yield encoded.replace("/", "\\/")  # as PHP writes it


def _encode_repr(text: str) -> list[str]:
    """Return the text as in an excerpt, which is a `repr`: its quotes depend on what surrounds the text."""
    return [repr(text)[1:-1], repr(f'"{text}')[2:-1]]
