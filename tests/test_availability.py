from typing import Any

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import Provider
from g4f_legacy.availability import is_placeholder, is_unavailable


def test_is_placeholder() -> None:
    assert is_placeholder(Provider.Bing)
    assert not is_placeholder(Provider.H2o) and not is_placeholder(object())


@pytest.mark.parametrize(
    "name, options, unavailable",
    [
        ("Echo", {}, False),
        ("OpenAI", {}, False),
        ("H2o", {}, True),
        ("H2o", {"base_url": "http://127.0.0.1:1"}, False),
        ("H2o", {"auth": "token"}, True),
        ("HuggingChat", {}, True),
        ("HuggingChat", {"auth": "s3ss1on"}, False),
        ("HuggingChat", {"cookies": "of a wrong type"}, True),
        ("Bing", {"base_url": "http://127.0.0.1:1"}, True),
    ],
)
def test_is_unavailable(name: str, options: dict[str, Any], unavailable: bool) -> None:
    assert is_unavailable(getattr(Provider, name), options) is unavailable


def test_a_configured_server_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
    assert not is_unavailable(Provider.H2o, {})


def test_a_module_of_the_caller_is_available() -> None:
    assert not is_unavailable(scripted_provider(), {})
