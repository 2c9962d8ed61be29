import json
import re

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
