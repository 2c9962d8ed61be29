"""The base classes of 2023: scripts test providers with `isinstance`, and derive providers of their own."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from functools import partial
from types import MethodType
from typing import Any

from .. import Provider
from ..concurrency.async_stream import AsyncStream
from ..concurrency.loop_thread import iterate, iterate_and_close
from ..credentials import wrap_secrets
from ..params import format_params
from ..tokens import Tokens, yield_joined
from .helper import format_prompt, get_cookies
from .provider_module import ProviderModule

__all__ = [
    "AsyncGeneratorProvider",
    "AsyncProvider",
    "BaseProvider",
    "ProviderUtils",
    "format_prompt",
    "get_cookies",
]


class _CountsProviders(type):
    """Counts every provider as an instance and, because providers were classes for a while, as a subclass."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, ProviderModule) or type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        if isinstance(subclass, type):
            return super().__subclasscheck__(subclass)
        return isinstance(subclass, ProviderModule)


class _Method:
    """A method of a class or of an instance, because scripts use either as a provider."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__doc__ = function.__doc__
        self._function = function

    def __get__(self, instance: Any, owner: type) -> Any:
        return MethodType(self._function, owner if instance is None else instance)


class _Attribute(_Method):
    """The same for an attribute that is computed."""

    def __get__(self, instance: Any, owner: type) -> Any:
        return self._function(owner if instance is None else instance)


# These return Any, so that type checkers let a script's own class override what they decorate in any way.


def _method(function: Callable[..., Any]) -> Any:
    return _Method(function)


def _attribute(function: Callable[..., Any]) -> Any:
    return _Attribute(function)


class BaseProvider(metaclass=_CountsProviders):
    """The base of a script's providers that define `create_completion`. All providers count as its instances.

    What a class does not define raises NotImplementedError.
    """

    url = ""
    model: list[str] = []
    models: dict[str, str] = {}
    model_aliases: dict[str, str] = {}
    working = False
    needs_auth = False
    supports_stream = False
    supports_message_history = False
    supports_gpt_35_turbo = False
    supports_gpt_4 = False

    @property
    def __name__(self) -> str:
        """The name of the class, also for its instances."""
        return str(type(self).__name__)

    @_attribute
    def params(self: Any) -> str:
        """The parameters of the method that the class has to define, as `params.format_params` describes them."""
        return format_params(self.__name__, self._get_required_method())

    @_method
    def _get_required_method(self: Any) -> Any:
        return self.create_completion

    @_method
    def create_completion(self: Any, model: str, messages: list[Any], stream: bool, **kwargs: Any) -> Tokens:
        """Return the tokens. A class of a script's own defines it."""
        raise _not_defined(self, "create_completion")

    @_method
    async def create_async(self: Any, model: str, messages: list[Any], *, stream: bool = False, **kwargs: Any) -> str:
        """Return the complete text of `create_completion`, which runs in a thread of its own."""
        wrap_secrets(kwargs)

        def tokens() -> Generator[str, None, Any]:  # so that the script's code runs in the thread, whatever it returns
            return (yield from self.create_completion(model, messages, stream, **kwargs))

        return await AsyncStream(tokens())


class AsyncProvider(BaseProvider):
    """The base of a script's providers that define `create_async`. All providers count as its instances."""

    @_method
    def _get_required_method(self: Any) -> Any:
        return self.create_async

    @_method
    async def create_async(self: Any, model: str, messages: list[Any], **kwargs: Any) -> str:
        """Return the complete text. A class of a script's own defines it."""
        raise _not_defined(self, "create_async")

    @_method
    def create_completion(self: Any, model: str, messages: list[Any], stream: bool = False, **kwargs: Any) -> Tokens:
        """Return a generator of one token, the text of `create_async`, which runs in an event loop of its own."""
        wrap_secrets(kwargs)
        create = _bind(self.create_async, model, messages, stream, kwargs)

        async def tokens() -> AsyncGenerator[str, None]:
            yield await create()

        return iterate(tokens)


class AsyncGeneratorProvider(AsyncProvider):
    """The base of a script's providers that define `create_async_generator`: an asynchronous generator, or a coroutine
    that returns one. All providers count as its instances."""

    supports_stream = True

    @_method
    def _get_required_method(self: Any) -> Any:
        return self.create_async_generator

    @_method
    def create_async_generator(self: Any, model: str, messages: list[Any], **kwargs: Any) -> Any:
        """Return an asynchronous generator of the tokens. A class of a script's own defines it."""
        raise _not_defined(self, "create_async_generator")

    @_method
    async def create_async(self: Any, model: str, messages: list[Any], *, stream: bool = False, **kwargs: Any) -> str:
        """Return the complete text of `create_async_generator`."""
        wrap_secrets(kwargs)
        create = _bind(self.create_async_generator, model, messages, stream, kwargs)
        async with aclosing(iterate_and_close(create)) as tokens:
            return "".join([token async for token in tokens])

    @_method
    def create_completion(self: Any, model: str, messages: list[Any], stream: bool = True, **kwargs: Any) -> Tokens:
        """Return the tokens of `create_async_generator`, which runs in an event loop of its own."""
        wrap_secrets(kwargs)
        tokens = iterate(_bind(self.create_async_generator, model, messages, stream, kwargs))
        return tokens if stream else yield_joined(tokens)


def _bind(
    create: Callable[..., Any], model: str, messages: list[Any], stream: bool, kwargs: dict[str, Any]
) -> Callable[[], Any]:
    """Return a method with its arguments. `stream` is one of them only if the method names it.

    It is not one of ``**kwargs``, which scripts send to their server: they parse its response in one way only.
    """
    if "stream" in inspect.signature(create).parameters:
        kwargs = {**kwargs, "stream": stream}
    return partial(create, model, messages, **kwargs)


def _not_defined(provider: Any, method: str) -> NotImplementedError:
    return NotImplementedError(f"{provider.__name__} does not define {method}")


class _ProvidersByName(type):
    @property
    def convert(cls) -> dict[str, Any]:
        """All providers by name, placeholders included."""
        return dict(Provider.__map__)  # type: ignore[attr-defined]


class ProviderUtils(metaclass=_ProvidersByName):
    """Maps names to providers, as ``ProviderUtils.convert``."""
