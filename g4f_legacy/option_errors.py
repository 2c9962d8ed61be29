"""Errors for the options of a call, which name the option as the reader spells it."""

from collections.abc import Callable


class _OptionError(Exception):
    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, problem)
        self.option = option
        self.problem = problem

    def describe(self, spell: Callable[[str], str] = str) -> str:
        """Return the message.

        Args:
            spell: returns how the reader passes an option such as ``base_url``.
        """
        is_variable = not self.option.islower()  # such as G4F_LEGACY_H2O_URL
        name = self.option if is_variable else spell(self.option)
        return f"{name} {self.problem}"

    def __str__(self) -> str:
        return self.describe()


class OptionTypeError(_OptionError, TypeError):
    """An option or a generation parameter of a call has a wrong type.

    Attributes:
        option (str): its name, or the environment variable that it comes from.
        problem (str): what is wrong, as the rest of a sentence that begins with the name.
    """


class OptionValueError(_OptionError, ValueError):
    """An option or a generation parameter of a call has a wrong value.

    Attributes:
        option, problem: as in `OptionTypeError`.
    """
