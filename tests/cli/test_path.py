from pathlib import Path

import pytest
from command_line import run, spawn

import g4f_legacy
from g4f_legacy.compat import g4f_alias


def test_it_prints_the_folder_and_nothing_else() -> None:
    folder = Path(g4f_legacy.__path__[0]) / "compat" / "drop_in"
    assert {file.name for file in folder.glob("*.py")} == {"g4f.py", "sitecustomize.py"}
    assert spawn("path") == (0, f"{folder}\n", "") == run("path")


def test_help_shows_its_use() -> None:
    code, out, err = run("path", "--help")
    assert (code, err) == (0, "") and '\n         PYTHONPATH="$(g4f-legacy path)" python bot.py\n' in out


def test_a_program_that_does_not_contain_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(g4f_alias, "DROP_IN", str(tmp_path))
    message = "this program does not contain the folder; install g4f_legacy with pip to get it"
    assert run("path") == (2, "", f"g4f-legacy: {message}\n")
