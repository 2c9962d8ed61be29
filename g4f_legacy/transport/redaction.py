"""Takes secrets out of texts: hosts may repeat what they were sent, each in a way of its own."""

from base64 import b64decode, b64encode
from contextlib import suppress
import html
from http.cookiejar import CookieJar
import json
from os.path import commonprefix
import re
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Set, Tuple
from urllib.parse import quote, quote_plus, unquote
from urllib.request import getproxies

from ..options import Options

_PADDING, _WORD = re.compile("=*"), re.compile(r"[^\s'\"]*")
_SHORTEST = 8  # characters: shorter texts stand in words, too

_PUBLIC_HEADERS = re.compile(
    r"accept.*|cache-control|connection|content-.*|dnt|host|http-referer|origin|pragma|priority|referer|sec-.*|te"
    r"|transfer-encoding|upgrade.*|user-agent|x-requested-with|x-title",
    re.IGNORECASE,
)


def collect_secrets(options: Options) -> List[str]:
    """Return what must not be shown of a call: credentials, cookies, passwords, and headers that may hold one."""
    proxies = [options.proxy, *getproxies().values()]
    headers: List[Mapping[str, Any]] = [options.headers]
    logins = [options.basic_auth]
    cookies = _cookie_values(options.cookies)
    if options.session is not None:
        proxies += options.session.proxies.values()
        headers.append(options.session.headers)
        logins.append(credentials_in_auth(options.session.auth))
        cookies += _cookie_values(options.session.cookies)
    logins += [credentials_in_url(proxy) for proxy in proxies]
    passwords = [text for user, password in filter(None, logins) for text in (password or user, f"{user}:{password}")]
    sent = [value for one in headers for value in secret_headers(one)]
    return [text for text in (options.auth, *cookies, *passwords, *sent) if text]


def _cookie_values(cookies: "dict[str, str] | CookieJar") -> List[Optional[str]]:
    return [*cookies.values()] if isinstance(cookies, dict) else [cookie.value for cookie in cookies]


def encoded_variants(secrets: Iterable[str]) -> List[str]:
    """All that whole secrets, and the words in them, may look like."""
    parts = {part for text in secrets for part in (text, *re.split(r"[\s=;]+", text))}
    return list({form for part in parts for form in _forms(part) if len(form) >= _SHORTEST})


def secret_headers(headers: Mapping[str, Any]) -> List[str]:
    """The values of all headers but those that are known to hold no secret; of a Basic login, what it says, too."""
    values = [
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
        if value and not _PUBLIC_HEADERS.fullmatch(name)
    ]
    logins = [re.sub("^(bearer|basic|token) +", "", value, flags=re.IGNORECASE) for value in values]
    return logins + [part for value in values for part in _of_basic(value)]


def credentials_in_url(url: Optional[str]) -> Optional[Tuple[str, str]]:
    """The user and password in a URL."""
    login, at, _ = re.sub(r"^\w+://", "", url or "").rpartition("@")
    user, _, password = login.partition(":")
    return (unquote(user), unquote(password)) if at else None


def credentials_in_auth(auth: Any) -> Optional[Tuple[str, str]]:
    """The login in a session's `auth`, as far as that is known."""
    both = auth if isinstance(auth, tuple) else (getattr(auth, "username", ""), getattr(auth, "password", ""))
    return (str(both[0]), str(both[1])) if any(both) else None


def _of_basic(value: str) -> List[str]:
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            login = b64decode(encoded).decode("latin-1")
            return [login, login.partition(":")[2]]
    return []


def redact(value: Any, forms: List[str]) -> Any:
    """A text, or bytes, without the secrets, also those that are cut; anything else as it is."""
    if isinstance(value, bytes):
        return redact(value.decode("latin-1"), forms).encode("latin-1", "replace")
    return _hidden(value, forms) if isinstance(value, str) and forms else value


def _hidden(text: str, forms: List[str]) -> str:
    beginnings = re.compile("|".join({re.escape(form[:_SHORTEST]) for form in forms}))
    shown, at = [], 0
    found = beginnings.search(text)
    while found:
        start = found.start()
        shown.append(text[at:start])
        # The text follows one of them the longest. Where that is not whole, the rest of the word is left out, too.
        came = max((commonprefix([form, text[start : start + len(form)]]) for form in forms), key=len)
        rest = (_PADDING if came in forms else _WORD).match(text, start + len(came))
        at = rest.end() if rest else start + len(came)
        found = beginnings.search(text, at)
    return "…".join([*shown, text[at:]])


def _forms(secret: str) -> Set[str]:
    """How a host may write a secret, and how it reads when its encoding is mistaken."""
    as_utf8, as_latin = secret.encode("utf-8", "surrogatepass"), secret.encode("latin-1", "replace")
    texts = {secret, as_utf8.decode("latin-1"), as_latin.decode("utf-8", "replace")}
    for data in (as_utf8, as_latin):
        base64 = b64encode(data).decode().rstrip("=")
        percent = quote(data, safe="")
        texts |= {base64, base64.replace("+", "-").replace("/", "_")}
        texts |= {percent, quote(data), quote_plus(data), re.sub("%..", lambda one: one.group().lower(), percent)}
    texts |= {html.escape(text) for text in texts}
    for _ in range(2):  # errors are handed on in errors
        texts |= {escaped for text in texts for escaped in _in_json(text)}
    # In an excerpt, quotes and backslashes are escaped once more; it depends on all of it which quotes are.
    return texts | {shown for text in texts for shown in (repr(text)[1:-1], repr(f'"{text}')[2:-1])}


def _in_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        written = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield written
        yield written.replace("/", "\\/")
