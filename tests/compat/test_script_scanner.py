import json
import os
from pathlib import Path
from typing import Any, List

import pytest
from command_line import run
from compat.test_old_scripts import SCRIPTS

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
        "a redirect (g4f-legacy run -p NAME, or G4F_LEGACY_REDIRECT)",
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
    assert report.needs == ["a redirect (g4f-legacy run -p NAME, or G4F_LEGACY_REDIRECT)"]


@pytest.mark.parametrize("source", ["print 'python 2'", "\0", "if True:"])
def test_a_script_that_cannot_be_read(source: str, tmp_path: Path) -> None:
    report = scan_source(source, tmp_path)
    assert report.error.startswith("cannot be read: ") and not report.is_known


class TestCommand:
    def folder(self, tmp_path: Path) -> Path:
        for name, source in {
            "bot.py": "import g4f\ng4f.ChatCompletion.create('', [], g4f.Provider.Bing)",
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
            f"{folder}/bot.py\n  providers Bing (placeholder)\n  names     ChatCompletion.create\n"
            "  needs     a redirect (g4f-legacy run -p NAME, or G4F_LEGACY_REDIRECT)\n"
            f"{folder}/sub/other.py\n  names     ChatCompletion\n",
            "",
        )

    def test_json(self, tmp_path: Path) -> None:
        code, out, _ = run("scan", "--json", str(self.folder(tmp_path)), str(tmp_path / "no_use.py"))
        said: Any = json.loads(out)
        assert code == 0 and [Path(one["path"]).name for one in said] == ["bot.py", "other.py", "no_use.py"]
        assert said[0]["providers"] == {"Bing": "placeholder"} and said[2]["names"] == {}

    def test_the_keys_of_json(self, tmp_path: Path) -> None:
        (tmp_path / "bot.py").write_text("import g4f\ng4f.Provider.Bing, g4f.Provider.Nope")
        (tmp_path / "python2.py").write_text("print 'g4f'")
        code, out, _ = run("scan", "--json", str(tmp_path))
        reports: Any = json.loads(out)
        keys = ["path", "providers", "models", "names", "needs", "reasons", "error", "is_known"]
        assert code == 1 and [list(report) for report in reports] == [keys, keys]
        assert [report["is_known"] for report in reports] == [False, False]
        assert reports[0]["error"] == "" and list(reports[0]["reasons"]) == ["Nope"]
        assert reports[1]["error"].startswith("cannot be read: ") and reports[1]["reasons"] == {}
        documented = run("scan", "--help")[1]
        assert all(key in documented for key in keys)

    def test_a_model_that_nothing_lists(self, tmp_path: Path) -> None:
        """It works: the redirect target has its own model, and a provider gets the model as it is."""
        (tmp_path / "script.py").write_text("import g4f\nC = g4f.ChatCompletion\nC.create('claude-9', [])")
        code, out, _ = run("scan", str(tmp_path / "script.py"))
        assert code == 0 and "claude-9 (unknown)" in out

    def test_control_characters_in_strings_of_a_script(self, tmp_path: Path) -> None:
        script = r"import g4f; g4f.ChatCompletion.create('\x1b[1m', [], '\x1b[31mBing')"
        (tmp_path / "script.py").write_text(script)
        code, out, _ = run("scan", str(tmp_path / "script.py"))
        assert code == 1 and "\x1b" not in out and "[31mBing (unknown)" in out

    def test_something_unknown(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import g4f\ng4f.Provider.Nope\ng4f.webdriver")
        code, out, _ = run("scan", str(tmp_path / "script.py"))
        assert code == 1 and "Nope (unknown)" in out and "webdriver (unknown)" in out
        assert "  reason    Nope: there is no provider 'Nope'. There are" in out
        (tmp_path / "script.py").write_text("print 'g4f'")
        assert run("scan", str(tmp_path))[0] == 1

    def test_nothing(self, tmp_path: Path) -> None:
        assert run("scan", str(tmp_path)) == (0, "", "No script there uses g4f.\n")
        assert run("scan", str(tmp_path / "nope.py"))[0] == 2


REDIRECT = "a redirect (g4f-legacy run -p NAME, or G4F_LEGACY_REDIRECT)"
H2O_URL = "G4F_LEGACY_H2O_URL (or a redirect)"


class TestAssignments:
    @pytest.mark.parametrize(
        "source",
        [
            "g4f.debug.check_version = False\ng4f.check_version = False\ng4f.logging = True",
            "g4f.mine = 1\nprint(g4f.mine)",
            "g4f.mine, x = 1, 2\nprint(g4f.mine)",
            "def show():\n    print(g4f.mine)\ng4f.mine = 1\nshow()",
            "def prepare():\n    g4f.mine = 1\nprepare()\nprint(g4f.mine)",
            "g4f.models.mine = g4f.Model('x', 'y', None)\ng4f.ChatCompletion.create(g4f.models.mine, [])",
            "class Mine(g4f.BaseProvider): pass\ng4f.Provider.Mine = Mine\nprint(g4f.Provider.Mine.url)",
            "g4f.Provider.Bing.mine = 1\ng4f.Provider.Bing.mine",
        ],
    )
    def test_what_a_script_assigns_itself(self, source: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.is_known and set(report.names.values()) == {"live"}

    def test_where_there_is_nothing_to_assign_to(self, tmp_path: Path) -> None:
        report = scan_source("import g4f\ng4f.nothing.mine = 1", tmp_path)
        assert report.names == {"nothing": "unknown"} and not report.is_known

    def test_names_in_the_report(self, tmp_path: Path) -> None:
        report = scan_source("import g4f\ng4f.models.mine = 1\ng4f.Provider.Mine = 2", tmp_path)
        assert report.names == {"Provider": "live", "Provider.Mine": "live", "models": "live", "models.mine": "live"}
        assert report.providers == {}

    def test_the_address_of_a_server(self, tmp_path: Path) -> None:
        source = "from g4f.Provider import H2o\nH2o.url = 'http://127.0.0.1:3000'\nH2o.create_completion('', [])"
        assert scan_source(source, tmp_path).needs == []


class TestNeeds:
    @pytest.mark.parametrize(
        "source",
        [
            "import g4f\ng4f.Provider.H2o._create_completion('', [], True)",
            "from g4f.Provider import H2o\nH2o._create_completion('', [], True)",
            "from g4f.Provider import H2o as Falcon\nfor token in Falcon._create_completion('', [], True): pass",
            "import g4f.Provider.H2o as Falcon\nFalcon._create_completion('', [], True)",
            "from g4f.Provider.H2o import _create_completion\n_create_completion('', [], True)",
            "from g4f.Provider.Providers import H2o\nH2o._create_completion('', [], True)",
            "from g4f.Provider.deprecated.H2o import H2o\nask = H2o._create_completion\nask('', [], True)",
            "from g4f.Provider import *\nH2o._create_completion('', [], True)",
            "import importlib\nimportlib.import_module('g4f.Provider.H2o')._create_completion('', [], True)",
            "import g4f\ngetattr(g4f.Provider, 'H2o')._create_completion('', [], True)",
        ],
    )
    def test_a_private_function(self, source: str, tmp_path: Path) -> None:
        report = scan_source(source, tmp_path)
        assert report.providers == {"H2o": "live"} and report.needs == [H2O_URL] and report.is_known
        assert any(name.endswith("H2o._create_completion") for name in report.names)

    @pytest.mark.parametrize("call", ["create_completion", "create_async", "create_async_generator"])
    @pytest.mark.parametrize("provider, need", [("Bing", REDIRECT), ("H2o", H2O_URL)])
    def test_a_direct_call(self, provider: str, need: str, call: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\ng4f.Provider.{provider}.{call}('gpt-4', [])", tmp_path)
        assert list(report.providers) == [provider] and report.needs == [need]

    @pytest.mark.parametrize(
        "source",
        [
            "def ask(**kwargs):\n    return g4f.ChatCompletion.create(**kwargs)",
            "def ask(*args):\n    return g4f.ChatCompletion.create(*args)",
            "def ask(provider):\n    return g4f.ChatCompletion.create('', [], provider)",
            "kwargs = {'model': 'gpt-4'}\ng4f.ChatCompletion.create(**kwargs)",
            "for provider in g4f.Provider.__providers__:\n    provider.create_completion('', [])",
            "import threading\nthreading.Thread(target=g4f.ChatCompletion.create, args=('', []))",
            "import functools\nfunctools.partial(g4f.ChatCompletion.create, model='')",
            "g4f.gui.run_gui()",
            "g4f.api.Api(g4f).run()",
        ],
    )
    def test_a_provider_that_only_a_run_can_tell(self, source: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.needs == [REDIRECT] and report.is_known

    @pytest.mark.parametrize(
        "source",
        [
            "kwargs = {'provider': g4f.Provider.Echo}\ng4f.ChatCompletion.create(**kwargs)",
            "kwargs = dict(provider='Echo')\ng4f.ChatCompletion.create('', [], **kwargs)",
            "import asyncio\nasyncio.to_thread(g4f.ChatCompletion.create, '', [], g4f.Provider.Echo)",
            "class Mine: pass\ng4f.ChatCompletion.create('', [], provider=Mine)",
            "mine = g4f.RetryProvider([g4f.Provider.Echo])\ng4f.ChatCompletion.create('', [], mine)",
            "name = 'Echo'\ng4f.ChatCompletion.create('', [], name)",
            "g4f.ChatCompletion.create('', [], g4f.Provider.OpenAI, base_url='http://127.0.0.1:1/v1')",
            "g4f.ChatCompletion.create('', [], 'OpenAI', base_url=url)",
            "g4f.ChatCompletion.create('', [], g4f.Provider.Google, auth=key)",
            "g4f.ChatCompletion.create('', [], g4f.Provider.Google, False, 'secret')",
            "g4f.ChatCompletion.create('', [], g4f.Provider.HuggingChat, cookies={'token': 'x'}, base_url=url)",
            "g4f.Provider.H2o._create_completion('', [], True, base_url='http://127.0.0.1:1')",
            "kwargs = {'base_url': url}\ng4f.Provider.H2o.create_completion('', [], **kwargs)",
            "g4f.Provider.OpenAssistant.create_completion('', [], base_url=url, access_token=key)",
            "g4f.redirect('Echo')\ng4f.ChatCompletion.create('', [], g4f.Provider.Bing)",
            "g4f.redirect('OpenAI', base_url=url)\ng4f.Provider.H2o.create_completion('', [])",
            "print(g4f.Provider.Bing.url, g4f.Provider.H2o.url, g4f.Provider.Google.url)",
            "for provider in g4f.Provider.__providers__:\n    print(provider.__name__)",
            "import llama_cpp\nprint(g4f.version)",
        ],
    )
    def test_nothing(self, source: str, tmp_path: Path) -> None:
        assert scan_source(f"import g4f\n{source}", tmp_path).needs == []

    @pytest.mark.parametrize(
        "call, needs",
        [
            ("OpenAssistant.create_completion('', [])", ["URL (or a redirect)", "AUTH (or a redirect)"]),
            ("OpenAssistant.create_completion('', [], base_url=url)", ["AUTH"]),
            ("OpenAssistant.create_completion('', [], auth=key)", ["URL (or a redirect)"]),
            ("OpenAssistant.create_completion('', [], base_url=url, auth=True)", ["AUTH"]),
            ("OpenAssistant.create_completion('', [], base_url=url, auth=None)", ["AUTH"]),
        ],
    )
    def test_what_a_call_does_not_give(self, call: str, needs: List[str], tmp_path: Path) -> None:
        report = scan_source(f"import g4f\ng4f.Provider.{call}", tmp_path)
        assert report.needs == [f"G4F_LEGACY_OPENASSISTANT_{need}" for need in needs]

    @pytest.mark.parametrize("other", ["ask('', [])", "ask('', [], **kwargs)"])
    def test_a_call_that_gives_no_server(self, other: str, tmp_path: Path) -> None:
        source = f"from g4f.Provider import H2o\nask = H2o.create_completion\nask('', [], base_url=url)\n{other}"
        assert scan_source(source, tmp_path).needs == [H2O_URL]

    def test_the_target_of_a_redirect_of_the_script(self, tmp_path: Path) -> None:
        source = "import g4f\ng4f.redirect('Google')\ng4f.ChatCompletion.create('gpt-4', [])"
        assert scan_source(source, tmp_path).needs == ["G4F_LEGACY_GOOGLE_AUTH or GEMINI_API_KEY or GOOGLE_API_KEY"]

    def test_a_script_without_g4f(self, tmp_path: Path) -> None:
        assert scan_source("import llama_cpp\nllama_cpp.Llama('x').create_completion('x')", tmp_path).needs == []

    def test_a_server_that_answers_from_a_configured_provider(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
        assert scan_source("import g4f.gui\ng4f.gui.run_gui()", tmp_path).needs == []


@pytest.mark.parametrize(
    "source, names",
    [
        ("from g4f import *", {"*"}),
        ("from g4f.Provider import *", {"Provider", "Provider.*"}),
        ("from g4f.models import *", {"models", "models.*"}),
        ("from g4f.models import *\ndefault = 5\nprint(default)", {"models", "models.*"}),
        ("from g4f.models import *\ndef f(default): print(default)", {"models", "models.*"}),
        ("from g4f.debug import *", {"debug", "debug.*"}),
    ],
)
def test_star_imports(source: str, names: Any, tmp_path: Path) -> None:
    report = scan_source(source, tmp_path)
    assert set(report.names) == names and report.models == {} and report.is_known


class TestUnknownNames:
    @pytest.mark.parametrize(
        "source",
        [
            "try:\n    from g4f import nope\nexcept ImportError:\n    nope = None\nif nope:\n    nope.x()",
            "try:\n    import g4f.nope\nexcept (ValueError, ModuleNotFoundError):\n    pass",
            "try:\n    from g4f.nope import *\nexcept Exception:\n    pass",
            "try:\n    g4f.nope()\nexcept AttributeError:\n    pass",
            "try:\n    g4f.nope()\nexcept:\n    pass",
            "if hasattr(g4f, 'nope'):\n    g4f.nope()",
            "nope = getattr(g4f, 'nope', None)\nif nope:\n    nope()",
        ],
    )
    def test_guarded(self, source: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.names["nope"] == "guarded" and report.is_known and report.reasons == {}

    def test_guarded_providers(self, tmp_path: Path) -> None:
        calls = "g4f.ChatCompletion.create('', [], g4f.Provider.Nope)\n    g4f.ChatCompletion.create('', [], 'No')"
        report = scan_source(f"import g4f\ntry:\n    {calls}\nexcept Exception as error:\n    pass", tmp_path)
        assert report.providers == {"No": "guarded", "Nope": "guarded"} and report.is_known

    @pytest.mark.parametrize(
        "source",
        [
            "g4f.nope()",
            "try:\n    from g4f import nope\nexcept AttributeError:\n    pass",
            "try:\n    g4f.nope()\nexcept (KeyError, ImportError):\n    pass",
            "try:\n    pass\nexcept Exception:\n    g4f.nope()",
            "try:\n    def f(): g4f.nope()\nexcept Exception:\n    pass",
            "try:\n    g4f.nope()\nexcept Exception:\n    pass\ng4f.nope()",
            "getattr(g4f, 'nope')",
            "import importlib\nimportlib.import_module('g4f').nope()",
            "from g4f.nope import *",
            "[g4f.nope for x in (1, 2)]",
            "lambda: g4f.nope",
            "g4f.nope.x.y",
        ],
    )
    def test_not_guarded(self, source: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.names["nope"] == "unknown" and not report.is_known and "nope" in report.reasons

    def test_modules_that_cannot_be_imported(self, tmp_path: Path) -> None:
        report = scan_source("import g4f.requests\nfrom g4f.cli import main\nimport g4f.webdriver", tmp_path)
        assert report.names == {"cli": "unknown", "requests": "unknown", "webdriver": "unknown"}
        assert "use the command g4f-legacy" in report.reasons["cli"]

    def test_modules_of_this_package(self, tmp_path: Path) -> None:
        imports = "from g4f_legacy.params import format_params\nimport g4f_legacy.transport.client\n"
        report = scan_source(f"{imports}from g4f_legacy import protocols\nprotocols.v1_path", tmp_path)
        assert report.is_known and "params.format_params" in report.names and "protocols.v1_path" in report.names
        report = scan_source(f"{imports}import g4f_legacy.nope", tmp_path)
        assert report.names["nope"] == "unknown"

    def test_an_attribute_of_a_provider(self, tmp_path: Path) -> None:
        report = scan_source("import g4f\ng4f.Provider.Bing.nope, g4f.Provider.Bing.supports_gpt_4.x", tmp_path)
        assert report.names == {"Provider.Bing.nope": "unknown"} and report.providers == {"Bing": "placeholder"}

    @pytest.mark.parametrize(
        "source",
        [
            "from g4f import models\nmodels = []\nmodels.append('x')",
            "from g4f import models\ndef f(models):\n    models.append('x')\nmodels.gpt_4",
            "from g4f import models\nclass Bot:\n    models = []\n    models.append('x')",
            "provider = g4f.Provider.Bing\nif x:\n    provider = find()\nprovider.x()",
            "provider = g4f.Provider.Bing\nfor provider in x:\n    provider.x()",
        ],
    )
    def test_variables_that_stand_for_something_else(self, source: str, tmp_path: Path) -> None:
        assert scan_source(f"import g4f\n{source}", tmp_path).is_known

    def test_modules_of_a_copy_of_g4f(self, tmp_path: Path) -> None:
        """They are not reported: nobody knows which modules it has."""
        source = "from lib import g4f\nfrom lib.g4f.extra import x\ng4f.extra.y, g4f.Provider.Own, g4f.Provider.Bing"
        report = scan_source(source, tmp_path)
        assert report.is_known and report.providers == {"Bing": "placeholder"}
        assert scan_source("import cogs.g4f\ncogs.g4f.setup()", tmp_path).is_known
        assert scan_source("from .g4f import setup", tmp_path).is_known

    @pytest.mark.parametrize(
        "source, name",
        [
            ("g4f.Provider.Bing()", "Provider.Bing()"),
            ("g4f.Provider.H2o()", "Provider.H2o()"),
            ("from g4f.Provider import Bing\nBing().create_completion('', [])", "Provider.Bing()"),
            ("g4f.version()", "version()"),
            ("g4f.version.utils", "version.utils"),
            ("g4f.version.utils.x()", "version.utils"),
            ("g4f.debug.logging.nope", "debug.logging.nope"),
            ("g4f.Provider.__all__.nope", "Provider.__all__.nope"),
        ],
    )
    def test_what_values_cannot_do(self, source: str, name: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.names[name] == "unknown" and not report.is_known and name in report.reasons

    @pytest.mark.parametrize(
        "source",
        [
            "class Mine(g4f.Provider.Bing): pass",
            "g4f.Model('x', 'y', None)\ng4f.RetryProvider([])",
            "g4f.version.upper().nope\ng4f.Provider.__all__.index('Bing')",
            "g4f.debug.logging = print\ng4f.debug.logging()",
            "try:\n    g4f.Provider.Bing()\nexcept TypeError:\n    pass",
        ],
    )
    def test_what_values_can_do(self, source: str, tmp_path: Path) -> None:
        report = scan_source(f"import g4f\n{source}", tmp_path)
        assert report.is_known and report.reasons == {}

    def test_providers_are_no_classes(self, tmp_path: Path) -> None:
        source = "import inspect\nfrom g4f import Provider\ninspect.getmembers(Provider, inspect.isclass)"
        report = scan_source(source, tmp_path)
        assert report.is_known and report.reasons == {
            "inspect.isclass": "providers are modules here: use inspect.ismodule"
        }
        assert scan_source("import g4f, inspect\ninspect.isclass(g4f.Model)", tmp_path).reasons == {}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_that_run(name: str, tmp_path: Path) -> None:
    """What `test_old_scripts` runs is known."""
    report = scan_source(SCRIPTS[name][0], tmp_path)
    assert report.is_known and report.reasons == {} and report.error == ""


class TestFiles:
    @pytest.mark.parametrize("name, source", [("n.ipynb", ""), ("n.py", '{"cells": [], "metadata": {"x": null}}')])
    def test_a_notebook(self, name: str, source: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text(source)
        [report] = scan_scripts([str(tmp_path / name)])
        assert report.error == "is a notebook: convert it with `jupyter nbconvert --to script`"
        assert not report.is_known and run("scan", str(tmp_path / name))[0] == 1
        for other in ("[]", "{}", "1", "null", '"cells"'):
            assert scan_source(other, tmp_path).is_known

    def test_the_name_of_a_file_with_an_error(self, tmp_path: Path) -> None:
        assert scan_source("if True:", tmp_path).error.endswith("(script.py, line 1)")

    def test_encodings(self, tmp_path: Path) -> None:
        path = tmp_path / "script.py"
        for source in (
            b"\xef\xbb\xbfimport g4f\ng4f.Provider.Bing",
            "# coding: cp1251\nimport g4f\nprint('Привет')\ng4f.Provider.Bing".encode("cp1251"),
        ):
            path.write_bytes(source)
            [report] = scan_scripts([str(tmp_path)])
            assert report.providers == {"Bing": "placeholder"}
        for source in (b"import g4f\nprint('\xe9')", b"# coding: nope\nimport g4f"):
            path.write_bytes(source)
            [report] = scan_scripts([str(tmp_path)])
            assert report.error.startswith("cannot be read: ") and not report.is_known

    def test_an_empty_file(self, tmp_path: Path) -> None:
        assert scan_source("", tmp_path) == Report(str(tmp_path / "script.py"))

    def test_warnings_about_a_script_are_not_shown(self, tmp_path: Path) -> None:
        assert scan_source("import g4f\nprint('\\d')", tmp_path).is_known  # a warning would be an error here

    def test_deep_nesting(self, tmp_path: Path) -> None:
        branches = "\n".join(f"elif x == {number}: pass" for number in range(700))
        report = scan_source(f"import g4f\nif x: pass\n{branches}\nelse: g4f.nope", tmp_path)
        assert report.names == {"nope": "unknown"}
        for source in ("-" * 100_000 + "1", "(" * 1000 + ")" * 1000):
            assert scan_source(source, tmp_path).error.startswith("cannot be read: ")

    def test_many_lines(self, tmp_path: Path) -> None:
        report = scan_source("import g4f\n" + "x = g4f.Provider.Bing.url + str(x)\n" * 20_000, tmp_path)
        assert report.providers == {"Bing": "placeholder"}

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
    def test_what_is_not_a_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo.py")
        (tmp_path / "folder.py").mkdir()
        (tmp_path / "folder.py" / "script.py").write_text("import g4f\ng4f.Provider.Bing")
        (tmp_path / "loop.py").symlink_to("loop.py")
        (tmp_path / "folder").symlink_to(tmp_path)
        (tmp_path / "broken.py").symlink_to("nothing.py")
        assert [report.path for report in scan_scripts([str(tmp_path)])] == [str(tmp_path / "folder.py" / "script.py")]

    def test_a_file_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "script.py").write_text("import g4f")

        def read_bytes(path: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        [report] = scan_scripts([str(tmp_path)])
        assert report.error == "cannot be read: Permission denied" and not report.is_known
