"""The server of 2023, as scripts start it: ``g4f.api.Api(…).run("127.0.0.1:1337")``.

It is `server.serve`, and answers from the redirect target, else from ``OpenAI`` if that is configured. Arguments that
only the old server had are accepted, and have no effect.
"""

import sys
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from . import registry
from .compat.redirects import Call, current_target, redirected_call
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

    def run(self, bind_str: Any = None, port: Any = None, *ignored: Any, ip: Any = None, **options: Any) -> None:
        """Serve requests until interrupted.

        Args:
            bind_str: ``"127.0.0.1:1337"``, or a host alone.
            port: the port, unless `bind_str` contains one.
            ip: the host; an option ``host`` is the same.
            ignored, options: whatever else scripts pass, such as ``num_workers``.

        Raises:
            ProviderNotWorkingError: neither a redirect target nor a server is configured.
            ModuleNotFoundError: the extra ``server`` is not installed.
            OSError: the address cannot be listened on.
            ValueError: the address is not valid.
        """
        serve_target("g4f.api", bind_str, port, ip or options.get("host"))


def serve_target(name: str, bind_str: Any, port: Any, host: Any) -> None:
    """Serve the redirect target, else the configured provider, until interrupted.

    Args:
        name: the module that the script starts, for the log and the error.
        bind_str, port, host: as for `Api.run`.

    Raises: what `Api.run` raises.
    """
    engine = _find_engine(name)
    if str(host).count(":") == 1:  # "127.0.0.1:1337"; an IPv6 address has more
        bind_str, host = host, None
    address = urlsplit(f"//{bind_str or ''}")
    host = host or address.hostname or DEFAULT_HOST
    port = next((int(given) for given in (address.port, port) if given is not None), DEFAULT_PORT)

    from .server import serve  # imports flask, which the package does without

    def show(url: str) -> None:
        provider = provider_name(engine.provider)
        message = f"{provider} answers at {url}, which is also a page to chat on. Press Ctrl-C to quit."
        print(message, file=sys.stderr, flush=True)

    with suppress(KeyboardInterrupt):
        serve(engine.provider, engine.model or None, host=host, port=port, on_ready=show, **engine.options)


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
