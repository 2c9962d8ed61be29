import json

import pytest

from g4f_legacy.cli.output import print_error, print_json, print_table


def test_print_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([["NAME", "ID"], ["long name", "1"], ["a", ""]])
    assert capsys.readouterr().out == "NAME       ID\nlong name  1\na\n"


def test_a_cell_is_one_line_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([["a\x1b[31m\n\tb", "x" * 5000]])
    assert capsys.readouterr().out == f"a[31m b  {'x' * 1000}\n"


def test_print_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Привет"})
    assert capsys.readouterr().out == '{\n  "name": "Привет"\n}\n'


def test_json_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[31m\x9b\u202e\U000e0001 👋"
    print_json([name])
    out = capsys.readouterr().out
    assert json.loads(out) == [name]
    assert out == '[\n  "a\\u001b[31m\\u009b\\u202e\\udb40\\udc01 👋"\n]\n'


def test_print_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("message")
    assert capsys.readouterr() == ("", "message\n")
