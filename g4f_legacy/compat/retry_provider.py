"""`RetryProvider` of 2023: several providers that are tried in turn."""

import random
from collections.abc import Sequence
from typing import Any

from .. import registry
from ..availability import is_unavailable
from ..concurrency.async_stream import AsyncStream
from ..credentials import wrap_secrets
from ..errors import RetryNoProviderError, RetryProviderError
from ..options import provider_name
from ..tokens import Tokens, TokenStream
from .base_provider import BaseProvider


class RetryProvider(BaseProvider):
    """Asks several providers in turn, until one yields a token.

    Args:
        providers: modules or names; the list is not changed.
        shuffle: whether to try them in random order, a new one for each call.

    Attributes:
        exceptions (dict): the errors of the last call, by the names of the providers that have failed in it.
    """

    supports_stream = True

    def __init__(self, providers: Sequence[Any], shuffle: bool = True) -> None:
        self.providers = [registry.get(provider) if isinstance(provider, str) else provider for provider in providers]
        self.shuffle = shuffle
        self.working = True  # the class, which scripts find among the providers, is not one
        self.exceptions: dict[str, Exception] = {}

    def create_completion(self, model: str, messages: list[Any], stream: bool = False, **kwargs: Any) -> Tokens:
        """Yield the tokens of the first provider that yields one. An error after its first token is raised.

        Raises:
            RetryNoProviderError: there is no provider to try.
            RetryProviderError: all have failed; the message lists their errors.
        """
        wrap_secrets(kwargs)
        candidates = [
            provider
            for provider in self.providers
            if not stream or provider.supports_stream or is_unavailable(provider, kwargs)
        ]
        if self.shuffle:
            random.shuffle(candidates)
        if not candidates:
            condition = " that can stream" if self.providers else ""
            raise RetryNoProviderError(f"there is no provider to try{condition}")
        return self._try_each(candidates, model, messages, stream, kwargs)

    _create_completion = create_completion

    def create_async(self, model: str, messages: list[Any], **kwargs: Any) -> Any:
        """Return a coroutine for the complete text."""
        wrap_secrets(kwargs)
        return AsyncStream(self.create_completion(model, messages, **kwargs)).text()

    def _try_each(self, candidates: list[Any], model: str, messages: list[Any], stream: bool, kwargs: Any) -> Tokens:
        failures: list[Exception] = []
        exceptions = self.exceptions = {}  # a new one, because calls may run at the same time
        for provider in candidates:
            try:
                tokens = TokenStream(provider.create_completion(model, messages, stream, **kwargs))
                first = next(tokens, None)
            except Exception as error:
                failures.append(error)
                exceptions[provider_name(provider)] = error
                continue
            if first is not None:
                yield first
                yield from tokens
            return tokens.finish
        raise RetryProviderError(candidates, failures)
