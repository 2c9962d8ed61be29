"""Tracebacks of scripts end in the script."""

import re
import signal
import sys
import threading
import zipfile
from pathlib import Path, PurePath
from typing import Any

import pytest
from processes import finish, python, run, start

import g4f_legacy
from g4f_legacy.compat import traceback_folding
from g4f_legacy.compat.traceback_folding import fold_thread_errors, print_uncaught_error

NOTICE = "g4f-legacy: Frames of g4f_legacy, requests and urllib3 are not shown. Use g4f-legacy run -v to see them.\n"
FOLDED = ("completion.py", "requester.py", "connectionpool.py", "adapters.py", "http/client.py", "NewConnectionError")
# A completion whose server refuses the connection.
ASK = """
import g4f
def arguments():
    messages = [{"role": "user", "content": "Hello"}]
    return dict(model="", messages=messages, provider=g4f.Provider.OpenAI, base_url="http://127.0.0.1:1/v1", retries=0)
"""
ERROR = "g4f_legacy.errors.RequestFailedError: OpenAI: no response: Connection refused"


def run_script(script: str, tmp_path: Path, *flags: str, **environment: str) -> Any:
    """Return the exit code, stdout and stderr of ``g4f-legacy run`` with a script, ``script.py``."""
    (tmp_path / "script.py").write_text(script, "utf-8")
    return run(*flags, "script.py", cwd=tmp_path, **environment)


def shown_files(err: str) -> list[str]:
    """Return the names of the files in a traceback, in their order."""
    lines = [line.strip(" |") for line in err.splitlines()]
    return [PurePath(line.split('"')[1]).name for line in lines if line.startswith('File "')]


class TestScripts:
    def test_a_completion(self, tmp_path: Path) -> None:
        code, out, err = run_script(f"{ASK}\ng4f.ChatCompletion.create(**arguments())", tmp_path)
        assert (code, out) == (1, "")
        assert shown_files(err) == ["script.py"] and err.startswith("Traceback (most recent call last):\n")
        assert err.splitlines()[-2].startswith(ERROR) and err.endswith(NOTICE) and err.count(NOTICE) == 1

    def test_all_frames_on_request(self, tmp_path: Path) -> None:
        code, _, err = run_script(f"{ASK}\ng4f.ChatCompletion.create(**arguments())", tmp_path, "-v")
        assert code == 1 and all(text in err for text in FOLDED) and NOTICE not in err

    def test_asynchronous(self, tmp_path: Path) -> None:
        script = f"{ASK}\nimport asyncio\nasync def main():\n    await g4f.ChatCompletion.create_async(**arguments())\n"
        code, _, err = run_script(f"{script}asyncio.run(main())", tmp_path)
        files = shown_files(err)
        assert code == 1 and files[0] == files[-1] == "script.py" and err.endswith(NOTICE)
        assert set(files) == {"script.py", "runners.py", "base_events.py"}

    def test_a_coroutine_that_asyncio_runs_itself(self, tmp_path: Path) -> None:
        script = f"{ASK}\nimport asyncio\nasyncio.run(g4f.ChatCompletion.create_async(**arguments()))"
        assert shown_files(run_script(script, tmp_path)[2]) == ["script.py"]

    def test_a_provider_of_the_script(self, tmp_path: Path) -> None:
        script = """
import g4f
class Mine(g4f.BaseProvider):
    working = supports_stream = True
    @staticmethod
    def create_completion(model, messages, stream, **kwargs):
        yield "Hello"
        raise KeyError("mine")
g4f.ChatCompletion.create("", [{"role": "user", "content": "Hello"}], Mine)
"""
        code, _, err = run_script(script, tmp_path)
        assert code == 1 and shown_files(err) == ["script.py", "script.py"] and "in create_completion" in err

    def test_an_error_that_the_script_raises_from_ours(self, tmp_path: Path) -> None:
        script = f"{ASK}\ntry:\n    g4f.ChatCompletion.create(**arguments())\nexcept Exception as error:\n"
        code, _, err = run_script(f"{script}    raise KeyError('mine') from error", tmp_path)
        assert code == 1 and shown_files(err) == ["script.py", "script.py"]
        assert err.count("direct cause") == 1 and "During handling" not in err and ERROR in err

    def test_names_that_python_suggests(self, tmp_path: Path) -> None:
        code, _, err = run_script("import g4f\ng4f.models.gpt_35_turbo_16", tmp_path)
        assert code == 1 and shown_files(err) == ["script.py"]
        assert err.endswith(f"Did you mean: 'gpt_35_turbo_16k'?\n{NOTICE}")

    def test_a_request_of_the_script(self, tmp_path: Path) -> None:
        script = "import requests\nrequests.get('http://127.0.0.1:1')"
        code, _, err = run_script(script, tmp_path, NO_PROXY="*")
        assert code == 1 and shown_files(err) == ["script.py"] and "requests.exceptions.ConnectionError" in err

    def test_threads(self, tmp_path: Path) -> None:
        script = f"""{ASK}
import threading
def work():
    g4f.ChatCompletion.create(**arguments())
for target, kwargs in (work, {{}}), (g4f.ChatCompletion.create, arguments()):
    thread = threading.Thread(target=target, kwargs=kwargs, name="worker")
    thread.start()
    thread.join()
"""
        code, _, err = run_script(script, tmp_path)
        assert code == 0 and shown_files(err) == ["threading.py", "threading.py", "script.py"]
        assert err.count("Exception in thread worker") == err.count(ERROR) == err.count(NOTICE) == 2

    def test_hooks_of_the_script_get_the_complete_error(self, tmp_path: Path) -> None:
        script = f"""{ASK}
import sys, threading, traceback
def hook(kind, error, trace):
    print(kind.__name__, len(traceback.extract_tb(trace)) > 5, trace is error.__traceback__, bool(error.__cause__))
sys.excepthook = hook
threading.excepthook = lambda args: hook(*args[:3])
thread = threading.Thread(target=g4f.ChatCompletion.create, kwargs=arguments())
thread.start()
thread.join()
g4f.ChatCompletion.create(**arguments())
"""
        assert run_script(script, tmp_path) == (1, 2 * "RequestFailedError True True True\n", "")

    def test_the_script_sees_the_hooks_of_python(self, tmp_path: Path) -> None:
        assert run_script("import sys\nprint(sys.excepthook is sys.__excepthook__)", tmp_path)[1] == "True\n"

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are new in Python 3.11")
    def test_an_exception_group(self, tmp_path: Path) -> None:
        script = f"""{ASK}
import asyncio
async def ask():
    try:
        await g4f.ChatCompletion.create_async(**arguments())
    except Exception as error:
        error.add_note("a note")
        raise
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
asyncio.run(main())
"""
        code, _, err = run_script(script, tmp_path)
        assert code == 1 and shown_files(err)[-1] == "script.py" and ERROR in err and "| a note" in err
        assert not any(text in err for text in FOLDED) and err.endswith(NOTICE)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT of this kind")
    def test_an_interrupt(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("""
import socket, threading, g4f
def serve():
    connection, _ = server.accept()
    connection.recv(1)
    print("ready", flush=True)
    connection.recv(65536)
    threading.Event().wait()  # never responds
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, daemon=True).start()
url = "http://127.0.0.1:%d/v1" % server.getsockname()[1]
g4f.ChatCompletion.create("", [{"role": "user", "content": "Hello"}], g4f.Provider.OpenAI, base_url=url)
""")
        process = start("-m", "g4f_legacy", "run", "script.py", cwd=tmp_path)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        code, _, err = finish(process, "")
        assert code == -signal.SIGINT
        assert shown_files(err) == ["script.py"] and err.endswith(f"KeyboardInterrupt\n{NOTICE}")

    def test_in_an_archive(self, tmp_path: Path) -> None:
        folder = Path(g4f_legacy.__path__[0])
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            for file in folder.rglob("*"):
                if file.is_file() and file.suffix != ".pyc":
                    archive.write(file, file.relative_to(folder.parent))
        script = f"{ASK}\nprint(g4f.__file__)\ng4f.ChatCompletion.create(**arguments())"
        code, out, err = run_script(script, tmp_path, PYTHONPATH=str(tmp_path / "archive.zip"))
        assert code == 1 and "archive.zip" in out and shown_files(err) == ["script.py"] and ERROR in err

    @pytest.mark.parametrize(
        "script",
        [
            "import json\njson.loads('{')",
            "def f():\n    f()\nf()",
            "try:\n    1 / 0\nexcept Exception as error:\n    raise KeyError(5) from error",
            "try:\n    1 / 0\nexcept Exception:\n    raise KeyError(5) from None",
            "raise ValueError from KeyError('never raised')",
            "import other",
            "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(int, 'x').result()",
            "import threading\nthread = threading.Thread(target=int, args=['x'])\nthread.start()\nthread.join()",
            "class E(Exception):\n    def __setattr__(self, name, value):\n        raise TypeError\nraise E",
            "class E(Exception):\n    def __eq__(self, other):\n        raise TypeError\nraise E",
        ],
    )
    def test_other_errors_are_printed_as_python_does(self, script: str, tmp_path: Path) -> None:
        (tmp_path / "other.py").write_text("x = (")
        done = run_script(script, tmp_path)
        expected = python("script.py", cwd=tmp_path)
        # The frames of the runner count as well when Python limits recursion.
        assert [re.sub("repeated [0-9]+ more", "", str(part)) for part in done] == [
            re.sub("repeated [0-9]+ more", "", str(part)) for part in expected
        ]
        assert expected[2]


def raise_below(*modules: str) -> Exception:
    """Return an error that was raised below frames of these modules, named ``module:file``."""
    source = "def call(*functions):\n    functions[0](*functions[1:])"
    functions: list[Any] = []
    for module in modules:
        name, _, file = module.partition(":")
        variables: dict[str, Any] = {"__name__": name}
        exec(compile(source, file or f"/elsewhere/{name}.py", "exec"), variables)
        functions.append(variables["call"])
    try:
        functions[0](*functions[1:], int, "x")
    except Exception as error:
        assert error.__traceback__ is not None
        return error.with_traceback(error.__traceback__.tb_next)
    raise AssertionError


def printed_modules(error: Exception, capsys: pytest.CaptureFixture[str], **options: Any) -> list[str]:
    print_uncaught_error(error, **options)
    return [name.removesuffix(".py") for name in shown_files(capsys.readouterr().err)]


STANDARD = str(PurePath(threading.Thread.run.__code__.co_filename).parent)


class TestInThisProcess:
    @pytest.fixture(autouse=True)
    def hook(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    @pytest.mark.parametrize(
        "modules, shown",
        [
            (["bot", "g4f_legacy.completion", "requests.api", "urllib3", f"socket:{STANDARD}/socket.py"], ["bot"]),
            (["bot", f"ssl:{STANDARD}/ssl.py"], ["bot", "ssl"]),
            (["bot", f"ssl:{STANDARD}/ssl.py", "g4f_legacy"], ["bot"]),
            (["bot", "g4f_legacy", f"queue:{STANDARD}/queue.py", "bot"], ["bot", "bot"]),
            (["bot", "g4f_legacy", "secrets:/home/bot/secrets.py"], ["bot", "secrets"]),
            (["bot", "g4f_legacy", "importlib._bootstrap:<frozen importlib._bootstrap>"], ["bot"]),
            (["bot", "g4f_legacy_bot", "requests_cache"], ["bot", "g4f_legacy_bot", "requests_cache"]),
            (["flask.app", "bot", "urllib3.response"], ["flask.app", "bot"]),
            (["g4f_legacy"], []),
        ],
    )
    def test_frames(self, modules: Any, shown: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert printed_modules(raise_below(*modules), capsys) == shown

    def test_a_program_built_by_pyinstaller(self, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        """There, the files of the modules that it contains have relative paths."""
        monkeypatch.setattr(traceback_folding, "_STANDARD_LIBRARY", PurePath("threading.py").parent)
        error = raise_below("__main__:/home/bot.py", "g4f_legacy:g4f_legacy/x.py", "http.client:http/client.py")
        assert printed_modules(error, capsys) == ["bot"]
        error = raise_below("__main__:/home/bot.py", "g4f_legacy:g4f_legacy/x.py", "secrets:/home/secrets.py")
        assert printed_modules(error, capsys) == ["bot", "secrets"]

    def test_the_error_itself_is_not_changed(self, capsys: pytest.CaptureFixture[str]) -> None:
        outer, cause, context = (raise_below("bot", "g4f_legacy"), raise_below("requests"), raise_below("urllib3"))
        outer.__cause__, cause.__context__ = cause, context
        before = [
            (e.__traceback__, e.__cause__, e.__context__, e.__suppress_context__) for e in (outer, cause, context)
        ]
        assert printed_modules(outer, capsys) == ["bot"]
        after = [(e.__traceback__, e.__cause__, e.__context__, e.__suppress_context__) for e in (outer, cause, context)]
        assert before == after

    def test_an_error_of_the_script_below_one_that_is_left_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        outer, ours, inner = (
            raise_below("bot", "g4f_legacy"),
            raise_below("g4f_legacy"),
            raise_below("g4f_legacy", "own"),
        )
        outer.__context__, ours.__cause__ = ours, inner
        assert printed_modules(outer, capsys) == ["own", "bot"]

    def test_only_a_chained_error_is_left_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        error = raise_below("bot")
        error.__context__ = raise_below("g4f_legacy")
        print_uncaught_error(error)
        err = capsys.readouterr().err
        assert shown_files(err) == ["bot.py"] and "During handling" not in err and err.endswith(NOTICE)

    @pytest.mark.parametrize(
        "attribute, sentence", [("__cause__", "was the direct cause"), ("__context__", "During handling")]
    )
    def test_the_sentence_between_two_errors(self, attribute: str, sentence: str, capsys: Any) -> None:
        error = raise_below("bot", "g4f_legacy")
        setattr(error, attribute, raise_below("own"))
        print_uncaught_error(error)
        err = capsys.readouterr().err
        assert shown_files(err) == ["own.py", "bot.py"] and sentence in err

    def test_a_cycle(self, capsys: pytest.CaptureFixture[str]) -> None:
        outer, ours, other = raise_below("bot", "g4f_legacy"), raise_below("g4f_legacy"), raise_below("g4f_legacy")
        outer.__cause__, ours.__cause__, other.__cause__ = ours, other, ours
        assert printed_modules(outer, capsys) == ["bot"]

    def test_a_long_chain(self, capsys: pytest.CaptureFixture[str]) -> None:
        errors = [raise_below("g4f_legacy") for _ in range(5000)]
        for error, cause in zip(errors, errors[1:]):
            error.__cause__ = cause
        errors[0].with_traceback(raise_below("bot", "g4f_legacy").__traceback__)
        assert printed_modules(errors[0], capsys) == ["bot"]

    def test_a_failure_while_folding(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        error = raise_below("bot", "g4f_legacy")
        monkeypatch.setattr(traceback_folding, "_fold", lambda error: 1 / 0)
        assert printed_modules(error, capsys) == ["bot", "g4f_legacy"]

    def test_a_class_that_refuses_to_be_changed(self, capsys: pytest.CaptureFixture[str]) -> None:
        class Frozen(Exception):
            def __setattr__(self, name: str, value: Any) -> None:
                raise AttributeError(name)

        outer = raise_below("bot", "g4f_legacy")
        BaseException.__setattr__(
            outer, "__cause__", Frozen().with_traceback(raise_below("own", "urllib3").__traceback__)
        )
        print_uncaught_error(outer)
        err = capsys.readouterr().err
        assert shown_files(err) == ["own.py", "urllib3.py", "bot.py", "g4f_legacy.py"] and NOTICE not in err

    @pytest.mark.parametrize("limit, shown", [(2, ["flask", "bot"]), (1, ["bot"]), (0, [])])
    def test_a_limit_that_the_script_sets(
        self, limit: int, shown: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "tracebacklimit", limit, raising=False)
        assert printed_modules(raise_below("app", "flask", "bot", "g4f_legacy"), capsys) == shown

    def test_no_folding(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert printed_modules(raise_below("bot", "g4f_legacy"), capsys, fold=False) == ["bot", "g4f_legacy"]

    def test_without_stderr(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stderr", None)
        print_uncaught_error(raise_below("bot", "g4f_legacy"))
        assert capsys.readouterr().out == ""

    def test_threads(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
        fold_thread_errors()
        error = raise_below("bot", "g4f_legacy")
        thread = threading.current_thread()
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
        err = capsys.readouterr().err
        assert shown_files(err) == ["bot.py"] and err.startswith("Exception in thread MainThread") and NOTICE in err
        threading.excepthook(threading.ExceptHookArgs((SystemExit, SystemExit(), None, thread)))
        assert capsys.readouterr().err == ""

    def test_another_hook_for_threads_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threading, "excepthook", print)
        fold_thread_errors()
        assert threading.excepthook is print
