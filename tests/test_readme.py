"""The README cannot drift: its examples run, and its tables are compared with the code."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from replay import load

from g4f_legacy import registry
from g4f_legacy.options import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from g4f_legacy.server import create_app, serve_in_background

README = (Path(__file__).parent.parent / "README.rst").read_text("utf-8")
TEXT = 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'


def examples(language: str) -> list[str]:
    blocks = re.findall(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", README, re.MULTILINE)
    return [re.sub("^    ", "", block, flags=re.MULTILINE).strip() + "\n" for block in blocks]


def table(header: str) -> list[list[str]]:
    """Return the rows of the table whose first column has that header."""
    line = next(line for line in README.splitlines() if re.match(header + r"\s", line))
    above, _, below = README.partition(line)
    border = above.rstrip().splitlines()[-1]
    columns = [(match.start(), match.end()) for match in re.finditer("=+", border)]
    rows = below.split(border)[1].strip("\n").splitlines()
    return [[row[start:end].strip() for start, end in columns] for row in rows]


def test_the_first_example_comes_early() -> None:
    assert "code-block:: python" in "\n".join(README.splitlines()[:12])


def test_all_examples_are_tested() -> None:
    counts = {language: len(examples(language)) for language in ("python", "shell", "ini", "text", "docker")}
    assert counts == {"python": 7, "shell": 6, "ini": 2, "text": 1, "docker": 1}


# The example number 4 is run by tests/environments/test_fastapi.py.
@pytest.mark.parametrize(
    "number, printed", [(0, TEXT), (1, ""), (2, ""), (3, f"{TEXT} (stop)\n"), (5, "Hello\n"), (6, "")]
)
def test_python_examples(number: int, printed: str, play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = play(load("h2o/hello"))
    code = examples("python")[number].replace("http://127.0.0.1:3000", replay.url)
    environment = {"G4F_LEGACY_H2O_URL": replay.url, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, check=True, timeout=30, stdout=subprocess.PIPE
    )
    assert done.stdout.decode() == printed


def test_the_shell_example(play: Any) -> None:
    code = examples("shell")[0].replace("http://127.0.0.1:3000", play(load("h2o/hello")).url)
    assert shell(code) == TEXT


def test_the_example_of_other_servers(play: Any) -> None:
    replay = play([*load("openai/models"), *load("openai/stream")])
    chat_ui = play(load("hugging_chat/models") + load("hugging_chat/hello"))
    ask_both = examples("shell")[1].replace("http://127.0.0.1:11434", replay.url)
    assert re.fullmatch(
        r" a of.* data:" + re.escape(TEXT), shell(ask_both.replace("http://127.0.0.1:5173", chat_ui.url)), re.DOTALL
    )


def test_the_example_of_an_old_script(play: Any, tmp_path: Path) -> None:
    script = (
        'import g4f\nfor token in g4f.ChatCompletion.create("gpt-4", [{"role": "user", "content": "Hi"}], stream=True):'
    )
    (tmp_path / "bot.py").write_text(f"{script}\n    print(token)")
    replay = play([*load("openai/models"), *load("openai/stream")])
    code = (
        examples("shell")[4].replace("http://127.0.0.1:11434", replay.url).replace("bot.py", str(tmp_path / "bot.py"))
    )
    scanned, _, printed = shell(code).partition("G4F_LEGACY_REDIRECT)\n")
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
        export, command = examples("shell")[5].splitlines()
        environment = dict(pair.split("=", 1) for pair in export.split()[1:])
        environment["PATH"] = f"{bot}/.venv/bin:/usr/bin:/bin"
        assert self.run(["sh", "-c", command], bot, environment) == "Hello g4f_legacy\n"

    def test_systemd(self, bot: Path) -> None:
        entries = [line.split("=", 1) for line in examples("ini")[0].splitlines()[1:]]
        environment = dict(value.split("=", 1) for name, value in entries if name == "Environment")
        [command] = [shlex.split(value) for name, value in entries if name == "ExecStart"]
        assert ["WorkingDirectory", "/opt/bot"] in entries
        assert self.run(command, bot, environment) == "Hello g4f_legacy\n"

    def test_crontab(self, bot: Path) -> None:
        *settings, line = examples("text")[0].splitlines()
        environment = {**dict(setting.split("=", 1) for setting in settings), "PATH": "/usr/bin:/bin"}
        command = line.split(maxsplit=5)[5].replace("/opt/bot", str(bot))
        assert "%" not in command  # which a crontab takes as a line end
        assert self.run(["sh", "-c", command], bot, environment) == "Hello g4f_legacy\n"

    def test_dockerfile(self, bot: Path) -> None:
        dockerfile = examples("docker")[0].replace("/opt/g4f", str(bot / "g4f"))
        instructions = [line.split(maxsplit=1) for line in dockerfile.splitlines()]
        path = {"PATH": f"{bot}/.venv/bin:/usr/bin:/bin"}
        [install] = [value for name, value in instructions if name == "RUN"]
        link = install.removeprefix("pip install /src && ")
        assert link != install and self.run(["sh", "-c", link], bot, path) == ""
        environment = [value for name, value in instructions if name == "ENV"]
        environment = dict(pair.split("=", 1) for pair in " ".join(environment).split())
        [command] = [json.loads(value) for name, value in instructions if name == "CMD"]
        assert self.run(["sh", "-c", '"$0" "$@"', *command], bot, {**environment, **path}) == "Hello g4f_legacy\n"


def test_the_first_command() -> None:
    [command] = re.findall(r"^    pip install .* && (g4f-legacy ask --local .*)$", README, re.MULTILINE)
    assert shell(command) == "Hello, world"


def test_the_server_examples() -> None:
    serve, ask = examples("shell")[2:4]
    command = serve.strip().replace("g4f-legacy", f"exec '{sys.executable}' -m g4f_legacy").replace("1337", "0")
    process = subprocess.Popen(["sh", "-c", command], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
        lines = shell(ask.replace("http://127.0.0.1:1337", url))
        assert lines.startswith("HelloHellook ")
        assert lines.count("ok ") == 6 and "failed" not in lines
    finally:
        process.terminate()
        process.communicate()


def shell(code: str) -> str:
    """Return what commands print to stdout."""
    code = code.replace("g4f-legacy", f"'{sys.executable}' -m g4f_legacy")
    done = subprocess.run(["sh", "-c", code], check=True, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout.decode()


def test_the_table_of_commands() -> None:
    help_text = shell("g4f-legacy --help")
    for command in (row[0].strip("`").split()[1] for row in table("Command")):
        assert re.search(rf"^    {command}\s", help_text, re.MULTILINE)


def test_the_table_of_providers() -> None:
    rows: dict[str, list[str]] = {row[0]: row[1:] for row in table("Provider")}
    assert list(rows) == sorted(rows)  # that each provider has a row is a part of the contract
    yes_no = {True: "yes", False: "no"}
    for name, (url, models, *flags) in rows.items():
        provider = registry.get(name)
        assert url == provider.url or (not provider.url and url.startswith("none"))
        assert models == ", ".join(provider.model)
        assert flags == [yes_no[provider.supports_stream], yes_no[provider.needs_auth], yes_no[provider.working]]


def test_the_table_of_options() -> None:
    defaults = {row[0].strip("`"): row[2] for row in table("Option")}
    assert defaults["timeout"] == str(tuple(map(int, DEFAULT_TIMEOUT)))
    assert defaults["retries"] == str(DEFAULT_RETRIES)


def test_the_example_of_a_provider(tmp_path: Path) -> None:
    (tmp_path / "Yes.py").write_text(examples("python")[6])
    code = """
import Yes
from g4f_legacy import ChatCompletion
print(Yes.params, ChatCompletion.create("", [{"role": "user", "content": "Hello"}], Yes))
"""
    environment = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.decode() == ("g4f.Providers.Yes supports: (model: str, messages: list, stream: bool) Yes.\n")


def test_the_changelog_has_the_version() -> None:
    from g4f_legacy import __version__

    changelog = (Path(__file__).parent.parent / "CHANGELOG.rst").read_text("utf-8")
    assert re.search(rf"^{re.escape(__version__)} ", changelog, re.MULTILINE)
