"""Mark every test of this folder ``slow``: only ``pytest -m slow`` runs them."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # the items of all folders
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    """Return the step between two places at which a stream is cut."""
    return int(request.config.getoption("--every"))


@pytest.fixture
def every_way(request: pytest.FixtureRequest) -> bool:
    """Return whether a stream is cut at each place in all ways, instead of in one after the other."""
    return bool(request.config.getoption("--every-way"))
