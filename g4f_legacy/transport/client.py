"""One server, spoken to over one `requests.Session`: its address, cookies, proxies, timeouts, retries and errors.

The traps that are taken care of here: a Secure cookie over plain http, environment proxies for loopback, netrc over an
explicit login, redirects to another origin, bodies that `iter_lines` and `iter_content` hold back, and connections that
break in the middle of a stream.
"""

from contextlib import contextmanager
import logging
import re
import sys
import time
from types import TracebackType
from typing import Any, Dict, Iterator, Optional, Tuple, Type, TypeVar
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from ..concurrency.worker import interruptible, sleep
from ..errors import Hint, ProviderError, RequestFailedError, ResponseFormatError
from ..options import env_variables, has_credentials, is_public, read_options
from ..parsing.payload import parse_json, summarize, truncate
from .body import STALL_FACTOR, ByteStream, drain_redirect, get_socket, read_body, read_prefix
from .cleanup import cleanup_on_exit
from .cookies import Cookies
from .failures import (
    contains_secret,
    error_from_exception,
    error_from_response,
    get_redirect_url,
    is_transient,
    origin,
    redact_error,
    strip_credentials,
)
from .redaction import collect_secrets, encoded_variants, redact, secret_headers
from .session import get_response_hooks, is_loopback, keep_authorization, new_session

log = logging.getLogger("g4f_legacy")
log.addHandler(logging.NullHandler())

T = TypeVar("T")

MAX_RETRY_WAIT = 30.0
"""Seconds: a host that asks for more with Retry-After is not waited for."""

CLEANUP_TIMEOUT = 5.0
"""Seconds that a clean-up may wait for the host."""

_MOST_REDIRECTS = 5


class ServerClient:
    """The host of one completion; a context manager that tells errors which provider and host they come from.

    Attributes:
        name (str): the provider's.
        base_url (str): its address, without a last slash.
        auth (str or None): the token or cookie text that was given or configured.
        parameters (dict): the generation parameters: the ``kwargs`` that are no options.
        headers (dict): what is sent with every request.
        read_timeout (float): the longest wait for an answer's headers, for a whole document, and for the next byte of a
            stream, in seconds.
    """

    def __init__(self, module_name: str, kwargs: Dict[str, Any], page: str = "") -> None:
        """Reads the options of a call.

        Args:
            module_name: the provider's ``__name__``.
            kwargs: the call's; they are left alone.
            page: a pattern for what is left out at the end of the address's path, where the page for people is.

        Raises:
            TypeError, ValueError, AuthenticationRequiredError: as `options.read_options`.
        """
        self._provider = sys.modules[module_name]
        self.name = module_name.rpartition(".")[2]
        self._options = options = read_options(self._provider, kwargs)
        self._last: Optional[requests.Response] = None
        parts = urlsplit(options.base_url)
        self.base_url = parts._replace(path=re.sub(f"(?:{page})$", "", parts.path)).geturl()
        self.auth = options.auth
        self.parameters = options.parameters
        self.read_timeout = options.timeout[1]
        self.headers: Dict[str, str] = {}
        self._session = new_session() if options.session is None else options.session
        self._cookies = Cookies(self.base_url, self._session.cookies, options.cookies)

    def __repr__(self) -> str:
        return f"<ServerClient of {self.name} at {self.base_url}>"

    def __enter__(self) -> "ServerClient":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if isinstance(error, ProviderError) and error.provider is None and self._last is not None:
            error.response = self._last
            error.request = self._last.request
            self._tell(error, self._last.url)

    def model_id(self, model: Any) -> str:
        """What the host calls a model: by the provider's `models`, or as given; an empty name is its first model."""
        name = model or self._provider.model[0]
        return str(self._provider.models.get(name, name))

    @property
    def has_session_cookie(self) -> bool:
        """Whether the session has a cookie of this host already: the caller's, and it has been here before."""
        return self._cookies.has_cookies_for_server

    def set_auth(self, cookie: str = "") -> None:
        """Sends `auth`, if there is one, with every request: a cookie text as cookies, a bare token as the cookie of
        that name, or else as ``Authorization: Bearer``."""
        auth = self.auth or ""
        if "=" in auth.rstrip("="):  # a bare token may end with padding
            for name, _, value in (pair.strip().partition("=") for pair in auth.strip("; ").split(";")):
                self._cookies.set(name, value)
        elif auth and cookie:
            self._cookies.set(cookie, auth)
        else:
            self.set_auth_header("Authorization", "Bearer ")

    def set_auth_header(self, header: str, before: str = "") -> None:
        """Sends `auth`, if there is one, in a header of every request, with a text like ``"Bearer "`` before it."""
        if self.auth:
            self.headers[header] = before + self.auth

    def visit(self, path: str) -> None:
        """Fetches a page, for the cookies that come with it. Raises as `get`, but for the shape."""
        self._whole("GET", path)

    def get(self, path: str, kind: Type[T], **request: Any) -> T:
        """Asks for a path below the base URL.

        Args:
            path: begins with a slash.
            kind: of the JSON document that is expected: ``dict`` or ``list``.
            request: `params`, `data`, `json` and `headers` as in requests. With ``follow_redirects=False`` a redirect
                is an answer; else it is followed within the host's own origin, where the method allows it.

        Returns:
            The JSON document that the host answers; an empty one for an empty body.

        Raises:
            RequestFailedError: no connection, no answer in time, or a status other than 2xx.
            ResponseFormatError: the answer is no such document, or larger than ``body.LARGEST``.
        """
        content = self._whole("GET", path, **request).content
        return parse_json(content, kind) if content else kind()

    def post(self, path: str, **request: Any) -> Dict[str, Any]:
        """As `get`, with POST, for a JSON object."""
        answer = self._whole("POST", path, **request)
        return {} if answer.is_redirect else parse_json(answer.content or b"{}", dict)

    @contextmanager
    def stream(self, path: str, patience: Optional[int] = None, **request: Any) -> Iterator[ByteStream]:
        """Posts, and gives the bytes of the answer as they arrive.

        Args:
            patience: how many times `read_timeout` to wait while bytes come, but none with news; `body.PATIENCE`.

        Leaving the block closes the answer; leaving it without an error keeps the connection for the next request.

        Raises:
            RequestFailedError: as `get`.
            ResponseFormatError: the answer is a page.
            StreamInterruptedError: in the block, when the connection breaks or nothing (new) comes for too long.
        """
        self._last = response = self._request("POST", path, headers={"Accept-Encoding": "identity"}, **request)
        pieces = ByteStream(response, self.read_timeout, patience or STALL_FACTOR)
        try:
            content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if content_type == "text/html":
                page = read_prefix(response)
                raise ResponseFormatError(
                    f"expected a stream, but got a page: {truncate(page)}", body=page.decode("utf-8", "replace")
                )
            with interruptible(get_socket(response)):
                yield pieces
        except BaseException as error:
            if isinstance(error, ProviderError):  # it may be logged on its way up
                redact_error(error, collect_secrets(self._options))
            pieces.close()
            raise
        pieces.finish()

    @contextmanager
    def deleted_on_exit(self, path: str, *, params: Optional[Dict[str, str]] = None, stop: str = "") -> Iterator[None]:
        """Deletes what a completion made on the host, however the block is left; a failure is logged, never raised.

        Args:
            path, params: what to DELETE.
            stop: a path to POST to first when the caller leaves early, so that the host stops generating.
        """

        def stop_generating() -> None:
            if stop:
                self._clean_up("POST", stop)

        with cleanup_on_exit(stop_generating, lambda: self._clean_up("DELETE", path, params)):
            yield

    def _clean_up(self, method: str, path: str, params: Optional[Dict[str, str]] = None) -> None:
        connect, read_timeout = self._options.timeout
        timeout = (min(connect, CLEANUP_TIMEOUT), min(read_timeout, CLEANUP_TIMEOUT))
        try:
            read_body(self._request(method, path, params=params, retries=0, timeout=timeout), timeout[1])
        except Exception as error:  # whatever it is, it must not hide the answer, or the error that is under way
            if isinstance(error, ProviderError):
                self._tell(error, self.base_url + path)
            log.warning("%s: cleaning up failed: %s", self.name, error)

    def _whole(self, method: str, path: str, **request: Any) -> requests.Response:
        self._last = response = self._request(method, path, **request)
        with interruptible(get_socket(response)):
            return read_body(response, self.read_timeout)

    def _request(self, method: str, path: str, *, retries: Optional[int] = None, **request: Any) -> requests.Response:
        """Sends a request, and again after a passing failure, until it is answered; the body is still to be read."""
        tries_left = self._options.retries if retries is None else retries
        backoff = 0.5
        while True:
            try:
                return self._send(method, self.base_url + path, **request)
            except RequestFailedError as error:
                wait = backoff if error.retry_after is None else error.retry_after
                if not tries_left or wait > MAX_RETRY_WAIT or not is_transient(error):
                    raise
                log.info("%s Trying again in %g seconds.", error, wait)
            sleep(wait)
            tries_left -= 1
            backoff = min(2 * backoff, MAX_RETRY_WAIT)

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Dict[str, str]] = None,
        follow_redirects: bool = True,
        timeout: Optional[Tuple[float, float]] = None,
        **request: Any,
    ) -> requests.Response:
        request.update(self._settings(), headers={**(headers or {}), **self.headers, **self._options.headers})
        request["timeout"] = timeout = timeout or self._options.timeout
        request["hooks"] = {"response": [drain_redirect, *get_response_hooks(self._session)]}
        for _ in range(_MOST_REDIRECTS):
            started = time.monotonic()
            try:
                response = self._session.request(method, url, cookies=self._cookies.outgoing(), **request)
            except (OSError, HTTPError, ValueError, AttributeError) as error:  # requests' on a charset without a value
                raise self._failure(error, url, timeout, time.monotonic() - started) from error
            log.debug("%s: %s %s: %d", self.name, method, strip_credentials(url), response.status_code)
            if 200 <= response.status_code < 300 or response.is_redirect and not follow_redirects:
                return response
            target = get_redirect_url(response)
            keeps_method = method == "GET" or response.status_code in (307, 308)
            is_own = (
                target
                and origin(target) == origin(response.url)
                and not contains_secret(target, collect_secrets(self._options))
            )
            if not (target and keeps_method and is_own):
                raise self._tell(error_from_response(response), url)
            response.close()
            url = target
            request.pop("params", None)  # they are in the target already, if the host wants them
        message = f"the host redirected {_MOST_REDIRECTS} times"
        raise self._tell(RequestFailedError(message, status=response.status_code), url)

    def _failure(self, error: Exception, url: str, timeout: Tuple[float, float], waited: float) -> ProviderError:
        # In a method, so that no frame of the traceback holds the failure: it would wait for the collector.
        answer = getattr(error, "response", None)  # of a hook that raises for a status
        failure = error_from_exception(error, *timeout, waited) if answer is None else error_from_response(answer)
        if not self._provider.working and is_public(self._provider, url):
            failure.hint = Hint.SERVER_GONE
        return self._tell(failure, url)

    def _settings(self) -> Dict[str, Any]:
        options = self._options
        hostname = urlsplit(self.base_url).hostname or ""
        proxies: Dict[str, str] = {}
        if options.proxy:
            proxies = {"http": options.proxy, "https": options.proxy}
        elif is_loopback(hostname):
            proxies = {"no_proxy": hostname}
        auth = options.basic_auth or self._session.auth or (keep_authorization if has_credentials(options) else None)
        return {"stream": True, "allow_redirects": False, "proxies": proxies, "auth": auth, "verify": options.verify}

    def said(self, value: Any) -> str:
        """What the host says, as one readable line for the log: without the logins."""
        sent = {} if self._last is None else self._last.request.headers
        return str(redact(summarize(value), encoded_variants([*collect_secrets(self._options), *secret_headers(sent)])))

    def _tell(self, error: ProviderError, url: str) -> ProviderError:
        """Writes into an error which provider and address it comes from. Hosts may repeat the key that they refuse."""
        error.provider = self.name
        error.url = strip_credentials(url)
        redact_error(error, collect_secrets(self._options))
        error.auth_variables = env_variables(self._provider, "AUTH")
        return error


def quote_segment(text: str) -> str:
    """Quotes an id of the host's to be one segment of a path.

    Raises:
        ResponseFormatError: no segment can be made of it, because it is empty or a dot segment.
    """
    if text in ("", ".", ".."):
        raise ResponseFormatError(f"expected an id, but got {text!r}")
    return quote(text, safe="", errors="surrogatepass")
