"""`RetryProvider`: several providers in the place of one, tried in turn."""

import random
from typing import Any, Dict, Generator, List, Sequence

import g4f_legacy  # its names are imported when they are used

from .aio import AsyncCompletion
from .base_provider import BaseProvider
from .errors import RetryNoProviderError, RetryProviderError
from .redirects import is_gone


class RetryProvider(BaseProvider):
    """Asks the first provider that gives a token.

    Args:
        providers: modules or names; the list is left alone.
        shuffle: whether to try them in a random order, a new one for each call.
    """

    __name__ = "RetryProvider"
    model: List[str] = []
    models: Dict[str, str] = {}
    working = True
    supports_stream = True

    def __init__(self, providers: Sequence[Any], shuffle: bool = True) -> None:
        registry = g4f_legacy.registry
        self.providers = [registry.get(one) if isinstance(one, str) else one for one in providers]
        self.shuffle = shuffle

    def create_completion(
        self, model: str, messages: List[Any], stream: bool = False, **kwargs: Any
    ) -> Generator[str, None, None]:
        """The tokens of the first provider that gives one. An error after that is the completion's.

        Raises:
            RetryNoProviderError: there is none to try.
            RetryProviderError: all have failed; it lists how.
        """
        candidates = [one for one in self.providers if not stream or one.supports_stream or is_gone(one, kwargs)]
        if self.shuffle:
            random.shuffle(candidates)
        if not candidates:
            raise RetryNoProviderError("there is no provider to try" + " that can stream" * bool(self.providers))
        return self._try_each(candidates, model, messages, stream, kwargs)

    _create_completion = create_completion

    def create_async(self, model: str, messages: List[Any], **kwargs: Any) -> Any:
        """A coroutine for the whole text."""
        return AsyncCompletion(self.create_completion(model, messages, **kwargs)).text()

    @staticmethod
    def _try_each(
        candidates: List[Any], model: str, messages: List[Any], stream: bool, kwargs: Any
    ) -> Generator[str, None, None]:
        failures: List[Exception] = []
        for provider in candidates:
            try:
                tokens = iter(provider.create_completion(model, messages, stream, **kwargs))
                first = next(tokens, None)
            except Exception as error:
                failures.append(error)
                continue
            if first is not None:
                yield first
                yield from tokens
            return
        raise RetryProviderError(candidates, failures)
