"""Arguments that several commands have."""

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from typing import Any

DEFAULT_PROVIDER_HELP = "OpenAI if it is configured or --base-url or --auth is given, else Echo"

_FLAGS = {
    "auth": "--auth",
    "base_url": "--base-url",
    "model": "-m",
    "provider": "--provider",
}
"""The flags for arguments of a call that have one; the others are given with ``-o``."""

_SET_BY_COMMANDS = ("messages", "stream")
"""Arguments of a call that each command chooses itself."""


def spell_flag(option: str) -> str:
    """Spell an option of a call as the command line does."""
    return _FLAGS.get(option, f"-o {option}=…")


def add_call_arguments(parser: ArgumentParser, default: str = "all") -> None:
    """Add the arguments for the provider and for the options of a call."""
    add_provider_name(parser, f"the provider (default: {default})")
    add_server(parser)
    parser.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        type=partial(_parse_option, parser),
        metavar="NAME=VALUE",
        help="an option of the call or a parameter for the server, such as -o temperature=0.5; the value may be JSON",
    )


def add_provider_name(parser: ArgumentParser, meaning: str, *aliases: str) -> None:
    """Add the argument for the provider. Aliases are what the command called it in earlier versions."""
    parser.add_argument("-p", "--provider", *aliases, dest="provider", metavar="NAME", help=meaning)


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


def check_not_empty(value: str | None, flag: str) -> None:
    """Raise a ValueError if the value of a flag is an empty string."""
    if value == "":
        raise ValueError(f"{flag} is empty: give a value, or leave it out")


def _parse_option(parser: ArgumentParser, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE, such as temperature=0.5")
    argument = name.replace("-", "_").lower()
    has_flag = any(action.dest == argument for action in parser._actions)  # `models` has no -m
    if argument in _FLAGS and has_flag:
        raise ArgumentTypeError(f"-o {name}=… is not allowed; use {_FLAGS[argument]}")
    if argument in _FLAGS or argument in _SET_BY_COMMANDS:
        raise ArgumentTypeError(f"-o {name}=… is not allowed")
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
