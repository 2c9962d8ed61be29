"""A provider that follows a script, for tests of whatever calls providers."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from g4f_legacy.tokens import Finish


def scripted_provider(*script: Any) -> Any:
    """Return a provider whose completions yield the texts of a script, raise its errors and call its functions. A
    `Finish` ends them.

    Its `calls` are the arguments of the calls, and its `streams` tell whether they ask for a stream. Its `stopped`
    counts the completions that were closed before their end.
    """
    module: Any = ModuleType("tests.Scripted")
    calls: list[tuple[str, list[dict[str, str]], dict[str, Any]]] = []

    def _create_completion(model: str, messages: list[dict[str, str]], stream: bool, **kwargs: Any) -> Iterator[str]:
        calls.append((model, messages, kwargs))
        module.streams.append(stream)
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Finish):
                    return step
                token = step if isinstance(step, str) else step()
                if isinstance(token, str):
                    yield token
        except GeneratorExit:
            module.stopped += 1
            raise

    module.url = ""
    module.model = ["scripted"]
    module.models = {"scripted": "the/scripted"}
    module.supports_stream = True
    module.needs_auth = False
    module.working = True
    module.calls = calls
    module.streams = []
    module.stopped = 0
    module._create_completion = _create_completion
    return module
