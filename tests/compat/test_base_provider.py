from typing import Any

import pytest

from g4f_legacy import AsyncGeneratorProvider, AsyncProvider, BaseProvider, Provider, ProviderUtils, RetryProvider


@pytest.mark.parametrize("base", [BaseProvider, AsyncProvider, AsyncGeneratorProvider])
def test_providers_are_instances_and_subclasses(base: Any) -> None:
    for provider in (Provider.H2o, Provider.Bing):
        assert isinstance(provider, base) and issubclass(provider, base)
    assert not isinstance(5, base) and not issubclass(int, base)


def test_classes() -> None:
    assert isinstance(RetryProvider([]), BaseProvider) and not isinstance(RetryProvider([]), AsyncProvider)
    assert issubclass(AsyncGeneratorProvider, BaseProvider) and not issubclass(BaseProvider, AsyncProvider)


def test_provider_utils() -> None:
    assert ProviderUtils.convert["Bing"] is Provider.Bing and len(ProviderUtils.convert) >= 91
