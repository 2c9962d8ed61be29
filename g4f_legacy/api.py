"""The server of 2023, as scripts start it: ``g4f.api.Api(…).run("127.0.0.1:1337")``.

It is `server.serve`, and answers from the redirect target, else from ``OpenAI`` if that is configured. Arguments that
only the old server had are accepted, and have no effect.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from . import registry
from .compat.redirects import Call, current_target, redirected_call
from .concurrency.termination import until_interrupted
from .options import is_configured, provider_name

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 1337


class Api:
    """The server.

    Args:
        ignored, options: whatever scripts pass: ``engine=g4f``, ``debug``, ``sentry``, ``list_ignored_providers``.
    """

    def __init__(self, *ignored: Any, **options: Any) -> None:
        pass

    def run(self, *arguments: Any, **options: Any) -> None:
        """Serve requests until interrupted. Arguments and errors are those of `serve_target`."""
        serve_target("g4f.api", *arguments, **options)


def serve_target(name: str, /, address: Any = None, port: Any = None, *ignored: Any, **options: Any) -> None:
    """Serve the redirect target, else the configured provider, until interrupted.

    Args:
        name: the module that the script starts, for the log and the error.
        address: ``"127.0.0.1:1337"``, or a host alone; an option ``bind_str``, ``ip`` or ``host`` is the same.
        port: the port, unless the address contains one.
        ignored, options: whatever else scripts pass, such as ``num_workers``.

    Raises:
        ProviderNotWorkingError: neither a redirect target nor a server is configured.
        ModuleNotFoundError: the extra ``server`` is not installed.
        OSError: the address cannot be listened on.
        ValueError: the address is not valid.
    """
    engine = _find_engine(name)
    given = [address, *(options.get(option) for option in ("bind_str", "ip", "host"))]
    host, port = _parse_address(next(filter(None, given), ""), port)

    from .server import serve  # imports flask, which the package does without

    def show(url: str) -> None:
        provider = provider_name(engine.provider)
        message = f"{provider} answers at {url}, which is also a page to chat on. Press Ctrl-C to quit."
        print(message, file=sys.stderr, flush=True)

    with until_interrupted():
        serve(engine.provider, engine.model or None, host=host, port=port, on_ready=show, **engine.options)


def _parse_address(address: Any, port: Any) -> tuple[str, int]:
    """Return the host and the port that scripts mean.

    Raises:
        ValueError: they are not valid.
    """
    is_bare_ipv6 = str(address).count(":") > 1 and not str(address).startswith("[")
    try:
        parts = urlsplit(f"//[{address}]" if is_bare_ipv6 else f"//{address}")
        number = next(int(given) for given in (parts.port, port, DEFAULT_PORT) if given is not None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{address!r}, port {port!r}, is not an address like '127.0.0.1:1337': {error}") from error
    return parts.hostname or DEFAULT_HOST, number


def _find_engine(name: str) -> Call:
    default: Any = registry.get("OpenAI")
    if current_target() is None and is_configured(default):
        return Call(default, "", {})
    failure = f"{name} has no provider that answers its requests, and there is no redirect for them"
    return redirected_call(name, {}, failure=failure)


def main() -> None:
    """Run the server."""
    Api().run()


if __name__ == "__main__":
    main()
