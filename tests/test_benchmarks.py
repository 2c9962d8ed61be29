"""The benchmarks run with the dependencies of the tests, and the manual has their last results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent


def benchmarks(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the benchmarks as briefly as possible, and return the results folder, stdout and stderr."""
    folder = tmp_path_factory.mktemp("results")
    names = ("cpu", "first", "H2o", "requests", "sseclient-py", "floor-json")
    run = benchmarks("--quick", "--rounds", 1, "--output", folder, "--only", *names)
    assert run.returncode == 0, run.stderr
    return folder, run.stdout, run.stderr


def test_measurements(finished_run: Any) -> None:
    results = json.loads((finished_run[0] / "results.json").read_text("utf-8"))
    assert {"H2o", "requests", "floor-json"} <= set(results["cpu"])
    assert all(times["median"] > 0 and len(times["nanoseconds"]) == 1 for times in results["cpu"].values())
    assert results["versions"]["requests"] and results["cores"] and results["date"] and results["interpreter"]
    found = {row["what"]: row["value"] for row in results["rows"]}
    kinds = ("the first completion", "the next completion", "with a session used before")
    counts = [
        [found[f"{name} before the first token, {kind}"] for name in ("requests", "connections")] for kind in kinds
    ]
    assert counts == [[4, 1], [4, 0], [2, 0]]
    assert all(row["met"] in (True, False) for row in results["rows"])


def test_missing_packages_are_reported(finished_run: Any) -> None:
    folder, printed, shown = finished_run
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert ("sseclient-py" in results["cpu"]) != ("sseclient-py" in results["left_out"])
    if results["left_out"]:
        assert "Left out: sseclient-py: No module named" in printed and "sseclient-py is left out" in shown


def test_the_table_and_the_chart(finished_run: Any) -> None:
    folder, printed, shown = finished_run
    assert "round 1 of 1" in shown and "≤ 0.85" in printed and "* g4f_legacy: H2o" in printed
    image = ElementTree.parse(folder / "results.svg").getroot()
    texts = [element.text for element in image.iter() if element.tag.endswith("text")]
    assert "g4f_legacy: H2o" in texts and "CPU time per token of a streamed answer" in texts


def test_the_manual_has_the_last_results() -> None:
    printed = benchmarks("--table").stdout.strip()
    assert printed and printed in (ROOT / "docs" / "benchmarks.rst").read_text("utf-8")


def test_a_wrong_name() -> None:
    assert benchmarks("--only", "nobody").returncode == 2
