"""``g4f-legacy models``: list the models."""

from argparse import ArgumentParser, Namespace
from typing import Any

from .. import registry
from ..errors import AuthenticationRequiredError
from .arguments import add_call_arguments, call_options, server_options, spell_flag
from .output import print_error, print_json, print_table

EXAMPLE = "models -p OpenAssistant --json"


def add_arguments(parser: ArgumentParser) -> None:
    add_call_arguments(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> None:
    name = arguments.provider or ("OpenAI" if server_options(arguments) else None)
    if name:
        provider = registry.get(name)
        models = {name: _list_models(provider, call_options(arguments)) or provider.models}
    else:  # no server is asked: every configured one would have to answer
        models = {name: provider.models for name, provider in registry.all().items()}
    rows = [
        {"provider": provider, "model": model, "id": model_id}
        for provider, listed in models.items()
        for model, model_id in listed.items()
    ]
    if arguments.json:
        print_json(rows)
    else:
        print_table([["PROVIDER", "MODEL", "ID"], *([row["provider"], row["model"], row["id"]] for row in rows)])


def _list_models(provider: Any, options: dict[str, Any]) -> dict[str, str]:
    """Ask the provider's server for its models. An empty dict, after a notice, means that it cannot be asked."""
    try:
        listed = registry.list_models(provider, options)
    except AuthenticationRequiredError as error:
        print_error(f"Built-in list (the server was not asked: {error.describe(spell_flag)})")
        return {}
    if listed is None:
        print_error("Built-in list (the server is gone, or its protocol has no list of models)")
    return {name: name for name in listed or []}
