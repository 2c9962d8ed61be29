"""`ServerClient`: one server, spoken to over one `requests.Session`.

The usual mistakes of such clients are avoided in separate modules: a Secure cookie over plain http (`cookies`),
environment proxies for loopback, netrc over explicit credentials, redirects to another origin (`requester`, `session`),
bodies that `iter_lines` and `iter_content` hold back, and connections that break in mid-stream (`body`).
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests

from ..concurrency.worker import interruptible
from ..credentials import Secret, wrap_secrets
from ..errors import ProviderError, ResponseFormatError
from ..near_misses import warn_of_near_misses
from ..options import read_options
from ..parsing.event_stream import EventStream
from ..tokens import Finish, describe_ending
from .body import ByteStream, get_socket, read_body
from .cleanup import cleanup_on_exit
from .failures import clear_locals, parse_payload, refuse_page
from .requester import Requester

# https://docs.python.org/3/howto/logging.html#configuring-logging-for-a-library
logging.getLogger("g4f_legacy").addHandler(logging.NullHandler())
log = logging.getLogger(__name__)

T = TypeVar("T")

_PROVIDERS = f"{__name__.partition('.')[0]}.Provider"

CLEANUP_TIMEOUT = 5.0
"""Seconds that a clean-up request waits for the server."""

PROGRESS_TIMEOUT_FACTOR = 10
"""The progress timeout of a stream, in read timeouts."""


class ServerClient:
    """The client of one completion. As a context manager, it adds to errors which provider and server they come from.

    Args:
        module_name: the provider's ``__name__``: its import path or, for those of this package, its name alone.
        kwargs: those of the call. If they are a dict, its credentials are replaced by equal `Secret` values.
        page_path: a pattern for what people append to the base URL, such as the path of a page; it is removed.

    Attributes:
        name (str): the provider's name.
        base_url (str): the server's address, without a trailing slash.
        auth (str or None): the token or cookie text that was given or configured.
        parameters (dict): the generation parameters: the ``kwargs`` that are not options.
        headers (dict): headers that are sent with every request.
        read_timeout (float): seconds to wait for a response's headers, for a complete body that is not a stream, and
            for the next byte of a stream.

    Raises:
        AuthenticationRequiredError: credentials are missing.
        TypeError, ValueError: an option is wrong.
    """

    def __init__(self, module_name: str, kwargs: Mapping[str, Any], page_path: str = "") -> None:
        self._provider = sys.modules.get(module_name) or sys.modules[f"{_PROVIDERS}.{module_name}"]
        self.name = module_name.rpartition(".")[2]
        self.base_url = ""  # so that the `repr` works while the options are read
        if isinstance(kwargs, dict):
            wrap_secrets(kwargs)
        self._options = options = read_options(self._provider, kwargs)
        warn_of_near_misses(self.name, options.parameters)
        self._last_response: requests.Response | None = None
        url = urlsplit(options.base_url)
        self.base_url = url._replace(path=re.sub(f"(?:{page_path})$", "", url.path)).geturl()
        self.auth = options.auth
        self.parameters = options.parameters
        self._requester = Requester(self._provider, options, self.base_url)
        self.headers = self._requester.headers
        self.read_timeout = options.timeout[1]

    def __repr__(self) -> str:
        return f"<ServerClient of {self.name} at {self.base_url}>"

    def __enter__(self) -> "ServerClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Errors of sending a request are annotated already; those without a provider come from reading its response.
        response = self._last_response
        if isinstance(error, ProviderError) and error.provider is None and response is not None:
            error.response = response
            error.request = response.request
            self._requester.annotate(error, response.url)
        if isinstance(error, ProviderError):
            clear_locals(error)

    def model_id(self, model: Any) -> str:
        """Return what the server calls a model: by the provider's `models`, else the name itself; an empty name is the
        provider's first model."""
        name = model or self._provider.model[0]
        return str(self._provider.models.get(name, name))

    @property
    def has_session_cookie(self) -> bool:
        """Whether the caller's session has a cookie of this server already, from an earlier completion."""
        return self._requester.cookies.has_cookies_for_server

    def set_auth(self, cookie: str = "") -> None:
        """Send `auth`, if there is one, with every request.

        Args:
            cookie: the name of the cookie that a bare token is sent as; without one, it is sent as
                ``Authorization: Bearer``. A cookie text is always sent as cookies.
        """
        auth = self.auth or ""
        if "=" in auth.rstrip("="):  # a bare token may end with padding
            for pair in auth.strip("; ").split(";"):
                name, _, value = pair.strip().partition("=")
                self._requester.cookies.set(name, value)
        elif auth and cookie:
            self._requester.cookies.set(cookie, auth)
        else:
            self.set_auth_header("Authorization", "Bearer ")

    def set_auth_header(self, header: str, prefix: str = "") -> None:
        """Send `auth`, if there is one, in a header of every request, after a prefix such as ``"Bearer "``."""
        if self.auth:
            self.headers[header] = Secret(prefix + self.auth)

    @contextmanager
    def try_base_path(self, path: str) -> Iterator[None]:
        """Append a path to the base URL, for the block and, unless the block fails, for the rest of the completion."""
        base_url = self.base_url
        self.base_url += path
        try:
            yield
        except BaseException:
            self.base_url = base_url
            raise

    def get_page(self, path: str) -> None:
        """Fetch a page for the cookies that it sets. Raises RequestFailedError as `get`."""
        self._read_response("GET", path)

    def get(self, path: str, kind: type[T], **request: Any) -> T:
        """Fetch JSON.

        Args:
            path: below the base URL, beginning with a slash.
            kind: the type of the payload: ``dict`` or ``list``.
            request: further arguments of `Requester.send`. Redirects are followed within the server's own origin where
                the method allows it; with ``follow_redirects=False`` a redirect is the response.

        Returns:
            The payload; an empty one for an empty body.

        Raises:
            RequestFailedError: no connection, no response in time, or a status other than 2xx.
            ResponseFormatError: the body is not such a payload, or larger than ``body.MAX_BODY_SIZE``.
        """
        response = self._read_response("GET", path, **request)
        return _parse(response, kind) if response.content else kind()

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        """Like `get`, but send a POST request and expect a JSON object."""
        response = self._read_response("POST", path, **request)
        return _parse(response, dict) if response.content and not response.is_redirect else {}

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        progress_timeout: float | None = None,
        body_ends: bool = True,
        on_chunk: Callable[[], Any] | None = None,
        **request: Any,
    ) -> Iterator[EventStream]:
        """Send a POST request that lets a model generate, and stream its response.

        When the block ends, the response is closed. If it ends without an error, the few bytes that follow the
        end-of-stream marker are read first, so that the connection is kept for the next request.

        Args:
            path, request: as in `get`, without `headers`.
            progress_timeout: seconds to wait for the next event while other bytes arrive; by default
                ``PROGRESS_TIMEOUT_FACTOR`` read timeouts.
            body_ends: False closes the connection after the block instead, because nothing ends the body.
            on_chunk: is called for each chunk, comments included, before its events are read. It may send requests;
                what it raises ends the stream.

        Raises:
            RequestFailedError: as in `get`.
            ResponseFormatError: the response is a page.
            StreamInterruptedError: in the block: the connection broke, or a timeout expired.
        """
        request["headers"] = {"Accept-Encoding": "identity"}
        response = self._request("POST", path, generates=True, **request)
        self._last_response = response
        chunks = ByteStream(response, self.read_timeout, progress_timeout or self._default_progress_timeout)
        try:
            refuse_page(response)
            with interruptible(get_socket(response)):  # by `AsyncStream`, from another thread
                received = self._call_for_each(chunks, on_chunk, response) if on_chunk else chunks
                yield EventStream(received, mark_progress=chunks.mark_progress)
        except BaseException as error:
            if isinstance(error, ProviderError):  # redacted here, because it may be logged on its way up
                self._requester.redact_error(error)
            chunks.close()
            raise
        if body_ends:
            chunks.drain()
        else:
            chunks.close()

    @contextmanager
    def deleted_on_exit(self, path: str, *, stop_path: str = "") -> Iterator[None]:
        """Delete what a completion created on the server, however the block ends. A failure is logged, never raised.

        Args:
            path: of the DELETE request.
            stop_path: where a POST request stops the generation. It is sent first when the block ends early.
        """

        def stop() -> None:
            if stop_path:
                self.send_quietly("POST", stop_path)

        with cleanup_on_exit(stop_if_early=stop, delete=lambda: self.send_quietly("DELETE", path)):
            yield

    def send_quietly(self, method: str, path: str, **request: Any) -> None:
        """Send a request of a clean-up: once, within ``CLEANUP_TIMEOUT``. A failure is logged, never raised."""
        connect_timeout, read_timeout = self._options.timeout
        timeout = (min(connect_timeout, CLEANUP_TIMEOUT), min(read_timeout, CLEANUP_TIMEOUT))
        try:
            read_body(self._request(method, path, retries=0, timeout=timeout, **request), timeout[1])
        except Exception as error:  # no error may hide the completion's text or its own error
            if isinstance(error, ProviderError):
                self._requester.annotate(error, self.base_url + path)
            log.warning("%s: cleaning up failed: %s", self.name, self.redact(str(error)))

    def finish(
        self,
        reason: str | None = None,
        usage: dict[str, Any] | None = None,
        *,
        text: str | None = None,
        has_text: bool = True,
        has_reasoning: bool = False,
    ) -> Finish:
        """Return how the completion ended, and log a warning if it ended with less than was asked for.

        Args:
            reason, usage, text: as in `Finish`.
            has_text, has_reasoning: as in `describe_ending`.
        """
        warning = describe_ending(reason, has_text=has_text, has_reasoning=has_reasoning)
        if warning:
            log.warning("%s: %s", self.name, self.redact(warning))
        return Finish(reason, usage, text)

    def redact(self, value: Any) -> str:
        """Return what the server sent as one readable line without secrets, for the log."""
        return self._requester.redact(value, self._last_response)

    @property
    def _default_progress_timeout(self) -> float:
        return PROGRESS_TIMEOUT_FACTOR * self.read_timeout

    def _call_for_each(
        self, chunks: ByteStream, function: Callable[[], Any], response: requests.Response
    ) -> Iterator[bytes]:
        for chunk in chunks:
            function()
            self._last_response = response  # again, after a request of the function's
            yield chunk

    def _request(self, method: str, path: str, **request: Any) -> requests.Response:
        return self._requester.send(method, self.base_url + path, **request)

    def _read_response(self, method: str, path: str, **request: Any) -> requests.Response:
        self._last_response = response = self._request(method, path, **request)
        _, read_timeout = request.get("timeout") or self._options.timeout
        with interruptible(get_socket(response)):
            return read_body(response, read_timeout)


def quote_segment(text: str) -> str:
    """Quote an id that the server sent as one segment of a path.

    Raises:
        ResponseFormatError: it is empty or a dot segment, which would change the path.
    """
    if text in ("", ".", ".."):
        raise ResponseFormatError(f"expected an id, received {text!r}")
    return quote(text, safe="", errors="surrogatepass")


def _parse(response: requests.Response, kind: type[T]) -> T:
    return parse_payload(response.content, kind, response.headers.get("Content-Type", ""))
