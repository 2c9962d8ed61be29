"""The contract of providers: the attributes that a module must have to be one, and their types."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .option_values import parse_base_url


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_string, value))


def _is_dict_of_strings(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_string, [*value, *value.values()]))


_ATTRIBUTES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "__name__": (_is_string, "a string"),
    "url": (_is_string, "a string"),
    "model": (_is_list_of_strings, "a list of strings"),
    "models": (_is_dict_of_strings, "a dict of strings"),
    "supports_stream": (_is_bool, "True or False"),
    "needs_auth": (_is_bool, "True or False"),
    "working": (_is_bool, "True or False"),
    "_create_completion": (callable, "a function"),
}
_PARAMS = {"params": (_is_string, "a string")}


def check_provider(provider: Any) -> None:
    """Check what a caller passes as a provider: a module or another object.

    `params` may be missing, because no call needs it.

    Raises:
        TypeError: an attribute is missing or has a wrong type; the message names it.
    """
    present = {name: getattr(provider, name) for name in _ATTRIBUTES if hasattr(provider, name)}
    _check_attributes(getattr(provider, "__name__", provider), present, _ATTRIBUTES)


def check_module(module: Any) -> None:
    """Check what is found as a provider: a file in `Provider`, or what an entry point names.

    Raises:
        TypeError: it is not a module, or an attribute is missing, has a wrong type or a wrong value.
    """
    if not isinstance(module, ModuleType):
        kind = (
            f"the class {module.__name__}" if isinstance(module, type) else f"an object of type {type(module).__name__}"
        )
        raise TypeError(f"{kind} is not a provider: a provider is a module")
    own = vars(module)  # `working` of a `compat.provider_module.ProviderModule` tells more than the module itself
    name = own["__name__"].removeprefix(f"{__package__}.Provider.")
    _check_attributes(name, own, {**_ATTRIBUTES, **_PARAMS})
    try:
        parse_base_url(own["url"], "url")
    except ValueError as error:
        raise TypeError(f"{name} is not a provider: {error}") from None


def _check_attributes(
    name: Any, attributes: Mapping[str, Any], required: Mapping[str, tuple[Callable[[Any], bool], str]]
) -> None:
    missing = [attribute for attribute in required if attribute not in attributes]
    if missing:
        raise TypeError(f"{name} is not a provider: it lacks {', '.join(missing)}")
    for attribute, (is_valid, expected) in required.items():
        if not is_valid(attributes[attribute]):
            raise TypeError(f"{name} is not a provider: {attribute} must be {expected}")
