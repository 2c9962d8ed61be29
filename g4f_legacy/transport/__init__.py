"""One server, spoken to over one requests session."""

from .session import close_idle_connections

__all__ = ["close_idle_connections"]
