"""``g4f-legacy servers``: find the servers that listen on this machine."""

import logging
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from ..errors import single_line
from ..local_servers import WELL_KNOWN_PORTS, LocalServer, find_servers
from .output import print_error, print_json

EXAMPLE = "servers"

log = logging.getLogger(__name__)

_EPILOG = (
    "Looks for at most a second at the well-known ports of 127.0.0.1 and ::1, and recognises what answers by its "
    "protocol. Nothing but GET requests is sent, without credentials. --json writes a list of objects with the keys "
    "kind, provider, base_url, models (an empty list if they are unknown) and needs_auth. The exit code is 1 if no "
    "server is found."
)

_MAX_SHOWN_MODELS = 5
_MAX_NAME_LENGTH = 80  # characters
_MAX_SUGGESTIONS = 3

_ARGUMENTS = {"ask": " …", "run": " SCRIPT"}
"""What follows the options in a suggestion."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = f"{_EPILOG} {parser.epilog or ''}"
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: Namespace) -> int:
    """Return 1 if no server is found."""
    servers = find_servers()
    if arguments.json:
        print_json([asdict(server) for server in servers])
    else:
        for server in servers:
            print(f"{server.kind} at {_address(server)}: {_describe_models(server)}")
            print(f"  {_format_command(server, 'ask')} 'Hello'")
    if servers:
        return 0
    ports = ", ".join(f"{port} ({names})" for port, names in WELL_KNOWN_PORTS.items())
    print_error(
        f"No server was found at the ports {ports} of 127.0.0.1 and ::1. Start one of those; or start this package's "
        "own server, to try out what needs one: g4f-legacy serve. If yours listens elsewhere, give its address with "
        "--base-url."
    )
    return 1


def suggest_servers(command: str) -> str:
    """Look for servers on this machine, and return sentences on how a command can use them.

    Args:
        command: such as "ask", "chat" or "run".

    Returns:
        One line for each server; an empty text if there is none, or if looking for them failed.
    """
    try:
        servers = find_servers()
    except Exception as error:  # the hint is extra; what it is added to has to be shown
        log.debug("Looking for servers failed: %s", error)
        return ""
    argument = _ARGUMENTS.get(command, "")
    return "\n".join(
        f"Found {server.kind} at {_address(server)}: {_format_command(server, command)}{argument}"
        for server in servers[:_MAX_SUGGESTIONS]
    )


def _address(server: LocalServer) -> str:
    return server.base_url.removesuffix("/v1")


def _describe_models(server: LocalServer) -> str:
    if not server.models:
        return "it requires credentials" if server.needs_auth else "it lists no models"
    names = [single_line(model[:_MAX_NAME_LENGTH]) for model in server.models[:_MAX_SHOWN_MODELS]]
    others = len(server.models) - len(names)
    return ", ".join(names) + (f" and {others} more" if others else "")


def _format_command(server: LocalServer, command: str) -> str:
    """Return the command line that uses a server, without what follows its options."""
    provider = "" if server.provider == "OpenAI" else f" -p {server.provider}"
    auth = " --auth …" if server.needs_auth else ""
    return f"g4f-legacy {command}{provider} --base-url {server.base_url}{auth}"
