"""`ChatCompletion`: chooses a provider, checks the call, and joins or hands on the tokens."""

from typing import Any, Coroutine, Generator, Literal, Mapping, Optional, Sequence, Union, overload

from . import registry
from .aio import AsyncCompletion
from .errors import ModelNotFoundError, StreamNotSupportedError
from .models import Model
from .options import read_options
from .prompt import check_messages
from .stream import join

Tokens = Generator[str, None, None]


class ChatCompletion:
    """One answer of a model to a conversation."""

    @overload
    @staticmethod
    def create(
        model: Union[str, Model, None],
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: Literal[False] = False,
        auth: Optional[Union[str, bool]] = None,
        **kwargs: Any,
    ) -> str: ...

    @overload
    @staticmethod
    def create(
        model: Union[str, Model, None],
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        *,
        stream: Literal[True],
        auth: Optional[Union[str, bool]] = None,
        **kwargs: Any,
    ) -> Tokens: ...

    @overload
    @staticmethod
    def create(
        model: Union[str, Model, None],
        messages: Sequence[Mapping[str, Any]],
        provider: Any,
        stream: bool,
        auth: Optional[Union[str, bool]] = None,
        **kwargs: Any,
    ) -> Union[str, Tokens]: ...

    @staticmethod
    def create(
        model: Union[str, Model, None],
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: Optional[Union[str, bool]] = None,
        **kwargs: Any,
    ) -> Union[str, Tokens]:
        """Asks a provider.

        Args:
            model: a short name (``"falcon-40b"``), what the host calls it, or a `Model`; an empty one is the
                provider's first.
            messages: mappings with ``role`` and ``content``.
            provider: a provider module or its name; without one the model's own, or one that lists the model.
            stream: whether to hand on the tokens as they come.
            auth: a token or cookie text; True, False and None mean what is configured.
            kwargs: options (``base_url``, ``cookies``, ``headers``, ``proxy``, ``timeout``, ``retries``, ``verify``,
                ``session``); anything else is a generation parameter for the host.

        Returns:
            The whole text, or with ``stream=True`` a generator of its tokens. The generator sends nothing before its
            first token is asked for.

        Raises:
            TypeError, ValueError: something in the call is wrong.
            ProviderNotFoundError, ModelNotFoundError, StreamNotSupportedError, AuthenticationRequiredError: at the
                call.
            ProviderError: from the host; at the first token or later with ``stream=True``. It keeps what had come as
                its ``partial`` otherwise.
        """
        tokens = _start(model, messages, provider, stream, auth, kwargs)
        return tokens if stream else join(tokens)

    @staticmethod
    def create_async(
        model: Union[str, Model, None],
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: Optional[Union[str, bool]] = None,
        **kwargs: Any,
    ) -> Union[Coroutine[Any, Any, str], AsyncCompletion]:
        """As `create`, for asynchronous code: a coroutine, or with ``stream=True`` an `AsyncCompletion`."""
        completion = AsyncCompletion(_start(model, messages, provider, stream, auth, kwargs))
        return completion if stream else completion.text()


def _start(
    model: Any, messages: Sequence[Mapping[str, Any]], provider: Any, stream: bool, auth: Any, kwargs: Any
) -> Tokens:
    module = _provider(provider, model)
    if stream and not module.supports_stream:
        raise StreamNotSupportedError(f"{module.__name__.rpartition('.')[2]} cannot stream: leave out stream=True")
    check_messages(messages)
    if auth is not None:
        kwargs["auth"] = auth
    read_options(module, kwargs)
    # The caller may go on changing the list before the first token is asked for.
    tokens: Tokens = module._create_completion(_name(model), [dict(message) for message in messages], stream, **kwargs)
    return tokens


def _provider(provider: Any, model: Any) -> Any:
    provider = provider or getattr(model, "best_provider", None)
    if isinstance(provider, str):
        return registry.get(provider)
    if hasattr(provider, "_create_completion"):
        registry.check(provider)
        return provider
    if provider:
        raise TypeError(f"provider must be a provider module or its name, not {type(provider).__name__}")
    name = _name(model)
    for module in registry.all().values():
        if name in module.models or name in module.models.values():
            return module
    raise ModelNotFoundError(f"no provider lists the model {name!r}: say which to ask with provider=")


def _name(model: Any) -> str:
    name = getattr(model, "name", model) or ""
    if not isinstance(name, str):
        raise TypeError(f"model must be a name or a Model, not {type(model).__name__}")
    return name
