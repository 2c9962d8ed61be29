"""``import g4f`` in scripts that ``g4f-legacy run`` runs."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from processes import ASK, python, run, start

from g4f_legacy.compat import g4f_alias


class TestImportsOfG4f:
    def test_all_imports(self, tmp_path: Path) -> None:
        """In modules that the script imports, in copies within other packages, in lower case."""
        (tmp_path / "bot").mkdir()
        (tmp_path / "bot" / "__init__.py").write_text("from .lib.g4f import Provider\nfrom .lib import g4f\n")
        (tmp_path / "bot" / "lib").mkdir()
        (tmp_path / "bot" / "lib" / "__init__.py").write_text("")
        (tmp_path / "g4f").mkdir()
        (tmp_path / "g4f" / "__init__.py").write_text("raise RuntimeError('the old package')")
        (tmp_path / "script.py").write_text(f"""
import bot, g4f, g4f_legacy, importlib
import g4f.Provider.Providers.You as You
import g4f.Provider.Bing
from g4f.Provider.Bing import Bing
from g4f.Provider.deprecated import AiService
import g4f.provider
from g4f.models import gpt_4
import g4f.typing, g4f.errors, g4f.debug, g4f.Provider.helper
print(g4f is g4f_legacy, bot.g4f is g4f, bot.Provider is g4f.Provider)
print(You is g4f.Provider.You, Bing is g4f.Provider.Bing)
print(importlib.import_module("g4f.Provider.Providers.H2o") is g4f.Provider.H2o, g4f.__spec__.name, {ASK})
""")
        code, out, err = run("script.py", cwd=tmp_path)
        assert (code, err) == (0, "")
        assert out == "True True True\nTrue True\nTrue g4f_legacy Hello\n"

    @pytest.mark.parametrize(
        "name, hint",
        [
            ("g4f.nothing", "g4f_legacy has no such module"),
            ("g4f.transport", "g4f_legacy has no such module"),
            ("g4f.Provider.Nothing", "g4f_legacy has no such module"),
            ("g4f.Provider.Providers.Nothing", "g4f_legacy has no such module"),
            ("g4f.cli", "use the command g4f-legacy"),
            ("g4f.requests", "it wrapped curl_cffi; use requests"),
            ("g4f.webdriver", "it drove a browser, which no provider here needs"),
        ],
    )
    def test_missing_modules(self, name: str, hint: str, tmp_path: Path) -> None:
        script = f"try:\n    import {name}\nexcept ModuleNotFoundError as e:\n    print(e, e.name)"
        (tmp_path / "script.py").write_text(script)
        assert run("script.py", cwd=tmp_path) == (0, f"No module named '{name}': {hint} {name}\n", "")

    def test_the_servers_of_2023(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("""
import g4f.api, sys
from g4f.gui import run_gui
from g4f.interference import run_interference
print(g4f.api.__name__, run_gui.__module__, run_interference.__module__, "flask" in sys.modules)
""")
        names = "g4f_legacy.api g4f_legacy.gui g4f_legacy.interference"
        assert run("script.py", cwd=tmp_path) == (0, f"{names} False\n", "")

    def test_a_module_that_needs_another_one(self, tmp_path: Path) -> None:
        """Its error is the one that Python raises."""
        (tmp_path / "flask.py").write_text("raise ModuleNotFoundError('no flask', name='flask')")
        script = "try:\n    import g4f.server\nexcept ModuleNotFoundError as e:\n    print(e.name)"
        (tmp_path / "script.py").write_text(script)
        assert run("script.py", cwd=tmp_path) == (0, "flask\n", "")

    def test_a_module_of_the_script_that_is_called_g4f(self, tmp_path: Path) -> None:
        (tmp_path / "cogs").mkdir()
        (tmp_path / "cogs" / "g4f.py").write_text("import g4f\nx = g4f.Provider.Bing.url")
        (tmp_path / "script.py").write_text("import cogs.g4f\nprint(cogs.g4f.x)")
        assert run("script.py", cwd=tmp_path) == (0, "https://bing.com/chat\n", "")

    @pytest.mark.parametrize("arguments", [["script.py"], ["-m", "script"]])
    def test_another_package_that_a_pth_file_imported(self, arguments: Any, tmp_path: Path) -> None:
        site = tmp_path / "site"
        (site / "g4f" / "Provider").mkdir(parents=True)
        (site / "g4f" / "__init__.py").write_text("from . import Provider")
        (site / "g4f" / "Provider" / "__init__.py").write_text("")
        (site / "g4f.pth").write_text(f"import sys; sys.path.insert(0, {str(site)!r}); import g4f")
        (tmp_path / "script.py").write_text(f"""
import concurrent.futures, multiprocessing, sys
import g4f, g4f.Provider
from g4f.Provider import Bing

def ask(prompt):
    import g4f
    return {ASK}

print(*[module.__name__ for name, module in sys.modules.items() if name.partition(".")[0] == "g4f"])
print(Bing.url, ask("Hello"))
if "fork" in multiprocessing.get_all_start_methods():
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(ask, "Hello").result() == "Hello"
""")
        code = f"import site\nsite.addsitedir({str(site)!r})\nfrom g4f_legacy.__main__ import run\nrun()"
        process = start("-c", code, "run", "--to", "Echo", *arguments, cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.splitlines() == ["g4f_legacy g4f_legacy.Provider", "https://bing.com/chat Hello"]

    def test_only_in_scripts(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import g4f_legacy, g4f_legacy.compat.script_runner\nimport g4f")
        code, out, err = python("script.py", cwd=tmp_path)
        assert (code, out) == (1, "") and err.endswith("ModuleNotFoundError: No module named 'g4f'\n")


class TestExportedPath:
    @pytest.mark.parametrize("others", ["", "a", ":", "a::b", "a:DROP_IN:b", "DROP_IN", "DROP_IN:a"])
    def test_the_folder_precedes_what_is_there(self, others: str, monkeypatch: pytest.MonkeyPatch) -> None:
        others = others.replace(":", os.pathsep)
        monkeypatch.setenv("PYTHONPATH", others.replace("DROP_IN", g4f_alias.DROP_IN))
        g4f_alias.export_path()
        first, *rest = os.environ["PYTHONPATH"].split(os.pathsep)
        assert first == g4f_alias.DROP_IN
        # An empty entry is the current folder, which an empty variable is not.
        assert rest == ([name for name in others.split(os.pathsep) if name != "DROP_IN"] if others else [])

    def test_a_program_that_does_not_contain_the_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(g4f_alias, "DROP_IN", str(tmp_path))
        monkeypatch.delenv("PYTHONPATH", raising=False)
        g4f_alias.export_path()
        assert "PYTHONPATH" not in os.environ


class TestVendoredCopy:
    """A copy of g4f in another package: this package's modules, and those that only the copy has."""

    @pytest.fixture(autouse=True)
    def copy(self, tmp_path: Path) -> Path:
        copy = tmp_path / "lib" / "g4f"
        files = {
            "__init__.py": "raise RuntimeError('the old package')",
            "models.py": "raise RuntimeError('the old models')",
            "typing.py": "raise RuntimeError('the old types')",
            "utils.py": """
from . import Provider
from .more import other
from .. import around
from .Provider.MyBot import MyBot

name, package, file, spec = __name__, __package__, __file__, __spec__
""",
            "server.py": "raise RuntimeError('an old server')",
            "../../flask.py": "raise ModuleNotFoundError(\"No module named 'flask'\", name='flask')",
            "more/__init__.py": "from . import other",
            "more/other.py": "from ..models import gpt_4",
            "data/values.py": "x = 5",
            "Provider/__init__.py": "from .MyBot import MyBot; raise RuntimeError('the old package')",
            "Provider/Bing.py": "raise RuntimeError('an old provider')",
            "Provider/MyBot.py": """
from ..typing import AsyncResult, Messages
from . import helper
from .base_provider import AsyncGeneratorProvider
from .Bing import Bing
from ..models import gpt_4

class MyBot(AsyncGeneratorProvider):
    url = "https://example.com"
""",
            "Provider/Plain.py": "from ... import around\nfrom .. import models\nurl = around.x",
            "Provider/deprecated/Old.py": "from ..Bing import Bing\nfrom .. import H2o\nclass Old: pass",
            "Provider/Broken.py": "import nothing_of_this_name",
            "Provider/Failing.py": "1 / 0",
        }
        for name, source in {**files, "../__init__.py": "", "../around.py": "x = 7"}.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(source)
        return copy

    def run(self, code: str, tmp_path: Path) -> Any:
        (tmp_path / "script.py").write_text(code)
        return run("script.py", cwd=tmp_path)

    @pytest.mark.parametrize(
        "code",
        [
            "from lib.g4f.utils import Provider, around; assert around.x == 7 and Provider.Bing.url",
            "import lib.g4f.utils as u; assert u.other.gpt_4.name == 'gpt-4'",
            "from lib.g4f import utils; assert (utils.name, utils.package) == ('lib.g4f.utils', 'lib.g4f')",
            "from lib.g4f import utils; assert utils.spec is utils.__spec__ and utils.spec.origin == utils.file",
            "import lib.g4f; assert lib.g4f.utils.other.gpt_4.name == 'gpt-4'",
            "from lib.g4f.more import other; assert other.gpt_4.name == 'gpt-4'",
            "from lib.g4f.data.values import x; assert x == 5",
            "from lib.g4f.Provider.MyBot import MyBot; assert MyBot.url == 'https://example.com'",
            "from lib.g4f.Provider import MyBot, Bing; assert MyBot.url and isinstance(MyBot, type)",
            "import lib.g4f; assert lib.g4f.Provider.MyBot.url and lib.g4f.Provider.MyBot.url",
            "import lib.g4f.Provider.MyBot; assert isinstance(lib.g4f.Provider.MyBot, type)",
            "from lib import g4f; assert g4f.Provider.Plain.url == 7",
            "from lib.g4f.Provider.deprecated.Old import Old; assert isinstance(Old, type)",
            "from lib.g4f.Provider.deprecated import Bing, Old; assert isinstance(Old, type)",
        ],
    )
    def test_its_own_modules(self, code: str, tmp_path: Path) -> None:
        assert self.run(code, tmp_path) == (0, "", "")

    def test_modules_of_this_package(self, tmp_path: Path) -> None:
        code = f"""
import g4f as original
from lib import g4f
import lib.g4f.models, lib.g4f.Provider.Bing, lib.g4f.Provider.helper, lib.g4f.errors
from lib.g4f.Provider.Bing import Bing
from lib.g4f.Provider import *
print({ASK}, Bing is original.Provider.Bing is g4f.Provider.Bing, g4f.models is original.models)
print(g4f.ChatCompletion is original.ChatCompletion, dir(g4f) == dir(original), g4f.__name__, H2o.url)
print(g4f.models.__spec__.name, original.Provider.helper.__spec__.name, hasattr(Bing, "__file__"))
g4f.logging = True
print(original.logging, hasattr(g4f, "nothing"), hasattr(g4f.Provider, "Nothing"), hasattr(original, "utils"))
"""
        out = "Hello True True\nTrue True lib.g4f https://gpt-gm.h2o.ai\n"
        out += "g4f_legacy.models g4f_legacy.compat.helper False\nTrue False False False\n"
        assert self.run(code, tmp_path) == (0, out, "")

    def test_a_copy_without_files(self, copy: Path, tmp_path: Path) -> None:
        shutil.rmtree(copy)
        code = """
import g4f, sys, lib.g4f.Provider.Bing
print(lib.g4f is g4f, sys.modules["lib.g4f.Provider"] is g4f.Provider, lib.g4f.Provider.Bing is g4f.Provider.Bing)
try:
    import lib.g4f.transport
except ModuleNotFoundError as error:
    print(error)
"""
        error = "No module named 'lib.g4f.transport': g4f_legacy has no such module"
        assert self.run(code, tmp_path) == (0, f"True True True\n{error}\n", "")

    @pytest.mark.parametrize(
        "statement, error",
        [
            ("import lib.g4f.nothing", "No module named 'lib.g4f.nothing': g4f_legacy has no such module"),
            ("import lib.g4f.Provider.Nothing", "No module named 'lib.g4f.Provider.Nothing': g4f_legacy has no"),
            ("from lib.g4f import nothing", "cannot import name 'nothing' from 'lib.g4f'"),
            ("import lib.g4f.Provider.Broken", "No module named 'nothing_of_this_name'"),
            ("from lib.g4f.Provider import Failing", "division by zero"),
            ("import lib.g4f.server", "No module named 'flask'"),
        ],
    )
    def test_errors(self, statement: str, error: str, tmp_path: Path) -> None:
        code, out, err = self.run(statement, tmp_path)
        assert (code, out) == (1, "")
        assert err.startswith("Traceback") and error in err

    def test_threads(self, tmp_path: Path) -> None:
        """They wait for each other's imports, as elsewhere."""
        code = """
import importlib, sys, threading
sys.setswitchinterval(1e-5)

def use(name):
    start.wait()
    found.append(importlib.import_module(f"lib.g4f.{name}"))

found, start, names = [], threading.Barrier(12), ["utils", "Provider.MyBot", "Provider.Bing"]
threads = [threading.Thread(target=use, args=(name,), daemon=True) for name in names * 4]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
print(len(found), len(set(found)))
"""
        assert self.run(code, tmp_path) == (0, "12 3\n", "")

    def test_a_package_of_another_name(self, tmp_path: Path) -> None:
        """The package that contains a copy may lack an ``__init__.py``, as in a checkout of the old repository."""
        (tmp_path / "lib" / "__init__.py").unlink()
        code = "from lib.g4f import utils, Provider; import lib.g4f; print(Provider.MyBot.url, utils.name)"
        assert self.run(code, tmp_path) == (0, "https://example.com lib.g4f.utils\n", "")
