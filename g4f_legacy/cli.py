"""The command line. Tokens go to stdout as they come, everything else to stderr; the exit code tells how it went."""

import argparse
import json
import logging
import os
import sys
from typing import Any, List, Optional, Tuple

import g4f_legacy  # its names are imported when they are used: --help and --version stay quick

INTERRUPTED = 130

_DEFAULT = "OpenAI where it is configured, else Echo"
_ENDS = "exit codes: 0 done, 2 wrong usage, 3 login, 4 provider gone, 5 provider failed, 130 interrupted"


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command and returns its exit code.

    0 done; 2 wrong usage; 3 a login is missing or refused; 4 the provider is gone; 5 the host failed; 130 interrupted.
    """
    arguments = _parser().parse_args(_apart(sys.argv[1:] if argv is None else argv))
    log = logging.getLogger("g4f_legacy")
    log.setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)])
    if arguments.command == "run":  # the rest of logging is the script's
        log.addHandler(logging.StreamHandler())
        log.propagate = False
    else:
        logging.basicConfig(format="%(message)s")
    # What a host sends need not fit the terminal's encoding.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(getattr(g4f_legacy.commands, arguments.command)(arguments) or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except g4f_legacy.errors.G4fError as error:
        g4f_legacy.commands.say(f"g4f-legacy: {error.describe(spell_flag)}")
        return _exit_code(error)
    except (TypeError, ValueError, OSError) as error:
        g4f_legacy.commands.say(f"g4f-legacy: {error}")
        return 2
    except ImportError as error:
        g4f_legacy.commands.say(f"g4f-legacy: {error}; the server needs its extra: pip install 'g4f-legacy[server]'")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="g4f-legacy", description="Talks to chat hosts by the protocols of 2023, and is one.", epilog=_ENDS
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {g4f_legacy.__version__}")
    added = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    ask = _command(added, "ask", "ask a question; the answer is printed as it comes", "ask --local 'Hello'")
    ask.add_argument("prompt", metavar="PROMPT", nargs="?", help="the question; what stdin holds goes before it")
    _host_options(ask, default=_DEFAULT)
    ask.add_argument("-m", "--model", metavar="NAME", help="which model (default: the provider's first)")
    ask.add_argument("-s", "--system", metavar="TEXT", help="what the model is told beforehand")
    ask.add_argument("--no-stream", action="store_true", help="print the answer when it is whole")
    ask.add_argument(
        "--local", action="store_true", help="ask a server that runs inside this process, by H2o's protocol"
    )

    providers = _command(added, "providers", "list the providers, or show one", "providers H2o")
    providers.add_argument("name", metavar="NAME", nargs="?", help="show this one in full")
    providers.add_argument("--all", action="store_true", help="those of 2023 that are gone, too")
    providers.add_argument("--json", action="store_true", help="write JSON")

    models = _command(added, "models", "list the models", "models -p OpenAssistant --json")
    _host_options(models)
    models.add_argument("--json", action="store_true", help="write JSON")

    _add_serve(added)

    check = _command(added, "check", "walk a protocol's steps against a host", "check -p H2o --base-url …")
    _host_options(check, default="H2o")
    check.set_defaults(provider="H2o")
    check.add_argument("-m", "--model", metavar="NAME", help="which model (default: the provider's first)")
    _add_scripts(added)
    return parser


def _add_serve(added: Any) -> None:
    serve = _command(added, "serve", "run a server that speaks the protocols", "serve --engine Echo")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=1337, help="0 is any that is free (default: %(default)s)")
    serve.add_argument("--engine", metavar="NAME", help=f"the provider that answers (default: {_DEFAULT})")
    serve.add_argument("-m", "--model", metavar="NAME", help="what to ask it for (default: what the client names)")
    serve.add_argument("--base-url", metavar="URL", help="the engine's host")
    serve.add_argument("--auth", metavar="TEXT", help="the engine's token or cookie text")
    serve.add_argument("--token", metavar="TEXT", help="what clients have to log in with")
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name to answer to; repeat it"
    )


def _add_scripts(added: Any) -> None:
    run = _command(added, "run", "run a script of 2023 that imports g4f", "run --to OpenAI --base-url … bot.py")
    run.usage = "%(prog)s [-h] [-v] [--to NAME] [--model NAME] [--base-url URL] [--auth TEXT] SCRIPT [ARGUMENT ...]"
    run.add_argument("--to", metavar="NAME", help="the provider that takes calls to those that are gone, such as Echo")
    run.add_argument("--model", metavar="NAME", help="what to ask it for (default: its own default)")
    run.add_argument("--base-url", metavar="URL", help="its host; without --to, an OpenAI-compatible one")
    run.add_argument("--auth", metavar="TEXT", help="its token or cookie text")
    run.add_argument(
        "script", metavar="SCRIPT", nargs="+", help="a script, a folder, a zip file, - or -m MODULE; then its arguments"
    )

    scan = _command(added, "scan", "tell what of g4f scripts use, without running them", "scan bot.py")
    scan.add_argument("paths", metavar="PATH", nargs="+", help="a script, or a folder of them")
    scan.add_argument("--json", action="store_true", help="write JSON")


def _apart(argv: List[str]) -> List[str]:
    """Puts ``--`` before the script that ``run`` runs: what stands behind that is the script's."""
    if argv[:1] != ["run"]:
        return argv
    at = 1
    while at < len(argv) and argv[at].startswith("-") and argv[at] not in ("-", "-m", "--"):
        at += 2 if argv[at] in ("--to", "--model", "--base-url", "--auth") else 1
    return argv if argv[at : at + 1] == ["--"] else [*argv[:at], "--", *argv[at:]]


def _command(added: Any, name: str, does: str, example: str) -> argparse.ArgumentParser:
    described = f"{does[0].upper()}{does[1:]}."
    command: argparse.ArgumentParser = added.add_parser(
        name, help=does, description=described, epilog=f"example: g4f-legacy {example}"
    )
    command.add_argument("-v", "--verbose", action="count", default=0, help="show the log; twice: each request too")
    return command


def _host_options(command: argparse.ArgumentParser, default: Optional[str] = None) -> None:
    said = f"(default: {default})" if default else "(default: all)"
    command.add_argument("-p", "--provider", metavar="NAME", help=f"which provider {said}")
    command.add_argument("--base-url", metavar="URL", help="the host to talk to, such as http://127.0.0.1:1337")
    command.add_argument("--auth", metavar="TEXT", help="a token or cookie text")
    command.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=VALUE",
        help="an option of the call, or a parameter for the host, such as -o temperature=0.5; the value may be JSON",
    )


def _option(text: str) -> Tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not like temperature=0.5")
    if name in ("model", "messages", "provider", "stream", "auth", "base_url"):
        raise argparse.ArgumentTypeError(f"{name} is no option of the call: it has a flag of its own, see --help")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def spell_flag(option: str) -> str:
    """Spell an option of a call as the command line gives it."""
    return {"base_url": "--base-url", "auth": "--auth", "provider": "--provider"}.get(option, f"-o {option}=…")


def _exit_code(error: "g4f_legacy.errors.G4fError") -> int:
    errors = g4f_legacy.errors
    if isinstance(error, (errors.AuthenticationRequiredError, errors.AuthenticationError)):
        return 3
    if isinstance(error, errors.ProviderNotWorkingError):
        return 4
    return 5 if isinstance(error, errors.ProviderError) else 2
