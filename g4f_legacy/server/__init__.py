"""A local server that speaks H2o's, Open-Assistant's and OpenAI's protocols, and answers from any provider."""

_EXTRA = ("blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "waitress", "werkzeug")
"""The modules that the extra ``server`` installs."""

try:
    from .app import create_app
    from .listener import serve, serve_in_background
except ModuleNotFoundError as error:
    if error.name not in _EXTRA:
        raise
    hint = "the server needs more packages: pip install flask waitress"
    raise ModuleNotFoundError(f"{error}; {hint}", name=error.name) from error

__all__ = ["create_app", "serve", "serve_in_background"]
