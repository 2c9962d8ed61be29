"""The command line: ``g4f-legacy ask``. Tokens go to stdout as they come, everything else to stderr."""

import argparse
import os
import sys
from typing import List, Optional

import g4f_legacy  # its names are imported when they are used: --help and --version stay quick

INTERRUPTED = 130


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command and returns its exit code.

    0 done; 2 wrong usage; 3 a login is missing or refused; 4 the provider is gone; 5 the host failed; 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    try:
        _ask(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (g4f_legacy.errors.G4fError, TypeError, ValueError) as error:
        print(f"g4f-legacy: {error}", file=sys.stderr)
        return _exit_code(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="g4f-legacy", description="Talks to chat hosts by the protocols of 2023.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {g4f_legacy.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    ask = commands.add_parser(
        "ask",
        help="ask a question; the answer is printed as it comes",
        description="Asks a question; the answer is printed as it comes.",
        epilog="example: g4f-legacy ask -p H2o --base-url http://127.0.0.1:3000 'Hello'",
    )
    ask.add_argument("prompt", metavar="PROMPT")
    ask.add_argument("-p", "--provider", default="Echo", metavar="NAME", help="which provider (default: %(default)s)")
    ask.add_argument("-m", "--model", metavar="NAME", help="which model (default: the provider's first)")
    ask.add_argument("--base-url", metavar="URL", help="the host to talk to, such as http://127.0.0.1:3000")
    return parser


def _ask(arguments: argparse.Namespace) -> None:
    # What a host sends need not fit the terminal's encoding.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    messages = [{"role": "user", "content": arguments.prompt}]
    tokens = g4f_legacy.ChatCompletion.create(
        arguments.model, messages, arguments.provider, stream=True, base_url=arguments.base_url
    )
    try:
        for token in tokens:
            print(token, end="", flush=True)
    finally:
        tokens.close()  # type: ignore[union-attr]
        if sys.stdout.isatty():
            print()


def _exit_code(error: Exception) -> int:
    errors = g4f_legacy.errors
    if isinstance(error, (errors.AuthenticationRequiredError, errors.AuthenticationError)):
        return 3
    if isinstance(error, errors.ProviderNotWorkingError):
        return 4
    return 5 if isinstance(error, errors.ProviderError) else 2
