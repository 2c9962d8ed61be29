"""What the command line says of a failed call, and the exit code for it."""

from .. import errors
from ..errors import G4fError, Hint, OptionTypeError, OptionValueError
from .arguments import spell_flag
from .output import print_error

_HINTS = {Hint.REDIRECT_CALLS: Hint.ASK_ANOTHER, Hint.SET_SERVER_OR_REDIRECT: Hint.SET_SERVER_OR_ASK_ANOTHER}
"""What to do where the provider is named on the command line, not in a script."""


def report(error: G4fError, command: str) -> int:
    """Print what failed and what to do next to stderr, and return the exit code."""
    error.hint = _HINTS.get(error.hint, error.hint) if error.hint else None
    is_missing = isinstance(error, (errors.AuthenticationRequiredError, errors.ProviderNotWorkingError))
    print_error(f"g4f-legacy: {error.describe(spell_flag)}")
    if is_missing and command in ("ask", "chat"):
        from .servers import suggest

        suggestion = suggest(command)
        if suggestion:
            print_error(suggestion)
    return _exit_code(error)


def report_option(error: OptionTypeError | OptionValueError) -> int:
    """Print which option is wrong to stderr, and return the exit code."""
    print_error(f"g4f-legacy: {error.describe(spell_flag)}")
    return 2


def _exit_code(error: G4fError) -> int:
    match error:
        case errors.AuthenticationRequiredError() | errors.AuthenticationError():
            return 3
        case errors.ProviderNotWorkingError():
            return 4
        case errors.ProviderError():
            return 5
        case _:
            return 2
