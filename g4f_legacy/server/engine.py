"""The engine: the provider that a server answers from, with each completion in a thread of its own."""

from concurrent.futures import Future, TimeoutError
import logging
import threading
import time
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ..availability import is_placeholder, is_unavailable
from ..compat.redirects import call_target, current_target, route
from ..concurrency.worker import STREAM_END, StreamWorker
from ..errors import GenerationError, ProviderError, RateLimitError
from ..options import read_options
from ..prompt import check_messages
from ..registry import list_models

MAX_CONCURRENT = 64
"""How many completions run at the same time."""

LISTING_TIMEOUT = 3.0
"""Seconds that a host may take to connect, and to list its models."""

LISTING_PAUSE = 60.0
"""Seconds after which a host that could not list its models is asked again."""

log = logging.getLogger("g4f_legacy")

_POLL = 0.1  # seconds between two looks at whether the client is still there
_PASSED_ON = {"max_new_tokens": "max_tokens"}  # the protocols' names for what engines call otherwise
_PARAMETERS = ("temperature", "top_p", "seed", "stop", "max_tokens", "presence_penalty", "frequency_penalty")


class Engine:
    """A provider, the model it is asked for, and the options it is called with.

    Args:
        provider: a provider module.
        model: the model to ask for, whatever a client names; without one, what the client names.
        slots: how many completions run at the same time; further ones wait.
        options: of each call to the provider.

    Raises:
        TypeError, ValueError, AuthenticationRequiredError: the options are wrong, or lack a login.
        ProviderNotWorkingError: the provider is gone, and there is no redirect.
    """

    def __init__(self, provider: ModuleType, model: Optional[str], slots: int, options: Mapping[str, Any]) -> None:
        self.provider: Any = provider
        self.name = provider.__name__.rpartition(".")[2]
        self.model = model
        self._slots = _Slots(slots)
        self._options = dict(options)
        self._listed: Optional[List[str]] = None
        self._lists_after = 0.0
        is_redirected = is_unavailable(provider, self._options) and current_target() is not None
        if not (is_redirected or is_placeholder(provider)):
            read_options(provider, options)
        if is_unavailable(provider, self._options):
            call_target(self.name, self._options)

    def stop(self) -> None:
        """Ends all completions."""
        self._slots.stop()

    @property
    def models(self) -> List[str]:
        """What clients can ask for: the one model, or those that the provider's host lists, or those that the provider
        knows, by both of their names. The host is asked until it has answered."""
        if self.model:
            return [self.model]
        if self._listed is None and time.monotonic() >= self._lists_after:
            self._lists_after = time.monotonic() + LISTING_PAUSE
            asked = {**self._options, "retries": 0, "timeout": LISTING_TIMEOUT}
            try:
                self._listed = list_models(self.provider, asked) or []
            except ProviderError as error:
                log.warning("The models cannot be listed: %s", error)
        known = [*self.provider.model, *self.provider.models.values()]
        return self._listed or list(dict.fromkeys(known)) or ["default"]

    def start(self, model: str, messages: List[Dict[str, str]], parameters: Mapping[str, Any]) -> "ActiveCompletion":
        """Prepares a completion; it begins when the answer is read.

        Args:
            model: what the client names; an empty name means the provider's own default.
            parameters: generation parameters by the names of any of the protocols; those that no engine needs to know
                are left out.

        Raises:
            TypeError, ValueError: the messages are none.
        """
        check_messages(messages)
        named = {_PASSED_ON.get(name, name): value for name, value in parameters.items() if value is not None}
        passed_on = {name: value for name, value in named.items() if name in _PARAMETERS}
        provider, asked, options = route(self.provider, self.model or model, {**passed_on, **self._options})
        return ActiveCompletion(
            provider._create_completion(asked, messages, provider.supports_stream, **options), self._slots
        )


class ActiveCompletion:
    """One completion under way. `came` are the tokens that have come."""

    def __init__(self, tokens: Any, slots: "_Slots") -> None:
        self.tokens: List[str] = []
        self.is_stopped = False
        self._running = StreamWorker(tokens)
        self._slots = slots

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self.tokens)

    @property
    def place(self) -> Optional[Tuple[int, int]]:
        """The place in the queue and its length; None when it is not queued."""
        return self._slots.place(self)

    def stop(self) -> None:
        """Ends the completion, from any thread."""
        self.is_stopped = True
        self._running.stop()

    def read(self, heartbeat: float, is_gone: Callable[[], bool] = lambda: False) -> Iterator[Optional[str]]:
        """The tokens as they come, and None whenever nothing has come for `heartbeat` seconds.

        Ends when the completion does, when it is stopped, or when `is_gone` says that nobody listens any more. However
        it ends, the completion has ended too.

        Raises:
            whatever the engine raises.
        """
        fetched: Optional["Future[str]"] = None
        runs = False
        heard = time.monotonic()
        self._slots.queue(self)
        try:
            while not self.is_stopped:
                if is_gone():
                    self.stop()
                    return
                runs = runs or self._slots.take(self, _POLL)
                if runs:
                    fetched = fetched or self._running.next()
                    try:
                        token = self._check(fetched.result(_POLL))
                    except TimeoutError as error:
                        if fetched.done() and fetched.exception() is error:
                            raise  # it is the engine's own
                    except (GeneratorExit, SystemExit, KeyboardInterrupt) as error:
                        if self._running.stopped.is_set():
                            return
                        raise GenerationError(f"the engine ended with {type(error).__name__}") from error
                    else:
                        if token is STREAM_END:
                            return
                        self.tokens.append(token)
                        yield token
                        fetched, heard = None, time.monotonic()
                        continue
                if time.monotonic() - heard >= heartbeat:
                    heard = time.monotonic()
                    yield None
        except RuntimeError:  # the engine's thread takes no more work
            if not self.is_stopped:
                raise
        finally:
            self._running.stop().add_done_callback(lambda _: self._slots.leave(self))

    @staticmethod
    def _check(token: Any) -> Any:
        if token is STREAM_END or isinstance(token, str):
            return token
        raise GenerationError(f"the engine gave {type(token).__name__} in the place of a text")


class _Slots:
    """Who may run, and who waits for that, in the order in which they came."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._answers: List[ActiveCompletion] = []  # the first ones run, the others wait
        self._changed = threading.Condition()

    def queue(self, answer: ActiveCompletion) -> None:
        with self._changed:
            self._answers.append(answer)

    def take(self, answer: ActiveCompletion, timeout: float) -> bool:
        """Whether it may run; waits for that for `timeout` seconds."""
        if answer in self._answers[: self._count]:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: answer in self._answers[: self._count], timeout)

    def place(self, answer: ActiveCompletion) -> Optional[Tuple[int, int]]:
        with self._changed:
            waiting = self._answers[self._count :]
            return (waiting.index(answer) + 1, len(waiting)) if answer in waiting else None

    def stop(self) -> None:
        for answer in list(self._answers):
            answer.stop()

    def leave(self, answer: ActiveCompletion) -> None:
        with self._changed:
            self._answers.remove(answer)
            self._changed.notify_all()


def status_for(error: Exception) -> int:
    """The HTTP status that tells a client about an engine's error before the first token."""
    if isinstance(error, RateLimitError):
        return 429
    if isinstance(error, ProviderError):
        return 502
    return 400 if isinstance(error, (TypeError, ValueError)) else 500
