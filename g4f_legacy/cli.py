"""The command line. Tokens go to stdout as they come, everything else to stderr; the exit code tells how it went."""

import argparse
import json
import logging
import os
import sys
import threading
from contextlib import ExitStack, suppress
from typing import Any, Dict, List, Optional, Tuple

import g4f_legacy  # its names are imported when they are used: --help and --version stay quick

INTERRUPTED = 130

_DEFAULT = "OpenAI where it is configured, else Echo"
_ENDS = "exit codes: 0 done, 2 wrong usage, 3 login, 4 provider gone, 5 provider failed, 130 interrupted"


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a command and returns its exit code.

    0 done; 2 wrong usage; 3 a login is missing or refused; 4 the provider is gone; 5 the host failed; 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("g4f_legacy").setLevel([logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)])
    # What a host sends need not fit the terminal's encoding.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(arguments.run(arguments) or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (g4f_legacy.errors.G4fError, TypeError, ValueError, OSError) as error:
        _say(f"g4f-legacy: {error}")
        return _exit_code(error)
    except ImportError as error:
        _say(f"g4f-legacy: {error}; the server needs its extra: pip install 'g4f-legacy[server]'")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="g4f-legacy", description="Talks to chat hosts by the protocols of 2023, and is one.", epilog=_ENDS
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {g4f_legacy.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    ask = _command(commands, "ask", _ask, "ask a question; the answer is printed as it comes", "ask --local 'Hello'")
    ask.add_argument("prompt", metavar="PROMPT", nargs="?", help="the question; what stdin holds goes before it")
    _host_options(ask, default=_DEFAULT)
    ask.add_argument("-m", "--model", metavar="NAME", help="which model (default: the provider's first)")
    ask.add_argument("-s", "--system", metavar="TEXT", help="what the model is told beforehand")
    ask.add_argument("--no-stream", action="store_true", help="print the answer when it is whole")
    ask.add_argument(
        "--local", action="store_true", help="ask a server that runs inside this process, by H2o's protocol"
    )

    providers = _command(commands, "providers", _providers, "list the providers, or show one", "providers H2o")
    providers.add_argument("name", metavar="NAME", nargs="?", help="show this one in full")
    providers.add_argument("--json", action="store_true", help="write JSON")

    models = _command(commands, "models", _models, "list the models", "models -p OpenAssistant --json")
    _host_options(models)
    models.add_argument("--json", action="store_true", help="write JSON")

    serve = _command(commands, "serve", _serve, "run a server that speaks the protocols", "serve --engine Echo")
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

    check = _command(commands, "check", _check, "walk a protocol's steps against a host", "check -p H2o --base-url …")
    _host_options(check, default="H2o")
    check.set_defaults(provider="H2o")
    check.add_argument("-m", "--model", metavar="NAME", help="which model (default: the provider's first)")
    return parser


def _command(commands: Any, name: str, run: Any, does: str, example: str) -> argparse.ArgumentParser:
    described = f"{does[0].upper()}{does[1:]}."
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=does, description=described, epilog=f"example: g4f-legacy {example}"
    )
    command.add_argument("-v", "--verbose", action="count", default=0, help="show the log; twice: each request too")
    command.set_defaults(run=run)
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
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def _options(arguments: argparse.Namespace) -> Dict[str, Any]:
    return {**dict(arguments.option), **_of_the_host(arguments)}


def _of_the_host(arguments: argparse.Namespace) -> Dict[str, Any]:
    given = {"base_url": arguments.base_url, "auth": arguments.auth}
    return {name: value for name, value in given.items() if value is not None}


def _default_provider(arguments: argparse.Namespace) -> str:
    is_configured = g4f_legacy.options.is_configured(g4f_legacy.Provider.OpenAI)
    return "OpenAI" if is_configured or arguments.base_url or arguments.auth else "Echo"


def _ask(arguments: argparse.Namespace) -> None:
    prompt = "\n\n".join(filter(None, [_piped(), arguments.prompt]))
    if not prompt.strip():
        raise ValueError("there is nothing to ask: give a PROMPT, or pipe one in")
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": prompt})
    options = _options(arguments)
    provider = arguments.provider or _default_provider(arguments)
    with ExitStack() as stack:
        if arguments.local:
            server = g4f_legacy.server
            app = server.create_app(provider, arguments.model, **_of_the_host(arguments))
            url = stack.enter_context(server.running(app, threads=8))
            _say(f"Asking H2o at {url}, where {provider} answers.")
            provider, options["base_url"], options["auth"] = "H2o", url, None
        tokens: Any = g4f_legacy.ChatCompletion.create(
            arguments.model, messages, provider, stream=not arguments.no_stream, **options
        )
        try:
            for token in [tokens] if arguments.no_stream else tokens:
                print(token, end="", flush=True)
        finally:
            if not arguments.no_stream:
                tokens.close()
            if sys.stdout and sys.stdout.isatty():
                print()


def _piped() -> str:
    """What stdin holds, unless it is a terminal. It is read to its end, which may not come: that is said."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    notice = threading.Timer(3, _say, ["Waiting for the end of stdin. (If it holds nothing to ask: </dev/null.)"])
    notice.daemon = True
    notice.start()
    try:
        return sys.stdin.read().rstrip("\n")
    finally:
        notice.cancel()


def _providers(arguments: argparse.Namespace) -> None:
    registry = g4f_legacy.registry
    found = {arguments.name: registry.get(arguments.name)} if arguments.name else registry.all()
    described = {name: _describe(provider) for name, provider in found.items()}
    if arguments.json:
        _print_json(described[arguments.name] if arguments.name else list(described.values()))
    elif arguments.name:
        one = described[arguments.name]
        print((found[arguments.name].__doc__ or "").strip(), end="\n\n")
        _print_table([[name, _text(value)] for name, value in one.items()])
        variables = g4f_legacy.options.variables
        provider = found[arguments.name]
        print(f"\noptions: {', '.join(g4f_legacy.options.NAMES)}; anything else goes to the host as it is")
        print(f"environment: {', '.join(variables(provider, 'URL') + variables(provider, 'AUTH'))}")
    else:
        names = ("name", "models", "stream", "needs_auth", "working", "points_to")
        rows = [[_text(one[name]) for name in names] for one in described.values()]
        _print_table([["PROVIDER", "MODELS", "STREAM", "LOGIN", "WORKING", "POINTS TO"], *rows])


def _describe(provider: Any) -> Dict[str, Any]:
    name = provider.__name__.rpartition(".")[2]
    return {
        "name": name,
        "url": provider.url,
        "models": provider.model,
        "stream": provider.supports_stream,
        "needs_auth": provider.needs_auth,
        "working": provider.working,
        "points_to": g4f_legacy.options.base_url_of(provider),
        "params": provider.params,
    }


def _models(arguments: argparse.Namespace) -> None:
    registry = g4f_legacy.registry
    chosen = {arguments.provider: registry.get(arguments.provider)} if arguments.provider else registry.all()
    rows = []
    for name, provider in chosen.items():
        models = provider.models
        if arguments.provider:  # or else every host that is configured would have to answer
            models = _listed(provider, _options(arguments)) or models
        rows += [{"provider": name, "model": model, "id": model_id} for model, model_id in models.items()]
    if arguments.json:
        _print_json(rows)
    else:
        _print_table([["PROVIDER", "MODEL", "ID"], *([row["provider"], row["model"], row["id"]] for row in rows)])


def _listed(provider: Any, options: Dict[str, Any]) -> Dict[str, str]:
    """The models that the provider's host lists; none where it cannot be asked."""
    try:
        return {name: name for name in g4f_legacy.registry.list_models(provider, options) or []}
    except g4f_legacy.errors.AuthenticationRequiredError as error:
        _say(f"These are the names known here, for the host was not asked: {error}")
        return {}


def _serve(arguments: argparse.Namespace) -> None:
    engine = arguments.engine or _default_provider(arguments)

    def show(url: str) -> None:
        token = " --auth …" if arguments.token else ""
        _say(
            f"{engine} answers at {url}, where there is a page to chat, too. Ctrl-C ends it. Ask it with:\n"
            f"  g4f-legacy ask -p H2o --base-url {url}{token} 'Hello'\n"
            f"  g4f-legacy ask -p OpenAssistant --base-url {url}{token or ' --auth anything'} 'Hello'\n"
            f"  any OpenAI-compatible client, with {url}/v1 as its base"
        )

    if arguments.token == "":
        raise ValueError("--token is empty: give one, or leave it out")
    with suppress(KeyboardInterrupt):
        g4f_legacy.server.serve(
            engine,
            arguments.model,
            host=arguments.host,
            port=arguments.port,
            ready=show,
            token=arguments.token,
            hosts=arguments.allow_host,
            **_of_the_host(arguments),
        )


def _check(arguments: argparse.Namespace) -> int:
    return g4f_legacy.check.check(arguments.provider, arguments.model, _options(arguments), print)


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _print_table(rows: List[List[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _exit_code(error: Exception) -> int:
    errors = g4f_legacy.errors
    if isinstance(error, (errors.AuthenticationRequiredError, errors.AuthenticationError)):
        return 3
    if isinstance(error, errors.ProviderNotWorkingError):
        return 4
    return 5 if isinstance(error, errors.ProviderError) else 2
