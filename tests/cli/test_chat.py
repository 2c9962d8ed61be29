import codecs
import io
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command_line import run, start
from scripted_provider import scripted_provider
from upstream import CUT_TEXT, TEXT, Upstream

from g4f_legacy import registry
from g4f_legacy.cli.chat.commands import ALIASES, COMMANDS
from g4f_legacy.cli.main import main
from g4f_legacy.tokens import Finish

SECRET = "s3cr3t-s3cr3t-s3cr3t"
WITHOUT_READLINE = "sys.modules['readline'] = None"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the history of typed lines."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that lets Echo be a provider that follows a script."""

    def install(*script: Any) -> Any:
        provider = scripted_provider(*script)
        monkeypatch.setattr(registry, "get", lambda name: provider)
        return provider

    return install


def pipe(*lines: str, arguments: tuple[str, ...] = ("-p", "Echo")) -> Any:
    """Return the exit code, stdout and stderr of a chat whose lines are piped."""
    return run("chat", *arguments, stdin="".join(f"{line}\n" for line in lines))


def type_lines(*lines: str, arguments: tuple[str, ...] = ("-p", "Echo")) -> Any:
    """Return the exit code, stdout and stderr, without the first line, of a chat whose stdin says it is a terminal."""
    stdin, out, err = io.StringIO("".join(f"{line}\n" for line in lines)), io.StringIO(), io.StringIO()
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", stdin)
        code = main(["chat", *arguments])
    banner, _, rest = err.getvalue().partition("\n")
    assert "/help lists the commands, Ctrl-D ends the chat." in banner
    return code, out.getvalue(), rest.removesuffix("\n").removesuffix("\n")


def at(upstream: Upstream, model: str) -> tuple[str, ...]:
    return ("--base-url", f"{upstream.url}/v1", "--auth", SECRET, "-m", model)


def conversations(upstream: Upstream) -> list[list[tuple[str, str]]]:
    """Return the messages of each request."""
    return [[(message["role"], message["content"]) for message in payload["messages"]] for payload in upstream.payloads]


class TestPiped:
    """Each line is a turn, stdout has the answers alone, and the first failure ends the chat."""

    def test_the_conversation_is_sent_along(self, upstream: Upstream) -> None:
        assert pipe("one", "", "two", arguments=at(upstream, "text")) == (0, f"{TEXT}\n{TEXT}\n", "")
        first = [("user", "one")]
        assert conversations(upstream) == [first, [*first, ("assistant", TEXT), ("user", "two")]]

    def test_lines_end_at_newlines_alone(self) -> None:
        assert pipe("a\u2028b\x85c 👋", '"""d', " e", '"""')[1] == "a\u2028b\x85c 👋\nd\n e\n"

    def test_the_first_answer_does_not_wait_for_the_end(self) -> None:
        process = start("chat", "-p", "Echo")
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("Привет\r\n".encode())
        process.stdin.flush()
        assert process.stdout.readline().decode() == f"Привет{os.linesep}"
        assert process.communicate(b"x", timeout=30) == (f"x{os.linesep}".encode(), b"")

    @pytest.mark.parametrize("model, code, out", [("cut", 5, f"{CUT_TEXT}\n"), ("wrong-key", 3, "")])
    def test_a_failure(self, model: str, code: int, out: str, upstream: Upstream) -> None:
        failed = pipe("one", "two", arguments=at(upstream, model))
        assert failed[:2] == (code, out) and failed[2].startswith("g4f-legacy: OpenAI: ")
        assert len(upstream.payloads) == 1 and SECRET not in failed[2]

    @pytest.mark.parametrize("lines", [[], ["", "  "]])
    def test_nothing(self, lines: list[str]) -> None:
        code, out, err = pipe(*lines)
        assert (code, out) == (2, "") and err.startswith("g4f-legacy: there is nothing to ask: each line of stdin")

    def test_no_stdin(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        assert main(["chat", "-p", "Echo"]) == 2
        assert capsys.readouterr().err.startswith("g4f-legacy: there is nothing to ask")

    def test_other_encodings_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        process = start("chat", "-p", "Echo", PYTHONIOENCODING="latin-1")
        out, err = process.communicate(b"\xef\xbb\xbfok\ncaf\xe9\nmore\n", timeout=30)
        assert (process.returncode, out.split()) == (2, [b"ok"])
        assert err.startswith(b"g4f-legacy: stdin is not UTF-8 (byte 0xe9 at position 3): convert it first")

    def test_a_text_without_an_end(self) -> None:
        code, out, err = pipe("one", '"""', "two")
        assert (code, out) == (2, "one\n") and 'end it with """' in err

    def test_errors_before_the_first_line(self) -> None:
        assert "must be seconds" in pipe(arguments=("-p", "Echo", "-o", "timeout=no"))[2]
        assert pipe(arguments=("-p", "OpenAI"))[0] == 3
        assert pipe(arguments=("-p", "Xyzzy"))[2].startswith("g4f-legacy: there is no provider 'Xyzzy'")

    def test_the_log_does_not_break_lines(self, scripted: Callable[..., Any]) -> None:
        scripted("one ", lambda: logging.getLogger("g4f_legacy").warning("a record"), "line")
        assert pipe("x")[:2] == (0, "one line\n")

    def test_a_provider_that_cannot_stream(self, scripted: Callable[..., Any]) -> None:
        provider = scripted("Hello")
        provider.supports_stream = False
        assert pipe("one") == (0, "Hello\n", "")
        assert provider.streams == [False]


class TestAnswers:
    """On a terminal, the conversation goes on after an answer that is truncated or missing."""

    def test_a_truncated_answer_is_kept(self, upstream: Upstream) -> None:
        lines = ["one", "/model text", "two"]
        code, out, err = type_lines(*lines, arguments=at(upstream, "cut"))
        assert (code, out) == (0, f"{CUT_TEXT}\n{TEXT}\n")
        failure, kept, _ = err.split("\n")
        assert failure.endswith("The completion is truncated.")
        assert kept == "The text received is part of the conversation; /retry asks again."
        assert conversations(upstream)[1] == [("user", "one"), ("assistant", CUT_TEXT), ("user", "two")]

    @pytest.mark.parametrize("model", ["server-error", "error-event-first", "wrong-key"])
    def test_a_message_without_an_answer_is_dropped(self, model: str, upstream: Upstream) -> None:
        lines = ["one", "/model text", "two"]
        code, out, err = type_lines(*lines, arguments=("-o", "retries=0", *at(upstream, model)))
        assert (code, out) == (0, f"{TEXT}\n")
        assert err.split("\n")[1] == "Nothing is added to the conversation; /retry asks again."
        assert conversations(upstream)[-1] == [("user", "two")] and SECRET not in err

    def test_a_dropped_message_is_asked_again(self, upstream: Upstream) -> None:
        type_lines("one", "/model text", "/retry", "two", arguments=at(upstream, "wrong-key"))
        assert conversations(upstream)[1:] == [
            [("user", "one")],
            [("user", "one"), ("assistant", TEXT), ("user", "two")],
        ]

    def test_an_answer_without_a_text(self, scripted: Callable[..., Any]) -> None:
        provider = scripted("\n")
        assert type_lines("one", "two")[2].count("Nothing is added to the conversation") == 2
        assert [len(messages) for _, messages, _ in provider.calls] == [1, 1]

    def test_the_text_that_the_server_states(self, scripted: Callable[..., Any]) -> None:
        provider = scripted("Helo", Finish("stop", text="Hello"))
        assert type_lines("one", "two")[1] == "Helo\nHelo\n"
        assert provider.calls[1][1][1] == {"role": "assistant", "content": "Hello"}


class TestCommands:
    def test_system(self, upstream: Upstream) -> None:
        lines = ["/system", "one", '/system """Be', 'brief."""', "/clear", "two", '/system ""', "/clear", "three"]
        code, _, err = pipe(*lines, arguments=("-s", "Be kind.", *at(upstream, "text")))
        assert code == 0 and err.split("\n")[:2] == ["system prompt: Be kind.", "system prompt: Be"]
        assert conversations(upstream) == [
            [("system", "Be kind."), ("user", "one")],
            [("system", "Be\nbrief."), ("user", "two")],
            [("user", "three")],
        ]

    def test_model(self, upstream: Upstream) -> None:
        code, _, err = pipe("/model", "one", "/model length", "two", arguments=at(upstream, "text"))
        shown = [f"OpenAI at {upstream.url}/v1, model {model}" for model in ("text", "length")]
        assert (code, err.split("\n")[:2]) == (0, shown)
        assert [payload["model"] for payload in upstream.payloads] == ["text", "length"]

    def test_retry(self, upstream: Upstream) -> None:
        assert pipe("one", "/system Be brief.", "/retry", arguments=at(upstream, "text"))[0] == 0
        assert conversations(upstream) == [[("user", "one")], [("system", "Be brief."), ("user", "one")]]

    def test_retry_keeps_the_answer_if_there_is_no_other(self, upstream: Upstream) -> None:
        lines = ["one", "/model server-error", "/retry", "/model text", "two"]
        type_lines(*lines, arguments=("-o", "retries=0", *at(upstream, "text")))
        assert conversations(upstream)[-1] == [("user", "one"), ("assistant", TEXT), ("user", "two")]

    @pytest.mark.parametrize("command", ["/clear", "/new"])
    def test_clear(self, command: str, upstream: Upstream) -> None:
        assert pipe("one", command, "two", arguments=at(upstream, "text"))[0] == 0
        assert conversations(upstream) == [[("user", "one")], [("user", "two")]]
        code, _, err = pipe("one", command, "/retry")
        assert (code, err.endswith("g4f-legacy: there is no message to ask again\n")) == (2, True)

    def test_help(self) -> None:
        code, out, err = pipe("/help")
        assert (code, out) == (0, "")
        for name, command in COMMANDS.items():
            assert re.search(rf"^/{name}\b.* {re.escape(command.summary)}$", err, re.MULTILINE)
        for alias, name in ALIASES.items():
            assert re.search(rf"^/{name}, /{alias} +{re.escape(COMMANDS[name].summary)}$", err, re.MULTILINE)

    @pytest.mark.parametrize("command", ["/exit", "/quit"])
    def test_exit(self, command: str) -> None:
        assert pipe("one", command, "two") == (0, "one\n", "")

    def test_two_slashes(self) -> None:
        assert pipe("//etc/hosts", '"""/etc', '/hosts"""') == (0, "/etc/hosts\n/etc\n/hosts\n", "")

    @pytest.mark.parametrize(
        "line, message",
        [
            ("/modle x", "there is no command /modle: did you mean /model? A message that begins with a slash needs"),
            ("/qiut", "there is no command /qiut: did you mean /quit?"),
            ("/quit now", "/quit takes no argument"),
            ("/xyzzy", "there is no command /xyzzy: /help lists the commands. "),
            ("/", "there is no command /: /help lists the commands."),
            ("/retry", "there is no message to ask again"),
            ("/retry it", "/retry takes no argument"),
            ("/save", "/save needs an argument: FILE"),
            ("/save x", "there is nothing to save"),
            ("/load /no/such/file", "[Errno 2] "),
        ],
    )
    def test_wrong_ones(self, line: str, message: str, scripted: Callable[..., Any]) -> None:
        provider = scripted("Hello")
        code, out, err = pipe(line, "more")
        assert (code, out) == (2, "") and err.startswith(f"g4f-legacy: {message}")
        code, out, err = type_lines(line, "more")
        assert (code, out) == (0, "Hello\n") and err.startswith(message)
        assert [messages[-1]["content"] for _, messages, _ in provider.calls] == ["more"]


class TestFiles:
    def test_round_trip(self, tmp_path: Path, upstream: Upstream) -> None:
        path = tmp_path / "разговор 👋.json"
        arguments = ("-s", "Кратко 👋🏽", *at(upstream, "text"))
        code, _, err = pipe('Привет \\ "мир"', f"/save {path}", arguments=arguments)
        assert (code, err) == (0, f"3 messages saved to {path}\n")
        saved = json.loads(path.read_text("utf-8"))
        assert saved == [
            {"role": "system", "content": "Кратко 👋🏽"},
            {"role": "user", "content": 'Привет \\ "мир"'},
            {"role": "assistant", "content": TEXT},
        ]
        assert "Привет" in path.read_text("utf-8") and SECRET not in path.read_text("utf-8")
        assert os.listdir(path.parent) == [path.name]
        assert pipe(f"/load {path}", "more", arguments=at(upstream, "text"))[2] == f"3 messages loaded from {path}\n"
        assert pipe("more", arguments=("--load", str(path), *at(upstream, "text")))[0] == 0
        for sent in upstream.payloads[1:]:
            assert sent["messages"] == [*saved, {"role": "user", "content": "more"}]

    def test_a_lone_surrogate(self, tmp_path: Path, scripted: Callable[..., Any]) -> None:
        provider = scripted("\ud83d")
        path = tmp_path / "saved.json"
        assert pipe("one", f"/save {path}", f"/load {path}", "two")[0] == 0
        assert provider.calls[1][1][1]["content"] == "\ud83d"

    def test_a_saved_file_is_replaced(self, tmp_path: Path) -> None:
        path, link = tmp_path / "saved.json", tmp_path / "link.json"
        assert pipe("one", f"/save {path}")[0] == 0
        path.chmod(0o640)
        link.symlink_to(path)
        assert pipe("two", f"/save {link}")[0] == 0
        assert json.loads(path.read_text("utf-8"))[0]["content"] == "two"
        assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640

    @pytest.mark.parametrize("content", [b"", b"notes", b'{"role": "user"}', b"[]", b"\xff", b"[1]", b"[" * 100_000])
    def test_another_file_is_neither_replaced_nor_loaded(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "notes"
        path.write_bytes(content)
        code, out, err = type_lines("one", f"/save {path}", f"/load {path}", f"/save {tmp_path / 'kept'}")
        refused, not_loaded, saved = err.split("\n")
        assert refused.startswith(f"{path} does not contain a list of messages: ")
        assert refused.endswith("It stays as it is: save to another file")
        assert not_loaded.startswith(f"{path} does not contain a list of messages: ")
        assert path.read_bytes() == content
        assert saved.startswith("2 messages saved")
        assert run("chat", "-p", "Echo", "--load", str(path))[0] == 2

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no such files on Windows")
    @pytest.mark.parametrize("name", ["/dev/zero", "/"])
    def test_what_is_no_file(self, name: str) -> None:
        assert type_lines("one", f"/load {name}", f"/save {name}")[2].count(f"{name} is not a file") == 2

    def test_a_full_disk_leaves_the_earlier_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "saved.json"
        assert pipe("one", f"/save {path}")[0] == 0
        earlier = path.read_bytes()

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)
        assert type_lines("two", f"/save {path}")[2] == f"[Errno 28] No space left on device: {str(path)!r}"
        assert path.read_bytes() == earlier and set(os.listdir(tmp_path)) <= {"saved.json", "state"}

    @pytest.mark.parametrize("folder", ["no", "file"], ids=["does not exist", "is a file"])
    def test_an_error_names_the_file_alone(self, folder: str, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        path = tmp_path / folder / "x.json"
        shown = type_lines("one", f"/save {path}")[2]
        assert shown.startswith("[Errno ") and shown.endswith(f": {str(path)!r}") and ".tmp" not in shown


class OneTokenServer:
    """An OpenAI-compatible server that sends a token, and more only if the message is not ``long``.

    Attributes:
        sent: the messages of each request.
        closed: whether the client closed the connection of a long answer.
    """

    def __init__(self) -> None:
        self.sent: list[list[dict[str, str]]] = []
        self.closed = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
                owner.sent.append(messages)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                if messages[-1]["content"] != "mute":
                    self.wfile.write('data: {"choices": [{"index": 0, "delta": {"content": "Да 👋"}}]}\n\n'.encode())
                if messages[-1]["content"] in ("long", "mute"):
                    assert self.rfile.read(1) == b""
                    owner.closed.set()
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.arguments = ("--base-url", f"http://127.0.0.1:{self._server.server_port}/v1", "-m", "tiny")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "OneTokenServer":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Terminal:
    """A chat on a terminal of its own, whose Ctrl-C sends SIGINT.

    Args:
        arguments: those of the command.
        stdout: where stdout goes, if not to the terminal.
        prelude: Python code to run before the command.
        locale: the locale; readline drops bytes that are no UTF-8 where that is the encoding.

    Attributes:
        brackets_pastes: whether the terminal is asked to mark what is pasted.
    """

    def __init__(self, *arguments: str, stdout: Any = None, prelude: str = "", locale: str = "C.UTF-8") -> None:
        import pty

        code = (
            "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            f"{prelude}\n"
            "from g4f_legacy.cli.main import main\n"
            "sys.exit(main())"
        )
        self._terminal, other_end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "chat", *arguments],
            env={**os.environ, "TERM": "xterm", "INPUTRC": os.devnull, "LC_ALL": locale},
            stdin=other_end,
            stdout=stdout or other_end,
            stderr=other_end,
            start_new_session=True,
        )
        os.close(other_end)
        self._shown = ""
        self.brackets_pastes = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait(timeout=30)
        self.close()
        if self.process.stdout:
            self.process.stdout.close()

    def close(self) -> None:
        """Close the terminal, at which the kernel sends SIGHUP."""
        if self._terminal >= 0:
            os.close(self._terminal)
        self._terminal = -1

    def type(self, text: str | bytes) -> None:
        os.write(self._terminal, text if isinstance(text, bytes) else text.encode())

    def wait_until_it_waits(self) -> None:
        """Wait until the chat waits for a key.

        Python's readline misses a signal between two of its waits until the next key is pressed. It checks for signals
        when one interrupts a wait: ``readline_until_enter_or_signal`` in
        https://github.com/python/cpython/blob/main/Modules/readline.c.
        """
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.exists() and ") S " not in state.read_text():
            time.sleep(0.01)
        if not state.exists():  # there is no /proc on macOS
            time.sleep(0.5)

    def interrupt(self) -> None:
        """Press Ctrl-C while the chat waits."""
        self.wait_until_it_waits()
        self.type("\x03")

    def type_line(self, text: str | bytes) -> str:
        """Type a line when the prompt is there, and return what is shown up to the next prompt."""
        self.type(text)
        self.type("\r")
        return self.wait_for(r"\n> ")

    def wait_for(self, pattern: str) -> str:
        """Return what is shown up to a match of the pattern."""
        while (match := re.search(pattern, self._shown)) is None:
            ready, _, _ = select.select([self._terminal], [], [], 30)
            assert ready, f"{pattern!r} is not in {self._shown!r}"
            received = self._decoder.decode(os.read(self._terminal, 10_000))
            self.brackets_pastes = self.brackets_pastes or "\x1b[?2004h" in received
            self._shown += received
            self._shown = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", self._shown)
        shown, self._shown = self._shown[: match.end()], self._shown[match.end() :]
        return shown

    def end(self, keys: str = "\x04") -> int:
        """End the chat, by default by Ctrl-D, and return its exit code."""
        self.type(keys)
        return self.process.wait(timeout=30)


@pytest.fixture
def one_token_server() -> Iterator[OneTokenServer]:
    with OneTokenServer() as server:
        yield server


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
class TestTerminal:
    def test_a_stopped_answer(self, one_token_server: OneTokenServer) -> None:
        with Terminal(*one_token_server.arguments) as terminal:
            terminal.wait_for("> ")
            terminal.type("long\r")
            terminal.wait_for("Да 👋")
            terminal.interrupt()
            assert "Stopped.\nThe text received is part of the conversation; /retry" in terminal.wait_for("\n> ")
            assert one_token_server.closed.wait(30)
            assert "Да 👋\n" in terminal.type_line("short")
            assert terminal.end() == 0
        first = [{"role": "user", "content": "long"}, {"role": "assistant", "content": "Да 👋"}]
        assert one_token_server.sent[1] == [*first, {"role": "user", "content": "short"}]

    def test_an_answer_stopped_before_its_first_token(self, one_token_server: OneTokenServer) -> None:
        with Terminal(*one_token_server.arguments) as terminal:
            terminal.wait_for("> ")
            terminal.type("mute\r")
            while not one_token_server.sent:
                time.sleep(0.01)
            terminal.interrupt()
            assert "Stopped.\nNothing is added to the conversation" in terminal.wait_for("\n> ")
            assert one_token_server.closed.wait(30)
            assert terminal.end() == 0

    @pytest.mark.parametrize("typed", ["", "long\r"], ids=["at the prompt", "during an answer"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
    def test_signals_end_the_chat(self, number: int, typed: str, one_token_server: OneTokenServer) -> None:
        with Terminal(*one_token_server.arguments) as terminal:
            terminal.wait_for("> ")
            if typed:
                terminal.type(typed)
                terminal.wait_for("Да 👋")
            terminal.wait_until_it_waits()
            terminal.process.send_signal(number)
            assert terminal.process.wait(timeout=30) == 128 + number
        assert not typed or one_token_server.closed.wait(30)

    @pytest.mark.parametrize("typed", ["", "long\r"], ids=["at the prompt", "during an answer"])
    @pytest.mark.parametrize("redirected", ["", "1", "2"])
    def test_the_terminal_is_closed(
        self, redirected: str, typed: str, one_token_server: OneTokenServer, tmp_path: Path
    ) -> None:
        """Wherever stdout and stderr go, the exit code is that of SIGHUP."""
        log = tmp_path / "log"
        prelude = f"import os; os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY), {redirected})"
        with Terminal(*one_token_server.arguments, prelude=prelude if redirected else "") as terminal:
            terminal.wait_for("> ")
            terminal.type(typed)
            while typed and not one_token_server.sent:
                time.sleep(0.01)
            if typed and redirected != "1":
                terminal.wait_for("Да 👋")
            terminal.wait_until_it_waits()
            terminal.close()
            assert terminal.process.wait(timeout=30) == 128 + signal.SIGHUP
        assert not typed or one_token_server.closed.wait(30)
        assert not log.exists() or "Traceback" not in log.read_text("utf-8")

    @pytest.mark.parametrize("descriptor, name", [(1, "stdout"), (2, "stderr")])
    def test_closed_output(self, descriptor: int, name: str) -> None:
        prelude = f"sys.{name} = None; __import__('os').close({descriptor})"
        with Terminal("-p", "Echo", prelude=prelude) as terminal:
            if name == "stdout":
                terminal.wait_for("g4f-legacy: stdout is closed, which a chat on a terminal needs: redirect it")
            assert terminal.process.wait(timeout=30) == 2

    def test_the_line(self) -> None:
        """Ctrl-C clears it, or ends the chat; triple quotes continue it."""
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            terminal.type("typed")
            terminal.wait_for("typed")
            terminal.interrupt()
            assert "Ctrl-C" not in terminal.wait_for("\n> ")
            terminal.interrupt()
            assert "Press Ctrl-C again to end the chat" in terminal.wait_for("\n> ")
            assert "\none\n" in terminal.type_line("one")
            terminal.type('"""two\r')
            terminal.wait_for(r"\n\.\.\. ")
            assert "\ntwo\nthree\n> " in terminal.type_line('three"""')
            terminal.type('"""four\r')
            terminal.wait_for(r"\n\.\.\. ")
            terminal.interrupt()
            assert "the text is discarded" in terminal.wait_for("\n> ")
            terminal.interrupt()
            assert "Press Ctrl-C again to end the chat" in terminal.wait_for("\n> ")
            terminal.wait_until_it_waits()
            assert terminal.end("\x03") == 0

    @pytest.mark.skipif(not find_spec("readline"), reason="this Python has no readline")
    def test_history(self, state: Path) -> None:
        """Lines can be edited and recalled, in later chats as well. Only the user can read them."""
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            assert "\nfirst 👋\n" in terminal.type_line("frst 👋" + "\x1b[D" * 5 + "i")  # cursor to the left
            assert "\nfirst 👋\n" in terminal.type_line("\x1b[A")  # cursor up
            assert terminal.end() == 0
        history = state / "g4f_legacy" / "history"
        assert history.read_text("utf-8") == "first 👋\n"
        assert (history.stat().st_mode & 0o777, history.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        history.chmod(0o640)
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            assert "\nfirst 👋!\n" in terminal.type_line("\x1b[A!")
            assert terminal.end() == 0
        assert history.read_text("utf-8") == "first 👋\nfirst 👋!\n" and history.stat().st_mode & 0o777 == 0o640

    @pytest.mark.skipif(not find_spec("readline"), reason="this Python has no readline")
    def test_a_history_that_is_no_file(self, state: Path, tmp_path: Path) -> None:
        """A link to /dev/null, say, keeps none. As root, a chat could change its mode."""
        device = tmp_path / "device"
        os.mkfifo(device, 0o644)
        history = state / "g4f_legacy" / "history"
        history.parent.mkdir(parents=True)
        history.symlink_to(os.devnull)
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            history.unlink()
            history.symlink_to(device)
            terminal.type_line("one")
            assert terminal.end() == 0
        assert device.stat().st_mode & 0o777 == 0o644 and history.is_symlink()

    @pytest.mark.skipif(not find_spec("readline"), reason="this Python has no readline")
    def test_pasted_lines_are_one_message(self) -> None:
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            assert terminal.brackets_pastes
            assert "\none\n  two\n> " in terminal.type_line("\x1b[200~one\n  two\x1b[201~")

    @pytest.mark.parametrize("arguments", [{"locale": "C"}, {"prelude": WITHOUT_READLINE}], ids=["C", "no readline"])
    def test_bytes_that_are_no_text(self, arguments: dict[str, str]) -> None:
        with Terminal("-p", "Echo", **arguments) as terminal:
            terminal.wait_for("> ")
            assert "This line is ignored: 'utf-8' codec can't" in terminal.type_line(b"caf\xe9")
            assert "\none\n> " in terminal.type_line("one")

    def test_a_history_that_cannot_be_written(self, state: Path) -> None:
        state.write_text("a file, not a folder")
        with Terminal("-p", "Echo") as terminal:
            terminal.wait_for("> ")
            terminal.type_line("one")
            assert terminal.end() == 0

    def test_without_readline(self, state: Path) -> None:
        with Terminal("-p", "Echo", prelude=WITHOUT_READLINE) as terminal:
            terminal.wait_for("> ")
            assert "\none\n" in terminal.type_line("one")
            assert terminal.end() == 0
        assert not state.exists()

    def test_stdout_has_the_answers_alone(self) -> None:
        with Terminal("-p", "Echo", stdout=subprocess.PIPE) as terminal:
            terminal.wait_for("> ")
            terminal.type_line("one")
            assert terminal.type_line("/model") == "/model\nEcho, its default model\n> "
            assert terminal.end() == 0
            assert terminal.process.stdout is not None
            assert terminal.process.stdout.read() == b"one\n"
