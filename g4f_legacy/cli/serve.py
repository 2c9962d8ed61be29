"""``g4f-legacy serve``: run the local server."""

from argparse import ArgumentParser, Namespace
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..concurrency.termination import until_interrupted
from .arguments import (
    DEFAULT_PROVIDER,
    add_model,
    add_provider_name,
    add_server,
    check_not_empty,
    find_provider,
    parse_port,
    server_options,
)
from .output import print_error

EXAMPLE = "serve -p Echo"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=parse_port, default=1337, help="0 picks a free one (default: %(default)s)")
    add_provider_name(parser, f"the provider that answers (default: {DEFAULT_PROVIDER})", alias="--engine")
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
        url = _openable(url)
        auth = " --auth …" if arguments.token else ""
        print_error(
            f"{provider} answers at {url}, which is also a page to chat on. Press Ctrl-C to quit. Ask it with:\n"
            f"  g4f-legacy ask -p H2o --base-url {url}{auth} 'Hello'\n"
            f"  g4f-legacy ask -p OpenAssistant --base-url {url}{auth or ' --auth anything'} 'Hello'\n"
            f"  any OpenAI-compatible client, with the base URL {url}/v1"
        )

    with until_interrupted():
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


def _openable(url: str) -> str:
    """Return a URL that a browser can open for one whose address stands for all of the machine's addresses."""
    address = ip_address(urlsplit(url).hostname or "")
    if not address.is_unspecified:
        return url
    return url.replace(f"[{address}]", "[::1]") if address.version == 6 else url.replace(str(address), "127.0.0.1")
