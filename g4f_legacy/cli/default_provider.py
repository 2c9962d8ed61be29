"""The provider of a command: the one that the command line names, or the default."""

from argparse import Namespace

from .. import registry
from ..options import is_configured, provider_name
from .arguments import check_not_empty, server_options
from .output import print_error


def find_provider(arguments: Namespace) -> str:
    """Return the provider that the command line names, else the default one.

    Raises:
        ValueError: the name or another argument is an empty string.
    """
    check_not_empty(arguments.provider, "--provider")
    if arguments.provider:
        return str(arguments.provider)
    is_openai = server_options(arguments) or is_configured(registry.get("OpenAI"))
    return "OpenAI" if is_openai else "Echo"


def find_provider_with_notice(arguments: Namespace) -> str:
    """Find the provider, and print a notice if it is Echo because nothing is configured.

    The notice says on stderr how to ask a model: a server that listens on this machine, if there is one.

    Raises:
        ProviderNotWorkingError: the command line names a model that no configured provider lists.
        ValueError: as `find_provider`.
    """
    name = find_provider(arguments)
    if name != "Echo" or arguments.provider:
        return name
    from ..errors import Hint, ProviderNotWorkingError  # imports requests, which `--help` does without
    from .servers import suggest_servers

    model = arguments.model
    serving = registry.find(model=model, usable=True) if model else []
    if serving:
        return provider_name(serving[0])
    if model:
        raise ProviderNotWorkingError(f"no provider is configured that serves {model}", hint=Hint.ASK_ANOTHER)
    example = f"g4f-legacy {arguments.command} --base-url http://127.0.0.1:11434/v1 …"
    hint = suggest_servers(arguments.command) or f"To ask a model, give an OpenAI-compatible server: {example}"
    print_error(f"No provider is configured, so Echo repeats the prompt.\n{hint}")
    return name
