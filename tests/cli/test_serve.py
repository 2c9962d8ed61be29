import re
import shlex
import signal

import requests
from command_line import open_process, run

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
        assert run(*arguments[1:])[:2] == (0, "Hello")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")


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
        code, out, err = run("serve", "--port", url.rpartition(":")[2])
    assert (code, out) == (2, "")
    assert "Address already in use" in err and "Traceback" not in err
