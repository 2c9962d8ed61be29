"""Hands out the providers by name: ``from g4f_legacy.Provider import H2o``.

Each is imported when it is asked for. Those of 2023 that are gone are stand-ins.
"""

import sys
from types import ModuleType
from typing import Any, List

from .. import base_provider, helper, registry, retry, stand_ins
from ..errors import ProviderNotFoundError
from ..redirects import is_stand_in

# Names of 2023 beside the providers'.
_BESIDE = {
    "BaseProvider": base_provider.BaseProvider,
    "AsyncProvider": base_provider.AsyncProvider,
    "AsyncGeneratorProvider": base_provider.AsyncGeneratorProvider,
    "ProviderUtils": base_provider.ProviderUtils,
    "RetryProvider": retry.RetryProvider,
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # A provider that is imported by its path is set here by the import system, past `__getattr__` below.
        if isinstance(value, ModuleType) and hasattr(value, "_create_completion"):
            value = registry.adopt(value)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return ["BaseProvider", *__dir__()]
    if name == "__providers__":
        return list(__getattr__("__map__").values())
    if name == "__map__":
        return base_provider.ProviderUtils.convert
    if name in _BESIDE:
        return _BESIDE[name]
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        found = registry.get(name.rpartition(".")[2])  # scripts look providers up by their __name__, too
    except (ProviderNotFoundError, ImportError, TypeError) as error:
        raise AttributeError(str(error)) from error
    if is_stand_in(found):
        setattr(_package, name, found)  # as the import system does with the others
    return found


def __dir__() -> List[str]:
    # Scripts walk it for providers: it holds nothing else.
    return sorted({*registry.all(), *stand_ins.names()})


_package = sys.modules[__name__]
_package.__class__ = _Package
# Where scripts of 2023 import providers and helpers from: a folder of the old package's each.
for _name in ("Providers", "deprecated", "needs_auth"):
    sys.modules[f"{__name__}.{_name}"] = _package
    setattr(_package, _name, _package)
for _name, _module in (("helper", helper), ("base_provider", base_provider), ("retry_provider", retry)):
    sys.modules[f"{__name__}.{_name}"] = _module
    setattr(_package, _name, _module)
