import json
import re
from typing import Any

import pytest
from command_line import run

from g4f_legacy import Provider, ProviderUtils, registry
from g4f_legacy.options import OPTION_NAMES
from g4f_legacy.provider_sources import BrokenProvider


def test_table() -> None:
    code, out, _ = run("providers", G4F_LEGACY_H2O_URL="http://127.0.0.1:1")
    lines = out.splitlines()
    assert code == 0
    headings = re.split("  +", lines[0])
    assert headings == ["PROVIDER", "MODELS", "STREAM", "NEEDS AUTH", "WORKING", "USABLE", "BASE URL"]
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
    assert (one["working"], one["supports_stream"], one["base_url"]) == (False, True, "https://gpt-gm.h2o.ai")


@pytest.mark.parametrize("provider", [*registry.all().values(), Provider.Bing])
def test_json_has_the_attributes_under_their_own_names(provider: Any) -> None:
    one = json.loads(run("providers", provider.__name__, "--json")[1])
    for name in ("url", "model", "models", "supports_stream", "needs_auth", "params"):
        assert one.pop(name) == getattr(provider, name)
    assert one.pop("working") == vars(provider)["working"]
    assert one.pop("options") == ([] if provider in (Provider.Bing, Provider.Echo) else list(OPTION_NAMES))
    assert one == {
        "name": provider.__name__,
        "usable": provider.__name__ == "Echo",
        "base_url": provider.url,
    }


def test_a_broken_provider_has_the_same_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    working, broken = registry.import_all()
    monkeypatch.setattr(registry, "import_all", lambda: (working, [*broken, BrokenProvider("X", "it fails")]))
    first, *_, last = json.loads(run("providers", "--json")[1])
    assert list(last) == [*first, "error"]
    assert last == {**dict.fromkeys(first), "name": "X", "usable": False, "error": "it fails"}
    assert re.search("^X +no +it fails$", run("providers")[1], re.MULTILINE)


def test_a_provider_without_a_server_has_no_options() -> None:
    shown = run("providers", "Echo")[1]
    assert "options: " not in shown and "environment: " not in shown


@pytest.mark.parametrize(
    "flags, expected",
    [
        (["--stream"], registry.names()),
        (["--needs-auth", "--working"], ["Google", "OpenAI"]),
        (["--no-needs-auth", "--no-working"], ["H2o"]),
        (["--usable"], ["Echo"]),
        (["--no-usable", "-m", "GPT-4"], ["OpenAI"]),
        (["--model", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"], ["H2o"]),
    ],
)
def test_conditions(flags: list[str], expected: list[str]) -> None:
    code, out, err = run("providers", "--json", *flags)
    assert (code, err) == (0, "") and [provider["name"] for provider in json.loads(out)] == expected
    assert [line.split()[0] for line in run("providers", *flags)[1].splitlines()[1:]] == expected


def test_conditions_filter_placeholders() -> None:
    listed = {row["name"]: row for row in json.loads(run("providers", "--all", "--json", "--no-stream")[1])}
    assert {"Bard", "Hugchat"} < set(listed) and not set(listed) & set(registry.names())
    assert not any(row["supports_stream"] for row in listed.values())
    listed = {row["name"]: row for row in json.loads(run("providers", "--all", "--json", "-m", "gpt-4")[1])}
    assert {"OpenAI", "Bing"} < set(listed) and all("gpt-4" in row["models"] for row in listed.values())


def test_conditions_that_no_provider_matches() -> None:
    message = "No provider matches all of these conditions.\n"
    assert run("providers", "--no-stream") == (0, "", message)
    assert run("providers", "--no-stream", "--json") == (0, "[]\n", message)


@pytest.mark.parametrize("arguments", [["H2o", "--usable"], ["H2o", "--no-stream", "--json"], ["-m", ""]])
def test_conditions_that_are_not_valid(arguments: list[str]) -> None:
    code, out, err = run("providers", *arguments)
    assert (code, out) == (2, "")
    assert err in (
        "g4f-legacy: give a NAME or conditions, not both\n",
        "g4f-legacy: --model is empty: give a value, or leave it out\n",
    )


def test_help() -> None:
    out = " ".join(run("providers", "--help")[1].split())
    for name in ("stream", "needs-auth", "working", "usable"):
        assert f"--{name}, --no-{name} list only providers " in out
    assert "(default" not in out


class TestWrongVariables:
    @pytest.mark.parametrize(
        "variable, name, problem",
        [
            ("G4F_LEGACY_H2O_URL", "H2o", "must be the URL of a server"),
            ("OPENAI_BASE_URL", "OpenAI", "must be the URL of a server"),
            ("OPENAI_API_KEY", "OpenAI", "contains a line end"),
        ],
    )
    def test_they_are_shown(self, variable: str, name: str, problem: str) -> None:
        environment = {variable: "s3cr3t-no\nthing"}
        code, table, err = run("providers", **environment)
        assert (code, err) == (0, "")
        listed = {row["name"]: row for row in json.loads(run("providers", "--json", **environment)[1])}
        assert list(listed) == registry.names() and [row["name"] for row in listed.values() if "error" in row] == [name]
        error = listed[name]["error"]
        assert error.startswith(f"invalid {variable}: it {problem}") and f" {error}\n" in table
        assert not listed[name]["usable"] and listed[name]["base_url"] in (None, "https://api.openai.com/v1")
        code, shown, err = run("providers", name, **environment)
        assert (code, err) == (0, "") and re.search(f"^error +{re.escape(error)}$", shown, re.MULTILINE)
        assert "s3cr3t" not in f"{table} {listed} {shown}"
        assert name not in run("providers", "--usable", **environment)[1]

    def test_a_placeholder(self) -> None:
        listed = json.loads(run("providers", "--all", "--json", G4F_LEGACY_BING_URL="nonsense!")[1])
        assert [row["name"] for row in listed if "error" in row] == ["Bing"]

    def test_a_cookies_file_that_does_not_exist(self) -> None:
        listed = json.loads(run("providers", "--json", G4F_LEGACY_COOKIES_FILE="no-such-file")[1])
        assert [row["name"] for row in listed] == registry.names()
        errors = [row["error"] for row in listed if "error" in row]
        assert errors and all("no-such-file" in error for error in errors)

    @pytest.mark.parametrize("target", ["Nope", "Bing", "H2o"])
    def test_a_redirect_target_that_cannot_be_used(self, target: str) -> None:
        code, out, err = run("providers", "Bing", G4F_LEGACY_REDIRECT=target)
        assert (code, err) == (0, "") and "\nnot redirected: " in out and target in out.splitlines()[-1]


def test_credentials_in_a_url_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"G4F_LEGACY_H2O_URL": "http://user:s3cr3t@127.0.0.1:1"}
    monkeypatch.setattr(Provider.Echo, "url", "http://user:s3cr3t@127.0.0.1:2")
    shown = "".join(run("providers", *arguments, **environment)[1] for arguments in ([], ["--json"], ["H2o"], ["Echo"]))
    assert "http://127.0.0.1:1" in shown and "http://127.0.0.1:2" in shown and "s3cr3t" not in shown


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
