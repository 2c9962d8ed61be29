from contextlib import ExitStack
import logging
import os
from typing import Any, Callable, Dict, Iterator, List

import pytest
from replay import Replay
import responses as responses_library

from g4f_legacy import errors
from g4f_legacy.compat import redirects
from g4f_legacy.protocols import default_model

# COV_CORE_: older versions of pytest-cov would measure the processes that tests start, without our settings.
_CONFIGURES = ("G4F_LEGACY_", "OPENAI_", "GEMINI_", "GOOGLE_API_KEY", "COV_CORE_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="cut streams at each place of so many; 1 is all of them")
    parser.addoption("--every-way", action="store_true", help="in all framings and by both ends each; ten minutes")


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    """At how many places one stream is cut: all of them, or each of so many."""
    return int(request.config.getoption("--every"))


@pytest.fixture
def every_way(request: pytest.FixtureRequest) -> bool:
    """Whether a stream is cut at each of these places in all the ways there are, instead of in turn."""
    return bool(request.config.getoption("--every-way"))


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine's, or of another test's, reaches a test."""
    logging.getLogger("g4f_legacy").setLevel(logging.NOTSET)
    for name in list(os.environ):
        if name.startswith(_CONFIGURES) or name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(default_model, "_first", {})
    monkeypatch.setattr(redirects, "_targets", [])
    monkeypatch.setattr(redirects, "_logged", set())


@pytest.fixture(params=["as written", "reworded"])
def any_wording(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test twice: as it is, and with each message of an error and of the log in other words.

    What the package decides, it decides by facts: a sentence may change at any time.
    """
    if request.param == "reworded":
        init = errors.G4fError.__init__

        def reword(self: errors.G4fError, *message: str, **facts: Any) -> None:
            init(self, *("colourless green ideas" for _ in message), **facts)

        monkeypatch.setattr(errors.G4fError, "__init__", reword)
        monkeypatch.setattr(logging.LogRecord, "getMessage", lambda record: "sleep furiously")


@pytest.fixture
def play() -> Iterator[Callable[[List[Dict[str, Any]]], Replay]]:
    """Starts a server that plays exchanges, for the length of the test."""
    with ExitStack() as servers:
        yield lambda exchanges: servers.enter_context(Replay(exchanges))


@pytest.fixture
def responses() -> Iterator[responses_library.RequestsMock]:
    """Answers in the place of hosts that are not on this machine."""
    with responses_library.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
