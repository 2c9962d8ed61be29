"""The class that gives provider modules what providers had when they were classes."""

from collections.abc import Callable, Coroutine
from functools import wraps
from types import ModuleType
from typing import Any

from .. import availability, registry
from ..concurrency.async_stream import AsyncStream, AwaitableStream
from ..credentials import wrap_secret, wrap_secrets
from ..models import model_name
from ..options import provider_name
from ..tokens import Tokens
from .redirects import route


class ProviderModule(ModuleType):
    """A provider module with the methods of 2023. Pickling it stores its name; unpickling imports it."""

    _public_url: str
    url: str
    model: list[str]
    models: dict[str, str]
    supports_message_history = True

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _import_provider, (self.__name__,)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type]:
        """Let scripts derive a class from the provider, as they could when it was one."""
        from .base_provider import AsyncGeneratorProvider  # which imports this module

        names = ("url", "model", "models", "params", "needs_auth", "supports_stream", "create_async_generator")
        return (type(self.__name__, (AsyncGeneratorProvider,), {name: getattr(self, name) for name in names}),)

    @property
    def __name__(self) -> str:
        """The provider's name, as that of a class: scripts store it, and look it up in ``g4f.Provider``.

        The module's global variable of that name is the path that it is imported by.
        """
        path = str(vars(self)["__name__"])
        if vars(self).pop("_is_reloaded", False):
            return path
        return vars(self).get("_registered_name") or path.rpartition(".")[2]

    @__name__.setter
    def __name__(self, path: str) -> None:
        # The import system assigns it when it reloads the module, and reads it once, as the path, to find the code:
        # https://github.com/python/cpython/blob/3.13/Lib/importlib/_bootstrap.py, `_init_module_attrs`
        vars(self).update(__name__=path, _is_reloaded=True)

    @property
    def _create_completion(self) -> Any:
        """The module's own generator function, for direct calls: they go to the redirect target, too."""
        completion = self._unrouted_completion
        if completion is vars(self).get("_replaced_completion"):
            return completion
        routed = vars(self).get("_routed_completion")
        if routed is None or routed.__wrapped__ is not completion:  # the module was reloaded
            routed = self._routed_completion = _route_calls(self, completion)
        return routed

    @_create_completion.setter
    def _create_completion(self, value: Any) -> None:
        own = (vars(self)["_create_completion"], vars(self).get("_routed_completion"))  # what tools for tests restore
        self._replaced_completion = None if value in own else value

    @property
    def _unrouted_completion(self) -> Any:
        """The module's own generator function, or what a script has assigned instead."""
        return vars(self).get("_replaced_completion") or vars(self)["_create_completion"]

    @property
    def working(self) -> bool:
        """Whether a call would be sent: to the public server, a configured one, or the redirect target.

        Scripts select providers by it. What the module itself says is `options.has_working_public_server`.
        """
        assigned = vars(self).get("_assigned_working")
        if assigned is not None:
            return bool(assigned)
        return availability.has_target() or not availability.is_unavailable(self, {})

    @working.setter
    def working(self, value: bool) -> None:
        self._assigned_working = value

    @property
    def model_aliases(self) -> dict[str, str]:
        return self.models

    @property
    def providers(self) -> list["ProviderModule"]:
        """The provider itself, because a model's `best_provider` could be a `RetryProvider` over several."""
        return [self]

    @property
    def supports_gpt_35_turbo(self) -> bool:
        return "gpt-3.5-turbo" in self.model

    @property
    def supports_gpt_4(self) -> bool:
        return "gpt-4" in self.model

    def create_completion(self, model: Any, messages: list[Any], stream: bool = True, **kwargs: Any) -> Tokens:
        """Return the tokens of the provider or, if it is unavailable, of the redirect target.

        Nothing is sent before the first token is requested.

        Raises:
            TypeError: `stream` is not a bool.
        """
        wrap_secrets(kwargs)
        _check_stream(stream)
        return route(self, model_name(model), kwargs).start(messages, stream)

    def create_async(
        self,
        model: Any,
        messages: list[Any],
        proxy: str | None = None,
        cookies: Any = None,
        *,
        stream: bool = False,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, str]:
        """Return a coroutine for the complete text.

        Raises:
            TypeError: `stream` is not a bool.
        """
        proxy, cookies = wrap_secret(proxy), wrap_secret(cookies)
        wrap_secrets(kwargs)
        given = _given(proxy=proxy, cookies=cookies)
        return AsyncStream(self.create_completion(model, messages, stream, **given, **kwargs)).text()

    def create_async_generator(
        self,
        model: Any,
        messages: list[Any],
        proxy: str | None = None,
        cookies: Any = None,
        *,
        stream: bool = True,
        **kwargs: Any,
    ) -> AwaitableStream:
        """Return the tokens for ``async for``, at once or after ``await``.

        Raises:
            TypeError: `stream` is not a bool.
        """
        proxy, cookies = wrap_secret(proxy), wrap_secret(cookies)
        wrap_secrets(kwargs)
        given = _given(proxy=proxy, cookies=cookies)
        return AwaitableStream(self.create_completion(model, messages, stream, **given, **kwargs))


def wrap_module(module: Any) -> None:
    """Make a provider module a `ProviderModule` in place.

    It gets itself as an attribute under its own name, because scripts write ``from g4f.Provider.H2o import H2o``.
    """
    if not isinstance(module, ProviderModule):
        module._public_url = module.url  # scripts may assign `url`; this stays the public server's
        setattr(module, provider_name(module), module)
        module.__class__ = ProviderModule  # last, because it tells other threads that the rest is done


def _check_stream(stream: Any) -> None:
    if not isinstance(stream, bool):
        raise TypeError(
            f"stream must be True or False, not {type(stream).__name__}: name other arguments, as in proxy=…"
        )


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _route_calls(provider: Any, completion: Callable[..., Tokens]) -> Callable[..., Tokens]:
    """Return a provider's generator function with its calls routed as those of `ChatCompletion.create` are."""

    @wraps(completion)
    def _create_completion(model: Any, messages: list[Any], stream: bool, **kwargs: Any) -> Tokens:
        wrap_secrets(kwargs)
        return (yield from route(provider, model_name(model), kwargs).start(messages, stream))

    return _create_completion


def _import_provider(name: str) -> Any:
    return registry.get(name)
