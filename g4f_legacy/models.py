"""Models as objects, as scripts of 2023 name them: ``models.gpt_4``, ``Model.gpt_4``, ``ModelUtils.convert``."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from . import registry


@lru_cache(maxsize=None)
def _load_facts() -> dict[str, dict[str, Any]]:
    path = files(__package__).joinpath("compat", "models_2023.json")
    facts: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    return facts


class _ModelAttributes(type):
    def __getattr__(cls, name: str) -> Any:
        if name in _load_facts():
            return _get_model(name)
        if name == "model":  # in June 2023, a class with the models
            return cls
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


@dataclass(unsafe_hash=True)
class Model(metaclass=_ModelAttributes):
    """A model by name. Those of 2023 are attributes of the class, such as ``Model.gpt_4``.

    Attributes:
        name: the short name or the model id.
        base_provider: the organisation that published it.
        best_provider: the provider of calls that name no provider: a module or a name.
    """

    name: str
    base_provider: str = ""
    best_provider: Any = None

    @staticmethod
    def __all__() -> list[str]:
        """Return the names that `ModelUtils.convert` has."""
        return list(ModelUtils.convert)


class _Convert(type):
    @property
    def convert(cls) -> dict[str, Model]:
        """The models of 2023 by the names that scripts use for them."""
        return {name: _get_model(attribute) for attribute, facts in _load_facts().items() for name in facts["convert"]}


class ModelUtils(metaclass=_Convert):
    """Maps names to the models of 2023, as ``ModelUtils.convert``."""


def model_name(model: Any) -> str:
    """Return the name of a model that a script passes as a name, a `Model`, a provider's list of models, or None.

    Raises:
        TypeError: the model is something else.
    """
    if isinstance(model, (list, tuple)):
        model = model[0] if model else ""
    name = getattr(model, "name", model) or ""
    if not isinstance(name, str):
        raise TypeError(f"model must be a name or a Model, not {type(model).__name__}")
    return name


def find_model(name: str) -> Model | None:
    """Return the model of 2023 with that name or model id (the default one if empty), or None."""
    for attribute, facts in _load_facts().items():
        if name in facts["names"] or name in facts["convert"]:
            return _get_model(attribute)
    return None


@lru_cache(maxsize=None)
def _get_model(attribute: str) -> Model:
    facts = _load_facts()[attribute]
    return Model(facts["names"][0], facts["base_provider"], registry.get(facts["provider"]))


def __getattr__(name: str) -> Any:
    if name in _load_facts():
        return _get_model(name)
    if name == "__all__":
        return __dir__()
    if name == "_all_models":
        return Model.__all__()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["Model", "ModelUtils", *_load_facts()]
