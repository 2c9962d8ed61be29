"""The class that gives provider modules the methods that providers had when they were classes."""

from collections.abc import Coroutine, Generator
from types import ModuleType
from typing import Any

from .. import registry
from ..concurrency.async_stream import AsyncStream
from ..credentials import wrap_secrets
from ..models import model_name
from .redirects import route


class ProviderModule(ModuleType):
    """A provider module with the methods of 2023. Pickling it stores its name; unpickling imports it."""

    _create_completion: Any
    _public_url: str
    url: str
    model: list[str]

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _import_provider, (self.__name__.rpartition(".")[2],)

    @property
    def supports_gpt_35_turbo(self) -> bool:
        return "gpt-3.5-turbo" in self.model

    @property
    def supports_gpt_4(self) -> bool:
        return "gpt-4" in self.model

    def create_completion(
        self, model: Any, messages: list[Any], stream: bool = True, **kwargs: Any
    ) -> Generator[str, None, None]:
        """Return the tokens of the provider or, if it is unavailable, of the redirect target.

        Nothing is sent before the first token is requested.
        """
        wrap_secrets(kwargs)
        provider, model, options = route(self, model_name(model), kwargs)
        tokens: Generator[str, None, None] = provider._create_completion(model, messages, stream, **options)
        return tokens

    def create_async(
        self, model: Any, messages: list[Any], stream: bool = False, **kwargs: Any
    ) -> Coroutine[Any, Any, str]:
        """Return a coroutine for the complete text."""
        wrap_secrets(kwargs)
        return AsyncStream(self.create_completion(model, messages, stream, **kwargs)).text()

    def create_async_generator(
        self, model: Any, messages: list[Any], stream: bool = True, **kwargs: Any
    ) -> AsyncStream:
        """Return the tokens for ``async for``, or the complete text for ``await``."""
        wrap_secrets(kwargs)
        return AsyncStream(self.create_completion(model, messages, stream, **kwargs))


def wrap_module(module: Any) -> None:
    """Make a provider module a `ProviderModule` in place.

    It gets itself as an attribute under its own name, because scripts write ``from g4f.Provider.H2o import H2o``.
    """
    if not isinstance(module, ProviderModule):
        module._public_url = module.url  # scripts may assign `url`; this stays the public server's
        setattr(module, module.__name__.rpartition(".")[2], module)
        module.__class__ = ProviderModule  # last, because it tells other threads that the rest is done


def _import_provider(name: str) -> Any:
    return registry.get(name)
