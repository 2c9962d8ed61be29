"""``g4f-legacy serve``: run the local server."""

import errno
import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from ..concurrency.termination import until_interrupted
from .arguments import (
    DEFAULT_PROVIDER_HELP,
    add_model,
    add_provider_name,
    add_server,
    check_not_empty,
    parse_port,
    server_options,
)
from .default_provider import find_provider
from .output import print_error

EXAMPLE = "serve -p Echo"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=parse_port, default=1337, help="0 picks a free one (default: %(default)s)")
    add_provider_name(parser, f"the provider that answers (default: {DEFAULT_PROVIDER_HELP})", "--engine")
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
    provider = find_provider(arguments)

    def show(url: str) -> None:
        auth = " --auth …" if arguments.token else ""
        print_error(
            f"{provider} answers at {url}, which is also a page to chat on. Press Ctrl-C to quit. Ask it with:\n"
            f"  g4f-legacy ask -p H2o --base-url {url}{auth} 'Hello'\n"
            f"  g4f-legacy ask -p OpenAssistant --base-url {url}{auth or ' --auth anything'} 'Hello'\n"
            f"  any OpenAI-compatible client, with the base URL {url}/v1"
        )

    with until_interrupted(), _explained_address(arguments):
        serve(
            provider,
            arguments.model,
            host=arguments.host,
            port=arguments.port,
            on_ready=show,
            token=arguments.token,
            hosts=arguments.allow_host,
            **server_options(arguments),
        )


@contextmanager
def _explained_address(arguments: Namespace) -> Iterator[None]:
    """Turn the errors of an address that cannot be listened on into a ValueError that names the flag."""
    try:
        yield
    except (socket.gaierror, UnicodeError) as error:  # the latter by the codec "idna"
        reason = getattr(error, "strerror", error)
        raise ValueError(f"--host {arguments.host!r} cannot be resolved: {reason}") from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        reason = os.strerror(error.errno)
        raise ValueError(
            f"port {arguments.port} is already in use ({reason}): give another one with --port (0 picks a free one)"
        ) from error
