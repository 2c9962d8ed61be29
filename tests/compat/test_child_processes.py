"""``g4f`` in the processes that a script starts, and in those that get the folder of ``g4f-legacy path``.

Each has a folder g4f beside its script, and another one installed, neither of which can be imported.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from environments.web_servers import free_port, wait_until
from processes import ASK, python, run

from g4f_legacy.compat.g4f_alias import DROP_IN
from g4f_legacy.server import create_app, serve_in_background

if sys.platform != "win32":
    import fcntl

HELLO = [{"role": "user", "content": "Hello"}]
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups and signals of this kind")

APPLICATION = f"""
import os, pathlib, sys
import flask, g4f

def ask():
    return {ASK}

app = flask.Flask(__name__)
app.add_url_rule("/", view_func=lambda: ask() + " 1")
pathlib.Path(f"process-{{os.getpid()}}").write_text(ask())

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": f"{{ask()}} 1".encode()}})

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), debug=True)
"""

SERVERS = {
    "flask's reloader": ["app.py", "{port}"],
    "flask run": ["-m", "flask", "--app", "app", "run", "--debug", "--port", "{port}"],
    "uvicorn --reload": ["-m", "uvicorn", "app:asgi", "--reload", "--port", "{port}"],
    "uvicorn --workers": ["-m", "uvicorn", "app:asgi", "--workers", "2", "--port", "{port}"],
    "gunicorn": ["-m", "gunicorn", "app:app", "-w", "2", "-b", "127.0.0.1:{port}", "--graceful-timeout", "1"],
}


@pytest.fixture(autouse=True)
def other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one g4f beside the scripts, and another one where packages are installed."""
    for folder in (tmp_path, tmp_path / "installed"):
        (folder / "g4f").mkdir(parents=True)
        (folder / "g4f" / "__init__.py").write_text("raise RuntimeError('another g4f')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))


@pytest.fixture
def with_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that people set who do not use ``run``."""
    folder = subprocess.check_output([sys.executable, "-m", "g4f_legacy", "path"], encoding="utf-8", timeout=30)
    monkeypatch.setenv("PYTHONPATH", folder.rstrip("\n"), prepend=os.pathsep)
    monkeypatch.setenv("G4F_LEGACY_REDIRECT", "Echo")


@contextmanager
def started(command: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in a process group of its own, and interrupt the group at the end. No process may remain."""
    with (folder / "log").open("wb") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # held as long as any of the processes has the file open
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        send_to_group(process, signal.SIGINT)
        is_done = wait_until(lambda: process.poll() is not None and all_ended(folder))
        send_to_group(process, signal.SIGKILL)
        process.wait(10)
    assert is_done, (folder / "log").read_text("utf-8", "replace")


def all_ended(folder: Path) -> bool:
    """Return whether all processes have ended: the started one, and those that it has started."""
    with (folder / "log").open("rb") as log, suppress(BlockingIOError):
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def send_to_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def responds(url: str, text: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).text == text
    return False


@on_posix
class TestWebServers:
    def check(self, command: list[str], folder: Path) -> None:
        """Start a server with two processes, and let it reload its application if it can."""
        if "gunicorn" in command:
            pytest.importorskip("gunicorn", reason="gunicorn is not installed")
        if "uvicorn" in command:
            pytest.importorskip("uvicorn", reason="uvicorn is not installed")
        port = free_port()
        (folder / "app.py").write_text(APPLICATION)
        with started([argument.format(port=port) for argument in command], folder) as process:
            url = f"http://127.0.0.1:{port}/"
            log = folder / "log"
            assert wait_until(lambda: process.poll() is not None or responds(url, "Hello 1"), 20), log.read_text()[
                -2000:
            ]
            if "2" in command:
                assert wait_until(lambda: len(list(folder.glob("process-*"))) == 2)
            else:
                assert any(self.reloads(url, folder / "app.py") for _ in range(5)), log.read_text()[-2000:]
        assert {path.read_text() for path in folder.glob("process-*")} == {"Hello"}

    def reloads(self, url: str, application: Path) -> bool:
        # Again, if the reloader has not looked at the file yet, and so cannot see the change.
        application.write_text(APPLICATION.replace(" 1", " reloaded"))
        return wait_until(lambda: responds(url, "Hello reloaded"), 4)

    @pytest.mark.parametrize("name", SERVERS)
    def test_started_by_run(self, name: str, tmp_path: Path) -> None:
        self.check([sys.executable, "-m", "g4f_legacy", "run", "--to", "Echo", *SERVERS[name]], tmp_path)

    @pytest.mark.parametrize("name", list(SERVERS)[1:])
    def test_started_as_programs(self, name: str, tmp_path: Path, with_path: None) -> None:
        program, *arguments = SERVERS[name][1:]
        path = shutil.which(program, path=str(Path(sys.executable).parent))
        if path is None:
            pytest.skip(f"{program} is not installed")
        # The script of a program has the folder of programs at the front of `sys.path`.
        self.check([path, *arguments], tmp_path)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    if method == "forkserver" and sys.platform == "win32":
        pytest.skip("Windows has no fork server")
    (tmp_path / "script.py").write_text(f"""
import concurrent.futures, multiprocessing, sys
import g4f
from g4f.Provider import Bing

def ask(prompt):
    return {ASK} + prompt + Bing.url + __name__

def put(queue):
    queue.put(ask("b"))

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with context.Pool(1) as pool:
        print(*pool.map(ask, ["a"]))
    queue = context.Queue()
    process = context.Process(target=put, args=(queue,))
    process.start()
    print(queue.get(timeout=30))
    process.join()
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        print(pool.submit(ask, "c").result())
""")
    out = "".join(f"Hello{prompt}https://bing.com/chat__mp_main__\n" for prompt in "abc")
    assert run("script.py", cwd=tmp_path) == (0, out, "")


class TestSubprocesses:
    def run(self, child: str, folder: Path, *command: str, to: Any = ("--to", "Echo"), **environment: str) -> Any:
        """Run a script that runs ``python`` with another script, and return that one's exit code, stdout and stderr."""
        (folder / "child.py").write_text(child)
        parent = f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, *{command or ('child.py',)}]))"
        (folder / "script.py").write_text(parent)
        return run("script.py", cwd=folder, to=to, **environment)

    @pytest.mark.parametrize(
        "command",
        [
            ["child.py"],
            ["-m", "child"],
            ["-c", "import child"],
            ["-S", "child.py"],
            ["-m", "g4f_legacy", "run", "child.py"],
        ],
    )
    def test_each_way(self, command: list[str], tmp_path: Path) -> None:
        if "-S" in command:  # without `sitecustomize.py`, the folder of the script would win
            shutil.rmtree(tmp_path / "g4f")
            site_packages = Path(requests.__file__).parent.parent
            command = ["-S", "-c", f"import sys; sys.path.append({str(site_packages)!r}); import child"]
        child = f"import g4f, g4f_legacy\nfrom g4f.Provider.Bing import Bing\nprint({ASK}, g4f is g4f_legacy, Bing.url)"
        assert self.run(child, tmp_path, *command) == (0, "Hello True https://bing.com/chat\n", "")

    def test_the_redirect(self, tmp_path: Path) -> None:
        child = f"import g4f\nprint({ASK}, g4f.ChatCompletion.create('', {HELLO}, g4f.Provider.Bing))"
        with serve_in_background(create_app("Echo", token="secret-of-the-server"), threads=2) as url:
            to = ("--base-url", url, "--auth", "secret-of-the-server", "--model", "echo")
            assert self.run(child, tmp_path, to=to) == (0, "Hello Hello\n", "")
        assert self.run(child, tmp_path, to=(), G4F_LEGACY_REDIRECT="Echo") == (0, "Hello Hello\n", "")
        code, out, err = self.run(child, tmp_path, to=())
        assert (code, out) == (1, "") and "ProviderNotWorkingError" in err

    def test_the_path_is_that_of_python(self, tmp_path: Path) -> None:
        """The folder precedes what was there, once, and only in the environment of the script itself."""
        child = "import os\nprint(os.environ['PYTHONPATH'])"
        expected = os.pathsep.join([DROP_IN, str(tmp_path / "installed")])
        assert self.run(child, tmp_path) == (0, f"{expected}\n", "")
        assert self.run(child, tmp_path, "-m", "g4f_legacy", "run", "child.py") == (0, f"{expected}\n", "")
        (tmp_path / "script.py").write_text("import sys\nprint(sys.path)")
        assert run("script.py", cwd=tmp_path) == python("script.py", cwd=tmp_path)

    @on_posix
    def test_command_lines_of_cron_and_systemd(self, tmp_path: Path, with_path: None) -> None:
        """They start programs in another folder, and with no variables but those that are given to them."""
        (tmp_path / "bot.py").write_text(f"import g4f\nprint({ASK})")
        variables = [f"{name}={os.environ[name]}" for name in ("PYTHONPATH", "G4F_LEGACY_REDIRECT")]
        command = ["env", "-i", *variables, sys.executable, str(tmp_path / "bot.py")]
        done = subprocess.run(command, cwd="/", capture_output=True, encoding="utf-8", timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")
        command = ["env", "-i", sys.executable, "-m", "g4f_legacy", "run", "--to", "Echo", str(tmp_path / "bot.py")]
        done = subprocess.run(command, cwd="/", capture_output=True, encoding="utf-8", timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")


SCRIPTS = {
    "subprocess": """
import subprocess, sys
subprocess.call([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"])
""",
    "multiprocessing": """
import multiprocessing, time

def work():
    print("ready", flush=True)
    time.sleep(60)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work, daemon=True)
    process.start()
    process.join()
""",
    "reloader": """
import sys
from werkzeug.serving import run_simple

if __import__("os").environ.get("WERKZEUG_RUN_MAIN"):
    print("ready", flush=True)
    if sys.argv[2:]:
        sys.exit(int(sys.argv[2]))
run_simple("127.0.0.1", int(sys.argv[1]), None, use_reloader=True)
""",
}


@on_posix
class TestHowItEnds:
    """As with ``python``: by which exit code, and which processes remain; but SIGTERM ends a script as Ctrl-C does."""

    @pytest.mark.parametrize(
        "script, send, end",
        [
            ("subprocess", lambda process: send_to_group(process, signal.SIGINT), (-signal.SIGINT, True)),
            ("subprocess", lambda process: process.terminate(), (-signal.SIGTERM, False)),
            ("multiprocessing", lambda process: send_to_group(process, signal.SIGINT), (-signal.SIGINT, True)),
            ("multiprocessing", lambda process: process.terminate(), (-signal.SIGTERM, False)),
            ("reloader", lambda process: send_to_group(process, signal.SIGINT), (0, True)),
            ("reloader", lambda process: process.terminate(), (0, True)),
            ("reloader 7", lambda process: None, (7, True)),
        ],
    )
    def test_it(self, script: str, send: Any, end: Any, tmp_path: Path) -> None:
        name, *arguments = script.split()
        (tmp_path / "script.py").write_text(SCRIPTS[name])
        arguments.insert(0, str(free_port()))
        ends = []
        for prefix in ([], ["-m", "g4f_legacy", "run", "--to", "Echo"]):
            with started([sys.executable, *prefix, "script.py", *arguments], tmp_path) as process:
                assert wait_until(lambda: "ready" in (tmp_path / "log").read_text(), 20)
                send(process)
                code = process.wait(20)
                ends.append((code, wait_until(lambda: all_ended(tmp_path), 10 if end[1] or prefix else 1)))
        assert ends == [end, (end[0], True)]
