import json
from pathlib import Path
from typing import Any, List

import pytest
from command_line import run

from g4f_legacy.compat.script_scanner import Report, scan_scripts

SCRIPT = '''
import g4f, os
import g4f.debug as debug
from g4f import models as m, Nothing
from g4f.Provider import Bing, H2o as Falcon, Nope
from g4f.Provider.Providers import Ails
g4f.check_version = False
debug.logging = True
print(g4f.Provider.DeepAi.params, g4f.version.upper(), os.path.sep, g4f.nothing.at.all)
def ask(text):
    """provider=g4f.Provider.You"""
    g4f.ChatCompletion.create("gpt-4", [], provider=Bing)
    g4f.ChatCompletion.create(model=m.falcon_40b, messages=[], provider="OpenAI")
    g4f.ChatCompletion.create(g4f.Model.gpt_4, [])
'''


def scan_source(source: str, tmp_path: Path) -> Report:
    path = tmp_path / "script.py"
    path.write_text(source, "utf-8")
    [report] = scan_scripts([str(path)])
    return report


def test_names_that_a_script_uses(tmp_path: Path) -> None:
    report = scan_source(SCRIPT, tmp_path)
    assert report.providers == {
        "Ails": "placeholder",
        "Bing": "placeholder",
        "DeepAi": "placeholder",
        "H2o": "live",
        "Nope": "unknown",
        "OpenAI": "live",
    }
    assert report.names == {
        "ChatCompletion.create": "live",
        "Nothing": "unknown",
        "check_version": "live",
        "debug": "live",
        "debug.logging": "live",
        "models": "live",
        "nothing": "unknown",
        "version": "live",
    }
    assert report.models == {"falcon_40b": "live", "gpt-4": "live", "gpt_4": "live"}
    assert report.needs == [
        "a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)",
        "G4F_LEGACY_H2O_URL (or a redirect)",
        "G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY",
    ]
    assert not report.is_known


def test_configured_providers_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4F_LEGACY_REDIRECT", "Echo")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    assert scan_source(SCRIPT, tmp_path).needs == []


@pytest.mark.parametrize(
    "source, providers",
    [
        ("from g4f.Provider import *\nprint(Bing)", ["Bing"]),
        ("from g4f import *\nprint(Provider.Bing)", ["Bing"]),
        ("from .g4f import Provider\nProvider.Bing", ["Bing"]),
        ("from lib import g4f\ng4f.Provider.Bing", ["Bing"]),
        ("from lib.g4f.Provider import Bing", ["Bing"]),
        ("import g4f.Provider\ng4f.Provider.Bing", ["Bing"]),
        ("import g4f as gpt\nprovider = gpt.Provider.Bing", ["Bing"]),
        ("from g4f.provider import Bing", ["Bing"]),
        ("from g4f import Provider\n[Provider.Bing, Provider.You]", ["Bing", "You"]),
        ("import g4f.Provider.Bing", ["Bing"]),
        ("import os\nos.Provider.Bing", []),
        ("def f():\n    return g4f.Provider.Bing\nimport g4f", ["Bing"]),
        ("import lib.g4f\nlib.g4f.Provider.Bing", ["Bing"]),
        ("import lib.g4f.models\nlib.g4f.Provider.Bing", ["Bing"]),
        ("import g4f\nG = g4f.Provider\ndef f(): return G.Bing", ["Bing"]),
        ("def f():\n    return H.Bing\nH = G\nG = g4f.Provider\nimport g4f", ["Bing"]),
        ("import g4f_legacy as g4f\ng4f.Provider.Bing", ["Bing"]),
        ("import g4f_legacy\ng4f_legacy.Provider.Bing", ["Bing"]),
        ("from g4f_legacy.Provider import Bing", ["Bing"]),
    ],
)
def test_every_way_to_import(source: str, providers: List[str], tmp_path: Path) -> None:
    report = scan_source(source, tmp_path)
    assert list(report.providers) == providers and report.is_known


@pytest.mark.parametrize(
    "call",
    [
        "create('gpt-4', [])",
        "create(model='gpt-4', messages=[], provider=None)",
        "create('gpt-4', [], provider=getattr(g4f.Provider, name))",
    ],
)
def test_a_call_without_a_provider_needs_a_redirect(call: str, tmp_path: Path) -> None:
    report = scan_source(f"import g4f\ng4f.ChatCompletion.{call}", tmp_path)
    assert report.needs == ["a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)"]


@pytest.mark.parametrize("source", ["print 'python 2'", "\0", "if True:"])
def test_a_script_that_cannot_be_read(source: str, tmp_path: Path) -> None:
    report = scan_source(source, tmp_path)
    assert report.error.startswith("cannot be read: ") and not report.is_known


class TestCommand:
    def folder(self, tmp_path: Path) -> Path:
        for name, source in {
            "bot.py": "import g4f\ng4f.Provider.Bing",
            "no_use.py": "import os",
            "sub/other.py": "from g4f import ChatCompletion",
            ".hidden/x.py": "import g4f\ng4f.Provider.Nope",
            "venv/x.py": "import g4f\ng4f.Provider.Nope",
            "notes.txt": "import g4f",
            "python2.py": "print 'no word of it'",
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(source)
        return tmp_path

    def test_a_folder(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        assert run("scan", str(folder)) == (
            0,
            f"{folder}/bot.py\n  providers Bing (placeholder)\n"
            "  needs     a redirect (g4f-legacy run --to NAME, or G4F_LEGACY_REDIRECT)\n"
            f"{folder}/sub/other.py\n  names     ChatCompletion\n",
            "",
        )

    def test_json(self, tmp_path: Path) -> None:
        code, out, _ = run("scan", "--json", str(self.folder(tmp_path)), str(tmp_path / "no_use.py"))
        said: Any = json.loads(out)
        assert code == 0 and [Path(one["path"]).name for one in said] == ["bot.py", "other.py", "no_use.py"]
        assert said[0]["providers"] == {"Bing": "placeholder"} and said[2]["names"] == {}

    def test_something_unknown(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import g4f\ng4f.Provider.Nope\ng4f.nothing")
        code, out, _ = run("scan", str(tmp_path / "script.py"))
        assert code == 1 and "Nope (unknown)" in out and "nothing (unknown)" in out
        (tmp_path / "script.py").write_text("import g4f\nC = g4f.ChatCompletion\nC.create('claude-9', [])")
        code, out, _ = run("scan", str(tmp_path / "script.py"))
        assert code == 1 and "claude-9 (unknown)" in out
        (tmp_path / "script.py").write_text("print 'g4f'")
        assert run("scan", str(tmp_path))[0] == 1

    def test_nothing(self, tmp_path: Path) -> None:
        assert run("scan", str(tmp_path)) == (0, "", "No script there uses g4f.\n")
        assert run("scan", str(tmp_path / "nope.py"))[0] == 2
