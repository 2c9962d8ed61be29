"""Models as objects, the way scripts of 2023 name them: ``models.gpt_4``, ``Model.gpt_4``, ``ModelUtils.convert``."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Optional

import g4f_legacy  # its names are imported when they are used


@lru_cache(maxsize=None)
def _facts() -> Dict[str, Dict[str, Any]]:
    facts: Dict[str, Dict[str, Any]] = json.loads(Path(__file__).with_name("models_2023.json").read_text("utf-8"))
    return facts


class _Attributes(type):
    def __getattr__(cls, name: str) -> Any:
        if name in _facts():
            return _get(name)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


@dataclass(unsafe_hash=True)
class Model(metaclass=_Attributes):
    """A model by name. Those of 2023 are attributes of the class, such as ``Model.gpt_4``.

    Attributes:
        name: the short name, or what the host calls it.
        base_provider: who made it.
        best_provider: the provider that is asked when a call names none: a module or a name.
    """

    name: str
    base_provider: str = ""
    best_provider: Any = None


class _Convert(type):
    @property
    def convert(cls) -> Dict[str, Model]:
        """The models by the names that scripts have for them."""
        return {name: _get(attribute) for attribute, facts in _facts().items() for name in facts["convert"]}


class ModelUtils(metaclass=_Convert):
    """``ModelUtils.convert`` has the models of 2023 by name."""


def name_of(model: Any) -> str:
    """The name of a model, however scripts say it: as a text, a `Model`, a provider's list of models, or nothing.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(model, (list, tuple)):
        model = model[0] if model else ""
    name = getattr(model, "name", model) or ""
    if not isinstance(name, str):
        raise TypeError(f"model must be a name or a Model, not {type(model).__name__}")
    return name


def find(name: str) -> Optional[Model]:
    """The model of 2023 that a name, a model id or nothing stands for; None where there is none."""
    for attribute, facts in _facts().items():
        if name in facts["names"] or name in facts["convert"]:
            return _get(attribute)
    return None


@lru_cache(maxsize=None)
def _get(attribute: str) -> Model:
    facts = _facts()[attribute]
    provider = facts["provider"] and g4f_legacy.registry.get(facts["provider"])
    return Model(facts["names"][0], facts["base_provider"], provider)


def __getattr__(name: str) -> Any:
    if name in _facts():
        return _get(name)
    if name == "__all__":
        return __dir__()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return ["Model", "ModelUtils", *_facts()]
