"""``g4f-legacy providers``: list the providers, or show one."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from contextlib import suppress
from typing import Any

from .. import Provider, registry
from ..availability import is_placeholder, is_unavailable, is_usable
from ..compat.redirects import current_target
from ..errors import AuthenticationRequiredError, G4fError, OptionError
from ..option_values import parse_base_url
from ..options import (
    OPTION_NAMES,
    env_variables,
    get_base_url,
    has_working_public_server,
    provider_name,
    read_options,
)
from ..provider_sources import BrokenProvider
from .arguments import check_not_empty
from .output import print_error, print_json, print_table

EXAMPLE = "providers --usable --stream"

_CONDITIONS = {
    "stream": "that can stream",
    "needs_auth": "whose public server needs credentials",
    "working": "whose public server still responds",
    "usable": "whose calls would reach a server now",
}
_COLUMNS = {
    "name": "PROVIDER",
    "model": "MODELS",
    "supports_stream": "STREAM",
    "needs_auth": "NEEDS AUTH",
    "working": "WORKING",
    "usable": "USABLE",
    "base_url": "BASE URL",
}
_FACTS = (
    "name",
    "url",
    "model",
    "models",
    "supports_stream",
    "needs_auth",
    "working",
    "usable",
    "base_url",
    "options",
    "params",
)
_MAX_LIST_WIDTH = 48  # characters


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="show this provider in full")
    parser.add_argument("--all", action="store_true", help="include the providers of 2023 that no longer exist")
    for condition, meaning in _CONDITIONS.items():
        flag = f"--{condition.replace('_', '-')}"
        parser.add_argument(flag, action=BooleanOptionalAction, help=f"list only providers {meaning}, or only others")
    parser.add_argument("-m", "--model", metavar="NAME", help="list only providers that list this model")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> None:
    check_not_empty(arguments.model, "--model")
    conditions = {name: getattr(arguments, name) for name in [*_CONDITIONS, "model"]}
    has_conditions = any(value is not None for value in conditions.values())
    if arguments.name:
        if has_conditions:
            raise ValueError("give a NAME or conditions, not both")
        _show_one(registry.get(arguments.name), arguments.json)
        return
    providers, broken = registry.import_all()
    if arguments.all:
        providers = Provider.__map__  # type: ignore[attr-defined]
    described = [_describe(provider) for provider in providers.values() if registry.matches(provider, conditions)]
    if not has_conditions:
        described += [_describe_broken(provider) for provider in broken]
    _print_all(described, arguments.json)


def _print_all(described: list[dict[str, Any]], as_json: bool) -> None:
    if not described:
        print_error("No provider matches all of these conditions.")
    if as_json:
        print_json(described)
    elif described:
        print_table([[*_COLUMNS.values()], *([_cell(facts, name) for name in _COLUMNS] for facts in described)])


def _show_one(provider: Any, as_json: bool) -> None:
    facts = _describe(provider)
    if as_json:
        print_json(facts)
        return
    print((provider.__doc__ or "").strip(), end="\n\n")
    print_table([[name, _text(value)] for name, value in facts.items() if name != "options"])
    print(f"\n{_how_to_call(provider)}")


def _describe(provider: Any) -> dict[str, Any]:
    base_url, error = _read_configuration(provider)
    facts = {
        "name": provider_name(provider),
        "url": _without_credentials(provider.url),
        "model": provider.model,
        "models": provider.models,
        "supports_stream": provider.supports_stream,
        "needs_auth": provider.needs_auth,
        "working": has_working_public_server(provider),
        "usable": is_usable(provider, {}),
        "base_url": base_url,
        "options": list(OPTION_NAMES) if _has_server(provider) else [],
        "params": provider.params,
    }
    return {**facts, "error": error} if error else facts


def _describe_broken(provider: BrokenProvider) -> dict[str, Any]:
    """Return the facts of a working provider, those that are unknown as None."""
    return {**dict.fromkeys(_FACTS), "usable": False, **provider._asdict()}


def _has_server(provider: Any) -> bool:
    """Return whether calls to a provider go to a server, which options configure."""
    return bool(provider.url) and not is_placeholder(provider)


def _read_configuration(provider: Any) -> tuple[str | None, str]:
    """Return the server that calls go to, and what is wrong with the environment variables for it."""
    base_url = None
    try:
        base_url = get_base_url(provider)
        read_options(provider, {})
    except AuthenticationRequiredError:
        return base_url, ""
    except OptionError as error:
        return base_url, f"invalid {error.option}: it {error.problem}"
    except (OSError, TypeError, ValueError) as error:
        return base_url, str(error)
    return base_url, ""


def _without_credentials(url: str) -> str:
    server = parse_base_url(url, "url")
    return server.base_url if server.basic_auth else url


def _how_to_call(provider: Any) -> str:
    lines = []
    if _has_server(provider):
        variables = env_variables(provider, "URL") + env_variables(provider, "AUTH")
        lines.append(f"options: {', '.join(OPTION_NAMES)}; anything else goes to the server as it is")
        lines.append(f"environment: {', '.join(variables)}")
    with suppress(ValueError):  # of a wrong environment variable, which is one of the facts
        if is_unavailable(provider, {}):
            lines.append(_describe_redirect())
    return "\n".join(lines)


def _describe_redirect() -> str:
    try:
        target = current_target()
    except (G4fError, ImportError, TypeError, ValueError) as error:
        return f"not redirected: {error}"
    if target is None:
        return "not redirected; set G4F_LEGACY_REDIRECT to send its calls elsewhere"
    return f"calls to it go to {provider_name(target.provider)}"


def _cell(facts: dict[str, Any], name: str) -> str:
    """Format a fact for the table: of a long list, only the first item and the length; an error as the last one."""
    if name == "base_url" and "error" in facts:
        return str(facts["error"])
    value = facts.get(name, "")
    text = _text(value)
    return f"{value[0]}, … ({len(value)})" if isinstance(value, list) and len(text) > _MAX_LIST_WIDTH else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {model_id}" for name, model_id in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value or "")
