"""The page for browsers: which provider answers, how to call it, and a chat."""

from functools import lru_cache
from importlib.resources import files

from flask import current_app, render_template_string, request

from .engine import Engine


def render(engine: Engine) -> str:
    """Render the page, with the URL at which the visitor reached it."""
    return render_template_string(
        _read_template(),
        engine=engine,
        model=engine.models[0],
        requires_token=current_app.config["REQUIRES_TOKEN"],
        url=request.url_root.rstrip("/"),
    )


@lru_cache(maxsize=None)
def _read_template() -> str:
    # Flask's own loader reads files only, and this package may be in a zip archive.
    return files(__package__).joinpath("templates", "page.html").read_text("utf-8")
