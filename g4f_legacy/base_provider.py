"""What providers are instances of, for scripts of 2023 that ask: every provider does all that the three classes did."""

from typing import Any, Dict

import g4f_legacy  # its names are imported when they are used

from .provider_module import ProviderModule


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, ProviderModule) or type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        # In 2023 providers were classes for a while, and scripts ask whether they are subclasses.
        if isinstance(subclass, type):
            return super().__subclasscheck__(subclass)
        return isinstance(subclass, ProviderModule)


class BaseProvider(metaclass=_Kind):
    """Every provider is an instance of it, and counts as a subclass."""

    url = ""
    working = False
    needs_auth = False
    supports_stream = False
    supports_gpt_35_turbo = False
    supports_gpt_4 = False


class AsyncProvider(BaseProvider):
    """As `BaseProvider`."""


class AsyncGeneratorProvider(AsyncProvider):
    """As `BaseProvider`."""


class _Convert(type):
    @property
    def convert(cls) -> Dict[str, Any]:
        """All providers by name, those of 2023 that are gone as well."""
        provider = g4f_legacy.Provider
        return {name: getattr(provider, name) for name in dir(provider)}


class ProviderUtils(metaclass=_Convert):
    """``ProviderUtils.convert`` has all providers by name."""
