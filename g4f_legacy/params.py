"""The `params` text of a provider, made from type hints."""

import inspect
from typing import Any, Callable, get_type_hints


def format_params(module_name: str, completion: Callable[..., Any]) -> str:
    """Writes what a provider takes, in the format of June 2023.

    Args:
        module_name: the provider's ``__name__``; its last part is the provider's name.
        completion: the provider's ``_create_completion``. Parameters without a type hint are left out.

    Returns:
        ``g4f.Providers.H2o supports: (model: str, messages: list, stream: bool)``
    """
    hints = get_type_hints(completion)
    parameters = inspect.signature(completion).parameters.values()
    described = ", ".join(
        f"{parameter.name}: {_name(hints[parameter.name])}"
        for parameter in parameters
        if parameter.name in hints and parameter.kind is not parameter.VAR_KEYWORD
    )
    return f"g4f.Providers.{module_name.rpartition('.')[2]} supports: ({described})"


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
