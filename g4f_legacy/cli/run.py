"""``g4f-legacy run``: run a script of 2023."""

import os
import sys
from argparse import ArgumentParser, Namespace
from importlib.machinery import PathFinder

from ..compat.g4f_alias import export_path
from ..compat.redirects import current_target, export_target, redirect
from ..compat.script_runner import run_script
from .arguments import add_provider_name, add_server, check_not_empty, server_options

EXAMPLE = "run --base-url … bot.py"


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s [-h] [-v] [-p NAME] [--model NAME] [--base-url URL] [--auth TEXT] SCRIPT [ARGUMENT ...]"
    add_provider_name(
        parser,
        "the redirect target: the provider that takes calls to those that are gone (default: that of the environment, "
        "or OpenAI if --base-url is given)",
        "--to",
    )
    parser.add_argument("--model", metavar="NAME", help="the target's model (default: its own default)")
    add_server(parser)
    parser.add_argument(
        "script",
        metavar="SCRIPT",
        nargs="+",
        help="a script, a directory, a zip file, - or -m MODULE; then its arguments",
    )


def separate_script(argv: list[str]) -> list[str]:
    """Insert ``--`` before the script, because everything after it belongs to the script."""
    with_value = _flags_with_value()
    position = 1
    while position < len(argv) and argv[position].startswith("-") and argv[position] not in ("-", "-m", "--"):
        position += 2 if argv[position] in with_value else 1
    if argv[position : position + 1] == ["--"]:
        return argv
    return [*argv[:position], "--", *argv[position:]]


def _flags_with_value() -> list[str]:
    parser = ArgumentParser(add_help=False)
    add_arguments(parser)
    return [flag for action in parser._actions if action.nargs != 0 for flag in action.option_strings]


def run(arguments: Namespace) -> None:
    """Run the script, and exit with its exit code. Processes that it starts get ``g4f`` and the redirect, too."""
    _check_module(arguments.script)
    check_not_empty(arguments.provider, "--provider")
    options = server_options(arguments)
    sets_target = arguments.provider or arguments.base_url or (arguments.auth and current_target() is None)
    if sets_target:
        export_target(redirect(arguments.provider or "OpenAI", arguments.model, **options))
    else:  # the target of the environment, if there is one
        for name, value in (("MODEL", arguments.model), ("AUTH", arguments.auth)):
            if value:
                os.environ[f"G4F_LEGACY_REDIRECT_{name}"] = value
        current_target()  # raises an error if it cannot be the target
    export_path()
    run_script(arguments.script, fold_tracebacks=not arguments.verbose, suggest=_suggest)


def _suggest() -> str:
    from .servers import suggest_servers  # which few scripts need

    return suggest_servers("run")


def _check_module(script: list[str]) -> None:
    """Check that a module follows ``-m``, which names the model in other commands.

    Raises:
        ValueError: no module is named, or what follows is probably a model and a script.
    """
    if script[0] != "-m":
        return
    if len(script) == 1:
        raise ValueError("-m needs the name of a module")
    is_script = len(script) > 2 and os.path.exists(script[2])
    if is_script and not _is_module(script[1]):
        raise ValueError(f"there is no module {script[1]!r} to run: if it is the model, write --model {script[1]}")


def _is_module(name: str) -> bool:
    try:
        return PathFinder.find_spec(name.partition(".")[0], [os.getcwd(), *sys.path]) is not None
    except (ImportError, ValueError):
        return False
