"""The engine: the provider that a server answers from, with each completion in a thread of its own."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from ..availability import is_placeholder, is_unavailable
from ..compat.redirects import Call, current_target, redirected_call, route
from ..concurrency.worker import STREAM_END, StreamWorker
from ..errors import GenerationError, ProviderError
from ..options import provider_name, read_options
from ..prompt import check_messages
from ..registry import list_models
from ..tokens import Finish, TokenStream
from .parameters import check_parameters, rename_parameters

MAX_CONCURRENT = 64
"""How many completions run at the same time."""

LISTING_TIMEOUT = 3.0
"""Seconds that a server may take to connect, and to list its models."""

LISTING_RETRY_DELAY = 60.0
"""Seconds after which a server that failed to list its models is asked again."""

log = logging.getLogger(__name__)

_DISCONNECT_CHECK_INTERVAL = 0.1


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
        self.name = provider_name(provider)
        self.model = model
        self._queue = _CompletionQueue(max_concurrent)
        self._options = dict(options)
        self._listed_models: list[str] | None = None
        self._next_listing = 0.0
        is_gone = is_unavailable(provider, self._options)
        has_target = is_gone and current_target() is not None
        if not has_target and not is_placeholder(provider):
            read_options(provider, options)  # raises an error if they are wrong, or credentials are missing
        if is_gone:
            redirected_call(self.name, self._options)  # raises ProviderNotWorkingError if there is no target

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

    def prepare(
        self, model: str, messages: list[dict[str, str]], parameters: Mapping[str, Any], stream: bool = True
    ) -> "ActiveCompletion":
        """Prepare a completion. It starts when it is read.

        Args:
            model: what the client names; an empty name means the provider's own default.
            parameters: generation parameters, by the names of OpenAI's API. Those that the provider does not honour are
                left out: see `check_parameters`.
            stream: whether to ask the provider for a stream.

        Raises:
            TypeError, ValueError: the messages are invalid.
        """
        check_messages(messages)
        call = self._route(self.model or model)
        options = {**rename_parameters(call.provider, parameters), **call.options}
        tokens = call._replace(options=options).start(messages, stream and call.provider.supports_stream)
        return ActiveCompletion(tokens, str, self._queue)

    def relay(self, body: dict[str, Any]) -> "ActiveCompletion | None":
        """Prepare a completion whose request and response are passed on unchanged. Its items are payloads, not tokens.

        Args:
            body: of a request to ``/v1/chat/completions``.

        Returns:
            None if the provider speaks another protocol than OpenAI's.
        """
        provider, model, options = self._route(self.model or body.get("model") or "")
        if not hasattr(provider, "_relay_completion"):
            return None
        payloads = provider._relay_completion({**body, "model": model}, **options)
        return ActiveCompletion(payloads, dict, self._queue)

    def check_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Check that the provider honours the parameters of a request, which have the names of OpenAI's API.

        Raises:
            UnsupportedParameterError: it does not honour one of them.
        """
        provider, _, _ = self._route("")
        check_parameters(provider, parameters)

    def _route(self, model: str) -> Call:
        call = route(self.provider, model, self._options)
        return call._replace(options={"retries": 0, **call.options})  # clients retry, and need to know of a rate limit

    def _list_models(self) -> None:
        try:
            options = {**self._options, "retries": 0, "timeout": LISTING_TIMEOUT}
            self._listed_models = list_models(self.provider, options) or []
        except ProviderError as error:
            log.warning("The models cannot be listed: %s", error)


class ActiveCompletion:
    """A completion that runs or is queued.

    Args:
        items: what the provider yields: tokens, or payloads.
        item_type: their type.
        completions: the queue to run in.

    Attributes:
        is_stopped (bool): whether `stop` was called.
    """

    def __init__(self, items: Generator[Any, Any, Any], item_type: type, completions: "_CompletionQueue") -> None:
        self.is_stopped = False
        self._completions = completions
        self._item_type = item_type
        self._items = TokenStream(items)
        self._received: list[str] = []
        self._worker = StreamWorker(self._items)
        self._fetched: queue.SimpleQueue[Future[str] | None] = queue.SimpleQueue()  # None wakes the reader

    @property
    def text(self) -> str:
        """The complete text as the provider's server stated it, or else the tokens received so far."""
        stated = self.finish.text
        return "".join(self._received) if stated is None else stated

    @property
    def finish(self) -> Finish:
        """How the completion ended, as far as the provider reports it."""
        return self._items.finish or Finish()

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
        """Fetch the next item in the worker's thread."""
        try:
            self._worker.next().add_done_callback(self._fetched.put)
        except RuntimeError:  # raised by an executor that was shut down
            if not self._worker.stopped.is_set():
                raise

    def read(self, heartbeat: float, is_disconnected: Callable[[], bool] = lambda: False) -> Iterator[Any]:
        """Run the completion. Yield its items, and None whenever there was none for `heartbeat` seconds.

        The iteration ends when the completion ends, when it is stopped, or when `is_disconnected` returns True. The
        completion ends with the iteration.

        Raises:
            Exception: whatever the provider raises.
        """
        last_yield = time.monotonic()
        self._completions.add(self)
        try:
            while not self.is_stopped:
                if is_disconnected():
                    self.stop()
                    return
                future = self._wait()
                if future is not None:
                    item = self._get_item(future)
                    if item is STREAM_END:
                        return
                    if self._item_type is str:
                        self._received.append(item)
                    yield item
                    last_yield = time.monotonic()
                    self.fetch()
                elif time.monotonic() - last_yield >= heartbeat:
                    last_yield = time.monotonic()
                    yield None
        finally:
            self._worker.stop().add_done_callback(lambda _: self._completions.remove(self))

    def _wait(self) -> "Future[str] | None":
        try:
            return self._fetched.get(timeout=_DISCONNECT_CHECK_INTERVAL)
        except queue.Empty:
            return None

    def _get_item(self, future: "Future[str]") -> Any:
        try:
            item: Any = future.result()
        except (GeneratorExit, SystemExit, KeyboardInterrupt) as error:
            if self._worker.stopped.is_set():
                return STREAM_END
            raise GenerationError(f"the provider raised {type(error).__name__}") from error
        if item is STREAM_END or isinstance(item, self._item_type):
            return item
        raise GenerationError(f"the provider yielded {type(item).__name__} instead of {self._item_type.__name__}")


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
