"""The providers of 2023 that are gone: their facts, as modules that can be looked over, and called where there is a
redirect."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List

from .provider_module import ProviderModule
from .redirects import route

_made: Dict[str, "StandIn"] = {}
_PARAMETERS = "model: str, messages: list[dict[str, str]], stream: bool"


class StandIn(ProviderModule):
    """A provider that is gone. Its ``__name__`` is short, as in the days of classes: scripts print and compare it."""

    is_stand_in = True

    def __init__(self, name: str, facts: Dict[str, Any]) -> None:
        super().__init__(name, f"{name} of 2023, at {facts['url']}, is gone.")
        models = facts.get("models", [])
        self.url = facts["url"]
        self.model = list(models)
        self.models = dict(models) if isinstance(models, dict) else {model: model for model in models}
        self.supports_stream = facts.get("supports_stream", True)
        self.needs_auth = facts.get("needs_auth", False)
        self.working = False
        self.params = f"g4f.Providers.{name} supports: ({facts.get('parameters', _PARAMETERS)})"
        self._facts = facts
        setattr(self, name, self)

    @property
    def supports_gpt_35_turbo(self) -> bool:
        return bool(self._facts.get("supports_gpt_35_turbo", True))

    @property
    def supports_gpt_4(self) -> bool:
        return bool(self._facts.get("supports_gpt_4", False))

    def _create_completion(self, model: str, messages: List[Any], stream: bool, **kwargs: Any) -> Iterator[str]:
        provider, model, options = route(self, model, kwargs)
        yield from provider._create_completion(model, messages, stream, **options)


@lru_cache(maxsize=None)
def _facts() -> Dict[str, Dict[str, Any]]:
    facts: Dict[str, Dict[str, Any]] = json.loads(Path(__file__).with_name("providers_2023.json").read_text("utf-8"))
    return facts


def names() -> List[str]:
    """The names of all stand-ins, in alphabetical order."""
    return sorted(_facts())


def get(name: str) -> StandIn:
    """The stand-in of that name, made when it is asked for. Palm is Bard.

    Raises:
        KeyError: there is none.
    """
    facts = _facts()[name]
    if "is" in facts:
        return get(facts["is"])
    return _made.get(name) or _made.setdefault(name, StandIn(name, facts))
