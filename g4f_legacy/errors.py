"""Exceptions. Invalid arguments raise ``TypeError`` or ``ValueError``; everything else derives from ``G4fError``.

OptionError: an invalid option or generation parameter of a call
├── OptionTypeError, also a TypeError
└── OptionValueError, also a ValueError

G4fError
├── ProviderNotFoundError, also a LookupError
├── ModelNotFoundError, also a LookupError
├── StreamNotSupportedError, also a ValueError
├── AuthenticationRequiredError, also a ValueError
├── ProviderNotWorkingError
├── RetryNoProviderError
├── RetryProviderError
├── ModelNotAllowed, VersionNotFoundError, NestAsyncioError: names of 2023 that nothing raises
└── ProviderError, also a requests.exceptions.RequestException and a RuntimeError
    ├── RequestFailedError
    │   ├── AuthenticationError
    │   └── RateLimitError
    ├── ResponseFormatError
    ├── GenerationError
    └── StreamInterruptedError
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from requests.exceptions import RequestException

from .hints import Hint as Hint
from .option_errors import OptionError as OptionError  # noqa: F401, as users import it from here
from .option_errors import OptionTypeError as OptionTypeError  # noqa: F401
from .option_errors import OptionValueError as OptionValueError  # noqa: F401

MAX_CAUSE_LENGTH = 500
"""How much of another library's error message is quoted, in characters."""

MAX_BODY_LENGTH = 1000
"""How much of an unexpected response an error keeps, in characters."""


def env_variable(provider: str, option: str) -> str:
    """Return the environment variable that configures an option of a provider, such as ``G4F_LEGACY_H2O_URL``."""
    return f"G4F_LEGACY_{provider.upper()}_{option}"


def root_cause(error: BaseException) -> BaseException:
    """Return the innermost of the errors that this package, requests and urllib3 wrap in each other."""
    while True:
        inner = _wrapped_error(error)
        if inner is None:
            return error
        error = inner


def _wrapped_error(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)  # of urllib3.exceptions.MaxRetryError
    if isinstance(reason, BaseException):
        return reason
    for argument in error.args:  # of requests.exceptions.ConnectionError
        if isinstance(argument, BaseException):
            return argument
    return error.__cause__


def describe_cause(error: BaseException) -> str:
    """Return the message of an error's root cause, without the addresses that requests and urllib3 put around it.

    Truncated to one line, because http.client quotes malformed status lines in full.
    """
    cause = root_cause(error)
    message = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return single_line(message)[:MAX_CAUSE_LENGTH]


def single_line(text: str) -> str:
    """Return a text with whitespace collapsed and without characters that are not printable."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


_HINT_OPTIONS = ("base_url", "auth", "cookies", "provider", "proxy", "verify")


def keyword(option: str) -> str:
    """Spell an option of a call as Python code passes it."""
    return f"{option}="


class G4fError(Exception):
    """The base class of all errors.

    Attributes:
        hint (Hint or None): what to do next.
        provider (str or None): the provider's name.
        auth_variables (list): the environment variables that can hold the provider's credentials.
    """

    hint: Hint | None = None

    def __init__(
        self,
        *message: Any,
        hint: Hint | None = None,
        provider: str | None = None,
        auth_variables: Sequence[str] = (),
        **request_and_response: Any,
    ) -> None:
        super().__init__(*message, **request_and_response)
        self.hint = hint or type(self).hint
        self.provider = provider
        self.auth_variables = list(auth_variables)

    def describe(self, spell: Callable[[str], str] = keyword) -> str:
        """Return the message and the hint.

        Args:
            spell: returns how the reader passes an option such as ``base_url``.
        """
        message = str(self.args[0]) if self.args else ""
        hint = self._render_hint(spell)
        return f"{message.rstrip('.')}. {hint}" if hint else message

    def _render_hint(self, spell: Callable[[str], str]) -> str:
        if self.hint is None:
            return ""
        options = {name: spell(name) for name in _HINT_OPTIONS}
        return self.hint.value.format(**options, **self._facts(options))

    def _facts(self, options: Mapping[str, str]) -> dict[str, Any]:
        """Return the facts that templates of hints refer to.

        Args:
            options: how the reader passes each option.
        """
        name = self.provider or "<PROVIDER>"
        variables = self.auth_variables or [env_variable(name, "AUTH")]
        return {"auth_variables": " or ".join(variables), "url_variable": env_variable(name, "URL")}

    def __str__(self) -> str:
        return self.describe()


class ProviderNotFoundError(G4fError, LookupError):
    """No provider has that name."""


class ModelNotFoundError(G4fError, LookupError):
    """No provider lists that model."""


class StreamNotSupportedError(G4fError, ValueError):
    """The call asks for a stream, and the provider does not support streams."""


class AuthenticationRequiredError(G4fError, ValueError):
    """The provider needs credentials, and none are given or configured."""


class ProviderNotWorkingError(G4fError):
    """The service is gone, and its calls are not redirected."""


class RetryNoProviderError(G4fError):
    """A `RetryProvider` has no provider to try."""


class RetryProviderError(G4fError):
    """All providers of a `RetryProvider` failed.

    Attributes:
        providers (list): the names of the providers, in the order in which they were tried.
        failures (list): the error that each of them raised.
    """

    def __init__(self, providers: Sequence[Any], failures: Sequence[Exception]) -> None:
        names = [getattr(provider, "__name__", str(provider)).rpartition(".")[2] for provider in providers]
        lines = [f"\n  {name}: {error}" for name, error in zip(names, failures)]
        super().__init__("all providers have failed:" + "".join(lines))
        self.providers = names
        self.failures = list(failures)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.providers, self.failures), self.__dict__


class ModelNotAllowed(G4fError):
    """A name of 2023. Nothing raises it."""


class VersionNotFoundError(G4fError):
    """A name of 2023. Nothing raises it."""


class NestAsyncioError(G4fError):
    """A name of 2023. Nothing raises it."""


class ProviderError(G4fError, RequestException, RuntimeError):
    """A completion failed: the request to the server, or its response.

    Attributes:
        url (str or None): the URL of the request, without secrets.
        status (int or None): the HTTP status, if that is the failure.
        detail (str): the server's own message, as one line; of a page, its title and text; empty if it sent none.
        body (str): the beginning of an unexpected response, at most ``MAX_BODY_LENGTH`` characters.
        model (str or None): the requested model id, if it may be the cause.
        proxy (str or None): the address of the proxy that is the cause, or may be, without its password.
        proxy_source (str or None): where that proxy is set: ``"proxy"`` for the option, ``"session.proxies"``, or an
            environment variable.
        retry_after (float or None): seconds that the server asks to wait.
        partial (str): the text received so far, if the tokens were being joined into one text; or the text that the
            server keeps, if the tokens do not agree with it.
        request, response: as in `requests.exceptions.RequestException`, but copies without secrets, with the
            beginning of the response's body that was read.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        status: int | None = None,
        detail: str = "",
        body: str = "",
        retry_after: float | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.url = url
        self.status = status
        self.detail = detail
        self.body = body[:MAX_BODY_LENGTH]
        self.model: str | None = None
        self.proxy: str | None = None
        self.proxy_source: str | None = None
        self.retry_after = retry_after
        self.partial = ""

    def describe(self, spell: Callable[[str], str] = keyword) -> str:
        provider = f"{self.provider}: " if self.provider else ""
        url = f" ({self.url})" if self.url else ""
        return f"{provider}{str(self.args[0]).rstrip('.')}{url}. {self._render_hint(spell)}".rstrip()

    def _render_hint(self, spell: Callable[[str], str]) -> str:
        if self.hint is Hint.TRY_LATER and self.retry_after is not None:
            return f"Try again in {self.retry_after:g} seconds."
        return super()._render_hint(spell)

    def _facts(self, options: Mapping[str, str]) -> dict[str, Any]:
        source = self.proxy_source or "proxy"
        return {**super()._facts(options), "model": self.model, "proxy_source": options.get(source, source)}

    def add_context(self, text: str) -> None:
        """Append to the message what another attempt showed."""
        self.args = (f"{self.args[0]}; {text}",)


class RequestFailedError(ProviderError):
    """No connection, no response in time, or a status other than 2xx."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        if self.hint is None and self.status is None:
            self.hint = Hint.CHECK_SERVER


class AuthenticationError(RequestFailedError):
    """The server refused the credentials: 401 or 403."""

    hint = Hint.CHECK_CREDENTIALS


class RateLimitError(RequestFailedError):
    """The server is overloaded, or limits the rate of requests."""

    hint = Hint.TRY_LATER


class ResponseFormatError(ProviderError):
    """The server's response does not have the protocol's shape."""

    hint = Hint.CHECK_PROTOCOL


class GenerationError(ProviderError):
    """The server reported an error while it generated."""


class StreamInterruptedError(ProviderError):
    """The completion is truncated: the end-of-stream marker was not received, or the server says so, or the text that
    the server keeps shows it."""

    hint = Hint.TRUNCATED
