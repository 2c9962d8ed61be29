"""The page for people: what runs here, how to call it, and a box to chat in."""

from flask import render_template, request

from .engine import Engine


def render(engine: Engine) -> str:
    """The page, with the address that the visitor came by."""
    return render_template("page.html", engine=engine, url=request.url_root.rstrip("/"))
