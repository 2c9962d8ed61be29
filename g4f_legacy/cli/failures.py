"""Report failed calls on stderr, and choose their exit codes."""

from .. import errors
from ..errors import G4fError, Hint, OptionError
from .arguments import spell_flag
from .output import print_error

_COMMAND_LINE_HINTS = {
    Hint.REDIRECT_CALLS: Hint.ASK_ANOTHER,
    Hint.SET_SERVER_OR_REDIRECT: Hint.SET_SERVER_OR_ASK_ANOTHER,
}
"""What to do where the provider is named on the command line, not in a script."""


def report_error(error: G4fError, command: str) -> int:
    """Print what failed and what to do next to stderr, and return the exit code."""
    error.hint = _COMMAND_LINE_HINTS.get(error.hint, error.hint) if error.hint else None
    is_unconfigured = isinstance(error, (errors.AuthenticationRequiredError, errors.ProviderNotWorkingError))
    print_error(f"g4f-legacy: {error.describe(spell_flag)}")
    if is_unconfigured and command in ("ask", "chat", "check"):
        from .servers import suggest_servers

        suggestions = suggest_servers(command)
        if suggestions:
            print_error(suggestions)
    return exit_code(error)


def report_option_error(error: OptionError) -> int:
    """Print which option is wrong to stderr, and return the exit code."""
    print_error(f"g4f-legacy: {error.describe(spell_flag)}")
    return 2


def exit_code(error: G4fError) -> int:
    """Return the exit code for a failed call."""
    match error:
        case errors.AuthenticationRequiredError() | errors.AuthenticationError():
            return 3
        case errors.ProviderNotWorkingError():
            return 4
        case errors.ProviderError():
            return 5
        case _:
            return 2
