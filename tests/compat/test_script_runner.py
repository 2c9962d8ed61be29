import atexit
import io
import os
import signal
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from processes import ASK, python, run, start
from replay import load, wait_after_first_token

from g4f_legacy import registry
from g4f_legacy.compat import redirects
from g4f_legacy.compat.script_runner import run_script
from g4f_legacy.server import create_app, serve_in_background

PRINT_MAIN = """
import sys
print(__name__, sys.argv, sys.path, globals().get("__file__"), sys.modules["__main__"].__dict__ is globals())
print(__spec__ and __spec__.name, __package__)
"""


class TestLikePython:
    """A script sees of itself what it sees when ``python`` runs it."""

    def compare(self, tmp_path: Path, *arguments: str, stdin: str = "") -> None:
        expected = python(*arguments, cwd=tmp_path, stdin=stdin)
        assert run(*arguments, cwd=tmp_path, stdin=stdin) == expected
        assert expected[0] == 0 and expected[1]

    def test_a_script(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "script.py").write_text(PRINT_MAIN)
        self.compare(tmp_path, "folder/script.py", "--to", "-m", "--", "x")
        self.compare(tmp_path, str(tmp_path / "folder" / "script.py"))

    def test_stdin(self, tmp_path: Path) -> None:
        self.compare(tmp_path, "-", "a", "-b", stdin=PRINT_MAIN)

    def test_a_module(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text(PRINT_MAIN)
        self.compare(tmp_path, "-m", "script", "--flag", "x")

    def test_a_package(self, tmp_path: Path) -> None:
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "__init__.py").write_text("")
        (tmp_path / "package" / "__main__.py").write_text(PRINT_MAIN)
        self.compare(tmp_path, "-m", "package", "x")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "__main__.py").write_text("import sys, other\nprint(__name__, sys.argv, other.x)\n")
        (tmp_path / "folder" / "other.py").write_text("x = 5")
        self.compare(tmp_path, "folder", "x")

    def test_an_archive(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "script.zip", "w") as archive:
            archive.writestr("__main__.py", "import sys, other\nprint(__name__, sys.argv, other.x)\n")
            archive.writestr("other.py", "x = 5")
        self.compare(tmp_path, "script.zip", "x")

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "script.py").write_text("import other\nprint(other.x, __file__)")
        (tmp_path / "folder" / "other.py").write_text("x = 5")
        (tmp_path / "link.py").symlink_to(tmp_path / "folder" / "script.py")
        self.compare(tmp_path, "link.py")

    def test_its_own_logging(self, tmp_path: Path) -> None:
        script = "import logging, sys\nlogging.basicConfig(level='INFO', stream=sys.stdout)\nlogging.info('mine')"
        (tmp_path / "script.py").write_text(script)
        self.compare(tmp_path, "script.py")

    def test_a_source_encoding(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_bytes("# coding: cp1251\nprint('Привет')\n".encode("cp1251"))
        self.compare(tmp_path, "script.py")

    @pytest.mark.parametrize(
        "script, code",
        [
            ("raise SystemExit(7)", 7),
            ("import sys; sys.exit('bye')", 1),
            ("import sys; sys.exit()", 0),
            ("1 / 0", 1),
            ("def f():\n    raise ValueError('Привет')\n\ntry:\n    1 / 0\nexcept Exception:\n    f()", 1),
            ("import os; os._exit(9)", 9),
            ("import sys; sys.excepthook = lambda kind, *rest: print('hook', kind.__name__)\n1 / 0", 1),
            ("import other", 1),
            ("this is a syntax error", 1),
            ("import asyncio\nasync def f():\n    raise ValueError(5)\nasyncio.run(f())", 1),
        ],
    )
    def test_exit_codes(self, script: str, code: int, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text(script, "utf-8")
        (tmp_path / "other.py").write_text("def f():\n    raise KeyError(5)\nf()")
        expected = python("script.py", cwd=tmp_path)
        done = run("script.py", cwd=tmp_path)
        assert done == expected and done[0] == code
        assert "g4f_legacy" not in done[2] and "runpy" not in done[2]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT of this kind")
    def test_an_interrupt(self, tmp_path: Path) -> None:
        script = "import atexit, time\natexit.register(print, 'bye')\nprint('ready', flush=True)\ntime.sleep(60)\n"
        (tmp_path / "script.py").write_text(script)
        ends = []
        for prefix in ([], ["-m", "g4f_legacy", "run"]):
            process = start(*prefix, "script.py", cwd=tmp_path)
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(0.5)  # until it sleeps
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            ends.append((process.returncode, out, err))
        assert ends[0] == ends[1] and ends[1][0] == -signal.SIGINT
        assert "KeyboardInterrupt" in ends[1][2]

    @pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
    def test_termination(self, name: str, play: Any, tmp_path: Path) -> None:
        """The generation is stopped and the conversation deleted, and the process ends by the signal."""
        if not hasattr(signal, name):
            pytest.skip(f"there is no {name} on this system")
        gate = threading.Event()
        replay = play(wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20)))
        script = (
            "import atexit, g4f\natexit.register(print, 'bye')\nmessages = [{'role': 'user', 'content': 'hello'}]\n"
        )
        ask = "for token in g4f.ChatCompletion.create('falcon-40b', messages, g4f.Provider.H2o, stream=True):\n"
        (tmp_path / "script.py").write_text(f"{script}{ask}    print(token, flush=True)")
        command = ["-m", "g4f_legacy", "run", "-p", "H2o", "--base-url", replay.url, "script.py"]
        process = start(*command, cwd=tmp_path)
        assert process.stdout is not None and process.stdout.readline() == "one\n"
        process.send_signal(getattr(signal, name))
        assert process.communicate(timeout=30) == ("bye\n", "")
        gate.set()
        assert process.returncode == -getattr(signal, name)
        assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE ")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM of this kind")
    def test_a_thread_that_does_not_end(self, tmp_path: Path) -> None:
        """Python waits for it; the process is ended all the same."""
        thread = "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()\n"
        (tmp_path / "script.py").write_text(f"{thread}print('ready', flush=True)\ntime.sleep(60)")
        shorten = "from g4f_legacy.concurrency import termination as t; t.MAX_CLEAN_UP_TIME = 0.5"
        code = f"{shorten}; import sys; sys.argv[1:] = ['run', 'script.py']; from g4f_legacy.__main__ import run; run()"
        process = start("-c", code, cwd=tmp_path)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGTERM


class TestWithoutTarget:
    message = "g4f-legacy: no provider is configured that serves gpt-4 (in 2023: Bing, closed), and there is no "
    direct_message = "g4f-legacy: Bing is gone, and there is no redirect for its calls. Send them to a server of "

    @pytest.mark.parametrize(
        "script",
        [
            f"print('before', flush=True)\n{ASK}\nprint('after')",
            f"print('before')\ntry:\n    {ASK}\nexcept Exception:\n    print('after')",
            f"print('before')\nwhile True:\n    try:\n        {ASK}\n    except:\n        pass",
            "print('before')\nimport threading\n"
            f"t = threading.Thread(target=lambda: {ASK})\nt.start(); t.join()\nprint('after')",
            "print('before')\nimport asyncio\nasync def f():\n"
            f"    await {ASK.replace('create', 'create_async')}\nasyncio.run(f())\nprint('after')",
            "print('before')\nnext(g4f.Provider.Bing.create_completion('', [{'role': 'user', 'content': 'x'}]))",
        ],
        ids=["plain", "except Exception", "except", "thread", "asyncio", "direct"],
    )
    def test_the_script_ends_at_its_first_completion(self, script: str, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import g4f\n" + script)
        code, out, err = run("script.py", cwd=tmp_path, to=())
        assert (code, out) == (4, "before\n")
        message = self.direct_message if "g4f.Provider.Bing" in script else self.message
        assert err.startswith(message) and "Echo" in err and "Traceback" not in err

    def test_tasks_that_are_left_say_nothing(self, tmp_path: Path) -> None:
        script = """
import asyncio, g4f
async def main():
    calls = [provider.create_async("", [{"role": "user", "content": "x"}]) for provider in g4f.Provider.__providers__]
    await asyncio.gather(*calls)
asyncio.run(main())
"""
        (tmp_path / "script.py").write_text(script)
        code, out, err = run("script.py", cwd=tmp_path, to=())
        assert code == 4 and err.startswith("g4f-legacy: ") and err.count("there is no redirect") == 1
        assert "Traceback" not in err and "Task" not in err and "never" not in err

    @pytest.mark.parametrize("name, code", [("Nope", 2), ("Bing", 4)])
    def test_an_environment_that_names_no_target(self, name: str, code: int, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("print('started')")
        done = run("script.py", cwd=tmp_path, to=(), G4F_LEGACY_REDIRECT=name)
        assert done[:2] == (code, "") and done[2].startswith("g4f-legacy: ") and name in done[2]

    def test_credentials_for_the_target_of_the_environment(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text(
            "from g4f_legacy.compat.redirects import current_target as c\n"
            "print(c().provider.__name__, c().model, c().options['base_url'], str(c().options['auth']))"
        )
        url = "http://127.0.0.1:1/v1"
        target = {"G4F_LEGACY_REDIRECT": "OpenAI", "G4F_LEGACY_REDIRECT_URL": url}
        done = run("--model", "m", "--auth", "key", "script.py", cwd=tmp_path, to=(), **target)
        assert done == (0, f"OpenAI m {url} key\n", "")

    def test_a_provider_without_a_server(self, tmp_path: Path) -> None:
        script = 'import g4f\ng4f.ChatCompletion.create("", [{"role": "user", "content": "x"}], g4f.Provider.H2o)'
        (tmp_path / "script.py").write_text(script)
        code, out, err = run("script.py", cwd=tmp_path, to=())
        assert code == 4 and err.startswith("g4f-legacy: H2o is gone")

    def test_a_script_without_completions(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("import g4f\nprint(g4f.Provider.Bing.url)")
        assert run("script.py", cwd=tmp_path, to=()) == (0, "https://bing.com/chat\n", "")

    def test_with_a_configured_provider_the_script_goes_on(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("""
import g4f
for provider in (g4f.Provider.Bing, g4f.Provider.OpenAI):
    try:
        print(g4f.ChatCompletion.create("", [{"role": "user", "content": "Hello"}], provider))
    except Exception as error:
        print(type(error).__name__)
g4f.ChatCompletion.create("", [{"role": "user", "content": "Hello"}], g4f.Provider.Bing)
""")
        with serve_in_background(create_app("Echo"), threads=2) as url:
            code, out, err = run("script.py", cwd=tmp_path, to=(), OPENAI_BASE_URL=url)
        assert (code, out) == (4, "ProviderNotWorkingError\nHello\n")
        assert err.startswith("Traceback") and 'script.py", line 8' in err and "Send them to a server" in err

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_the_error_in_a_forked_process_reaches_its_parent(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text(f"""
import g4f, os
child = os.fork()
if child == 0:
    try:
        {ASK}
    except g4f.errors.ProviderNotWorkingError:
        os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else 9)
""")
        assert run("script.py", cwd=tmp_path, to=()) == (0, "9\n", "")

    def test_the_environment(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text(f"import g4f\nprint({ASK})")
        assert run("script.py", cwd=tmp_path, to=(), G4F_LEGACY_REDIRECT="Echo") == (0, "Hello\n", "")
        assert run("--model", "x", "script.py", cwd=tmp_path, to=(), G4F_LEGACY_REDIRECT="Echo") == (0, "Hello\n", "")


class TestUsage:
    @pytest.mark.parametrize(
        "arguments, message",
        [
            (["nope.py"], "g4f-legacy: [Errno 2] No such file or directory: 'nope.py'"),
            (["-m"], "g4f-legacy: -m needs the name of a module"),
            (
                ["-m", "llama3", "."],
                "g4f-legacy: there is no module 'llama3' to run: if it is the model, write --model",
            ),
            ([], "usage: g4f-legacy run [-h] [-v] [-p NAME]"),
            (["--to"], "usage: g4f-legacy run"),
            (["--to", "", "x.py"], "g4f-legacy: --provider is empty: give a value, or leave it out"),
            (["--to", "Nope", "x.py"], "g4f-legacy: there is no provider 'Nope'"),
            (["--nope", "x.py"], "usage: g4f-legacy"),
        ],
    )
    def test_wrong_usage(self, arguments: Any, message: str, tmp_path: Path) -> None:
        code, out, err = run(*arguments, cwd=tmp_path, to=())
        assert (code, out) == (2, "") and err.startswith(message)

    def test_an_unavailable_target(self, tmp_path: Path) -> None:
        code, out, err = run("x.py", cwd=tmp_path, to=("--to", "Bing"))
        message = "Bing is gone itself, and cannot be a redirect target"
        assert code == 4 and err == f"g4f-legacy: {message}: there are {', '.join(registry.names())}\n"
        code, out, err = run("x.py", cwd=tmp_path, to=("--to", "H2o"))
        assert code == 4 and err.endswith("Give it a server with --base-url or G4F_LEGACY_H2O_URL.\n")

    def test_help(self, tmp_path: Path) -> None:
        assert "-m MODULE" in run("--help", cwd=tmp_path, to=())[1]


class TestInThisProcess:
    """The same without another process."""

    @pytest.fixture(autouse=True)
    def restore(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        for name, value in (("argv", sys.argv), ("path", list(sys.path)), ("meta_path", list(sys.meta_path))):
            monkeypatch.setattr(sys, name, value)
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        monkeypatch.setattr(redirects, "on_missing_target", None)
        monkeypatch.setattr(atexit, "register", lambda call: call)
        monkeypatch.chdir(tmp_path)
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] in ("g4f", "inner")]:
            del sys.modules[name]

    def run(self, source: str, *target: str) -> Any:
        """Return the exit code of a script, a folder or a module."""
        Path("inner.py").write_text(source)
        Path("folder").mkdir(exist_ok=True)
        Path("folder", "__main__.py").write_text(source)
        with pytest.raises(SystemExit) as raised:
            run_script(target or ["inner.py"])
        return raised.value.code

    @pytest.mark.parametrize("target", [["inner.py", "a"], ["folder", "a"], ["-m", "inner", "a"]])
    def test_each_way(self, target: Any, capsys: pytest.CaptureFixture[str]) -> None:
        source = "import sys, g4f, g4f.Provider.Bing\nprint(__name__, sys.argv[1:], g4f.__name__)\nsys.exit(3)"
        assert self.run(source, *target) == 3
        assert capsys.readouterr().out == "__main__ ['a'] g4f_legacy\n"

    def test_stdin(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"print(__file__)")))
        assert self.run("", "-") == 0 and capsys.readouterr().out == "<stdin>\n"

    @pytest.mark.parametrize(
        "source, code, message",
        [
            ("1 / 0", 1, "ZeroDivisionError: division by zero"),
            ("import g4f.nothing", 1, "ModuleNotFoundError: No module named 'g4f.nothing'"),
            ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
            ("this is a syntax error", 1, "SyntaxError: invalid syntax"),
            (f"import g4f\n{ASK}", 4, "g4f-legacy: no provider is configured that serves gpt-4"),
        ],
    )
    def test_exit_codes(self, source: str, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(source) == code
        assert message in capsys.readouterr().err

    def test_with_a_configured_provider(self, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
        source = 'import g4f\ng4f.ChatCompletion.create("", [{"role": "user", "content": "x"}], "Bing")'
        assert self.run(source) == 4
        err = capsys.readouterr().err
        assert err.startswith("Traceback") and "ProviderNotWorkingError: Bing is gone" in err
