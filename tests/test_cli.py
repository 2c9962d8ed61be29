import os
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, List

import pytest
from replay import exchange, load

from g4f_legacy import __version__, cli

WHOLE = 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'


def start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "g4f_legacy", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments: str, **environment: str) -> Any:
    """The exit code, stdout and stderr."""
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


def test_echo() -> None:
    assert run("ask", "-p", "Echo", "Hello  wörld 👋") == (0, "Hello  wörld 👋", "")
    assert run("ask", "Hello") == (0, "Hello", "")


def test_h2o(play: Any) -> None:
    assert run("ask", "-p", "H2o", "--base-url", play(load("h2o/hello")).url, "hello") == (0, WHOLE, "")


def test_model(play: Any) -> None:
    replay = play(load("h2o/hello"))
    assert run("ask", "-p", "H2o", "-m", "falcon-7b", "hello", G4F_LEGACY_H2O_URL=replay.url)[0] == 0
    assert replay.sent[2].json == {"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"}


def gated(exchanges: List[Dict[str, Any]], *waits: Any) -> List[Dict[str, Any]]:
    """A stream that sends a token, waits, and goes on."""
    token = 'data:{"token":{"text":"one","special":false},"generated_text":null}\n\n'
    end = 'data:{"token":{"text":"</s>","special":true},"generated_text":"one"}\n\n'
    exchanges[3]["response"]["chunks"] = [token, *waits, end]
    path = exchanges[3]["request"]["path"]
    return [*exchanges, exchange("POST", f"{path}/stop-generating", content_length="0")]


def test_tokens_are_written_as_they_come(play: Any) -> None:
    gate = threading.Event()
    replay = play(gated(load("h2o/hello"), gate.wait))
    process = start("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    gate.set()
    assert process.communicate(timeout=30) == (b"", b"")


def test_interrupt(play: Any) -> None:
    gate = threading.Event()
    replay = play(gated(load("h2o/hello"), gate.wait))
    process = start("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"")
    gate.set()
    assert process.returncode == 130
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE ")


def test_a_closed_pipe_is_quiet(play: Any) -> None:
    gate = threading.Event()
    replay = play(gated(load("h2o/hello"), gate.wait, *['data:{"token":{"text":"x"}}\n\n'] * 3))
    process = start("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(3) == b"one"
    process.stdout.close()
    gate.set()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 0
    process.stderr.close()
    assert replay.steps[-1].startswith("DELETE ")


def test_what_the_terminal_cannot_show() -> None:
    assert run("ask", "Привет", PYTHONIOENCODING="ascii")[:2] == (0, r"\u041f\u0440\u0438\u0432\u0435\u0442")


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["ask", "-p", "Nope", "x"], 2, "g4f-legacy: there is no provider 'Nope': There are Echo, H2o, OpenAssistant."),
        (["ask", ""], 2, "g4f-legacy: messages has no user message with a text to say back"),
        (["ask", "-p", "H2o", "--base-url", "nowhere", "x"], 2, "g4f-legacy: base_url must be the address of a host"),
        (["ask", "-p", "OpenAssistant", "x"], 3, "g4f-legacy: OpenAssistant needs a login: "),
        (["ask", "-p", "H2o", "--base-url", "http://127.0.0.1:1", "x"], 5, "g4f-legacy: H2o: no answer: Connection"),
        (["ask"], 2, "usage: g4f-legacy ask"),
        ([], 2, "usage: g4f-legacy"),
    ],
)
def test_exit_codes(arguments: List[str], code: int, message: str) -> None:
    exit_code, out, err = run(*arguments)
    assert (exit_code, out) == (code, "")
    assert err.startswith(message)
    assert "Traceback" not in err


def test_a_refused_login(play: Any) -> None:
    replay = play(load("open_assistant/not_logged_in"))
    environment = {"G4F_LEGACY_OPENASSISTANT_URL": replay.url, "G4F_LEGACY_OPENASSISTANT_AUTH": "s3cr3t"}
    code, out, err = run("ask", "-p", "OpenAssistant", "x", **environment)
    assert (code, out) == (3, "")
    assert err == (
        f"g4f-legacy: OpenAssistant: 403 Forbidden ({replay.url}/api/chat). "
        "Check auth=, cookies= or G4F_LEGACY_OPENASSISTANT_AUTH.\n"
    )


def test_what_came_before_an_error_is_printed(play: Any) -> None:
    code, out, err = run("ask", "-p", "H2o", "--base-url", play(load("h2o/error_event")).url, "x")
    assert (code, out) == (5, "Привет! Hello —")
    assert err.startswith("g4f-legacy: H2o: Request failed during generation")


def test_a_provider_that_is_gone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from g4f_legacy import ChatCompletion, errors

    def create(*_: Any, **__: Any) -> None:
        raise errors.ProviderNotWorkingError("gone")

    monkeypatch.setattr(ChatCompletion, "create", create)
    monkeypatch.setattr(sys, "stdout", open(os.devnull, "w"))
    assert cli.main(["ask", "x"]) == 4
    sys.stdout.close()
    assert capsys.readouterr().err == "g4f-legacy: gone\n"


def test_help_and_version() -> None:
    code, out, _ = run("--help")
    assert code == 0 and "ask a question" in out
    code, out, _ = run("ask", "--help")
    assert code == 0 and "example: g4f-legacy ask" in out
    assert run("--version") == (0, f"g4f-legacy {__version__}\n", "")


def test_version_imports_nothing_heavy() -> None:
    code = """
import sys
from g4f_legacy.cli import main
try:
    main(["--version"])
except SystemExit:
    print("requests" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.decode().split() == ["g4f-legacy", __version__, "False"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_terminal_gets_a_last_newline() -> None:
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen([sys.executable, "-m", "g4f_legacy", "ask", "Hello"], stdout=theirs)
        assert process.wait(timeout=30) == 0
        os.close(theirs)
        assert terminal.read(100) == b"Hello\r\n"
