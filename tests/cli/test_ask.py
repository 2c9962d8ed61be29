import codecs
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from command_line import open_process, run, spawn, start
from replay import load, wait_after_first_token

from g4f_legacy.cli.main import main
from g4f_legacy.server import create_app, serve_in_background

TEXT = 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'


def test_echo() -> None:
    assert spawn("ask", "-p", "Echo", "Hello  wörld 👋") == (0, "Hello  wörld 👋\n", "")
    assert run("ask", "-p", "Echo", "Hello", "there,", "wörld") == (0, "Hello there, wörld\n", "")


class TestWithoutAProvider:
    """Echo answers, and a notice tells how to ask a model."""

    def test_notice(self) -> None:
        code, out, err = spawn("ask", "hi")
        assert (code, out) == (0, "hi\n")
        notice, *hints = err.splitlines()  # which hints depends on what listens on this machine
        assert notice == "No provider is configured, so Echo repeats the prompt." and hints

    def test_what_is_configured_needs_none(self) -> None:
        with serve_in_background(create_app("Echo"), threads=4) as url:
            assert run("ask", "hi", OPENAI_BASE_URL=f"{url}/v1") == (0, "hi\n", "")


def test_h2o(play: Any) -> None:
    assert run("ask", "-p", "H2o", "--base-url", play(load("h2o/hello")).url, "hello") == (0, f"{TEXT}\n", "")


def test_model(play: Any) -> None:
    replay = play(load("h2o/hello"))
    assert run("ask", "-p", "H2o", "-m", "falcon-7b", "hello", G4F_LEGACY_H2O_URL=replay.url)[0] == 0
    assert replay.sent[2].json == {"model": "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"}


def test_tokens_are_written_as_they_arrive(play: Any) -> None:
    gate = threading.Event()
    replay = play(wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20)))
    process = open_process("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    gate.set()
    assert process.communicate(timeout=30) == (b"\n", b"")


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals(name: str, code: int, play: Any) -> None:
    """They stop the generation and delete the conversation."""
    if not hasattr(signal, name):
        pytest.skip(f"there is no {name} on this system")
    gate = threading.Event()
    replay = play(wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20)))
    process = open_process("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    process.send_signal(getattr(signal, name))
    assert process.communicate(timeout=30) == (b"\n", b"")
    gate.set()
    assert process.returncode == code
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE ")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_terminal_that_is_closed(play: Any) -> None:
    import pty

    gate = threading.Event()
    replay = play(wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20)))
    process_id, terminal = pty.fork()
    if process_id == 0:
        command = [sys.executable, "-m", "g4f_legacy", "ask", "-p", "H2o", "--base-url", replay.url, "hello"]
        os.execv(command[0], command)
    shown = b""
    while b"one" not in shown:
        shown += os.read(terminal, 100)
    os.close(terminal)  # the kernel sends SIGHUP
    _, status = os.waitpid(process_id, 0)
    gate.set()
    assert os.waitstatus_to_exitcode(status) == 129
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE ")


def test_a_closed_pipe_is_quiet(play: Any) -> None:
    gate = threading.Event()
    replay = play(
        wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20), *['data:{"token":{"text":"x"}}\n\n'] * 3)
    )
    process = open_process("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(3) == b"one"
    process.stdout.close()
    gate.set()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 0
    process.stderr.close()
    assert replay.steps[-1].startswith("DELETE ")


def test_characters_that_the_terminal_cannot_show() -> None:
    assert run("ask", "Привет", PYTHONIOENCODING="ascii")[:2] == (0, "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442\n")


def test_refused_credentials(play: Any) -> None:
    replay = play(load("open_assistant/not_logged_in"))
    environment = {"G4F_LEGACY_OPENASSISTANT_URL": replay.url, "G4F_LEGACY_OPENASSISTANT_AUTH": "s3cr3t"}
    code, out, err = run("ask", "-p", "OpenAssistant", "x", **environment)
    assert (code, out) == (3, "")
    assert err == (
        f"g4f-legacy: OpenAssistant: 403 Forbidden ({replay.url}/api/chat). "
        "Check --auth, -o cookies=… or G4F_LEGACY_OPENASSISTANT_AUTH.\n"
    )


def test_tokens_before_an_error_are_printed(play: Any) -> None:
    code, out, err = run("ask", "-p", "H2o", "--base-url", play(load("h2o/error_event")).url, "x")
    assert (code, out) == (5, "Привет! Hello —\n")
    assert err.startswith("g4f-legacy: H2o: Request failed during generation")


class TestWarnings:
    """How the completion ended is told on stderr, where that is less than was asked for."""

    @pytest.mark.parametrize("flags", [[], ["--no-stream"]])
    def test_stderr(self, flags: list[str], play: Any) -> None:
        url = play(load("h2o/length_limit")).url
        code, out, err = spawn("ask", "-p", "H2o", "--base-url", url, *flags, "hello")
        assert (code, out) == (0, f"{TEXT[: len(out) - 1]}\n") and out[:-1]
        assert err.startswith("H2o: the text ends at the length limit: raise max_tokens") and err.count("\n") == 1

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
    def test_it_has_a_line_of_its_own_on_a_terminal(self, play: Any) -> None:
        url = play(load("h2o/length_limit")).url
        shown = run_on_terminal("ask", "-p", "H2o", "--base-url", url, "hello")
        assert b"\r\nH2o: the text ends at the length limit" in shown and shown.count(b"\r\n\r\n") == 0


def run_on_terminal(*arguments: str) -> bytes:
    """Run the command line on a terminal, and return what that shows."""
    import pty

    own_end, other_end = pty.openpty()
    with os.fdopen(own_end, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "g4f_legacy", *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=other_end, stderr=other_end)
        assert process.wait(timeout=30) == 0
        os.close(other_end)
        return terminal.read(1000)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize("text, shown", [("Hello", b"Hello\r\n"), ("Hello\n", b"Hello\r\n")])
def test_a_terminal_gets_a_final_newline(text: str, shown: bytes) -> None:
    assert run_on_terminal("ask", "-p", "Echo", text) == shown


@pytest.mark.parametrize(
    "prompt, stdin, expected",
    [("arg", "", "arg"), (None, "in\n", "in"), ("arg", "in\nmore\n", "in\nmore\n\narg")],
)
def test_the_prompt(prompt: Any, stdin: str, expected: str) -> None:
    assert run("ask", "-p", "Echo", *filter(None, [prompt]), stdin=stdin) == (0, f"{expected}\n", "")


class TestStdin:
    """Bytes are decoded as UTF-8, whatever the locale is, or refused."""

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    @pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
    def test_utf_8(self, mark: bytes, encoding: str) -> None:
        process = start("ask", "--local", "x", PYTHONIOENCODING=encoding)
        out, err = process.communicate(mark + "Привет 👋 \ufeff\x85\n\n".encode(), timeout=30)
        shown = "Привет 👋 \ufeff\x85\n\nx\n".encode(encoding, "backslashreplace")
        assert (process.returncode, out) == (0, shown)

    @pytest.mark.parametrize(
        "content, found, encoding",
        [
            ("café".encode("latin-1"), "byte 0xe9 at position 3", "LATIN1"),
            (codecs.BOM_UTF8 + b"caf\xe9", "byte 0xe9 at position 3", "LATIN1"),
            ("Hello €".encode()[:-1], "byte 0xe2 at position 6", "LATIN1"),
            (codecs.BOM_UTF16_LE + "Hello".encode("utf-16-le"), "UTF-16", "UTF-16"),
            (codecs.BOM_UTF16_BE + "Hello".encode("utf-16-be"), "UTF-16", "UTF-16"),
            ("Hello".encode("utf-32"), "UTF-32", "UTF-32"),
            (codecs.BOM_UTF32_BE + "Hello".encode("utf-32-be"), "UTF-32", "UTF-32"),
        ],
    )
    def test_other_encodings_are_refused(self, content: bytes, found: str, encoding: str, play: Any) -> None:
        replay = play([])
        process = start("ask", "-p", "H2o", "--base-url", replay.url, "x")
        out, err = process.communicate(content, timeout=30)
        assert (process.returncode, out, replay.sent) == (2, b"", [])
        assert err.decode() == (
            f"g4f-legacy: stdin is not UTF-8 ({found}): convert it first, for example with "
            f"iconv -f {encoding} -t UTF-8\n"
        )

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no iconv")
    @pytest.mark.skipif(not shutil.which("iconv"), reason="needs iconv")
    @pytest.mark.parametrize("encoding", ["LATIN1", "UTF-16", "UTF-32"])
    def test_the_command_that_converts_it(self, encoding: str) -> None:
        command = ["iconv", "-f", encoding, "-t", "UTF-8"]
        content = subprocess.run(command, input="café".encode(encoding), check=True, capture_output=True).stdout
        assert start("ask").communicate(content, timeout=30)[0].decode() == "café\n"

    def test_no_stdin(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        closed = io.TextIOWrapper(io.BytesIO())
        closed.close()
        for stdin in (None, closed):
            monkeypatch.setattr(sys, "stdin", stdin)
            assert main(["ask", "Hello"]) == 0
            assert capsys.readouterr().out == "Hello\n"

    @pytest.mark.skipif(sys.platform == "win32", reason="there is no sh on Windows")
    def test_a_closed_descriptor(self) -> None:
        command = ["sh", "-c", 'exec "$0" -m g4f_legacy ask -p Echo Hello <&-', sys.executable]
        done = subprocess.run(command, capture_output=True, timeout=30)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello\n", b"")


def test_options(play: Any) -> None:
    replay = play(load("h2o/hello"))
    options = ["-o", "temperature=0.9", "-o", 'stop=["x"]', "-o", "watermark=true", "-o", "seed=text", "-o", "id=a"]
    assert run("ask", "-p", "H2o", "--base-url", replay.url, "-s", "Be brief.", *options, "hello")[0] == 0
    body = replay.sent[3].json
    assert body["inputs"] == "system: Be brief.\nuser: hello\nassistant:"
    expected = {"temperature": 0.9, "stop": ["x"], "watermark": True, "seed": "text"}
    assert {name: body["parameters"][name] for name in expected} == expected
    assert body["options"]["id"] == "a"


def test_a_pipe_that_does_not_end_is_reported() -> None:
    process = start("ask", "Hello")
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"Waiting for the end of stdin.")
    assert process.communicate(b"in", timeout=30)[0] == b"in\n\nHello\n"


def test_auth(play: Any) -> None:
    replay = play(load("open_assistant/hello"))
    assert run("ask", "-p", "OpenAssistant", "--base-url", replay.url, "--auth", "session-token", "x")[:2] == (
        0,
        f"{TEXT}\n",
    )


def test_empty_words_are_left_out() -> None:
    assert run("ask", "-p", "Echo", "hi", "", "there") == (0, "hi there\n", "")


def test_no_stream(play: Any) -> None:
    assert run("ask", "-p", "H2o", "--base-url", play(load("h2o/hello")).url, "--no-stream", "x") == (
        0,
        f"{TEXT}\n",
        "",
    )


def test_local() -> None:
    code, out, err = run("ask", "--local", "Hello  wörld 👋")
    assert (code, out) == (0, "Hello  wörld 👋\n")
    assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where Echo repeats the prompt.\n", err)


def test_local_with_a_configured_openai_compatible_server(play: Any) -> None:
    replay = play([*load("openai/models") * 2, *load("openai/stream")])
    code, out, err = run("ask", "--local", "hello", OPENAI_BASE_URL=replay.url + "/v1")
    assert (code, out[:5]) == (0, " a of")
    assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where OpenAI answers.\n", err)
    body = replay.sent[-1].json
    assert (body["model"], body["messages"]) == ("tiny.gguf", [{"role": "user", "content": "hello"}])


def test_local_with_a_server_and_a_model(play: Any) -> None:
    replay = play(load("openai/stream"))
    options = ["--base-url", replay.url + "/v1", "--auth", "s3cr3t", "-m", "tiny"]
    assert run("ask", "--local", *options, "hello")[0] == 0
    assert (replay.sent[0].json["model"], replay.sent[0].headers["authorization"]) == ("tiny", "Bearer s3cr3t")


@pytest.mark.parametrize("form", ["", "/", "/v1", "/v1/chat/completions"])
def test_an_openai_compatible_server(form: str) -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        assert run("ask", "-p", "OpenAI", "--base-url", url + form, "Hello  wörld 👋") == (0, "Hello  wörld 👋\n", "")
        assert run("ask", "--base-url", url + form, "--no-stream", "Hello") == (0, "Hello\n", "")
        assert run("ask", "Hello", OPENAI_API_BASE=url + form) == (0, "Hello\n", "")


def test_openai_without_a_key() -> None:
    code, out, err = run("ask", "-p", "OpenAI", "Hello")
    assert (code, out) == (3, "") and "or set G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY" in err


def test_the_log() -> None:
    _, _, quiet = spawn("ask", "--local", "x")
    _, _, verbose = spawn("ask", "--local", "-v", "x")
    _, _, most_verbose = spawn("ask", "--local", "-vv", "x")
    assert [
        ("/settings 200, answered in" in err, "H2o: POST http" in err) for err in (quiet, verbose, most_verbose)
    ] == [
        (False, False),
        (True, False),
        (True, True),
    ]
