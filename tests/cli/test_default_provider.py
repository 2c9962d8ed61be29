from argparse import ArgumentParser, Namespace

import pytest
from command_line import run

from g4f_legacy.cli import servers
from g4f_legacy.cli.arguments import add_call_arguments, add_model
from g4f_legacy.cli.default_provider import find_provider, find_provider_with_notice
from g4f_legacy.errors import ProviderNotWorkingError

EXAMPLE = "g4f-legacy ask --base-url http://127.0.0.1:11434/v1 …"


def parse(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    parser.set_defaults(command="ask")
    add_call_arguments(parser)
    add_model(parser)
    return parser.parse_args(arguments)


def test_find_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_provider(parse()) == "Echo"
    assert find_provider(parse("-p", "H2o")) == "H2o"
    assert find_provider(parse("--base-url", "http://127.0.0.1:1")) == "OpenAI"
    assert find_provider(parse("--auth", "key")) == "OpenAI"
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert find_provider(parse()) == "OpenAI"


def test_an_empty_provider() -> None:
    with pytest.raises(ValueError, match="^--provider is empty"):
        find_provider(parse("-p", ""))


def test_the_configured_provider_that_lists_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_H2O_URL", "http://127.0.0.1:1")
    assert find_provider_with_notice(parse("-m", "falcon-40b")) == "H2o"
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    assert find_provider_with_notice(parse("-m", "gemini-pro-latest")) == "Google"
    with pytest.raises(ProviderNotWorkingError, match="^no provider is configured that serves gpt-4"):
        find_provider_with_notice(parse("-m", "gpt-4"))


class TestNotice:
    @pytest.mark.parametrize(
        "found, hint",
        [
            ("Found one\nFound another", "Found one\nFound another"),
            ("", f"To ask a model, give an OpenAI-compatible server: {EXAMPLE}"),
        ],
    )
    def test_each_suggestion_has_a_line_of_its_own(
        self, found: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(servers, "suggest_servers", lambda command: found)
        assert find_provider_with_notice(parse()) == "Echo"
        notice = "No provider is configured, so Echo repeats the prompt."
        assert capsys.readouterr() == ("", f"{notice}\n{hint}\n")

    @pytest.mark.parametrize("arguments", [["-p", "Echo"], ["--base-url", "http://127.0.0.1:1"]])
    def test_what_is_chosen_needs_none(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert find_provider_with_notice(parse(*arguments)) == find_provider(parse(*arguments))
        assert capsys.readouterr() == ("", "")


class TestANamedModel:
    """Only a provider that may serve it answers, not Echo for want of one."""

    @pytest.mark.parametrize("command", [["ask", "Hello"], ["chat"], ["check"]])
    def test_without_a_provider(self, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "suggest_servers", lambda command: f"Found one for {command}")
        code, out, err = run(*command, "-m", "gpt-4", stdin="Hello\n" if command == ["chat"] else "")
        assert (code, out) == (4, "")
        message, suggestion = err.splitlines()
        assert message.startswith("g4f-legacy: no provider is configured that serves gpt-4. Ask another provider, ")
        assert "--provider OpenAI --base-url http" in message
        assert suggestion == f"Found one for {command[0]}"

    @pytest.mark.parametrize("model", ["echo", "Echo", ""])
    def test_of_echo(self, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(servers, "suggest_servers", lambda command: "")
        assert run("ask", "-m", model, "Hello")[:2] == (0, "Hello\n")

    def test_with_a_provider(self) -> None:
        assert run("ask", "-p", "Echo", "-m", "gpt-4", "Hello") == (0, "Hello\n", "")
        assert run("ask", "--local", "-m", "gpt-4", "Hello")[:2] == (0, "Hello\n")
