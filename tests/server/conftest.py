from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from g4f_legacy.server import create_app, serve_in_background


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Return a function that starts the server until the test ends, and returns its URL."""
    with ExitStack() as servers:

        def start(*arguments: Any, threads: int = 16, **options: Any) -> str:
            return servers.enter_context(serve_in_background(create_app(*arguments, **options), threads=threads))

        yield start
