"""The command line: finds the command, parses its arguments, and turns errors into messages and exit codes.

Results go to stdout, and tokens as they arrive. Everything else goes to stderr.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from .._version import __version__
from ..concurrency.termination import Terminated, terminate_by_exception
from .output import flush_output, print_error

INTERRUPTED = 130

COMMANDS = {
    "ask": "ask a question, and print the tokens of the completion as they arrive",
    "chat": "have a conversation in the terminal",
    "providers": "list the providers, or show one",
    "models": "list the models",
    "servers": "find the servers that listen on this machine",
    "serve": "run a server that speaks the protocols",
    "check": "try a protocol against a server, step by step",
    "run": "run a script of 2023 that imports g4f",
    "path": "print the folder to put on PYTHONPATH, so that other Python programs can import g4f",
    "scan": "report what scripts use of g4f, without running them",
}
"""The commands. Each is a module here, which is imported when the command is used."""

_REQUIREMENTS = ("certifi", "idna", "requests", "urllib3")
"""The modules that every command needs."""

_EXIT_CODES = (
    "exit codes: 0 done, 2 wrong usage, 3 credentials, 4 provider gone, 5 provider failed, 130 interrupted, "
    "129 SIGHUP, 143 SIGTERM"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        The exit code: 0 done; 2 wrong usage; 3 credentials missing or refused; 4 provider gone; 5 provider failed;
        130 interrupted; 128 + the number of SIGTERM or SIGHUP. ``scan`` returns 1 if a script cannot be read, or uses
        a name that does not exist without catching the error, and ``servers`` if it finds none.
    """
    try:
        with terminate_by_exception(), _flushed_output():
            return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError) and error.name in _REQUIREMENTS
        print_error(f"g4f-legacy: {error}{'; install it: pip install requests' if is_missing else ''}")
        return 2
    except (TypeError, ValueError) as error:
        print_error(f"g4f-legacy: {error}")
        return 2
    except OSError as error:
        return report_os_error(error)


def _run(argv: list[str]) -> int:
    name = next((argument for argument in argv if argument in COMMANDS), None)
    command: Any = import_module(f"{__package__}.{name}") if name else None
    if argv[:1] == ["run"]:
        argv = command.separate_script(argv)
    arguments = _create_parser(name, command).parse_args(argv)
    _set_up_logging(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a token may not fit the terminal's encoding

    from ..errors import G4fError, OptionTypeError, OptionValueError  # imports requests, which `--help` does without
    from .failures import report, report_option

    try:
        return int(command.run(arguments) or 0)
    except G4fError as error:
        return report(error, arguments.command)
    except (OptionTypeError, OptionValueError) as error:
        return report_option(error)


def report_os_error(error: OSError) -> int:
    """Say what the operating system refused, and return the exit code."""
    _discard_unwritable_output()
    if isinstance(error, BrokenPipeError):  # the reader of the output is gone
        return 0
    context: BaseException | None = error
    while context is not None:
        if isinstance(context, Terminated):  # by SIGHUP: the terminal is gone
            return _interrupted(context)
        context = context.__context__
    print_error(f"g4f-legacy: {error}")
    return 2


def _discard_unwritable_output() -> None:
    """Let what is left of the output go nowhere if it cannot be written, because Python would try it again."""
    try:
        flush_output()
    except OSError:
        with suppress(OSError):  # it is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(error: KeyboardInterrupt) -> int:
    return 128 + error.signal_number if isinstance(error, Terminated) else INTERRUPTED


@contextmanager
def _flushed_output() -> Iterator[None]:
    """Flush stdout at the end of the block. If the interpreter does so at its end, an error is a traceback."""
    try:
        yield
    finally:
        flush_output()


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
