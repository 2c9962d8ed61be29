"""What the commands of the command line do."""

import json
import os
import sys
import threading
from argparse import Namespace
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any, Dict, List

import g4f_legacy  # its names are imported when they are used: --help and --version stay quick

from .document import message_of

_WIDEST = 48  # characters in a table's cell


def _options(arguments: Namespace) -> Dict[str, Any]:
    return {**dict(arguments.option), **_of_the_host(arguments)}


def _of_the_host(arguments: Namespace) -> Dict[str, Any]:
    given = {"base_url": arguments.base_url, "auth": arguments.auth}
    for name in (name for name, value in given.items() if value == ""):
        raise ValueError(f"--{name.replace('_', '-')} is empty: give one, or leave it out")
    return {name: value for name, value in given.items() if value is not None}


def _default_provider(arguments: Namespace) -> str:
    _of_the_host(arguments)  # says what is empty
    is_configured = g4f_legacy.options.is_configured(g4f_legacy.Provider.OpenAI)
    return "OpenAI" if is_configured or arguments.base_url or arguments.auth else "Echo"


def ask(arguments: Namespace) -> None:
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
            say(f"Asking H2o at {url}, where {provider} answers.")
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
    notice = threading.Timer(3, say, ["Waiting for the end of stdin. (If it holds nothing to ask: </dev/null.)"])
    notice.daemon = True
    notice.start()
    try:
        return sys.stdin.read().rstrip("\n")
    finally:
        notice.cancel()


def providers(arguments: Namespace) -> None:
    registry = g4f_legacy.registry
    if arguments.name:
        found = {arguments.name: registry.get(arguments.name)}
    else:
        found = g4f_legacy.ProviderUtils.convert if arguments.all else registry.all()
    described = {name: _describe(provider) for name, provider in found.items()}
    if arguments.json:
        _print_json(described[arguments.name] if arguments.name else list(described.values()))
    elif arguments.name:
        one = described[arguments.name]
        print((found[arguments.name].__doc__ or "").strip(), end="\n\n")
        _print_table([[name, _text(value)] for name, value in one.items()])
        print(f"\n{_how_to_call(found[arguments.name])}")
    else:
        names = ("name", "models", "stream", "needs_auth", "working", "points_to")
        rows = [[_short(_text(one[name]), one[name]) for name in names] for one in described.values()]
        _print_table([["PROVIDER", "MODELS", "STREAM", "LOGIN", "WORKING", "POINTS TO"], *rows])


def _how_to_call(provider: Any) -> str:
    options, redirects = g4f_legacy.options, g4f_legacy.redirects
    if redirects.is_stand_in(provider):
        target = redirects.current()
        to = target.provider.__name__.rpartition(".")[2] if target else "nothing: set G4F_LEGACY_REDIRECT"
        return f"calls to it go to {to}"
    variables = options.variables(provider, "URL") + options.variables(provider, "AUTH")
    return (
        f"options: {', '.join(options.NAMES)}; anything else goes to the host as it is\n"
        f"environment: {', '.join(variables)}"
    )


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


def models(arguments: Namespace) -> None:
    registry = g4f_legacy.registry
    asked = arguments.provider or ("OpenAI" if _of_the_host(arguments) else None)
    chosen = {asked: registry.get(asked)} if asked else registry.all()
    rows = []
    for name, provider in chosen.items():
        models = provider.models
        if asked:  # or else every host that is configured would have to answer
            models = _listed(provider, _options(arguments)) or models
        rows += [{"provider": name, "model": model, "id": model_id} for model, model_id in models.items()]
    if arguments.json:
        _print_json(rows)
    else:
        _print_table([["PROVIDER", "MODEL", "ID"], *([row["provider"], row["model"], row["id"]] for row in rows)])


def _listed(provider: Any, options: Dict[str, Any]) -> Dict[str, str]:
    """The models that the provider's host lists; none where it cannot be asked."""
    try:
        listed = g4f_legacy.registry.list_models(provider, options)
        reason = "no host can be asked"
    except g4f_legacy.errors.AuthenticationRequiredError as error:
        listed, reason = None, f"the host was not asked: {error}"
    if listed is None:
        say(f"These are the names known here, for {reason}")
    return {name: name for name in listed or []}


def serve(arguments: Namespace) -> None:
    engine = arguments.engine or _default_provider(arguments)

    def show(url: str) -> None:
        token = " --auth …" if arguments.token else ""
        say(
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


def check(arguments: Namespace) -> int:
    return g4f_legacy.check.check(
        arguments.provider, arguments.model, _options(arguments), print, g4f_legacy.cli.spell_flag
    )


def run(arguments: Namespace) -> None:
    """Runs a script of 2023; it ends the process."""
    if arguments.to or arguments.base_url or arguments.auth:
        g4f_legacy.redirect(arguments.to or "OpenAI", arguments.model, **_of_the_host(arguments))
    elif arguments.model:
        os.environ["G4F_LEGACY_REDIRECT_MODEL"] = arguments.model
    if arguments.script == ["-m"]:
        raise ValueError("-m needs the name of a module")
    g4f_legacy.runner.run(arguments.script)


def scan(arguments: Namespace) -> int:
    """Tells what scripts use; 1 when something of it is unknown."""
    reports = list(g4f_legacy.scan.scan(arguments.paths))
    if arguments.json:
        _print_json([asdict(report) for report in reports])
    for report in [] if arguments.json else reports:
        print(report.path)
        for title, found in (("providers", report.providers), ("models", report.models), ("names", report.names)):
            if found:
                print(f"  {title:<10}{', '.join(_with_state(*one) for one in found.items())}")
        for title, listed in (("needs", report.needs), ("error", [report.error])):
            if any(listed):
                print(f"  {title:<10}{', '.join(listed)}")
    if not reports:
        say("No script there uses g4f.")
    return 0 if all(report.is_known for report in reports) else 1


def _with_state(name: str, state: str) -> str:
    return name if state == "live" else f"{name} ({state})"


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _print_table(rows: List[List[str]]) -> None:
    rows = [[message_of(cell) for cell in row] for row in rows]  # hosts may name models as they like
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _short(text: str, value: Any) -> str:
    """A cell that keeps a table readable: of a long list, the beginning."""
    return f"{value[0]}, … ({len(value)})" if isinstance(value, list) and len(text) > _WIDEST else text


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
