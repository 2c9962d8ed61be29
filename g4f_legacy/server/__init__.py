"""A local server that speaks H2o's, Open-Assistant's and OpenAI's protocols, and answers from any provider."""

from .app import create_app
from .listener import serve, serve_in_background

__all__ = ["create_app", "serve", "serve_in_background"]
