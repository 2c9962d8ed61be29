"""Placeholders for the providers of 2023 that no longer exist.

They can be inspected like other providers, and calls to them go to the redirect target.
"""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from .. import registry
from ..credentials import wrap_secrets
from ..models import model_name
from ..tokens import Tokens
from .provider_module import ProviderModule
from .redirects import route

_DEFAULT_PARAMETERS = "model: str, messages: list[dict[str, str]], stream: bool"


class Placeholder(ProviderModule):
    """A provider that no longer exists.

    Its ``__name__`` is the provider's name alone, as that of a class would be: scripts print and compare it.
    """

    is_placeholder = True

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        address = f", at {facts['url']}," if facts["url"] else ""
        super().__init__(name, f"{name} of 2023{address} no longer exists.")
        models = facts.get("models", [])
        self.url = facts["url"]
        self.model = list(models)
        self.models = dict(models) if isinstance(models, dict) else {model: model for model in models}
        self.supports_stream = facts.get("supports_stream", True)
        self.needs_auth = facts.get("needs_auth", False)
        vars(self)["working"] = False  # as a module says it; assigning the attribute is what scripts do
        self.params = f"g4f.Providers.{name} supports: ({facts.get('parameters', _DEFAULT_PARAMETERS)})"
        self._facts = facts
        setattr(self, name, self)
        if facts.get("is_template"):
            self.working = False  # even if calls are redirected, because scripts select providers by it

    @property
    def supports_gpt_35_turbo(self) -> bool:
        return bool(self._facts.get("supports_gpt_35_turbo", True))

    @property
    def supports_gpt_4(self) -> bool:
        return bool(self._facts.get("supports_gpt_4", False))

    def _create_completion(self, model: Any, messages: list[Any], stream: bool, **kwargs: Any) -> Tokens:
        """Yield the tokens of the redirect target. Arguments are those of `create_completion`."""
        wrap_secrets(kwargs)
        return (yield from route(self, model_name(model), kwargs).start(messages, stream))


_placeholders: dict[str, Placeholder] = {}  # by name; each is created when it is first used


@lru_cache(maxsize=None)
def _load_facts() -> dict[str, dict[str, Any]]:
    facts: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("providers_2023.json").read_bytes())
    return facts


def placeholder_names() -> list[str]:
    """Return the names of all placeholders in alphabetical order.

    ``Provider.Provider``, the template for providers of June 2023, is not one of them.
    """
    return sorted(name for name, facts in _load_facts().items() if not facts.get("is_template"))


registry.placeholder_names = placeholder_names  # for its suggestions


def get_placeholder(name: str) -> Placeholder:
    """Return the placeholder of that name, always the same object. ``Palm`` is the placeholder ``Bard``.

    Raises:
        KeyError: there is no placeholder of that name.
    """
    facts = _load_facts()[name]
    if "is" in facts:
        return get_placeholder(facts["is"])
    return _placeholders.get(name) or _placeholders.setdefault(name, Placeholder(name, facts))
