"""``g4f-legacy run``: run a script of 2023."""

import os
from argparse import ArgumentParser, Namespace

from ..compat.g4f_alias import export_path
from ..compat.redirects import current_target, export_target, redirect
from ..compat.script_runner import run_script
from .arguments import check_not_empty, server_options

EXAMPLE = "run --to OpenAI --base-url … bot.py"

_FLAGS_WITH_VALUE = ("--to", "--model", "--base-url", "--auth")


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s [-h] [-v] [--to NAME] [--model NAME] [--base-url URL] [--auth TEXT] SCRIPT [ARGUMENT ...]"
    parser.add_argument(
        "--to", metavar="NAME", help="the redirect target: the provider that takes calls to those that are gone"
    )
    parser.add_argument("--model", metavar="NAME", help="the target's model (default: its own default)")
    parser.add_argument("--base-url", metavar="URL", help="the target's server; without --to, an OpenAI-compatible one")
    parser.add_argument("--auth", metavar="TEXT", help="a token or cookie text for that server")
    parser.add_argument(
        "script",
        metavar="SCRIPT",
        nargs="+",
        help="a script, a directory, a zip file, - or -m MODULE; then its arguments",
    )


def separate_script(argv: list[str]) -> list[str]:
    """Insert ``--`` before the script, because everything after it belongs to the script."""
    position = 1
    while position < len(argv) and argv[position].startswith("-") and argv[position] not in ("-", "-m", "--"):
        position += 2 if argv[position] in _FLAGS_WITH_VALUE else 1
    if argv[position : position + 1] == ["--"]:
        return argv
    return [*argv[:position], "--", *argv[position:]]


def run(arguments: Namespace) -> None:
    """Run the script, and exit with its exit code. Processes that it starts get ``g4f`` and the redirect, too."""
    if arguments.script == ["-m"]:
        raise ValueError("-m needs the name of a module")
    check_not_empty(arguments.to, "--to")
    options = server_options(arguments)
    names_target = arguments.to or arguments.base_url or (arguments.auth and current_target() is None)
    if names_target:
        export_target(redirect(arguments.to or "OpenAI", arguments.model, **options))
    else:  # the target of the environment, if there is one
        for name, value in (("MODEL", arguments.model), ("AUTH", arguments.auth)):
            if value:
                os.environ[f"G4F_LEGACY_REDIRECT_{name}"] = value
        current_target()  # raises an error if it cannot be the target
    export_path()
    run_script(arguments.script, fold_tracebacks=not arguments.verbose)
