"""The engine: the provider that a server answers from, with each completion in a thread of its own."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from ..availability import is_placeholder, is_unavailable
from ..compat.redirects import redirected_call, current_target, route
from ..concurrency.worker import STREAM_END, StreamWorker
from ..errors import GenerationError, ProviderError, RateLimitError
from ..options import read_options
from ..prompt import check_messages
from ..registry import list_models

MAX_CONCURRENT = 64
"""How many completions run at the same time."""

LISTING_TIMEOUT = 3.0
"""Seconds that a server may take to connect, and to list its models."""

LISTING_RETRY_DELAY = 60.0
"""Seconds after which a server that failed to list its models is asked again."""

log = logging.getLogger(__name__)

_DISCONNECT_CHECK_INTERVAL = 0.1
_PARAMETER_ALIASES = {"max_new_tokens": "max_tokens"}
_PARAMETERS = ("temperature", "top_p", "seed", "stop", "max_tokens", "presence_penalty", "frequency_penalty")


class Engine:
    """A provider, the model it is asked for, and the options it is called with.

    Args:
        provider: a provider module.
        model: the model to ask for, whatever a client names; by default what the client names.
        max_concurrent: how many completions run at the same time; further ones wait.
        options: those of each call to the provider.

    Raises:
        TypeError, ValueError: an option is wrong.
        AuthenticationRequiredError: credentials are missing.
        ProviderNotWorkingError: the provider is unavailable, and there is no redirect target.
    """

    def __init__(
        self, provider: ModuleType, model: str | None, max_concurrent: int, options: Mapping[str, Any]
    ) -> None:
        self.provider: Any = provider
        self.name = provider.__name__.rpartition(".")[2]
        self.model = model
        self._queue = _CompletionQueue(max_concurrent)
        self._options = dict(options)
        self._listed_models: list[str] | None = None
        self._next_listing = 0.0
        is_redirected = is_unavailable(provider, self._options) and current_target() is not None
        if not (is_redirected or is_placeholder(provider)):
            read_options(provider, options)
        if is_unavailable(provider, self._options):
            redirected_call(self.name, self._options)

    def stop(self) -> None:
        """Stop all completions."""
        self._queue.stop()

    @property
    def models(self) -> list[str]:
        """What clients can ask for: the one model, or those that the provider's server lists, or those that the
        provider knows, by both of their names. The server is asked until it has listed them once."""
        if self.model:
            return [self.model]
        if self._listed_models is None and time.monotonic() >= self._next_listing:
            self._next_listing = time.monotonic() + LISTING_RETRY_DELAY
            self._list_models()
        known = [*self.provider.model, *self.provider.models.values()]
        return self._listed_models or list(dict.fromkeys(known)) or ["default"]

    def prepare(self, model: str, messages: list[dict[str, str]], parameters: Mapping[str, Any]) -> "ActiveCompletion":
        """Prepare a completion. It starts when it is read.

        Args:
            model: what the client names; an empty name means the provider's own default.
            parameters: generation parameters by the names of any of the protocols. Unknown ones are dropped.

        Raises:
            TypeError, ValueError: the messages are invalid.
        """
        check_messages(messages)
        named = {_PARAMETER_ALIASES.get(name, name): value for name, value in parameters.items() if value is not None}
        forwarded = {name: value for name, value in named.items() if name in _PARAMETERS}
        provider, model, options = route(self.provider, self.model or model, {**forwarded, **self._options})
        tokens = provider._create_completion(model, messages, provider.supports_stream, **options)
        return ActiveCompletion(tokens, self._queue)

    def _list_models(self) -> None:
        try:
            options = {**self._options, "retries": 0, "timeout": LISTING_TIMEOUT}
            self._listed_models = list_models(self.provider, options) or []
        except ProviderError as error:
            log.warning("The models cannot be listed: %s", error)


class ActiveCompletion:
    """A completion that runs or is queued.

    Attributes:
        tokens (list): the tokens received so far.
        is_stopped (bool): whether `stop` was called.
    """

    def __init__(self, tokens: Any, completions: "_CompletionQueue") -> None:
        self.tokens: list[str] = []
        self.is_stopped = False
        self._completions = completions
        self._worker = StreamWorker(tokens)
        self._fetched: queue.SimpleQueue[Future[str] | None] = queue.SimpleQueue()  # None wakes the reader

    @property
    def text(self) -> str:
        """The text received so far."""
        return "".join(self.tokens)

    @property
    def queue_position(self) -> tuple[int, int] | None:
        """The position in the queue and the queue's size, or None if it is not queued."""
        return self._completions.get_position(self)

    def stop(self) -> None:
        """End the completion, from any thread."""
        self.is_stopped = True
        self._worker.stop()
        self._fetched.put(None)

    def fetch(self) -> None:
        """Fetch the next token in the worker's thread."""
        try:
            self._worker.next().add_done_callback(self._fetched.put)
        except RuntimeError:  # raised by an executor that was shut down
            if not self._worker.stopped.is_set():
                raise

    def read(self, heartbeat: float, is_disconnected: Callable[[], bool] = lambda: False) -> Iterator[str | None]:
        """Run the completion. Yield its tokens, and None whenever there was no token for `heartbeat` seconds.

        The iteration ends when the completion ends, when it is stopped, or when `is_disconnected` returns True. The
        completion ends with the iteration.

        Raises:
            Exception: whatever the provider raises.
        """
        yielded = time.monotonic()
        self._completions.add(self)
        try:
            while not self.is_stopped:
                if is_disconnected():
                    self.stop()
                    return
                future = self._wait()
                if future is not None:
                    token = self._get_token(future)
                    if token is STREAM_END:
                        return
                    self.tokens.append(token)
                    yield token
                    yielded = time.monotonic()
                    self.fetch()
                elif time.monotonic() - yielded >= heartbeat:
                    yielded = time.monotonic()
                    yield None
        finally:
            self._worker.stop().add_done_callback(lambda _: self._completions.remove(self))

    def _wait(self) -> "Future[str] | None":
        try:
            return self._fetched.get(timeout=_DISCONNECT_CHECK_INTERVAL)
        except queue.Empty:
            return None

    def _get_token(self, future: "Future[str]") -> Any:
        try:
            token: Any = future.result()
        except (GeneratorExit, SystemExit, KeyboardInterrupt) as error:
            if self._worker.stopped.is_set():
                return STREAM_END
            raise GenerationError(f"the provider raised {type(error).__name__}") from error
        if token is STREAM_END or isinstance(token, str):
            return token
        raise GenerationError(f"the provider yielded {type(token).__name__} instead of str")


class _CompletionQueue:
    """The active completions in the order in which they were requested. The first ones run, the others wait."""

    def __init__(self, max_concurrent: int) -> None:
        self._max_concurrent = max_concurrent
        self._completions: list[ActiveCompletion] = []
        self._lock = threading.Lock()

    def add(self, completion: ActiveCompletion) -> None:
        """Add a completion, and start it if it need not wait."""
        with self._lock:
            self._completions.append(completion)
            runs = len(self._completions) <= self._max_concurrent
        if runs:
            completion.fetch()

    def remove(self, completion: ActiveCompletion) -> None:
        """Remove a completion, and start the one that takes its place, if any."""
        with self._lock:
            running = self._completions[: self._max_concurrent]
            self._completions.remove(completion)
            started = [other for other in self._completions[: self._max_concurrent] if other not in running]
        for other in started:
            other.fetch()

    def get_position(self, completion: ActiveCompletion) -> tuple[int, int] | None:
        """Return the position among those that wait and their number, or None if the completion does not wait."""
        with self._lock:
            waiting = self._completions[self._max_concurrent :]
        return (waiting.index(completion) + 1, len(waiting)) if completion in waiting else None

    def stop(self) -> None:
        """Stop all completions."""
        for completion in list(self._completions):
            completion.stop()


def status_for(error: Exception) -> int:
    """Return the HTTP status for a provider's error before the first token."""
    if isinstance(error, RateLimitError):
        return 429
    if isinstance(error, ProviderError):
        return 502
    return 400 if isinstance(error, (TypeError, ValueError)) else 500
