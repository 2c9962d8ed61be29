import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import responses as responses_library
from replay import Replay

from g4f_legacy import errors, local_servers
from g4f_legacy.compat import redirects
from g4f_legacy.protocols import default_model

_CONFIGURING = ("G4F_LEGACY_", "OPENAI_", "GEMINI_", "GOOGLE_API_KEY")


def pytest_configure() -> None:
    # A shell starts background jobs with SIGINT ignored, which the processes of the tests would inherit.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="cut streams after every N bytes, in the slow tests")
    parser.addoption("--every-way", action="store_true", help="and in each framing by both ends: several times as long")


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate a test from the settings of the machine and of other tests."""
    logging.getLogger("g4f_legacy").setLevel(logging.NOTSET)
    for name in list(os.environ):
        if name.startswith(_CONFIGURING) or name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(default_model, "_default_models", {})
    monkeypatch.setattr(local_servers, "WELL_KNOWN_PORTS", {})
    monkeypatch.setattr(redirects, "_targets", [])
    monkeypatch.setattr(redirects, "_logged", set())


@pytest.fixture(params=["as written", "reworded"])
def any_wording(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test twice: as it is, and with the message of each error and log record replaced by nonsense.

    The package decides by facts, never by its own sentences.
    """
    if request.param == "reworded":
        init = errors.G4fError.__init__

        def reword(self: errors.G4fError, *message: str, **facts: Any) -> None:
            init(self, *("colourless green ideas" for _ in message), **facts)

        monkeypatch.setattr(errors.G4fError, "__init__", reword)
        monkeypatch.setattr(errors.ProviderError, "add_context", lambda error, text: None)
        monkeypatch.setattr(logging.LogRecord, "getMessage", lambda record: "sleep furiously")


@pytest.fixture
def play() -> Iterator[Callable[[list[dict[str, Any]]], Replay]]:
    """Return a function that starts a server, which replays exchanges until the test ends."""
    with ExitStack() as servers:
        yield lambda exchanges: servers.enter_context(Replay(exchanges))


@pytest.fixture
def responses() -> Iterator[responses_library.RequestsMock]:
    """Return a mock that answers in place of servers that are not on this machine."""
    with responses_library.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
