"""Errors for the options of a call, which name the option as the reader spells it."""

from collections.abc import Callable


class VariableName(str):
    """The name of an environment variable, which errors show as it is."""

    __slots__ = ()


class OptionError(Exception):
    """An option or a generation parameter of a call is wrong.

    Attributes:
        option (str): its name, or the environment variable that it comes from, as a `VariableName`.
        problem (str): what is wrong, as the rest of a sentence that begins with the name.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(option, problem)
        self.option = option
        self.problem = problem

    def describe(self, spell: Callable[[str], str] = str) -> str:
        """Return the message.

        Args:
            spell: returns how the reader passes an option such as ``base_url``.
        """
        name = self.option if isinstance(self.option, VariableName) else spell(self.option)
        return f"{name} {self.problem}"

    def __str__(self) -> str:
        return self.describe()


class OptionTypeError(OptionError, TypeError):
    """An option or a generation parameter of a call has a wrong type."""


class OptionValueError(OptionError, ValueError):
    """An option or a generation parameter of a call has a wrong value."""
