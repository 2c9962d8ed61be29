import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run, spawn

from g4f_legacy import __version__, registry
from g4f_legacy.cli.main import COMMANDS


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (
            ["ask", "-p", "Xyzzy", "x"],
            2,
            f"g4f-legacy: there is no provider 'Xyzzy'. There are {', '.join(registry.names())}.",
        ),
        (["ask", ""], 2, "g4f-legacy: there is nothing to ask: give a PROMPT, or pipe one in"),
        (["ask", "x", "-o", "timeout"], 2, "usage: g4f-legacy ask"),
        (["ask", "x", "-p", "H2o", "-o", "timeout=no"], 2, "g4f-legacy: -o timeout=… must be seconds"),
        (["providers", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["models", "-p", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["check", "-p", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["check", "-p", "OpenAssistant"], 3, "g4f-legacy: OpenAssistant needs credentials. "),
        (["serve", "--port", "99999"], 2, "usage: g4f-legacy serve"),
        (["serve", "--token", ""], 2, "g4f-legacy: --token is empty"),
        (
            ["serve", "--base-url", "http://localhost:1337/v1"],
            2,
            "g4f-legacy: the provider's base URL http://localhost:1337",
        ),
        (["ask", "--base-url", "", "x"], 2, "g4f-legacy: --base-url is empty: give a value, or leave it out"),
        (["ask", "-o", "stream=true", "x"], 2, "usage: g4f-legacy ask"),
        (["serve", "--engine", "Bing"], 4, "g4f-legacy: Bing is gone, and there is no redirect"),
        (["serve", "--engine", "H2o"], 4, "g4f-legacy: H2o is gone, and there is no redirect"),
        (["serve", "--engine", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["serve", "--host", "no.such.host.invalid"], 2, "g4f-legacy: "),
        (["ask", "-p", "H2o", "--base-url", "nowhere", "x"], 2, "g4f-legacy: --base-url must be the URL of a server"),
        (["ask", "-p", "OpenAssistant", "x"], 3, "g4f-legacy: OpenAssistant needs credentials. "),
        (["ask", "-p", "H2o", "--base-url", "http://127.0.0.1:1", "x"], 5, "g4f-legacy: H2o: no response: Connection"),
        (["ask"], 2, "g4f-legacy: there is nothing to ask"),
        ([], 2, "usage: g4f-legacy"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, message: str) -> None:
    exit_code, out, err = run(*arguments)
    assert (exit_code, out) == (code, "")
    assert err.startswith(message)
    assert "Traceback" not in err


def test_an_unavailable_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    from g4f_legacy import ChatCompletion, errors

    def create(*_: Any, **__: Any) -> None:
        raise errors.ProviderNotWorkingError("gone")

    monkeypatch.setattr(ChatCompletion, "create", create)
    assert run("ask", "-p", "H2o", "x") == (4, "", "g4f-legacy: gone\n")


def test_help_and_version() -> None:
    code, out, _ = run("--help")
    assert code == 0 and "ask a question" in out
    code, out, _ = run("ask", "--help")
    assert code == 0 and "example: g4f-legacy ask" in out
    assert run("--version") == (0, f"g4f-legacy {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert f"example: g4f-legacy {command}" in out and COMMANDS[command][1:] in " ".join(out.split())


def test_help_does_not_import_requests() -> None:
    code = """
import sys
from g4f_legacy.cli.main import main
try:
    main(["--help"])
finally:
    print({"requests", "urllib3", "flask"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.decode().splitlines()[-1] == "set()"


def test_version_imports_nothing_heavy() -> None:
    code = """
import sys
from g4f_legacy.__main__ import main
sys.argv = ["g4f-legacy", "--version"]
print(main(), {"argparse", "logging", "requests"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.decode().splitlines() == [f"g4f-legacy {__version__}", "0 set()"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["aks", "hi"], "there is no command 'aks'; did you mean ask?"),
        (["Hello"], "there is no command 'Hello'; g4f-legacy --help lists them"),
        (["-p", "Echo", "ask", "hi"], "options follow the command: g4f-legacy ask -p …"),
        (["ask", "--base-ul=x", "hi"], "unrecognized arguments: --base-ul; did you mean --base-url?"),
        (["--auth=s3cr3t", "ask", "hi"], "options follow the command: g4f-legacy ask --auth …"),
        (["models", "--aut=s3cr3t"], "unrecognized arguments: --aut; did you mean --auth?"),
        (["ask", "a", "-s", "b", "c"], "unrecognized arguments: c\n"),
        (["providers", "--nothing-like-it"], "unrecognized arguments: --nothing-like-it\n"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and f"error: {message}" in err
    command = arguments[0] if arguments[0] in COMMANDS else ""
    assert err.startswith(f"usage: g4f-legacy {command}".rstrip())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")
@pytest.mark.parametrize("argument", ["--version", "--help", "providers"])
def test_a_full_disk(argument: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "g4f_legacy", argument]
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"No space left on device" in done.stderr


def test_an_output_that_is_replaced(tmp_path: Path) -> None:
    """A script's own stdout may have fewer methods than a file."""
    (tmp_path / "script.py").write_text(
        "import sys\nclass Tee:\n    def write(self, text):\n        sys.__stdout__.write(text)\n"
        "    def flush(self):\n        pass\n"
        "sys.stdout = Tee()\nprint('x')\nsys.exit(3)\n"
    )
    assert spawn("run", str(tmp_path / "script.py")) == (3, "x\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash on Windows")
def test_the_exit_code_of_a_script_whose_reader_is_gone(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print('x')\nraise ValueError")
    script = f"\"$0\" -m g4f_legacy run '{tmp_path}/script.py' 2>&- | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script, sys.executable], stdout=subprocess.PIPE, timeout=30)
    assert int(done.stdout) != 0
