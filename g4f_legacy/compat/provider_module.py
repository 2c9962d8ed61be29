"""The class that gives provider modules what providers had when they were classes."""

from collections.abc import Coroutine
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from .. import availability, registry
from ..concurrency.async_stream import AsyncStream, AwaitableStream
from ..credentials import wrap_secret, wrap_secrets
from ..models import model_name
from ..options import provider_name
from ..tokens import Tokens
from .redirects import route

_PUBLIC_NAMES = (
    "url",
    "model",
    "models",
    "supports_stream",
    "needs_auth",
    "working",
    "params",
    "_create_completion",
    "create_completion",
    "create_async",
    "create_async_generator",
)
"""What users read and call, as `dir` and `help` show it. The rest of a module is its own business."""

_SPECIAL_NAMES = ("__doc__", "__file__", "__loader__", "__name__", "__package__", "__spec__")


class _CreateCompletion(Protocol):
    def __call__(self, model: str, messages: list[Any], stream: bool, **kwargs: Any) -> Tokens:
        """Yield the tokens as they arrive, or the complete text if `stream` is False.

        Nothing is sent before the first token is requested.

        Args:
            model: a short name or a model id; if empty, the provider's first model.
            messages: dicts with ``role`` and ``content``.
            stream: whether to yield the tokens one by one.
            kwargs: options, such as ``base_url``; anything else is a generation parameter for the server.

        Raises:
            ProviderError: the server failed.
        """


class ProviderModule(ModuleType):
    """A provider module with the methods of 2023. Pickling it stores its name; unpickling imports it."""

    _public_url: str
    _routed_completion: _CreateCompletion
    url: str
    model: list[str]
    models: dict[str, str]
    supports_stream: bool
    needs_auth: bool
    params: str
    supports_message_history = True

    if TYPE_CHECKING:
        __getattr__: None  # type: ignore[assignment,misc]  # that of `ModuleType` would hide misspelt names

    def __dir__(self) -> list[str]:
        return sorted(
            name for name in (*_PUBLIC_NAMES, *_SPECIAL_NAMES) if name in {*vars(self), *vars(ProviderModule)}
        )

    @property
    def __all__(self) -> list[str]:
        """The public names, and the provider's own.

        Without it, `help` leaves out methods, which are defined in another module.
        """
        return [*(name for name in dir(self) if name in _PUBLIC_NAMES), self.__name__]

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
    def _create_completion(self) -> _CreateCompletion:
        """The module's own generator function, for direct calls: they go to the redirect target, too."""
        replaced: _CreateCompletion | None = vars(self).get("_replaced_completion")
        if replaced is not None:
            return replaced
        own = vars(self)["_create_completion"]
        routed = vars(self).get("_routed_completion")
        if routed is None or routed.__wrapped__ is not own:  # not routed yet, or the module was reloaded
            self._routed_completion = _route_calls(self, own)
        return self._routed_completion

    @_create_completion.setter
    def _create_completion(self, value: Any) -> None:
        own = (vars(self)["_create_completion"], vars(self).get("_routed_completion"))  # what tools for tests restore
        self._replaced_completion = None if value in own else value

    @property
    def _unrouted_completion(self) -> _CreateCompletion:
        """The module's own generator function, or what a script has assigned instead."""
        completion: _CreateCompletion = vars(self).get("_replaced_completion") or vars(self)["_create_completion"]
        return completion

    @property
    def working(self) -> bool:
        """Whether a call would be sent: to the public server, a configured one, or the redirect target.

        Scripts select providers by it. What the module itself says is `options.has_working_public_server`.
        """
        assigned = vars(self).get("_assigned_working")
        if assigned is not None:
            return bool(assigned)
        try:
            return availability.has_target() or not availability.is_unavailable(self, {})
        except ValueError:  # the configured URL is not valid, as a call reports
            return False

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

        Args:
            model: a short name, a model id or a `Model`; if empty, the provider's first model.
            messages: dicts with ``role`` and ``content``.
            stream: whether to yield the tokens one by one, and not the complete text once.
            kwargs: options, such as ``base_url``; anything else is a generation parameter for the server.

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
        """Return a coroutine for the complete text. Other arguments are those of `create_completion`.

        Args:
            proxy: as the option of that name.
            cookies: as the option of that name.

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
        """Return the tokens for ``async for``, at once or after ``await``. Arguments are those of `create_async`.

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


def _route_calls(provider: Any, completion: _CreateCompletion) -> _CreateCompletion:
    """Return a provider's generator function with its calls routed as those of `ChatCompletion.create` are."""

    @wraps(completion)
    def _create_completion(model: Any, messages: list[Any], stream: bool, **kwargs: Any) -> Tokens:
        wrap_secrets(kwargs)
        return (yield from route(provider, model_name(model), kwargs).start(messages, stream))

    _create_completion.__doc__ = completion.__doc__ or _CreateCompletion.__call__.__doc__
    return _create_completion


def _import_provider(name: str) -> Any:
    return registry.get(name)
