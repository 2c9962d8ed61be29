import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, List

from command_line import opened, run, spawn, start
import pytest
from replay import exchange, load
import requests

from g4f_legacy import __version__, registry
from g4f_legacy.server import create_app, serve_in_background

WHOLE = 'Привет! Hello — 你好 👋, I am a *test* model.\nSecond line: data: {"a":1}.'


def test_echo() -> None:
    assert spawn("ask", "-p", "Echo", "Hello  wörld 👋") == (0, "Hello  wörld 👋", "")
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
    replay = play(gated(load("h2o/hello"), lambda: gate.wait(20)))
    process = opened("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    gate.set()
    assert process.communicate(timeout=30) == (b"", b"")


def test_interrupt(play: Any) -> None:
    gate = threading.Event()
    replay = play(gated(load("h2o/hello"), lambda: gate.wait(20)))
    process = opened("ask", "-p", "H2o", "--base-url", replay.url, "hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == b"one"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"")
    gate.set()
    assert process.returncode == 130
    assert replay.steps[-2].endswith("/stop-generating") and replay.steps[-1].startswith("DELETE ")


def test_a_closed_pipe_is_quiet(play: Any) -> None:
    gate = threading.Event()
    replay = play(gated(load("h2o/hello"), lambda: gate.wait(20), *['data:{"token":{"text":"x"}}\n\n'] * 3))
    process = opened("ask", "-p", "H2o", "--base-url", replay.url, "hello")
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
        (
            ["ask", "-p", "Xyzzy", "x"],
            2,
            f"g4f-legacy: there is no provider 'Xyzzy': There are {', '.join(registry.names())}.",
        ),
        (["ask", ""], 2, "g4f-legacy: there is nothing to ask: give a PROMPT, or pipe one in"),
        (["ask", "x", "-o", "timeout"], 2, "usage: g4f-legacy ask"),
        (["ask", "x", "-p", "H2o", "-o", "timeout=no"], 2, "g4f-legacy: timeout must be seconds"),
        (["providers", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["models", "-p", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["check", "-p", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["check", "-p", "OpenAssistant"], 3, "g4f-legacy: OpenAssistant needs credentials. "),
        (["serve", "--port", "99999"], 2, "usage: g4f-legacy serve"),
        (["serve", "--token", ""], 2, "g4f-legacy: --token is empty"),
        (
            ["serve", "--base-url", "http://localhost:1337/v1"],
            2,
            "g4f-legacy: the engine points to http://localhost:1337",
        ),
        (["ask", "--base-url", "", "x"], 2, "g4f-legacy: --base-url is empty: give one, or leave it out"),
        (["ask", "-o", "stream=true", "x"], 2, "usage: g4f-legacy ask"),
        (["serve", "--engine", "Bing"], 4, "g4f-legacy: Bing is gone, and there is no redirect"),
        (["serve", "--engine", "H2o"], 4, "g4f-legacy: H2o is gone, and there is no redirect"),
        (["serve", "--engine", "Xyzzy"], 2, "g4f-legacy: there is no provider 'Xyzzy'"),
        (["serve", "--host", "no.such.host.invalid"], 2, "g4f-legacy: "),
        (["ask", "-p", "H2o", "--base-url", "nowhere", "x"], 2, "g4f-legacy: base_url must be the address of a host"),
        (["ask", "-p", "OpenAssistant", "x"], 3, "g4f-legacy: OpenAssistant needs credentials. "),
        (["ask", "-p", "H2o", "--base-url", "http://127.0.0.1:1", "x"], 5, "g4f-legacy: H2o: no answer: Connection"),
        (["ask"], 2, "g4f-legacy: there is nothing to ask"),
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
        "Check --auth, -o cookies=… or G4F_LEGACY_OPENASSISTANT_AUTH.\n"
    )


def test_what_came_before_an_error_is_printed(play: Any) -> None:
    code, out, err = run("ask", "-p", "H2o", "--base-url", play(load("h2o/error_event")).url, "x")
    assert (code, out) == (5, "Привет! Hello —")
    assert err.startswith("g4f-legacy: H2o: Request failed during generation")


def test_a_provider_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from g4f_legacy import ChatCompletion, errors

    def create(*_: Any, **__: Any) -> None:
        raise errors.ProviderNotWorkingError("gone")

    monkeypatch.setattr(ChatCompletion, "create", create)
    assert run("ask", "x") == (4, "", "g4f-legacy: gone\n")


def test_help_and_version() -> None:
    code, out, _ = run("--help")
    assert code == 0 and "ask a question" in out
    code, out, _ = run("ask", "--help")
    assert code == 0 and "example: g4f-legacy ask" in out
    assert run("--version") == (0, f"g4f-legacy {__version__}\n", "")


def test_version_imports_nothing_heavy() -> None:
    code = """
import sys
from g4f_legacy.__main__ import main
sys.argv = ["g4f-legacy", "--version"]
print(main(), {"argparse", "logging", "requests"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.PIPE)
    assert done.stdout.decode().splitlines() == [f"g4f-legacy {__version__}", "0 set()"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_a_terminal_gets_a_last_newline() -> None:
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "g4f_legacy", "ask", "Hello"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs)
        assert process.wait(timeout=30) == 0
        os.close(theirs)
        assert terminal.read(100) == b"Hello\r\n"


class TestAsk:
    @pytest.mark.parametrize(
        "prompt, stdin, asked",
        [("arg", "", "arg"), (None, "in\n", "in"), ("arg", "in\nmore\n", "in\nmore\n\narg")],
    )
    def test_the_prompt(self, prompt: Any, stdin: str, asked: str) -> None:
        assert run("ask", *filter(None, [prompt]), stdin=stdin) == (0, asked, "")

    def test_options(self, play: Any) -> None:
        replay = play(load("h2o/hello"))
        options = ["-o", "temperature=0.9", "-o", 'stop=["x"]', "-o", "watermark=true", "-o", "seed=text", "-o", "id=a"]
        assert run("ask", "-p", "H2o", "--base-url", replay.url, "-s", "Be brief.", *options, "hello")[0] == 0
        body = replay.sent[3].json
        assert body["inputs"] == "system: Be brief.\nuser: hello\nassistant:"
        expected = {"temperature": 0.9, "stop": ["x"], "watermark": True, "seed": "text"}
        assert {name: body["parameters"][name] for name in expected} == expected
        assert body["options"]["id"] == "a"

    def test_a_pipe_that_does_not_end_is_said(self) -> None:
        process = start("ask", "Hello")
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"Waiting for the end of stdin.")
        assert process.communicate(b"in", timeout=30)[0] == b"in\n\nHello"

    def test_auth(self, play: Any) -> None:
        replay = play(load("open_assistant/hello"))
        assert run("ask", "-p", "OpenAssistant", "--base-url", replay.url, "--auth", "session-token", "x")[:2] == (
            0,
            WHOLE,
        )

    def test_no_stream(self, play: Any) -> None:
        assert run("ask", "-p", "H2o", "--base-url", play(load("h2o/hello")).url, "--no-stream", "x") == (0, WHOLE, "")

    def test_local(self) -> None:
        code, out, err = run("ask", "--local", "Hello  wörld 👋")
        assert (code, out) == (0, "Hello  wörld 👋")
        assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where Echo answers.\n", err)

    def test_local_asks_an_openai_compatible_server_where_one_is_configured(self, play: Any) -> None:
        replay = play([*load("openai/models") * 2, *load("openai/stream")])
        code, out, err = run("ask", "--local", "hello", OPENAI_BASE_URL=replay.url + "/v1")
        assert (code, out[:5]) == (0, " a of")
        assert re.fullmatch(r"Asking H2o at http://127.0.0.1:\d+, where OpenAI answers.\n", err)
        asked = replay.sent[-1].json
        assert (asked["model"], asked["messages"]) == ("tiny.gguf", [{"role": "user", "content": "hello"}])

    def test_local_with_a_host_and_a_model(self, play: Any) -> None:
        replay = play(load("openai/stream"))
        options = ["--base-url", replay.url + "/v1", "--auth", "s3cr3t", "-m", "tiny"]
        assert run("ask", "--local", *options, "hello")[0] == 0
        assert (replay.sent[0].json["model"], replay.sent[0].headers["authorization"]) == ("tiny", "Bearer s3cr3t")

    @pytest.mark.parametrize("form", ["", "/", "/v1", "/v1/chat/completions"])
    def test_an_openai_compatible_server(self, form: str) -> None:
        with serve_in_background(create_app("Echo"), threads=4) as url:
            assert run("ask", "-p", "OpenAI", "--base-url", url + form, "Hello  wörld 👋") == (0, "Hello  wörld 👋", "")
            assert run("ask", "--base-url", url + form, "--no-stream", "Hello") == (0, "Hello", "")
            assert run("ask", "Hello", OPENAI_API_BASE=url + form) == (0, "Hello", "")

    def test_openai_without_a_key(self) -> None:
        code, out, err = run("ask", "-p", "OpenAI", "Hello")
        assert (code, out) == (3, "") and "or set G4F_LEGACY_OPENAI_AUTH or OPENAI_API_KEY" in err

    def test_the_log(self) -> None:
        _, _, quiet = spawn("ask", "--local", "x")
        _, _, verbose = spawn("ask", "--local", "-v", "x")
        _, _, most = spawn("ask", "--local", "-vv", "x")
        assert [("/settings 200, answered in" in err, "H2o: POST http" in err) for err in (quiet, verbose, most)] == [
            (False, False),
            (True, False),
            (True, True),
        ]


class TestProviders:
    def test_table(self) -> None:
        code, out, _ = run("providers", G4F_LEGACY_H2O_URL="http://127.0.0.1:1")
        lines = out.splitlines()
        assert code == 0
        assert lines[0].split("  ")[0] == "PROVIDER"
        assert [line.split()[0] for line in lines[1:]] == [
            "Echo",
            "Google",
            "H2o",
            "HuggingChat",
            "OpenAI",
            "OpenAssistant",
        ]
        assert lines[3].endswith(" http://127.0.0.1:1")

    def test_one(self) -> None:
        code, out, _ = run("providers", "H2o")
        assert code == 0
        assert out.startswith("H2o's hosted chat of 2023")
        assert re.search(r"^params +g4f.Providers.H2o supports: \(model: str", out, re.MULTILINE)
        assert "options: base_url, auth, " in out
        assert "environment: G4F_LEGACY_H2O_URL, G4F_LEGACY_H2O_AUTH\n" in out

    def test_one_that_is_gone(self) -> None:
        code, out, _ = run("providers", "Ails")
        assert code == 0 and out.startswith("Ails of 2023, at https://ai.ls, no longer exists.\n")
        assert out.endswith("not redirected; set G4F_LEGACY_REDIRECT to send its calls elsewhere\n")
        assert run("providers", "Ails", G4F_LEGACY_REDIRECT="Echo")[1].endswith("calls to it go to Echo\n")
        listed = [line.split()[0] for line in run("providers", "--all")[1].splitlines()]
        assert len(listed) >= 92 and {"Ails", "Echo"} < set(listed)

    def test_json(self) -> None:
        many = json.loads(run("providers", "--json")[1])
        one = json.loads(run("providers", "H2o", "--json")[1])
        assert [provider["name"] for provider in many] == [
            "Echo",
            "Google",
            "H2o",
            "HuggingChat",
            "OpenAI",
            "OpenAssistant",
        ]
        assert one == many[2]
        assert (one["working"], one["stream"], one["points_to"]) == (False, True, "https://gpt-gm.h2o.ai")


class TestModels:
    def test_all(self) -> None:
        code, out, _ = run("models")
        assert code == 0
        rows = [line.split() for line in out.splitlines()]
        assert ["H2o", "falcon-7b", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"] in rows

    def test_json(self) -> None:
        assert json.loads(run("models", "-p", "Echo", "--json")[1]) == [
            {"provider": "Echo", "model": "echo", "id": "echo"}
        ]

    def test_what_the_host_lists(self) -> None:
        with serve_in_background(create_app("Echo"), threads=2) as url:
            code, out, _ = run("models", "-p", "OpenAssistant", "--base-url", url, "--auth", "a")
        assert code == 0
        assert [line.split()[1] for line in out.splitlines()[1:]] == ["OA_SFT_Llama_30B_6", "echo"]

    def test_what_an_openai_compatible_host_lists(self, play: Any) -> None:
        url = play(load("openai/models")).url
        assert json.loads(run("models", "-p", "OpenAI", "--json", OPENAI_BASE_URL=url + "/v1")[1]) == [
            {"provider": "OpenAI", "model": "tiny.gguf", "id": "tiny.gguf"}
        ]

    def test_a_public_host_without_a_key(self) -> None:
        code, out, err = run("models", "-p", "OpenAI")
        assert code == 0 and [line.split()[1] for line in out.splitlines()[1:]] == ["gpt-3.5-turbo", "gpt-4"]
        assert err.startswith("Built-in list (the server was not asked: OpenAI needs credentials")

    def test_a_public_host_that_is_gone_is_not_asked(self) -> None:
        code, out, err = run("models", "-p", "OpenAssistant")
        assert (code, err) == (0, "Built-in list (there is no server to ask)\n")

    def test_an_address_without_a_provider_is_an_openai_compatible_one(self, play: Any) -> None:
        code, out, _ = run("models", "--base-url", play(load("openai/models")).url + "/v1")
        assert code == 0 and out.splitlines()[1].split() == ["OpenAI", "tiny.gguf", "tiny.gguf"]


class TestServe:
    def test_it_says_how_to_ask_it_and_ends_cleanly(self) -> None:
        process = opened("serve", "--port", "0", "--token", "s3cr3t")
        assert process.stderr is not None
        said = [process.stderr.readline().decode() for _ in range(4)]
        match = re.match(r"Echo answers at (http://127.0.0.1:\d+), which is also a page", said[0])
        assert match and "s3cr3t" not in "".join(said)
        commands = [line.strip().replace("…", "s3cr3t") for line in said[1:3]]
        for command in commands:
            arguments = shlex.split(command)
            assert arguments[0] == "g4f-legacy"
            assert run(*arguments[1:])[:2] == (0, "Hello")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")

    def test_an_interrupt_while_it_answers(self) -> None:
        process = opened("serve", "--port", "0")
        assert process.stderr is not None
        [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
        with requests.get(url, stream=True):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        assert process.returncode == 0

    def test_a_port_that_is_taken(self) -> None:
        with serve_in_background(create_app("Echo"), threads=2) as url:
            code, out, err = run("serve", "--port", url.rpartition(":")[2])
        assert (code, out) == (2, "")
        assert "Address already in use" in err and "Traceback" not in err
