"""The servers of 2023, which scripts start as ``g4f.api``, ``g4f.gui`` and ``g4f.interference``."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from environments.web_servers import free_port

from g4f_legacy import Provider, api, gui, interference, redirect
from g4f_legacy.errors import ProviderNotWorkingError
from g4f_legacy.server import create_app, serve_in_background

HELLO = [{"role": "user", "content": "Hello there"}]
STARTS = [
    "g4f.api.Api(engine=g4f, debug=True, sentry=False, list_ignored_providers=None).run('127.0.0.1:{port}')",
    "g4f.api.Api(g4f).run(bind_str='127.0.0.1:{port}', num_workers=2, use_colors=True)",
    "g4f.api.Api().run('127.0.0.1', {port})",
    "g4f.api.Api().run(ip='127.0.0.1', port='{port}')",
    "g4f.api.Api().run(ip='127.0.0.1:{port}')",
    "g4f.api.Api(engine=g4f).run(host='127.0.0.1', port={port})",
    "g4f.api.Api(engine=g4f).run(host='127.0.0.1:{port}')",
    "g4f.gui.run_gui(host='127.0.0.1', port={port}, debug=True)",
    "g4f.gui.run_gui('127.0.0.1', {port}, True)",
    "g4f.interference.run_interference(port={port})",
    "g4f.interference.run_interference('127.0.0.1', {port})",
    "g4f.interference.run_interference('127.0.0.1:{port}')",
]

# Python runs it when it starts. The default port may be in use.
ON_A_FREE_PORT = """
import socket
create_server = socket.create_server
def create_on_free_port(address, **options):
    assert address[1] == 1337
    return create_server((address[0], 0), **options)
socket.create_server = create_on_free_port
"""


@contextmanager
def running(*arguments: str, cwd: Path, **environment: str) -> Iterator[str]:
    """Start Python, yield the URL that it prints, and interrupt it."""
    command = [sys.executable, "-W", "error", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stderr and process.stdout
            line = process.stderr.readline().decode()
            match = re.fullmatch(r"(\w+) answers at (http://\S+), which is also a page to chat on\. .*\n", line)
            assert match, line + process.stderr.read().decode()
            yield match[2]
        finally:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.decode(), err.decode()) == (
            0,
            "stopped\n" if "script.py" in command else "",
            "",
        )


def ask(url: str) -> str:
    body = {"model": "gpt-4", "messages": HELLO}
    response = requests.post(f"{url}/v1/chat/completions", json=body, timeout=10)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("start", STARTS)
def test_the_address(start: str, tmp_path: Path) -> None:
    port = free_port()
    script = f"import g4f\n{start.format(port=port)}\nprint('stopped')\n"
    (tmp_path / "script.py").write_text(script)
    with running("-m", "g4f_legacy", "run", "--to", "Echo", "script.py", cwd=tmp_path) as url:
        assert url == f"http://127.0.0.1:{port}"
        assert ask(url) == "Hello there"


def test_with_this_package_imported_as_g4f(tmp_path: Path) -> None:
    with serve_in_background(create_app("Echo"), threads=4) as upstream:
        script = "from g4f_legacy.api import Api\nApi(debug=True).run('127.0.0.1:0')\nprint('stopped')\n"
        (tmp_path / "script.py").write_text(script)
        with running("script.py", cwd=tmp_path, OPENAI_BASE_URL=upstream) as url:
            assert ask(url) == "Hello there"


def test_the_address_of_all_interfaces_can_be_opened(tmp_path: Path) -> None:
    script = (
        "import logging\nfrom g4f_legacy.api import Api\nlogging.disable()\nApi().run('0.0.0.0:0')\nprint('stopped')\n"
    )
    (tmp_path / "script.py").write_text(script)
    with running("script.py", cwd=tmp_path, G4F_LEGACY_REDIRECT="Echo") as url:
        assert url.startswith("http://127.0.0.1:") and ask(url) == "Hello there"


@pytest.mark.parametrize("module", ["api", "gui", "interference"])
@pytest.mark.parametrize("start", [["-m", "g4f_legacy", "run", "-m", "g4f.{}"], ["-m", "g4f_legacy.{}"]])
def test_as_a_module(module: str, start: list[str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ON_A_FREE_PORT)
    arguments = [argument.format(module) for argument in start]
    with running(*arguments, cwd=tmp_path, G4F_LEGACY_REDIRECT="Echo", PYTHONPATH=str(tmp_path)) as url:
        assert ask(url) == "Hello there"


class TestEngine:
    """What `serve` is called with."""

    @pytest.fixture(autouse=True)
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def serve(engine: Any, model: str | None, on_ready: Any, **options: Any) -> None:
            calls.append({"engine": engine, "model": model, **options})

        monkeypatch.setattr("g4f_legacy.server.serve", serve)
        return calls

    def test_the_redirect_target_with_its_model_and_options(self, calls: list[dict[str, Any]]) -> None:
        with redirect("OpenAI", "mine", base_url="http://127.0.0.1:1", temperature=0.5):
            api.Api().run()
        assert calls == [
            {
                "engine": Provider.OpenAI,
                "model": "mine",
                "host": "127.0.0.1",
                "port": 1337,
                "base_url": "http://127.0.0.1:1",
                "temperature": 0.5,
            }
        ]

    def test_the_configured_provider(self, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
        gui.run_gui("0.0.0.0", 8080)
        assert calls == [{"engine": Provider.OpenAI, "model": None, "host": "0.0.0.0", "port": 8080}]

    def test_the_redirect_target_precedes_it(
        self, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
        with redirect("Echo"):
            api.Api().run()
        assert calls == [{"engine": Provider.Echo, "model": None, "host": "127.0.0.1", "port": 1337}]

    @pytest.mark.parametrize(
        "bind_str, host, port",
        [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("[::1]:80", "::1", 80),
            ("localhost", "localhost", 1337),
            (":80", "127.0.0.1", 80),
            ("", "127.0.0.1", 1337),
        ],
    )
    def test_bind_str(self, bind_str: str, host: str, port: int, calls: list[dict[str, Any]]) -> None:
        with redirect("Echo"):
            api.Api().run(bind_str)
        assert (calls[0]["host"], calls[0]["port"]) == (host, port)

    @pytest.mark.parametrize(
        "start",
        [lambda given: api.Api().run(ip=given), lambda given: api.Api().run(host=given), interference.run_interference],
    )
    @pytest.mark.parametrize(
        "given, host, port",
        [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("localhost:80", "localhost", 80),
            ("localhost", "localhost", 1337),
            ("::1", "::1", 1337),
        ],
    )
    def test_a_host_with_a_port(
        self, start: Any, given: str, host: str, port: int, calls: list[dict[str, Any]]
    ) -> None:
        with redirect("Echo"):
            start(given)
        assert (calls[0]["host"], calls[0]["port"]) == (host, port)

    @pytest.mark.parametrize("bind_str, port", [("127.0.0.1:x", None), ("127.0.0.1:65536", None), (None, "x")])
    def test_a_wrong_port(self, bind_str: str, port: Any) -> None:
        with redirect("Echo"), pytest.raises(ValueError):
            api.Api().run(bind_str, port)

    @pytest.mark.parametrize("given", [("127.0.0.1:x",), ("127.0.0.1", "x"), ("[::1",), ("host", [])])
    def test_an_invalid_address(self, given: Any, calls: list[dict[str, Any]]) -> None:
        with redirect("Echo"), pytest.raises(ValueError, match="is not an address like '127.0.0.1:1337'"):
            api.Api().run(*given)
        assert calls == []

    @pytest.mark.parametrize("start", [api.main, api.Api(debug=True).run, gui.run_gui, interference.run_interference])
    def test_nothing_is_configured(self, start: Any, calls: list[dict[str, Any]]) -> None:
        message = r"^g4f\.\w+ has no provider that answers its requests, and there is no redirect for them\. Send "
        with pytest.raises(ProviderNotWorkingError, match=message) as raised:
            start()
        assert "use Echo instead of OpenAI" in str(raised.value) and not calls


def test_nothing_is_configured_under_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "g4f_legacy", "run", "-m", "g4f.gui"]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("g4f-legacy: g4f.gui has no provider that answers its requests, ")
    assert "Traceback" not in done.stderr


def test_the_extra_is_missing(tmp_path: Path) -> None:
    code = "import sys; sys.modules['flask'] = None\nimport g4f_legacy as g4f\ng4f.redirect('Echo')\ng4f.gui.run_gui()"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "pip install flask waitress" in done.stderr.splitlines()[-1]


def test_a_module_without_a_server_is_not_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "g4f_legacy", "run", "-m", "g4f.models"]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "cannot import name 'main' from 'g4f_legacy.models'" in done.stderr
