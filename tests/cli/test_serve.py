import re
import shlex
import signal
import threading
from typing import Any

import pytest
import requests
from command_line import open_process, run
from replay import load, wait_after_first_token

from g4f_legacy.server import create_app, serve_in_background


def test_it_prints_how_to_ask_it_and_ends_cleanly() -> None:
    process = open_process("serve", "--port", "0", "--token", "s3cr3t")
    assert process.stderr is not None
    lines = [process.stderr.readline().decode() for _ in range(4)]
    match = re.match(r"Echo answers at (http://127.0.0.1:\d+), which is also a page", lines[0])
    assert match and "s3cr3t" not in "".join(lines)
    commands = [line.strip().replace("…", "s3cr3t") for line in lines[1:3]]
    for command in commands:
        arguments = shlex.split(command)
        assert arguments[0] == "g4f-legacy"
        assert run(*arguments[1:])[:2] == (0, "Hello\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize("name, code", [("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals(name: str, code: int, play: Any) -> None:
    """They stop what is being generated, and delete the conversation."""
    if not hasattr(signal, name):
        pytest.skip(f"there is no {name} on this system")
    gate = threading.Event()
    upstream = play(wait_after_first_token(load("h2o/hello"), lambda: gate.wait(20)))
    process = open_process("serve", "--port", "0", "-p", "H2o", "--base-url", upstream.url)
    assert process.stderr is not None
    [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
    body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    with requests.post(f"{url}/v1/chat/completions", json=body, stream=True) as response:
        assert next(response.iter_content(1))
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=30)
    gate.set()
    assert process.returncode == code
    assert upstream.steps[-2].endswith("/stop-generating") and upstream.steps[-1].startswith("DELETE ")


@pytest.mark.parametrize("host, shown", [("0.0.0.0", r"127\.0\.0\.1"), ("::", r"\[::1\]")])
def test_the_address_of_all_interfaces_can_be_opened(host: str, shown: str) -> None:
    process = open_process("serve", "--port", "0", "--host", host, "--token", "s3cr3t")
    assert process.stderr is not None
    match = re.search(rf"http://{shown}:\d+", process.stderr.readline().decode())
    assert match and requests.get(match[0], timeout=10).status_code == 200
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_the_log_has_a_line_for_each_request() -> None:
    process = open_process("serve", "--port", "0", "-v")
    assert process.stderr is not None
    [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
    assert requests.get(f"{url}/v1/models", timeout=10).status_code == 200
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert re.search(r"^GET /v1/models 200, answered in \d+ ms$", err.decode(), re.MULTILINE)


def test_an_interrupt_while_it_responds() -> None:
    process = open_process("serve", "--port", "0")
    assert process.stderr is not None
    [url] = re.findall(r"http://[0-9.:]+", process.stderr.readline().decode())
    with requests.get(url, stream=True):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_port_in_use() -> None:
    with serve_in_background(create_app("Echo"), threads=2) as url:
        port = url.rpartition(":")[2]
        code, out, err = run("serve", "--port", port)
    assert (code, out) == (2, "")
    assert "Address already in use" in err and "Traceback" not in err
    assert err.startswith(f"g4f-legacy: port {port} is already in use (")
    assert err.endswith("give another one with --port (0 picks a free one)\n") and "bind" not in err


@pytest.mark.parametrize("host", ["fe80::1%no-such-interface", "a..b"])
def test_a_host_that_cannot_be_resolved(host: str) -> None:
    code, out, err = run("serve", "--port", "0", "--host", host)
    assert (code, out) == (2, "") and err.startswith(f"g4f-legacy: --host {host!r} cannot be resolved: ")
    assert "[Errno" not in err
