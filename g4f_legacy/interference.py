"""The OpenAI-compatible server of 2023, as scripts start it: ``g4f.interference.run_interference()``."""

from typing import Any

from .api import serve_target


def run_interference(*arguments: Any, **options: Any) -> None:
    """Serve an OpenAI-compatible API until interrupted. Arguments and errors are those of `api.serve_target`."""
    serve_target("g4f.interference", *arguments, **options)


def main() -> None:
    """Run the server."""
    run_interference()


if __name__ == "__main__":
    main()
