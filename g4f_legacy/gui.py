"""The page of 2023, as scripts start it: ``g4f.gui.run_gui()``. It is served by the server of `api`."""

from typing import Any

from .api import serve_target


def run_gui(host: Any = None, port: Any = None, *ignored: Any, **options: Any) -> None:
    """Serve a page to chat on until interrupted. Arguments and errors are those of `api.Api.run`."""
    serve_target("g4f.gui", options.get("bind_str"), port, host or options.get("ip"))


def main() -> None:
    """Run the server."""
    run_gui()


if __name__ == "__main__":
    main()
