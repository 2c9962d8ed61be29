"""Engines that do as they are told, for the tests of the server."""

from types import ModuleType
from typing import Any, Dict, Iterator, List, Tuple


def engine(*script: Any) -> Any:
    """A provider that yields the texts of a script, raises its errors and calls its functions.

    Its `calls` are what it was asked, its `left` counts the completions that were ended from outside.
    """
    module: Any = ModuleType("tests.Scripted")
    calls: List[Tuple[str, List[Dict[str, str]], Dict[str, Any]]] = []

    def _create_completion(model: str, messages: List[Dict[str, str]], stream: bool, **kwargs: Any) -> Iterator[str]:
        calls.append((model, messages, kwargs))
        try:
            for step in script:
                if isinstance(step, str):
                    yield step
                elif isinstance(step, Exception):
                    raise step
                else:
                    said = step()
                    if isinstance(said, str):
                        yield said
        except GeneratorExit:
            module.left += 1
            raise

    module.__dict__.update(url="", model=["scripted"], models={"scripted": "the/scripted"}, supports_stream=True)
    module.__dict__.update(needs_auth=False, working=True, calls=calls, left=0)
    module._create_completion = _create_completion
    return module
