"""Arguments that several commands have."""

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from .. import registry
from ..options import is_configured
from .output import print_error

DEFAULT_PROVIDER = "OpenAI if it is configured or --base-url is given, else Echo"

_FLAGS = {
    "auth": "--auth",
    "base_url": "--base-url",
    "messages": "PROMPT",
    "model": "-m",
    "provider": "--provider",
    "stream": "--no-stream",
}
"""What the command line has for arguments of a call that are not given with ``-o``."""


def spell_flag(option: str) -> str:
    """Spell an option of a call as the command line does."""
    return _FLAGS.get(option, f"-o {option}=…")


def add_provider(parser: ArgumentParser, default: str = "all") -> None:
    """Add the arguments for the provider and for the options of a call."""
    add_provider_name(parser, f"the provider (default: {default})")
    add_server(parser)
    parser.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        type=_parse_option,
        metavar="NAME=VALUE",
        help="an option of the call or a parameter for the server, such as -o temperature=0.5; the value may be JSON",
    )


def add_provider_name(parser: ArgumentParser, meaning: str, alias: str = "-p") -> None:
    """Add the argument for the provider. The alias is what the command called it in earlier versions."""
    names = dict.fromkeys(["-p", "--provider", alias])
    parser.add_argument(*names, dest="provider", metavar="NAME", help=meaning)


def add_server(parser: ArgumentParser) -> None:
    """Add the arguments for the provider's server and its credentials."""
    parser.add_argument("--base-url", metavar="URL", help="the provider's server, such as http://127.0.0.1:1337")
    parser.add_argument("--auth", metavar="TEXT", help="a token or cookie text for that server")


def add_model(parser: ArgumentParser, default: str = "the provider's first") -> None:
    """Add the argument for the model."""
    parser.add_argument("-m", "--model", metavar="NAME", help=f"the model (default: {default})")


def call_options(arguments: Namespace) -> dict[str, Any]:
    """Return the options of a call that were given."""
    return {**dict(arguments.option), **server_options(arguments)}


def server_options(arguments: Namespace) -> dict[str, Any]:
    """Return the server and credentials that were given.

    Raises:
        ValueError: the server or the credentials are an empty string.
    """
    given = {"base_url": arguments.base_url, "auth": arguments.auth}
    for name, value in given.items():
        check_not_empty(value, spell_flag(name))
    return {name: value for name, value in given.items() if value is not None}


def choose_provider(arguments: Namespace) -> str:
    """Return the provider that the command line names, else the default one.

    If that is Echo, a notice on stderr tells how to ask a model, and which servers listen on this machine.
    """
    name = find_provider(arguments)
    if name == "Echo" and not arguments.provider:
        from .servers import suggest  # imports requests, which `--help` does without

        example = f"g4f-legacy {arguments.command} --base-url http://127.0.0.1:11434/v1 …"
        advice = suggest(arguments.command) or f"To ask a model, give an OpenAI-compatible server: {example}"
        print_error(f"No provider is configured, so Echo repeats the prompt. {advice}")
    return name


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


def check_not_empty(value: str | None, flag: str) -> None:
    """Raise a ValueError if the value of a flag is an empty string."""
    if value == "":
        raise ValueError(f"{flag} is empty: give a value, or leave it out")


def _parse_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE, such as temperature=0.5")
    if name in _FLAGS:
        raise ArgumentTypeError(f"-o {name}=… is not allowed; use {_FLAGS[name]}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parse_port(text: str) -> int:
    """Parse a port number.

    Raises:
        argparse.ArgumentTypeError: the text is not a port number.
    """
    if not (text.isdecimal() and int(text) < 65536):
        raise ArgumentTypeError(f"{text!r} is not a port number between 0 and 65535")
    return int(text)
