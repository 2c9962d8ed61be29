"""``g4f-legacy ask``: ask a question."""

from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any

from ..completion import ChatCompletion
from .arguments import DEFAULT_PROVIDER_HELP, add_call_arguments, add_model, call_options, server_options
from .default_provider import find_provider, find_provider_with_notice
from .output import print_error
from .stdin import read_stdin
from .token_printer import print_tokens

EXAMPLE = "ask --local 'Hello'"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "prompt", metavar="PROMPT", nargs="*", help="the question; the text of stdin, if any, precedes it"
    )
    add_call_arguments(parser, DEFAULT_PROVIDER_HELP)
    add_model(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    parser.add_argument("--no-stream", action="store_true", help="print the completion at its end, not as it arrives")
    parser.add_argument("--local", action="store_true", help="ask a server inside this process, by H2o's protocol")


def run(arguments: Namespace) -> None:
    prompt = "\n\n".join(filter(None, [read_stdin(), " ".join(filter(None, arguments.prompt))]))
    if not prompt.strip():
        raise ValueError("there is nothing to ask: give a PROMPT, or pipe one in")
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": prompt})
    options = call_options(arguments)
    provider = find_provider(arguments) if arguments.local else find_provider_with_notice(arguments)
    with ExitStack() as stack:
        if arguments.local:
            url = stack.enter_context(_serve_locally(provider, arguments))
            clause = "Echo repeats the prompt" if provider == "Echo" else f"{provider} answers"
            print_error(f"Asking H2o at {url}, where {clause}.")
            provider = "H2o"
            options["base_url"] = url
            options["auth"] = None
        completion: Any = ChatCompletion.create(
            arguments.model, messages, provider, stream=not arguments.no_stream, **options
        )
        if arguments.no_stream:
            print_tokens([completion])
        else:
            print_tokens(stack.enter_context(closing(completion)))


def _serve_locally(provider: str, arguments: Namespace) -> AbstractContextManager[str]:
    from ..server import create_app, serve_in_background  # imports flask, which only `--local` needs

    app = create_app(provider, arguments.model, **server_options(arguments))
    return serve_in_background(app, threads=8)
