"""The connection to one server, over one `requests.Session`."""

# `cleanup` first: its function at exit has to run after that of `session`, which lets connections be closed after use.
# They run in reverse order: https://docs.python.org/3/library/atexit.html#atexit.register
from . import cleanup  # noqa: F401  # isort: skip
from .session import close_idle_connections

__all__ = ["close_idle_connections"]
