"""The base classes of 2023, for scripts that test providers with `isinstance` or `issubclass`."""

from typing import Any

from .. import Provider
from .provider_module import ProviderModule


class _CountsProviders(type):
    """Counts every provider as an instance and, because providers were classes for a while, as a subclass."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, ProviderModule) or type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        if isinstance(subclass, type):
            return super().__subclasscheck__(subclass)
        return isinstance(subclass, ProviderModule)


class BaseProvider(metaclass=_CountsProviders):
    """The base of all providers."""

    url = ""
    working = False
    needs_auth = False
    supports_stream = False
    supports_gpt_35_turbo = False
    supports_gpt_4 = False


class AsyncProvider(BaseProvider):
    """The base of all providers: each can be called asynchronously."""


class AsyncGeneratorProvider(AsyncProvider):
    """The base of all providers: each can stream asynchronously."""


class _ProvidersByName(type):
    @property
    def convert(cls) -> dict[str, Any]:
        """All providers by name, placeholders included."""
        return {name: getattr(Provider, name) for name in dir(Provider)}


class ProviderUtils(metaclass=_ProvidersByName):
    """Maps names to providers, as ``ProviderUtils.convert``."""
