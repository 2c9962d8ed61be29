"""Arguments that several commands have."""

import argparse
from argparse import ArgumentParser, ArgumentTypeError, Namespace
import json
from typing import Any

from .. import registry
from ..options import is_configured

DEFAULT_PROVIDER = "OpenAI where it is configured, else Echo"

_FLAGS = {"base_url": "--base-url", "auth": "--auth", "provider": "--provider"}


def spell_flag(option: str) -> str:
    """Spell an option of a call as the command line gives it."""
    return _FLAGS.get(option, f"-o {option}=…")


def add_provider(parser: ArgumentParser, default: str = "all") -> None:
    """Add the provider and the options of a call."""
    parser.add_argument("-p", "--provider", metavar="NAME", help=f"the provider to ask (default: {default})")
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


def add_server(parser: ArgumentParser) -> None:
    """Add the provider's server and its credentials."""
    parser.add_argument("--base-url", metavar="URL", help="the provider's server, such as http://127.0.0.1:1337")
    parser.add_argument("--auth", metavar="TEXT", help="a token or cookie text for that server")


def add_model(parser: ArgumentParser, default: str = "the provider's first") -> None:
    """Add the model."""
    parser.add_argument("-m", "--model", metavar="NAME", help=f"the model to ask for (default: {default})")


def call_options(arguments: Namespace) -> dict[str, Any]:
    """Return the options of a call that were given."""
    return {**dict(arguments.option), **server_options(arguments)}


def server_options(arguments: Namespace) -> dict[str, Any]:
    """Return the server and credentials that were given.

    Raises:
        ValueError: one is empty.
    """
    given = {"base_url": arguments.base_url, "auth": arguments.auth}
    for name, value in given.items():
        check_not_empty(value, spell_flag(name))
    return {name: value for name, value in given.items() if value is not None}


def default_provider(arguments: Namespace) -> str:
    """Return the provider to ask when none is named."""
    is_openai = is_configured(registry.get("OpenAI")) or bool(server_options(arguments))
    return "OpenAI" if is_openai else "Echo"


def check_not_empty(value: str | None, flag: str) -> None:
    """Raise a ValueError if a flag was given an empty text."""
    if value == "":
        raise ValueError(f"{flag} is empty: give one, or leave it out")


def _parse_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"{text!r} is not like temperature=0.5")
    if name in ("model", "messages", "provider", "stream", "auth", "base_url"):
        flag = {"messages": "PROMPT", "stream": "--no-stream", "model": "--model"}.get(name, _FLAGS.get(name, ""))
        raise ArgumentTypeError(f"-o {name}=… is not allowed; use {flag}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parse_port(text: str) -> int:
    """Parse a port number.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to 65535")
    return int(text)
