"""The manual cannot drift: its examples run, and its tables are compared with the code."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, Document, python, shell
from replay import load

from g4f_legacy.cli.main import COMMANDS
from g4f_legacy.options import DEFAULT_RETRIES, DEFAULT_TIMEOUT, OPTION_NAMES
from g4f_legacy.server import create_app, serve_in_background

TEXT = 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'

CALLS = Document("docs/calls.rst")
OLD_SCRIPTS = Document("docs/old_scripts.rst")
PROVIDERS = Document("docs/providers.rst")
SERVE = Document("docs/serve.rst")
WRITE_A_PROVIDER = Document("docs/write_a_provider.rst")


def test_all_examples_are_tested() -> None:
    counts = {path.stem: Document(f"docs/{path.name}").count_examples() for path in (ROOT / "docs").glob("*.rst")}
    assert {name: count for name, count in counts.items() if count} == {
        "calls": {"python": 1},
        "environments": {"python": 1},  # run by tests/environments/test_fastapi.py
        "old_scripts": {"shell": 2, "ini": 1, "text": 1, "docker": 1, "python": 1},
        "providers": {"python": 3, "shell": 2},
        "serve": {"shell": 2},
        "write_a_provider": {"python": 1, "toml": 1},
    }


def test_the_asynchronous_call() -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        printed = python(CALLS.examples("python")[0].replace("http://127.0.0.1:1337", url))
    assert printed == "Hello\nHello"


@pytest.mark.parametrize("number", [0, 1])
def test_the_ways_to_name_a_server(number: int, play: Any) -> None:
    replay = play(load("h2o/hello"))
    code = PROVIDERS.examples("python")[number].replace("http://127.0.0.1:3000", replay.url)
    ask = 'print("".join(H2o._create_completion("", [{"role": "user", "content": "hello"}], True)))'
    assert python(f"{code}\n{ask if number else 'print(text)'}") == f"{TEXT}\n"


def test_the_search_for_servers() -> None:
    python(PROVIDERS.examples("python")[2])  # it prints what listens on the machine


def test_the_variable_that_names_a_server(play: Any) -> None:
    code = PROVIDERS.examples("shell")[0].replace("http://127.0.0.1:3000", play(load("h2o/hello")).url)
    assert shell(code) == f"{TEXT}\n"


def test_the_example_of_other_servers(play: Any) -> None:
    replay = play([*load("openai/models"), *load("openai/stream")])
    chat_ui = play(load("hugging_chat/models") + load("hugging_chat/hello"))
    code = PROVIDERS.examples("shell")[1].replace("http://127.0.0.1:11434", replay.url)
    printed = shell(code.replace("http://127.0.0.1:5173", chat_ui.url))
    assert re.fullmatch(r" a of.* data:\n" + re.escape(TEXT) + "\n", printed, re.DOTALL)


def test_the_server_examples() -> None:
    serve, ask = SERVE.examples("shell")
    command = serve.strip().replace("g4f-legacy", f"exec '{sys.executable}' -m g4f_legacy").replace("1337", "0")
    process = subprocess.Popen(["sh", "-c", command], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
        lines = shell(ask.replace("http://127.0.0.1:1337", url))
        assert lines.startswith("Hello\nHello\nok ")
        assert lines.count("ok ") == 6 and "failed" not in lines
    finally:
        process.terminate()
        process.communicate()


def test_the_example_of_an_old_script(play: Any, tmp_path: Path) -> None:
    script = (
        'import g4f\nfor token in g4f.ChatCompletion.create("gpt-4", [{"role": "user", "content": "Hi"}], stream=True):'
    )
    (tmp_path / "bot.py").write_text(f"{script}\n    print(token)")
    replay = play([*load("openai/models"), *load("openai/stream")])
    code = OLD_SCRIPTS.examples("shell")[0].replace("http://127.0.0.1:11434", replay.url)
    scanned, _, printed = shell(code.replace("bot.py", str(tmp_path / "bot.py"))).partition("G4F_LEGACY_REDIRECT)\n")
    assert "needs" in scanned and printed.startswith("Hi\n a\n of\n")


class TestStartsOfOldScripts:
    """The ways to start a script without ``g4f-legacy run``: their very commands, with an environment of their own."""

    @pytest.fixture
    def bot(self, tmp_path: Path) -> Path:
        """Return a folder with a script, and with programs like those of a virtual environment."""
        (tmp_path / "bot.py").write_text(
            'import g4f\nmessages = [{"role": "user", "content": "Hello"}]\n'
            'print(g4f.ChatCompletion.create("gpt-4", messages), g4f.__name__)'
        )
        programs = tmp_path / ".venv" / "bin"
        programs.mkdir(parents=True)
        root = Path(__file__).parent.parent
        (programs / "python").write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
        command = f"PYTHONPATH='{root}' exec '{sys.executable}' -m g4f_legacy"
        (programs / "g4f-legacy").write_text(f'#!/bin/sh\n{command} "$@"\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        return tmp_path

    def run(self, command: list[str], bot: Path, environment: dict[str, str]) -> str:
        with serve_in_background(create_app("Echo"), threads=2) as url:
            environment = {name: re.sub(r"http://.*(?=/v1)", url, value) for name, value in environment.items()}
            done = subprocess.run(
                command, cwd=bot, env=environment, check=True, timeout=30, stdout=subprocess.PIPE, encoding="utf-8"
            )
        return done.stdout

    def test_shell(self, bot: Path) -> None:
        export, command = OLD_SCRIPTS.examples("shell")[1].splitlines()
        environment = dict(pair.split("=", 1) for pair in export.split()[1:])
        environment["PATH"] = f"{bot}/.venv/bin:/usr/bin:/bin"
        assert self.run(["sh", "-c", command], bot, environment) == "Hello g4f_legacy\n"

    def test_systemd(self, bot: Path) -> None:
        entries = [line.split("=", 1) for line in OLD_SCRIPTS.examples("ini")[0].splitlines()[1:]]
        environment = dict(value.split("=", 1) for name, value in entries if name == "Environment")
        [command] = [shlex.split(value) for name, value in entries if name == "ExecStart"]
        assert ["WorkingDirectory", "/opt/bot"] in entries
        assert self.run(command, bot, environment) == "Hello g4f_legacy\n"

    def test_crontab(self, bot: Path) -> None:
        *settings, line = OLD_SCRIPTS.examples("text")[0].splitlines()
        environment = {**dict(setting.split("=", 1) for setting in settings), "PATH": "/usr/bin:/bin"}
        command = line.split(maxsplit=5)[5].replace("/opt/bot", str(bot))
        assert "%" not in command  # which a crontab takes as a line end
        assert self.run(["sh", "-c", command], bot, environment) == "Hello g4f_legacy\n"

    def test_dockerfile(self, bot: Path) -> None:
        dockerfile = OLD_SCRIPTS.examples("docker")[0].replace("/opt/g4f", str(bot / "g4f"))
        instructions = [line.split(maxsplit=1) for line in dockerfile.splitlines()]
        path = {"PATH": f"{bot}/.venv/bin:/usr/bin:/bin"}
        [install] = [value for name, value in instructions if name == "RUN"]
        link = install.removeprefix("pip install /src && ")
        assert link != install and self.run(["sh", "-c", link], bot, path) == ""
        environment = [value for name, value in instructions if name == "ENV"]
        environment = dict(pair.split("=", 1) for pair in " ".join(environment).split())
        [command] = [json.loads(value) for name, value in instructions if name == "CMD"]
        assert self.run(["sh", "-c", '"$0" "$@"', *command], bot, {**environment, **path}) == "Hello g4f_legacy\n"


def test_the_redirect_in_a_script() -> None:
    assert python(OLD_SCRIPTS.examples("python")[0]) == "Hello\n"


def test_the_table_of_commands() -> None:
    commands = [row[0].strip("`").split()[1] for row in Document("docs/command_line.rst").table("Command")]
    assert sorted(commands) == sorted(COMMANDS)


def test_the_table_of_options() -> None:
    rows = {row[0].strip("`"): row[2] for row in CALLS.table("Option") if row[0]}
    assert rows["timeout"] == str(tuple(map(int, DEFAULT_TIMEOUT)))
    assert rows["retries"] == str(DEFAULT_RETRIES)
    assert {*rows, "access_token"} == set(OPTION_NAMES)


def test_the_example_of_a_provider(tmp_path: Path) -> None:
    (tmp_path / "Yes.py").write_text(WRITE_A_PROVIDER.examples("python")[0])
    code = """
import Yes
from g4f_legacy import ChatCompletion
print(Yes.params, ChatCompletion.create("", [{"role": "user", "content": "Hello"}], Yes))
"""
    printed = python(code, PYTHONPATH=":".join([str(tmp_path), *sys.path]))
    assert printed == "g4f.Providers.Yes supports: (model: str, messages: list, stream: bool) Yes.\n"


def test_the_entry_point_of_a_provider(tmp_path: Path) -> None:
    """Metadata such as pip writes it from the example."""
    project = re.search(
        r'^name = "(.*)"\nversion = "(.*)"\n\n\[project.entry-points."(.*)"\]\n(.*) = "(.*)"$',
        WRITE_A_PROVIDER.examples("toml")[0],
        re.MULTILINE,
    )
    assert project
    name, version, group, provider, module = project.groups()
    package, _, file_name = module.partition(".")
    metadata = tmp_path / f"{package}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{provider} = {module}\n")
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{file_name}.py").write_text(WRITE_A_PROVIDER.examples("python")[0])
    code = f'from g4f_legacy import registry\nprint(registry.get("{provider}").params)'
    printed = python(code, PYTHONPATH=":".join([str(tmp_path), *sys.path]))
    assert printed.startswith("g4f.Providers.Yes supports: (model: str")


def test_the_changelog_has_the_version() -> None:
    from g4f_legacy import __version__

    assert re.search(rf"^{re.escape(__version__)} ", Document("CHANGELOG.rst").text, re.MULTILINE)
