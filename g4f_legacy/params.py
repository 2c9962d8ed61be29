"""The `params` of a provider: a text built from type hints."""

import inspect
from collections.abc import Callable
from typing import Any, get_origin, get_type_hints


def format_params(module_name: str, completion: Callable[..., Any]) -> str:
    """Return what a provider supports, in the format of June 2023.

    Args:
        module_name: the provider's ``__name__``; its last part is the provider's name.
        completion: the provider's ``_create_completion``. Parameters without a type hint are left out.

    Returns:
        ``g4f.Providers.H2o supports: (model: str, messages: list, stream: bool)``
    """
    hints = get_type_hints(completion)
    parameters = []
    for name, parameter in inspect.signature(completion).parameters.items():
        if name in hints and parameter.kind is not parameter.VAR_KEYWORD:
            parameters.append(f"{name}: {_format_hint(hints[name])}")
    return f"g4f.Providers.{module_name.rpartition('.')[2]} supports: ({', '.join(parameters)})"


def _format_hint(hint: Any) -> str:
    is_class = isinstance(hint, type) and get_origin(hint) is None  # for Python 3.10, list[str] is a type, too
    return hint.__name__ if is_class else str(hint).replace("typing.", "")
