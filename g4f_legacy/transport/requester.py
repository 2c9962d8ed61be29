"""Sends the requests of one completion: retries, redirects, proxies and credentials, and failures as errors."""

import logging
import time
from http import HTTPStatus
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from ..concurrency.worker import sleep
from ..errors import Hint, ProviderError, RequestFailedError
from ..options import Options, env_variables, has_credentials, has_working_public_server, is_public, provider_name
from ..parsing.payload import summarize
from .body import drain_redirect
from .connection_failures import error_from_exception, is_transient
from .cookies import Cookies
from .failures import (
    clear_locals,
    contains_secret,
    error_from_response,
    get_redirect_url,
    origin,
    redact_error,
    strip_credentials,
)
from .proxy_failures import Proxy, blame_proxy, find_proxy, mention_proxy
from .redaction import collect_secrets, encoded_variants, redact, secret_headers
from .session import get_response_hooks, is_loopback, keep_authorization, new_session

log = logging.getLogger(__name__)

MAX_RETRY_WAIT = 30.0
"""Seconds. A server that asks for a longer wait with Retry-After is not asked again."""

_INITIAL_BACKOFF = 0.5  # seconds
_MAX_REDIRECTS = 5
_OTHER_CAUSES = (Hint.CHECK_PROXY, Hint.CHECK_PROXY_TLS, Hint.GIVE_PROXY_CREDENTIALS)  # than a server that is gone


class Requester:
    """Sends requests by the options of a call. Redirects are followed within the server's own origin only.

    Args:
        provider: the provider's module.
        options: those of the call.
        base_url: the server's address.

    Attributes:
        name (str): the provider's name.
        headers (dict): headers that are sent with every request.
        cookies (Cookies): the cookies that are sent to the server.
    """

    def __init__(self, provider: ModuleType, options: Options, base_url: str) -> None:
        self.name = provider_name(provider)
        self.headers: dict[str, str] = {}
        self._provider: Any = provider
        self._options = options
        self._session = new_session() if options.session is None else options.session
        self.cookies = Cookies(base_url, self._session.cookies, options.cookies)

    def send(
        self, method: str, url: str, *, retries: int | None = None, generates: bool = False, **request: Any
    ) -> requests.Response:
        """Send a request, again after transient failures, and return the response with its body still to be read.

        Args:
            retries: how often to send it again; by default as the options say.
            generates: whether the request lets a model generate. It is not sent again after 504 then.
            request: `params`, `data`, `json`, `files` and `headers` as in requests; ``timeout`` overrides the options';
                with ``follow_redirects=False`` a redirect is a response.

        Raises:
            RequestFailedError: no connection, no response in time, or a status other than 2xx.
        """
        retries_left = self._options.retries if retries is None else retries
        backoff = _INITIAL_BACKOFF
        while True:
            try:
                return self._send_once(method, url, **request)
            except RequestFailedError as error:
                wait = backoff if error.retry_after is None else error.retry_after
                if not retries_left or wait > MAX_RETRY_WAIT or not is_transient(error, generates=generates):
                    raise
                log.info("%s Trying again in %g seconds.", error, wait)
            sleep(wait)
            retries_left -= 1
            backoff = min(2 * backoff, MAX_RETRY_WAIT)

    def _send_once(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        follow_redirects: bool = True,
        timeout: tuple[float, float] | None = None,
        **request: Any,
    ) -> requests.Response:
        request["timeout"] = timeout = timeout or self._options.timeout
        for _ in range(_MAX_REDIRECTS):
            started = time.monotonic()
            try:
                response = self._session.request(method, url, **self._request_settings(headers), **request)
            # AttributeError: requests raises it on a Content-Type with a charset that has no value.
            except (OSError, HTTPError, ValueError, AttributeError) as error:
                raise self._convert(error, url, timeout, time.monotonic() - started) from error
            except BaseException as error:  # such as KeyboardInterrupt, or what a hook of the caller's session raises
                clear_locals(error)
                raise
            log.debug("%s: %s %s: %d", self.name, method, strip_credentials(url), response.status_code)
            if 200 <= response.status_code < 300 or response.is_redirect and not follow_redirects:
                return response
            redirect_url = self._allowed_redirect(response, method)
            if redirect_url is None:
                raise self.annotate(self._refusal(response), url)
            response.close()
            url = redirect_url
            request.pop("params", None)  # the redirect's URL has them already, if the server needs them
        message = f"the server redirected {_MAX_REDIRECTS} times"
        raise self.annotate(RequestFailedError(message, status=response.status_code), url)

    def _allowed_redirect(self, response: requests.Response, method: str) -> str | None:
        """Return where a response redirects to, if that may be followed: by the same method, within the origin."""
        url = get_redirect_url(response)
        if url is None or origin(url) != origin(response.url):
            return None
        keeps_method = method == "GET" or response.status_code in (307, 308)
        return url if keeps_method and not contains_secret(url, collect_secrets(self._options)) else None

    def _request_settings(self, headers: dict[str, str] | None) -> dict[str, Any]:
        """Return the arguments that hold secrets (headers and proxies as ordinary strings), and others that depend on
        the options only.

        `_send_once` must not assign the result to a variable. The frames of requests that hold it are cleared when the
        request fails: see `clear_locals`.
        """
        options = self._options
        all_headers = {**(headers or {}), **self.headers, **options.headers}
        return {
            "stream": True,
            "allow_redirects": False,
            "proxies": self._proxies(),
            "headers": {name: str(value) for name, value in all_headers.items()},
            "cookies": self.cookies.outgoing(),
            "auth": options.basic_auth
            or self._session.auth
            or (keep_authorization if has_credentials(options) else None),
            "verify": options.verify,
            "hooks": {"response": [drain_redirect, *get_response_hooks(self._session)]},
        }

    def _proxies(self) -> dict[str, str]:
        hostname = urlsplit(self._options.base_url).hostname or ""
        if self._options.proxy:
            proxy = str(self._options.proxy)
            return {"http": proxy, "https": proxy}
        return {"no_proxy": hostname} if is_loopback(hostname) else {}

    def _find_proxy(self, url: str) -> Proxy | None:
        return find_proxy(self._session, url, self._proxies(), self._options.proxy)

    def _refusal(self, response: requests.Response) -> RequestFailedError:
        failure = error_from_response(response)
        proxy = self._find_proxy(response.url)
        if proxy is None:
            return failure
        if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            blame_proxy(failure, proxy)
        elif urlsplit(response.url).scheme == "http" and not proxy.address.startswith("socks"):
            mention_proxy(failure, proxy)  # of https and SOCKS, it passes on only bytes
        return failure

    def _convert(self, error: Exception, url: str, timeout: tuple[float, float], waited: float) -> ProviderError:
        # A method of its own, so that no frame of the traceback refers to the new error: that would be a reference
        # cycle, which only the garbage collector frees.
        response = getattr(error, "response", None)  # a hook of the caller's session may call raise_for_status()
        if response is None:
            connect_timeout, read_timeout = timeout
            failure = error_from_exception(
                error,
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                waited=waited,
                proxy=self._find_proxy(url),
            )
        else:
            failure = self._refusal(response)
        failure.__cause__ = error  # before `annotate`, which redacts causes as well
        clear_locals(error)
        may_be_gone = failure.status is None and failure.hint not in _OTHER_CAUSES
        if may_be_gone and not has_working_public_server(self._provider) and is_public(self._provider, url):
            failure.hint = Hint.SERVER_GONE
        return self.annotate(failure, url)

    def annotate(self, error: ProviderError, url: str) -> ProviderError:
        """Add the provider and the URL to an error, and remove secrets, which servers may repeat in their messages."""
        error.provider = self.name
        error.url = strip_credentials(url)
        error.auth_variables = env_variables(self._provider, "AUTH")
        redact_error(error, collect_secrets(self._options))
        return error

    def redact(self, value: Any, sent: requests.Response | None) -> str:
        """Return what the server sent as one readable line without secrets, for the log.

        Args:
            sent: a response, whose request's headers hold further secrets.
        """
        headers = sent.request.headers if sent is not None else {}
        secrets = [*collect_secrets(self._options), *secret_headers(headers)]
        return str(redact(summarize(value), encoded_variants(secrets)))

    def redact_error(self, error: ProviderError) -> None:
        """Remove the secrets of the call from an error."""
        redact_error(error, collect_secrets(self._options))
