"""The page of 2023, as scripts start it: ``g4f.gui.run_gui()``. It is served by the server of `api`."""

from typing import Any

from .api import serve_target


def run_gui(*arguments: Any, **options: Any) -> None:
    """Serve a page to chat on until interrupted. Arguments and errors are those of `api.serve_target`."""
    serve_target("g4f.gui", *arguments, **options)


def main() -> None:
    """Run the server."""
    run_gui()


if __name__ == "__main__":
    main()
