"""The command line: finds the command, parses its arguments, and turns errors into messages and exit codes.

Results go to stdout, and tokens as they arrive. Everything else goes to stderr.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .._version import __version__
from .output import print_error

INTERRUPTED = 130

COMMANDS = {
    "ask": "ask a question, and print the tokens of the completion as they arrive",
    "providers": "list the providers, or show one",
    "models": "list the models",
    "serve": "run a server that speaks the protocols",
    "check": "try a protocol against a server, step by step",
    "run": "run a script of 2023 that imports g4f",
    "path": "print the folder to put on PYTHONPATH, so that other Python programs can import g4f",
    "scan": "report what scripts use of g4f, without running them",
}
"""The commands. Each is a module here, which is imported when the command is used."""

_REQUIREMENTS = ("certifi", "idna", "requests", "urllib3")
"""The modules that every command needs."""

_EXIT_CODES = "exit codes: 0 done, 2 wrong usage, 3 credentials, 4 provider gone, 5 provider failed, 130 interrupted"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        The exit code: 0 done; 2 wrong usage; 3 credentials missing or refused; 4 provider gone; 5 provider failed;
        130 interrupted. ``scan`` returns 1 if a script cannot be read, or uses a name that does not exist without
        catching the error.
    """
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name in _REQUIREMENTS
        print_error(f"g4f-legacy: {error}{'; install it: pip install requests' if is_missing else ''}")
        return 2


def _run(argv: list[str]) -> int:
    name = next((argument for argument in argv if argument in COMMANDS), None)
    command: Any = import_module(f"{__package__}.{name}") if name else None
    if argv[:1] == ["run"]:
        argv = command.separate_script(argv)
    arguments = _create_parser(name, command).parse_args(argv)
    _set_up_logging(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a token may not fit the terminal's encoding

    from ..errors import G4fError  # imports requests, which `--help` does without
    from .arguments import spell_flag

    try:
        return int(command.run(arguments) or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except G4fError as error:
        print_error(f"g4f-legacy: {error.describe(spell_flag)}")
        return _exit_code(error)
    except (TypeError, ValueError, OSError) as error:
        print_error(f"g4f-legacy: {error}")
        return 2


def _create_parser(name: str | None, command: Any) -> argparse.ArgumentParser:
    """Create the parser. Only one command gets its arguments, because only that one is imported."""
    parser = argparse.ArgumentParser(
        prog="g4f-legacy",
        description="Client, server and script runner for the chat protocols of 2023.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command_name, summary in COMMANDS.items():
        description = f"{summary[0].upper()}{summary[1:]}."
        subparser = subparsers.add_parser(command_name, help=summary, description=description)
        if command_name == name:
            subparser.epilog = f"example: g4f-legacy {command.EXAMPLE}"
            subparser.add_argument(
                "-v", "--verbose", action="count", default=0, help="show the log; twice: each request as well"
            )
            command.add_arguments(subparser)
    return parser


def _set_up_logging(arguments: argparse.Namespace) -> None:
    log = logging.getLogger("g4f_legacy")
    log.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)])
    if arguments.command == "run":  # the script configures the root logger itself
        log.addHandler(logging.StreamHandler())
        log.propagate = False
    else:
        logging.basicConfig(format="%(message)s")


def _exit_code(error: Exception) -> int:
    from .. import errors

    match error:
        case errors.AuthenticationRequiredError() | errors.AuthenticationError():
            return 3
        case errors.ProviderNotWorkingError():
            return 4
        case errors.ProviderError():
            return 5
        case _:
            return 2
