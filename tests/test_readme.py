"""The README cannot drift: each of its examples runs, and its table is compared with the providers."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from documents import ROOT, Document, python, shell

from g4f_legacy import registry

README = Document("README.rst")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run the README's server, at a port that is free, and return its URL."""
    command = README.examples("shell")[0].strip().replace("g4f-legacy", f"exec '{sys.executable}' -m g4f_legacy")
    process = subprocess.Popen(["sh", "-c", f"{command} --port 0"], stderr=subprocess.PIPE)
    assert process.stderr is not None
    yield re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())[0]
    process.terminate()
    process.communicate()


def example(language: str, number: int, url: str) -> str:
    return README.examples(language)[number].replace("http://127.0.0.1:1337", url)


def test_the_first_example_comes_early() -> None:
    assert "code-block:: python" in "\n".join(README.text.splitlines()[:12])


def test_all_examples_are_tested() -> None:
    assert README.count_examples() == {"python": 3, "shell": 4}


def test_the_first_example_needs_nothing() -> None:
    assert python(README.examples("python")[0]) == "Hello"


def test_the_first_command() -> None:
    [command] = re.findall(r"^    python3 -m venv .* && (g4f-legacy ask --local .*)$", README.text, re.MULTILINE)
    assert shell(command) == "Hello, world\n"


def test_from_the_shell(url: str) -> None:
    assert shell(example("shell", 1, url)).splitlines()[-2:] == ["Hello", "Hello"]


def test_the_conversation(url: str) -> None:
    [command] = re.findall(r"``(g4f-legacy chat .*?)``", README.text, re.DOTALL)
    command = " ".join(command.split()).replace("http://127.0.0.1:1337", url)
    assert shell(f"echo Hello | {command}") == "Hello\n"


def test_from_python(url: str) -> None:
    assert python(example("python", 1, url)) == "Hello (stop)\n"


def test_the_old_script(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    assert shell(example("shell", 2, url)) == "Hello\n"


def test_introspection_from_the_shell() -> None:
    usable, _, h2o = shell(README.examples("shell")[3]).partition("{")
    assert [line.split()[0] for line in usable.splitlines()] == ["PROVIDER", "Echo"]
    assert '"supports_stream": true' in h2o


def test_introspection_from_python() -> None:
    lines = python(README.examples("python")[2]).splitlines()
    assert lines == ["Echo {'echo': 'echo'} g4f.Providers.Echo supports: (model: str, messages: list, stream: bool)"]


def test_the_links() -> None:
    for target in re.findall(r"<(docs/[^>]+)>`__?|image:: (\S+)", README.text):
        assert (ROOT / "".join(target)).is_file()


def test_the_terminal_shows_the_commands_of_its_script() -> None:
    picture = ElementTree.parse(ROOT / "docs" / "images" / "ask.svg")
    shown = "".join(picture.getroot().itertext()).replace("\N{NO-BREAK SPACE}", " ")
    script = (ROOT / "docs" / "images" / "draw_ask.py").read_text("utf-8")
    commands = re.findall(r'^    "(g4f-legacy .*)",$', script, re.MULTILINE)
    assert len(commands) == 3 and all(f"$ {command}" in shown for command in commands)


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=lambda path: path.stem)
def test_the_pictures_stand_alone(path: Path) -> None:
    picture = path.read_text("utf-8")
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert not re.search(r"(href|src|url\()\s*=?\s*[\"']?https?:", picture)  # nothing is loaded from elsewhere


def test_the_table_of_providers() -> None:
    rows: dict[str, list[str]] = {row[0]: row[1:] for row in README.table("Provider")}
    assert list(rows) == sorted(rows)  # that each provider has a row is a part of the contract
    yes_no = {True: "yes", False: "no"}
    for name, (url, models, *flags) in rows.items():
        provider = registry.get(name)
        assert url == provider.url or (not provider.url and url.startswith("none"))
        assert models == ", ".join(provider.model)
        assert flags == [yes_no[provider.supports_stream], yes_no[provider.needs_auth], yes_no[provider.working]]
