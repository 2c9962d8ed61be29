"""The command line: finds the command, parses its arguments, and turns errors into messages and exit codes.

Results go to stdout, and tokens as they arrive. Everything else goes to stderr.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from typing import Any

from .._version import __version__
from ..concurrency.termination import Terminated, terminate_by_exception
from .output import flush, print_error

_INTERRUPTED = 130

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
    "exit codes: 0 done, 2 wrong usage or an error of the operating system, 3 credentials, 4 provider gone or none for "
    "the model, 5 provider failed, 130 interrupted, 129 SIGHUP, 143 SIGTERM"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        The exit code: see `_EXIT_CODES`. ``scan`` and ``servers`` also return 1.
    """
    try:
        with terminate_by_exception():
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
    with _flushed_output():
        command, arguments = _parse(argv)
    _set_up_logging(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a token may not fit the terminal's encoding

    from ..errors import G4fError, OptionError  # imports requests, which `--help` does without
    from .failures import report_error, report_option_error

    # A script's output is flushed as `python` does it.
    output = nullcontext() if arguments.command == "run" else _flushed_output()
    try:
        with output:
            return int(command.run(arguments) or 0)
    except G4fError as error:
        return report_error(error, arguments.command)
    except OptionError as error:
        return report_option_error(error)


def _parse(argv: list[str]) -> tuple[Any, argparse.Namespace]:
    """Return the module of the command, and its arguments."""
    name = next((argument for argument in argv if argument in COMMANDS), None)
    command: Any = import_module(f"{__package__}.{name}") if name else None
    parser, subparser = _create_parsers(name, command)
    first = argv[0] if argv else ""
    flag = first.partition("=")[0]  # without the value, which may be secret
    if name and flag.startswith("-") and flag not in ("-h", "--help", "--version", "--"):
        parser.error(f"options follow the command: g4f-legacy {name} {flag} …")
    if first and not first.startswith("-") and first not in COMMANDS:
        hint = _suggest(first, COMMANDS) or "; g4f-legacy --help lists them"
        parser.error(f"there is no command {first!r}{hint}")
    if first == "run":
        argv = command.separate_script(argv)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        shown = [word.partition("=")[0] if word.startswith("-") else word for word in unknown]
        flags = [flag for action in subparser._actions for flag in action.option_strings]
        hint = _suggest(shown[0], flags) if shown[0].startswith("-") else ""
        subparser.error(f"unrecognized arguments: {' '.join(shown)}{hint}")
    return command, arguments


def _suggest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # which only a mistake needs

    nearest = get_close_matches(word, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def report_os_error(error: OSError) -> int:
    """Print the operating system's error, and return the exit code."""
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
    """Redirect stdout and stderr to the null device if they cannot be flushed: the interpreter would try again at exit,
    and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            flush(stream)
        except OSError:
            with suppress(OSError):  # it is no file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _interrupted(error: KeyboardInterrupt) -> int:
    _discard_unwritable_output()  # the terminal may be gone
    return 128 + error.signal_number if isinstance(error, Terminated) else _INTERRUPTED


@contextmanager
def _flushed_output() -> Iterator[None]:
    """Flush stdout at the end of the block. Left to the interpreter, an error there would be a traceback."""
    try:
        yield
    except SystemExit:  # of argparse, which has printed the help or an error
        flush(sys.stdout)
        raise
    except BaseException:
        with suppress(OSError):
            flush(sys.stdout)
        raise
    flush(sys.stdout)


def _create_parsers(name: str | None, command: Any) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Create the parser, and that of the command. Only one command gets its arguments: the one that is imported."""
    parser = argparse.ArgumentParser(
        prog="g4f-legacy",
        description="Client, server and script runner for the chat protocols of 2023.",
        epilog=_EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = parser
    for command_name, summary in COMMANDS.items():
        description = f"{summary[0].upper()}{summary[1:]}."
        subparser = subparsers.add_parser(command_name, help=summary, description=description, allow_abbrev=False)
        if command_name == name:
            named = subparser
            subparser.epilog = f"example: g4f-legacy {command.EXAMPLE}"
            subparser.add_argument(
                "-v", "--verbose", action="count", default=0, help="show the log; twice: each request as well"
            )
            command.add_arguments(subparser)
    return parser, named


def _set_up_logging(arguments: argparse.Namespace) -> None:
    log = logging.getLogger("g4f_legacy")
    log.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)])
    if arguments.command == "run":  # the script configures the root logger itself
        log.addHandler(logging.StreamHandler())
        log.propagate = False
    else:
        logging.basicConfig(format="%(message)s")
