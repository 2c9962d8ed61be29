"""``g4f-legacy serve``: run the local server."""

from argparse import ArgumentParser, Namespace
from contextlib import suppress

from .arguments import (
    DEFAULT_PROVIDER,
    add_model,
    add_server,
    check_not_empty,
    default_provider,
    parse_port,
    server_options,
)
from .output import print_error

EXAMPLE = "serve --engine Echo"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=parse_port, default=1337, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--engine", metavar="NAME", help=f"the provider that answers (default: {DEFAULT_PROVIDER})")
    add_model(parser, "what the client names")
    add_server(parser)
    parser.add_argument("--token", metavar="TEXT", help="the token that clients have to send")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further host name of this server, such as that of a proxy in front of it; may be repeated",
    )


def run(arguments: Namespace) -> None:
    from ..server import serve  # imports flask, which `--help` does without

    check_not_empty(arguments.token, "--token")
    engine = arguments.engine or default_provider(arguments)

    def show(url: str) -> None:
        auth = " --auth …" if arguments.token else ""
        print_error(
            f"{engine} answers at {url}, which is also a page to chat on. Press Ctrl-C to quit. Ask it with:\n"
            f"  g4f-legacy ask -p H2o --base-url {url}{auth} 'Hello'\n"
            f"  g4f-legacy ask -p OpenAssistant --base-url {url}{auth or ' --auth anything'} 'Hello'\n"
            f"  any OpenAI-compatible client, with the base URL {url}/v1"
        )

    with suppress(KeyboardInterrupt):
        serve(
            engine,
            arguments.model,
            host=arguments.host,
            port=arguments.port,
            on_ready=show,
            token=arguments.token,
            hosts=arguments.allow_host,
            **server_options(arguments),
        )
