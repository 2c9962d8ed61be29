from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest

from g4f_legacy.server import create_app, serve_in_background


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts the server with an engine, for the length of the test, and gives its address."""
    with ExitStack() as servers:

        def start(*arguments: Any, threads: int = 16, **options: Any) -> str:
            return servers.enter_context(serve_in_background(create_app(*arguments, **options), threads=threads))

        yield start
