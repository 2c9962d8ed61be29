from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

import pytest
from command_line import run

from g4f_legacy.cli.arguments import add_call_arguments, add_model, call_options, parse_port, spell_flag


def parse(*arguments: str) -> Namespace:
    parser = ArgumentParser(exit_on_error=False)
    add_call_arguments(parser)
    add_model(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "option, flag", [("base_url", "--base-url"), ("auth", "--auth"), ("cookies", "-o cookies=…"), ("seed", "-o seed=…")]
)
def test_spell_flag(option: str, flag: str) -> None:
    assert spell_flag(option) == flag


@pytest.mark.parametrize(
    "text, value",
    [("0.5", 0.5), ('["x"]', ["x"]), ("true", True), ("text", "text"), ("", ""), ("a=b", "a=b"), ("{", "{")],
)
def test_option_values(text: str, value: Any) -> None:
    assert call_options(parse("-o", f"name={text}")) == {"name": value}


@pytest.mark.parametrize(
    "text, message",
    [
        ("timeout", "'timeout' is not of the form NAME=VALUE"),
        ("=5", "'=5' is not of the form NAME=VALUE"),
        ("base_url=x", "-o base_url=… is not allowed; use --base-url"),
        ("base-url=x", "-o base-url=… is not allowed; use --base-url"),
        ("Base-URL=x", "-o Base-URL=… is not allowed; use --base-url"),
        ("Stream=x", "-o Stream=… is not allowed"),
        ("auth=x", "use --auth"),
        ("model=x", "-o model=… is not allowed; use -m"),
        ("messages=x", "-o messages=… is not allowed"),
        ("stream=true", "-o stream=… is not allowed"),
        ("provider=x", "use --provider"),
    ],
)
def test_options_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(Exception, match="argument -o/--option") as raised:
        parse("-o", text)
    assert message in str(raised.value)


@pytest.mark.parametrize("command", ["ask", "chat", "check", "models"])
@pytest.mark.parametrize("name, flag", [("auth", "--auth"), ("base_url", "--base-url"), ("model", "-m")])
def test_the_flag_to_use_is_one_of_the_command(name: str, flag: str, command: str) -> None:
    code, _, err = run(command, "-o", f"{name}=x")
    has_flag = f"[{flag} " in err
    assert has_flag == ((name, command) != ("model", "models"))
    assert code == 2 and err.endswith(f"-o {name}=… is not allowed{f'; use {flag}' if has_flag else ''}\n")


@pytest.mark.parametrize("command", ["ask", "chat", "check", "models"])
@pytest.mark.parametrize("name", ["messages", "stream"])
def test_arguments_without_a_flag(name: str, command: str) -> None:
    code, _, err = run(command, "-o", f"{name}=x")
    assert code == 2 and err.endswith(f"-o {name}=… is not allowed\n")


def test_flags_are_options_of_the_call() -> None:
    arguments = parse("--base-url", "http://127.0.0.1:1", "--auth", "token", "-o", "seed=1")
    assert call_options(arguments) == {"base_url": "http://127.0.0.1:1", "auth": "token", "seed": 1}


def test_an_empty_flag() -> None:
    with pytest.raises(ValueError, match="^--auth is empty: give a value, or leave it out$"):
        call_options(parse("--auth", ""))


@pytest.mark.parametrize("text", ["65536", "-1", "http", "", "1.5", "²"])
def test_ports_that_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a port number between 0 and 65535"):
        parse_port(text)


def test_ports() -> None:
    assert [parse_port("0"), parse_port("65535")] == [0, 65535]
