"""`ChatCompletion`: resolves the provider, checks the call, and returns the tokens or the complete text."""

from collections.abc import Coroutine, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, overload

from . import debug
from .compat.call_resolution import is_script_class, resolve_call
from .compat.redirects import Call
from .concurrency.async_stream import AsyncStream
from .credentials import wrap_secret, wrap_secrets
from .errors import StreamNotSupportedError
from .models import Model
from .options import provider_name, read_options
from .prompt import check_messages
from .tokens import TokenStream, join_tokens

# The public root: scripts of 2023 set its switch `g4f.logging`.
_g4f = import_module(__name__.partition(".")[0])

# Keyword arguments that scripts of 2023 meant for the old package, not for a server.
_IGNORED_KWARGS = {
    "active_server",
    "ignore_stream",
    "ignore_stream_and_auth",
    "ignore_working",
    "ignored",
    "patch_provider",
}


class ChatCompletion:
    """One completion of a conversation."""

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: Literal[False] = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> str: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        *,
        stream: Literal[True],
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> TokenStream: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any,
        stream: Literal[True],
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> TokenStream: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> str | TokenStream: ...

    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> str | TokenStream:
        """Complete a conversation.

        Args:
            model: a short name (``"falcon-40b"``), a model id, a `Model`, or a list of these, whose first item is used;
                if empty, the provider's first model.
            messages: mappings with ``role`` and ``content``.
            provider: a provider module or its name. By default the model's provider of 2023 if it is available, else
                the redirect target, else a provider that lists the model. Calls to an unavailable provider go to the
                redirect target.
            stream: whether to return the tokens as they arrive.
            auth: a token or cookie text; True, False and None mean the configured credentials.
            kwargs: options (``base_url``, ``cookies``, ``headers``, ``proxy``, ``timeout``, ``retries``, ``verify``,
                ``session``); anything else is a generation parameter for the server.

        Returns:
            The complete text, or with ``stream=True`` a generator of its tokens, which sends nothing before its first
            token is requested. After its end, its ``finish_reason`` and ``usage`` tell how the completion ended.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: an argument has a wrong value.
            ProviderNotFoundError: no provider has that name.
            ProviderNotWorkingError: the provider is unavailable, and there is no redirect target.
            ModelNotFoundError: the call names no provider, and no provider lists the model.
            StreamNotSupportedError: the provider cannot stream.
            AuthenticationRequiredError: credentials are missing.
            ProviderError: the server failed. With ``stream=True`` it is raised by the generator; otherwise its
                ``partial`` is the text received before the failure.
        """
        auth = wrap_secret(auth)
        wrap_secrets(kwargs)
        tokens = _start(_prepare(model, messages, provider, stream, auth, kwargs), messages, stream)
        return tokens if stream else join_tokens(tokens)

    @overload
    @staticmethod
    def create_async(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: Literal[False] = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, str]: ...

    @overload
    @staticmethod
    def create_async(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        *,
        stream: Literal[True],
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> AsyncStream: ...

    @overload
    @staticmethod
    def create_async(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any,
        stream: Literal[True],
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> AsyncStream: ...

    @overload
    @staticmethod
    def create_async(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, str] | AsyncStream: ...

    @staticmethod
    def create_async(
        model: str | list[str] | Model | None,
        messages: Sequence[Mapping[str, Any]],
        provider: Any = None,
        stream: bool = False,
        auth: str | bool | None = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, str] | AsyncStream:
        """Complete a conversation asynchronously: a coroutine for the text, or with ``stream=True`` an `AsyncStream`.

        Arguments and errors are those of `create`.
        """
        auth = wrap_secret(auth)
        wrap_secrets(kwargs)
        call = _prepare(model, messages, provider, stream, auth, kwargs)
        if not stream and is_script_class(call.provider) and hasattr(call.provider, "create_async"):
            # In the caller's event loop, because what it awaits may belong to that, such as a session of aiohttp.
            text: Coroutine[Any, Any, str] = call.provider.create_async(call.model, _copy(messages), **call.options)
            return text
        completion = AsyncStream(_start(call, messages, stream))
        return completion if stream else completion.text()


class Completion:
    """One completion of a prompt."""

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        prompt: str,
        provider: Any = None,
        stream: Literal[False] = False,
        **kwargs: Any,
    ) -> str: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None,
        prompt: str,
        provider: Any = None,
        *,
        stream: Literal[True],
        **kwargs: Any,
    ) -> TokenStream: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None, prompt: str, provider: Any, stream: Literal[True], **kwargs: Any
    ) -> TokenStream: ...

    @overload
    @staticmethod
    def create(
        model: str | list[str] | Model | None, prompt: str, provider: Any = None, stream: bool = False, **kwargs: Any
    ) -> str | TokenStream: ...

    @staticmethod
    def create(
        model: str | list[str] | Model | None, prompt: str, provider: Any = None, stream: bool = False, **kwargs: Any
    ) -> str | TokenStream:
        """Complete a prompt. The other arguments, the result and the errors are those of `ChatCompletion.create`."""
        wrap_secrets(kwargs)
        return ChatCompletion.create(model, [{"role": "user", "content": prompt}], provider, stream, **kwargs)


def get_model_and_provider(
    model: Any, provider: Any = None, stream: bool = False, ignored: Any = None, **kwargs: Any
) -> tuple[str, Any]:
    """Return the model and the provider that `ChatCompletion.create` would call.

    It raises the same errors for a wrong model or provider.
    """
    wrap_secrets(kwargs)
    call = resolve_call(provider, model, kwargs)
    _check_stream(call.provider, stream)
    return call.model, call.provider


def _prepare(
    model: Any, messages: Sequence[Mapping[str, Any]], provider: Any, stream: bool, auth: Any, kwargs: Any
) -> Call:
    """Check the arguments of a call, and decide which provider is called."""
    options = {name: value for name, value in kwargs.items() if name not in _IGNORED_KWARGS}
    if auth is not None:
        options["auth"] = auth
    check_messages(messages)
    call = resolve_call(provider, model, options)
    _check_stream(call.provider, stream)
    if isinstance(call.provider, ModuleType):
        read_options(call.provider, call.options)
    if debug.logging or _g4f.logging:
        print(f"Using {provider_name(call.provider)} provider")
    return call


def _start(call: Call, messages: Sequence[Mapping[str, Any]], stream: bool) -> TokenStream:
    return TokenStream(call.start(_copy(messages), stream))


def _copy(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copy the messages, because the caller may change them before the first token is requested."""
    return [dict(message) for message in messages]


def _check_stream(provider: Any, stream: bool) -> None:
    if stream and not provider.supports_stream:
        raise StreamNotSupportedError(f"{provider_name(provider)} cannot stream: leave out stream=True")
