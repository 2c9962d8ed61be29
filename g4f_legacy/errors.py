"""Every error that this package raises, but for the ``TypeError`` and ``ValueError`` of a wrong argument.

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

from typing import Any, List, Optional, Sequence

from requests.exceptions import RequestException

LONGEST_CAUSE = 500
"""How much of another library's error is told, in characters."""


def variable(provider: str, option: str) -> str:
    """The environment variable that configures an option of a provider: ``G4F_LEGACY_H2O_URL``."""
    return f"G4F_LEGACY_{provider.upper()}_{option}"


def innermost(error: BaseException) -> BaseException:
    """What an error of ours, of requests or of urllib3 goes back to: each wraps the next in a way of its own."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((argument for argument in error.args if isinstance(argument, BaseException)), error.__cause__)
        if inner is None:
            return error
        error = inner


def cause_of(error: BaseException) -> str:
    """The innermost reason of an error, without the addresses that requests and urllib3 write around it.

    It is one short line: a host whose answer is no HTTP is quoted there, as long as it likes.
    """
    inner = innermost(error)
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return "".join(filter(str.isprintable, " ".join(text.split())))[:LONGEST_CAUSE]


class G4fError(Exception):
    """The root of the tree."""


class ProviderNotFoundError(G4fError, LookupError):
    """No provider has that name."""


class ModelNotFoundError(G4fError, LookupError):
    """No provider lists that model."""


class StreamNotSupportedError(G4fError, ValueError):
    """A stream was asked for, and the provider has none."""


class AuthenticationRequiredError(G4fError, ValueError):
    """The provider needs a login, and none was given or configured."""


class ProviderNotWorkingError(G4fError):
    """The service is gone, and nothing stands in its place."""


class RetryNoProviderError(G4fError):
    """A `RetryProvider` has no provider to try."""


class RetryProviderError(G4fError):
    """All providers of a `RetryProvider` have failed.

    Attributes:
        failures (list): what each has raised, in the order in which they were tried.
    """

    def __init__(self, providers: Sequence[Any], failures: Sequence[Exception]) -> None:
        names = [getattr(provider, "__name__", str(provider)).rpartition(".")[2] for provider in providers]
        listed = "".join(f"\n  {name}: {error}" for name, error in zip(names, failures))
        super().__init__(f"all providers have failed:{listed}")
        self.failures = list(failures)


class ModelNotAllowed(G4fError):
    """A name of 2023. Nothing raises it."""


class VersionNotFoundError(G4fError):
    """A name of 2023. Nothing raises it."""


class NestAsyncioError(G4fError):
    """A name of 2023. Nothing raises it."""


class ProviderError(G4fError, RequestException, RuntimeError):
    """A completion failed between the caller and the host.

    Attributes:
        provider (str or None): the provider's name.
        url (str or None): what was asked, without secrets.
        status (int or None): the HTTP status, when it is the failure.
        retry_after (float or None): seconds that the host asks to wait.
        partial (str): the text that had come, when the answer was being joined into one.
        login_variables (list): the environment variables that can hold the login.
        request, response: as in requests.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: Optional[str] = None,
        url: Optional[str] = None,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
        **request_and_response: Any,
    ) -> None:
        super().__init__(message, **request_and_response)
        self.provider = provider
        self.url = url
        self.status = status
        self.retry_after = retry_after
        self.partial = ""
        self.login_variables: List[str] = []

    def explain(self, text: str) -> None:
        """Adds to the message what one who knows the protocol makes of it."""
        self.args = (f"{self.args[0]}; {text}",)

    def __str__(self) -> str:
        provider = f"{self.provider}: " if self.provider else ""
        url = f" ({self.url})" if self.url else ""
        advice = self._advice()
        return f"{provider}{str(self.args[0]).rstrip('.')}{url}." + (f" {advice}" if advice else "")

    def _advice(self) -> str:
        """What to do next."""
        return ""

    def _variable(self, option: str) -> str:
        return variable(self.provider or "<PROVIDER>", option)


class RequestFailedError(ProviderError):
    """No connection, no answer in time, or a status other than 2xx."""

    def _advice(self) -> str:
        if self.status is not None:
            return ""
        return f"Is the host running? Point the provider at another with base_url= or {self._variable('URL')}."


class AuthenticationError(RequestFailedError):
    """The host refused the login: 401 or 403."""

    def _advice(self) -> str:
        return f"Check auth=, cookies= or {' or '.join(self.login_variables or [self._variable('AUTH')])}."


class RateLimitError(RequestFailedError):
    """The host is overloaded, or was asked too often."""

    def _advice(self) -> str:
        return "Try again later." if self.retry_after is None else f"Try again in {self.retry_after:g} seconds."


class ResponseFormatError(ProviderError):
    """The host answered, but not in the protocol's shape."""

    def _advice(self) -> str:
        return "Does this host speak the provider's protocol?"


class GenerationError(ProviderError):
    """The host reported an error while it generated."""


class StreamInterruptedError(ProviderError):
    """The answer broke off: its end mark did not come."""

    def _advice(self) -> str:
        return "The answer is not whole."
