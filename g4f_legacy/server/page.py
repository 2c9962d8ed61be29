"""The page for browsers: which provider answers, how to call it, and a chat."""

from flask import render_template, request

from .engine import Engine


def render(engine: Engine) -> str:
    """Render the page, with the URL at which the visitor reached it."""
    return render_template("page.html", engine=engine, url=request.url_root.rstrip("/"))
