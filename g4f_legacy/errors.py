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

from enum import Enum
from typing import Any, Callable, Dict, Optional, Sequence

from requests.exceptions import RequestException

MAX_CAUSE_LENGTH = 500
"""How much of another library's error is told, in characters."""

MAX_BODY = 1000
"""How much of an unexpected response an error keeps, in characters."""


def env_variable(provider: str, option: str) -> str:
    """The environment variable that configures an option of a provider: ``G4F_LEGACY_H2O_URL``."""
    return f"G4F_LEGACY_{provider.upper()}_{option}"


def root_cause(error: BaseException) -> BaseException:
    """What an error of ours, of requests or of urllib3 goes back to: each wraps the next in a way of its own."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((argument for argument in error.args if isinstance(argument, BaseException)), error.__cause__)
        if inner is None:
            return error
        error = inner


def describe_cause(error: BaseException) -> str:
    """The innermost reason of an error, without the addresses that requests and urllib3 write around it.

    It is one short line: a host whose answer is no HTTP is quoted there, as long as it likes.
    """
    inner = root_cause(error)
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return "".join(filter(str.isprintable, " ".join(text.split())))[:MAX_CAUSE_LENGTH]


class Hint(Enum):
    """What to do next. Errors carry the value; `G4fError.describe` writes it out for whoever reads it.

    In the templates, ``{base_url}``, ``{auth}``, ``{cookies}`` and ``{provider}`` are options of a call, which Python
    code and the command line spell differently; the rest are facts of the error.
    """

    CHECK_CREDENTIALS = "Check {auth}, {cookies} or {auth_variables}."
    CHECK_MODEL = "Does the server list the model {model!r}?"
    CHECK_PROTOCOL = "Does this server speak the provider's protocol?"
    CHECK_SERVER = "Is the server running? Point the provider at another one with {base_url} or {url_variable}."
    FOLLOW_REDIRECT = "If it redirects to the right place, give that address with {base_url}."
    GIVE_CREDENTIALS = "Give a token or cookie text with {auth}, or cookies with {cookies}, or set {auth_variables}."
    GIVE_CREDENTIALS_OR_SERVER = GIVE_CREDENTIALS + " Your own server, given with {base_url}, may need none."
    NAME_PROVIDER = "Name the provider to ask with {provider}."
    REDIRECT_CALLS = """\
Send them to a server of your own, such as an OpenAI-compatible one, by any of these:
  g4f-legacy run --to OpenAI --base-url http://127.0.0.1:11434/v1 SCRIPT
  export G4F_LEGACY_REDIRECT=OpenAI OPENAI_BASE_URL=http://127.0.0.1:11434/v1
  g4f_legacy.redirect("OpenAI", base_url="http://127.0.0.1:11434/v1")
To try without any server: the same with Echo in the place of OpenAI, which repeats the prompt."""
    SERVER_GONE = "The public server is gone. Point the provider at your own with {base_url} or {url_variable}."
    SET_SERVER = "Give it a server with {base_url} or {url_variable}."
    TRUNCATED = "The answer is incomplete."
    TRY_LATER = "Try again later."
    USE_H2O = "This server speaks chat-ui's protocol of 2023: use the provider H2o."
    USE_HUGGINGCHAT = "This server speaks chat-ui's protocol of 2024 and later: use the provider HuggingChat."


def keyword(option: str) -> str:
    """Spell an option as Python code gives it."""
    return f"{option}="


class G4fError(Exception):
    """The root of the tree.

    Attributes:
        hint (Hint or None): what to do next.
        provider (str or None): the provider's name.
        auth_variables (list): the environment variables that can hold the provider's credentials.
    """

    hint: Optional[Hint] = None

    def __init__(
        self,
        *message: Any,
        hint: Optional[Hint] = None,
        provider: Optional[str] = None,
        auth_variables: Sequence[str] = (),
        **request_and_response: Any,
    ) -> None:
        super().__init__(*message, **request_and_response)
        self.hint = hint or type(self).hint
        self.provider = provider
        self.auth_variables = list(auth_variables)

    def describe(self, spell: Callable[[str], str] = keyword) -> str:
        """Write the error out with its hint.

        Args:
            spell: how the reader gives an option such as ``base_url``.
        """
        message = str(self.args[0]) if self.args else ""
        hint = self._render_hint(spell)
        return f"{message.rstrip('.')}. {hint}" if hint else message

    def _render_hint(self, spell: Callable[[str], str]) -> str:
        options = {name: spell(name) for name in ("base_url", "auth", "cookies", "provider")}
        return self.hint.value.format(**options, **self._facts()) if self.hint else ""

    def _facts(self) -> Dict[str, Any]:
        """The facts that the templates of hints name."""
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
    """A completion failed between the caller and the server.

    Attributes:
        url (str or None): the URL of the request, without secrets.
        status (int or None): the HTTP status, when it is the failure.
        detail (str): the server's own words, as one line; empty where it sent none.
        body (str): the beginning of an unexpected response, at most ``MAX_BODY`` characters.
        model (str or None): the model id that was asked for, where the failure may be due to it.
        retry_after (float or None): seconds that the server asks to wait.
        partial (str): the text received so far, when the answer was being joined into one.
        request, response: as in requests.
    """

    def __init__(
        self,
        message: str,
        *,
        url: Optional[str] = None,
        status: Optional[int] = None,
        detail: str = "",
        body: str = "",
        retry_after: Optional[float] = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.url = url
        self.status = status
        self.detail = detail
        self.body = body[:MAX_BODY]
        self.model: Optional[str] = None
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

    def _facts(self) -> Dict[str, Any]:
        return {**super()._facts(), "model": self.model}

    def add_context(self, text: str) -> None:
        """Add to the message what is known beyond this failure."""
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
    """The server is overloaded, or was asked too often."""

    hint = Hint.TRY_LATER


class ResponseFormatError(ProviderError):
    """The server's response does not have the protocol's shape."""

    hint = Hint.CHECK_PROTOCOL


class GenerationError(ProviderError):
    """The server reported an error while it generated."""


class StreamInterruptedError(ProviderError):
    """The stream was truncated: its end-of-stream marker was not received."""

    hint = Hint.TRUNCATED
