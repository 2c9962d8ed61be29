"""What Sentry is sent about errors, with the options that `sentry_sdk.init` has by default."""

import json
from typing import Any

import pytest
from environments.failing_calls import run_reporter
from repeating_server import leaks

pytest.importorskip("sentry_sdk", reason="sentry-sdk is not installed")

SCRIPT = """
import json
import sentry_sdk
from environments.failing_calls import report_all

events = []

class Transport(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        events.append(envelope.get_event())

def report(error):
    sentry_sdk.capture_exception(error)
    return json.dumps(events.pop())

sentry_sdk.init(dsn="http://key@127.0.0.1:1/1", transport=Transport())
report_all(report, every=3)
"""


@pytest.fixture(scope="module")
def events() -> dict[str, Any]:
    """The events, by the calls that failed."""
    return {name: json.loads(report or "null") for name, report in run_reporter(SCRIPT).items()}


def get_frames(event: Any) -> list[Any]:
    return [
        frame for error in event["exception"]["values"] for frame in error.get("stacktrace", {"frames": []})["frames"]
    ]


def test_events_hold_no_secrets(events: dict[str, Any]) -> None:
    assert len(events) > 70 and all(events.values())
    leaking = {name: found for name, event in events.items() if (found := leaks(json.dumps(event, ensure_ascii=False)))}
    assert leaking == {}


def test_events_hold_other_variables(events: dict[str, Any]) -> None:
    frames = [frame for event in events.values() for frame in get_frames(event)]
    shown = [frame["vars"] for frame in frames if frame["function"] == "_create_completion"]
    assert shown and all(variables["model"] == "'some'" for variables in shown)
    assert {variables["kwargs"].get("base_url") for variables in shown} == {"…", None}  # or in the environment
    assert any(variables["kwargs"]["retries"] == "0" for variables in shown)
