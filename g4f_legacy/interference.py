"""The OpenAI-compatible server of 2023, as scripts start it: ``g4f.interference.run_interference()``."""

from typing import Any

from .api import serve_target


def run_interference(host: Any = None, port: Any = None, *ignored: Any, **options: Any) -> None:
    """Serve an OpenAI-compatible API until interrupted. Arguments and errors are those of `api.Api.run`."""
    serve_target("g4f.interference", options.get("bind_str"), port, host or options.get("ip"))


def main() -> None:
    """Run the server."""
    run_interference()


if __name__ == "__main__":
    main()
