"""``g4f-legacy providers``: list the providers, or show one."""

from argparse import ArgumentParser, Namespace
from typing import Any

from .. import registry
from ..availability import is_placeholder, is_unavailable, is_usable
from ..compat.base_provider import ProviderUtils
from ..compat.redirects import current_target
from ..options import OPTION_NAMES, env_variables, get_base_url, has_working_public_server, provider_name
from .output import print_json, print_table

EXAMPLE = "providers H2o"

_MAX_LIST_WIDTH = 48  # characters


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="show this provider in full")
    parser.add_argument("--all", action="store_true", help="include the providers of 2023 that no longer exist")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> None:
    if arguments.name:
        _show_one(registry.get(arguments.name), arguments.json)
        return
    providers = ProviderUtils.convert if arguments.all else registry.all()
    described = [_describe(provider) for provider in providers.values()]
    if arguments.json:
        print_json(described)
        return
    columns = ("name", "models", "stream", "needs_auth", "working", "usable", "points_to")
    rows = [[_cell(facts[column]) for column in columns] for facts in described]
    print_table([["PROVIDER", "MODELS", "STREAM", "LOGIN", "WORKING", "USABLE", "POINTS TO"], *rows])


def _show_one(provider: Any, as_json: bool) -> None:
    facts = _describe(provider)
    if as_json:
        print_json(facts)
        return
    print((provider.__doc__ or "").strip(), end="\n\n")
    print_table([[name, _text(value)] for name, value in facts.items()])
    print(f"\n{_how_to_call(provider)}")


def _describe(provider: Any) -> dict[str, Any]:
    return {
        "name": provider_name(provider),
        "url": provider.url,
        "models": provider.model,
        "stream": provider.supports_stream,
        "needs_auth": provider.needs_auth,
        "working": has_working_public_server(provider),
        "usable": is_usable(provider, {}),
        "points_to": get_base_url(provider),
        "params": provider.params,
    }


def _how_to_call(provider: Any) -> str:
    lines = []
    if not is_placeholder(provider):
        variables = env_variables(provider, "URL") + env_variables(provider, "AUTH")
        lines.append(f"options: {', '.join(OPTION_NAMES)}; anything else goes to the server as it is")
        lines.append(f"environment: {', '.join(variables)}")
    if is_unavailable(provider, {}):
        target = current_target()
        if target is None:
            lines.append("not redirected; set G4F_LEGACY_REDIRECT to send its calls elsewhere")
        else:
            lines.append(f"calls to it go to {provider_name(target.provider)}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _cell(value: Any) -> str:
    """Format a value for the table; of a long list, only the first item and the length."""
    text = _text(value)
    return f"{value[0]}, … ({len(value)})" if isinstance(value, list) and len(text) > _MAX_LIST_WIDTH else text
