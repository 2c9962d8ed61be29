"""The class that gives provider modules the names that they had in the days when they were classes."""

from types import ModuleType
from typing import Any, Coroutine, Generator, List, Tuple

import g4f_legacy  # its names are imported when they are used

from .aio import AsyncCompletion
from .models import name_of
from .redirects import route


class ProviderModule(ModuleType):
    """What a provider module has beside its own names. It can be pickled; the copy is the provider itself."""

    _create_completion: Any
    model: List[str]

    def __reduce__(self) -> Tuple[Any, Tuple[str]]:
        return _find, (self.__name__.rpartition(".")[2],)

    @property
    def supports_gpt_35_turbo(self) -> bool:
        return "gpt-3.5-turbo" in self.model

    @property
    def supports_gpt_4(self) -> bool:
        return "gpt-4" in self.model

    def create_completion(
        self, model: Any, messages: List[Any], stream: bool = True, **kwargs: Any
    ) -> Generator[str, None, None]:
        """The provider's generator, or that of the redirect's target. Nothing is sent before its first token is asked
        for."""
        provider, model, options = route(self, name_of(model), kwargs)
        tokens: Generator[str, None, None] = provider._create_completion(model, messages, stream, **options)
        return tokens

    def create_async(
        self, model: Any, messages: List[Any], stream: bool = False, **kwargs: Any
    ) -> Coroutine[Any, Any, str]:
        """A coroutine for the whole text."""
        return AsyncCompletion(self.create_completion(model, messages, stream, **kwargs)).text()

    def create_async_generator(
        self, model: Any, messages: List[Any], stream: bool = True, **kwargs: Any
    ) -> AsyncCompletion:
        """The tokens with ``async for``, or the whole text with ``await``."""
        return AsyncCompletion(self.create_completion(model, messages, stream, **kwargs))


def _find(name: str) -> Any:
    return g4f_legacy.registry.get(name)
