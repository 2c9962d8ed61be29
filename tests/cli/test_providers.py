import json
import re
from typing import Any

import pytest
from command_line import run

from g4f_legacy import ProviderUtils, registry


def test_table() -> None:
    code, out, _ = run("providers", G4F_LEGACY_H2O_URL="http://127.0.0.1:1")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split("  ")[0] == "PROVIDER"
    rows = {line.split()[0]: line for line in lines[1:]}
    assert list(rows) == registry.names()
    assert rows["H2o"].endswith(" http://127.0.0.1:1")


def test_one_provider() -> None:
    code, out, _ = run("providers", "H2o")
    assert code == 0
    assert out.startswith("H2o's hosted chat of 2023")
    assert re.search(r"^params +g4f.Providers.H2o supports: \(model: str", out, re.MULTILINE)
    assert "options: base_url, auth, " in out
    assert "environment: G4F_LEGACY_H2O_URL, G4F_LEGACY_H2O_AUTH\n" in out


def test_a_placeholder() -> None:
    code, out, _ = run("providers", "Ails")
    assert code == 0 and out.startswith("Ails of 2023, at https://ai.ls, no longer exists.\n")
    assert out.endswith("not redirected; set G4F_LEGACY_REDIRECT to send its calls elsewhere\n")
    assert run("providers", "Ails", G4F_LEGACY_REDIRECT="Echo")[1].endswith("calls to it go to Echo\n")


def test_a_provider_whose_public_server_is_gone() -> None:
    redirected = "calls to it go to Echo\n"
    assert run("providers", "H2o", G4F_LEGACY_REDIRECT="Echo")[1].endswith(f", G4F_LEGACY_H2O_AUTH\n{redirected}")
    server = {"G4F_LEGACY_H2O_URL": "http://127.0.0.1:1"}
    assert "calls to it" not in run("providers", "H2o", G4F_LEGACY_REDIRECT="Echo", **server)[1]
    assert "calls to it" not in run("providers", "OpenAI", G4F_LEGACY_REDIRECT="Echo")[1]


def test_all_providers() -> None:
    listed = [line.split()[0] for line in run("providers", "--all")[1].splitlines()[1:]]
    assert listed == [provider.__name__.rpartition(".")[2] for provider in ProviderUtils.convert.values()]
    assert len(listed) >= 91 and {"Ails", *registry.names()} < set(listed)


def test_json() -> None:
    every = json.loads(run("providers", "--json")[1])
    one = json.loads(run("providers", "H2o", "--json")[1])
    assert [provider["name"] for provider in every] == registry.names()
    assert one in every
    assert (one["working"], one["stream"], one["points_to"]) == (False, True, "https://gpt-gm.h2o.ai")


class TestWorkingAndUsable:
    """Whether the public server of 2023 still responds, and whether a call would reach a server now."""

    @staticmethod
    def describe(name: str, **environment: str) -> Any:
        every = json.loads(run("providers", "--all", "--json", **environment)[1])
        one = json.loads(run("providers", name, "--json", **environment)[1])
        assert one in every
        return one["working"], one["usable"]

    @pytest.mark.parametrize(
        "name, expected",
        [("H2o", (False, True)), ("Bing", (False, True)), ("OpenAI", (True, False)), ("Echo", (True, True))],
    )
    def test_under_a_redirect(self, name: str, expected: Any) -> None:
        assert self.describe(name, G4F_LEGACY_REDIRECT="Echo") == expected

    @pytest.mark.parametrize("name", ["H2o", "Bing"])
    @pytest.mark.parametrize("target", ["", "Bing", "Nope", "OpenAI", "H2o"])
    def test_under_a_redirect_that_reaches_no_server(self, target: str, name: str) -> None:
        assert self.describe(name, G4F_LEGACY_REDIRECT=target) == (False, False)

    def test_under_a_redirect_to_an_own_server(self) -> None:
        url = "http://127.0.0.1:1"
        expected = (False, True)
        assert self.describe("H2o", G4F_LEGACY_REDIRECT="OpenAI", G4F_LEGACY_REDIRECT_URL=url) == expected
        assert self.describe("Bing", G4F_LEGACY_REDIRECT="H2o", G4F_LEGACY_H2O_URL=url) == expected
