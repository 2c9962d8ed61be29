"""What IPython shows of errors after ``%xmode Verbose``."""

import re

import pytest
from environments.failing_calls import run_reporter
from repeating_server import leaks

pytest.importorskip("IPython", reason="ipython is not installed")

SCRIPT = """
from IPython.core.ultratb import AutoFormattedTB
from environments.failing_calls import report_all

formatter = AutoFormattedTB(mode="Verbose")

def report(error):
    return formatter.text(type(error), error, error.__traceback__)

report_all(report, every=15)  # each takes a quarter of a second
"""


@pytest.fixture(scope="module")
def reports() -> dict[str, str]:
    """The reports without colours, by the calls that failed."""
    return {name: re.sub(r"\x1b\[[0-9;]*m", "", report) for name, report in run_reporter(SCRIPT).items()}


def test_tracebacks_hold_no_secrets(reports: dict[str, str]) -> None:
    assert len(reports) > 12 and all(reports.values())
    leaking = {name: found for name, report in reports.items() if (found := leaks(report))}
    assert leaking == {}


def test_tracebacks_hold_other_variables(reports: dict[str, str]) -> None:
    assert any("_create_completion(model='some', " in report and "'auth': …" in report for report in reports.values())
