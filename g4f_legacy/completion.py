"""`ChatCompletion`: chooses a provider, checks the call, and joins or hands on the tokens."""

from types import ModuleType
from typing import Any, Coroutine, Dict, Generator, Literal, Mapping, Optional, Sequence, Tuple, Union, overload

import g4f_legacy

from . import debug, models, redirects, registry
from .aio import AsyncCompletion
from .errors import Hint, ModelNotFoundError, StreamNotSupportedError
from .models import Model
from .options import is_configured, read_options
from .prompt import check_messages
from .redirects import Call, current, is_gone, passed_on, route, to_target
from .stream import join

Tokens = Generator[str, None, None]

# What scripts of 2023 told the old package, and no host.
_OF_2023 = ("ignored", "ignore_working", "ignore_stream", "ignore_stream_and_auth", "patch_provider", "active_server")


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
            model: a short name (``"falcon-40b"``), what the host calls it, a `Model`, or a list of them, of which the
                first is meant; an empty one is the provider's first.
            messages: mappings with ``role`` and ``content``.
            provider: a provider module or its name; without one the model's own of 2023 where it can be asked, the
                redirect's target, or one that lists the model. Calls to a provider that is gone go to the target, too.
            stream: whether to hand on the tokens as they come.
            auth: a token or cookie text; True, False and None mean what is configured.
            kwargs: options (``base_url``, ``cookies``, ``headers``, ``proxy``, ``timeout``, ``retries``, ``verify``,
                ``session``); anything else is a generation parameter for the host.

        Returns:
            The whole text, or with ``stream=True`` a generator of its tokens. The generator sends nothing before its
            first token is asked for.

        Raises:
            TypeError, ValueError: something in the call is wrong.
            ProviderNotFoundError, ProviderNotWorkingError, ModelNotFoundError, StreamNotSupportedError,
                AuthenticationRequiredError: at the call.
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


class Completion:
    """One answer of a model to a prompt."""

    @staticmethod
    def create(
        model: Any, prompt: str, provider: Any = None, stream: bool = False, **kwargs: Any
    ) -> Union[str, Tokens]:
        """As `ChatCompletion.create`, for a text in the place of messages."""
        return ChatCompletion.create(model, [{"role": "user", "content": prompt}], provider, stream, **kwargs)


def get_model_and_provider(
    model: Any, provider: Any = None, stream: bool = False, ignored: Any = None, **kwargs: Any
) -> Tuple[str, Any]:
    """What `ChatCompletion.create` would ask, and whom.

    Raises:
        ProviderNotFoundError, ProviderNotWorkingError, ModelNotFoundError, StreamNotSupportedError, TypeError: nobody.
    """
    call = _choose(provider, model, kwargs)
    if stream and not call.provider.supports_stream:
        raise StreamNotSupportedError(f"{_short(call.provider)} cannot stream: leave out stream=True")
    return call.model, call.provider


def _start(
    model: Any, messages: Sequence[Mapping[str, Any]], provider: Any, stream: bool, auth: Any, kwargs: Any
) -> Tokens:
    given = {name: value for name, value in kwargs.items() if name not in _OF_2023}
    if auth is not None:
        given["auth"] = auth
    module, name, options = _choose(provider, model, given)
    if stream and not module.supports_stream:
        raise StreamNotSupportedError(f"{_short(module)} cannot stream: leave out stream=True")
    check_messages(messages)
    if isinstance(module, ModuleType):
        read_options(module, options)
    if debug.logging or g4f_legacy.logging:
        print(f"Using {_short(module)} provider")
    # The caller may go on changing the list before the first token is asked for.
    complete = getattr(module, "_create_completion", None) or module.create_completion
    tokens: Tokens = complete(name, [dict(message) for message in messages], stream, **options)
    return tokens


def _choose(provider: Any, model: Any, options: Dict[str, Any]) -> Call:
    name = models.name_of(model)
    if isinstance(provider, str) and provider:
        provider = registry.get(provider)
    if hasattr(provider, "_create_completion"):
        registry.check(provider)
        return route(provider, name, options)
    if hasattr(provider, "create_completion"):  # a class of the script's own
        return Call(provider, name, options)
    if provider:
        kind = (
            f"the class {provider.__name__}, which has none" if isinstance(provider, type) else type(provider).__name__
        )
        raise TypeError(f"provider must be a provider module, its name, or have create_completion, not {kind}")
    known = model if isinstance(model, Model) else models.find(name)
    routed = getattr(known, "best_provider", None)
    if isinstance(routed, str):
        routed = registry.get(routed)
    if routed and not is_gone(routed, options):
        return Call(routed, name, options)
    if not current():
        for module in registry.all().values():
            if name in (*module.models, *module.models.values()) and _can_be_asked(module, options):
                # A script of 2023 means another service by its logins and options.
                return Call(module, name, passed_on(options) if known else options)
        if known is None and redirects.when_missing is None:
            raise ModelNotFoundError(f"no provider lists the model {name!r}", hint=Hint.NAME_PROVIDER)
    return to_target(_short(routed) if routed else f"The provider of {name or 'the default model'}", options)


def _can_be_asked(module: Any, options: Dict[str, Any]) -> bool:
    """Whether a provider is meant by a call that does not name it."""
    return not is_gone(module, options) and (not module.needs_auth or is_configured(module))


def _short(provider: Any) -> str:
    return str(provider.__name__).rpartition(".")[2]
