"""Many completions, at once and in a row: they share no credentials, and nothing of them remains."""

import gc
import os
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from every_server import base_url, get_provider, other_response
from protocols import PROTOCOLS, is_for_text
from raw_server import RawServer, chunk, head, response
from replay import Sent

from g4f_legacy import ChatCompletion
from g4f_legacy.errors import ProviderError

AT_ONCE = 200
IN_A_ROW = 250  # 5,000 give more exact figures

NAMES = ("H2o", "OpenAI", "HuggingChat", "OpenAssistant")


def options(number: int, url: str) -> dict[str, Any]:
    """Return the options of one completion, each with its mark where that is possible."""
    mark = f"mark-{number:04}"
    return {
        "base_url": base_url(url, NAMES[number % len(NAMES)]),
        "auth": mark,
        "cookies": {"mine": mark},
        "headers": {"X-Mark": mark},
        "timeout": 60 + number,
        "temperature": number / 1000,
    }


def ask(number: int, url: str) -> Any:
    messages = [{"role": "user", "content": f"mark-{number:04}"}]
    return ChatCompletion.create("some", messages, NAMES[number % len(NAMES)], stream=True, **options(number, url))


def mark_of(sent: Sent) -> str:
    return str(sent.headers.get("x-mark"))


def is_mixed(sent: Sent) -> bool:
    """Return whether a request lacks a mark of its own completion, or has one of another."""
    mark = mark_of(sent)
    cookie, authorization = sent.headers.get("cookie", ""), sent.headers.get("authorization", "")
    token = {"HuggingChat": "hf-chat=", "OpenAssistant": "next-auth.session-token="}.get(get_provider(sent))
    expected = [f"mine={mark}" in cookie, f"{token}{mark}" in cookie if token else authorization == f"Bearer {mark}"]
    if is_for_text(sent) and get_provider(sent) in ("H2o", "OpenAI"):
        expected += [f'"temperature": {int(mark[5:]) / 1000}' in sent.body, mark in sent.body]
    marks = set(re.findall(r"mark-\d{4}", f"{sent}"))
    return marks != {mark} or not all(expected)


def test_at_once() -> None:
    all_streams = threading.Barrier(AT_ONCE)

    def respond(connection: socket.socket, sent: Sent) -> bool:
        mark = mark_of(sent)
        if not is_for_text(sent):
            connection.sendall(other_response(sent, mark))
            return True
        events = PROTOCOLS[get_provider(sent)].events(*[f"{mark} "] * 5)
        connection.sendall(head("chunked") + chunk(events[0], "chunked"))
        all_streams.wait(60)  # until all are open
        connection.sendall(b"".join(chunk(event, "chunked") for event in [*events[1:], b""]))
        return True

    with RawServer(respond) as server, ThreadPoolExecutor(AT_ONCE) as threads:
        texts = list(threads.map(lambda number: "".join(ask(number, server.url)), range(AT_ONCE)))
    assert texts == [f"mark-{number:04} " * 5 for number in range(AT_ONCE)]
    assert [sent for sent in server.sent if is_mixed(sent)] == []
    assert sum(map(is_for_text, server.sent)) == AT_ONCE and server.connections >= AT_ONCE


def figures() -> dict[str, int]:
    gc.collect()
    resident = re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return {
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "blocks of memory": sys.getallocatedblocks(),
        "resident kilobytes": int(resident[0]),
    }


def test_in_a_row() -> None:
    ends = ("complete", "early exit", "refused", "truncated", "complete")  # prime to the number of providers

    def respond(connection: socket.socket, sent: Sent) -> bool:
        server.sent.clear()
        end = ends[int(mark_of(sent)[5:]) % len(ends)]
        if not is_for_text(sent):
            connection.sendall(other_response(sent, mark_of(sent)))
            return True
        if end == "refused":
            connection.sendall(response(b'{"message": "No"}', 400))
            return True
        events = PROTOCOLS[get_provider(sent)].events(*["Hello "] * 5)
        connection.sendall(head("chunked") + b"".join(chunk(event, "chunked") for event in events[:3]))
        if end == "truncated":
            return False
        connection.sendall(b"".join(chunk(event, "chunked") for event in [*events[3:], b""]))
        return True

    def run(count: int) -> None:
        for number in range(count):
            tokens = ask(number % 10_000, server.url)
            with suppress(ProviderError):
                for _ in tokens:
                    if ends[number % len(ends)] == "early exit":
                        break
            tokens.close()

    with RawServer(respond) as server:
        run(100)
        before = figures()
        run(IN_A_ROW)
        after = figures()
    grown = {name: after[name] - before[name] for name in after}
    print(f"{IN_A_ROW} completions: {before} {after}")
    # A connection may be open at one time and not at the other: its two ends, and a thread of the server.
    assert abs(grown["file descriptors"]) <= 3 and abs(grown["threads"]) <= 1, grown
    assert grown["blocks of memory"] < 5_000 and grown["resident kilobytes"] < 20_000, grown


FORKING = """
import multiprocessing, os, sys
from g4f_legacy import ChatCompletion

def ask(mark):
    headers = {"X-Mark": mark}
    messages = [{"role": "user", "content": mark}]
    options = {"stream": True, "base_url": sys.argv[3], "headers": headers, "auth": "x"}
    return ChatCompletion.create("some", messages, sys.argv[2], **options)

def child():
    for _ in range(2):
        assert "".join(ask("child")) == "child child child "

def run(way):
    if way == "os.fork":
        pid = os.fork()
        if not pid:
            child()
            sys.exit()  # as a process usually ends
        assert os.waitpid(pid, 0)[1] == 0
    else:
        process = multiprocessing.get_context(way).Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0

if __name__ == "__main__":
    assert "".join(ask("parent")) == "parent parent parent "
    run(sys.argv[1])
    tokens = ask("parent")
    received = [next(tokens)]
    run(sys.argv[1])
    assert "".join([*received, *tokens]) == "parent parent parent "
    assert "".join(ask("parent")) == "parent parent parent "
    print("done")
"""


@pytest.mark.parametrize("provider", ["OpenAI", "H2o"])
@pytest.mark.parametrize("way", ["os.fork", "fork", "spawn"])
def test_another_process(way: str, provider: str, tmp_path: Path) -> None:
    requests: list[Any] = []

    def respond(connection: socket.socket, sent: Sent) -> bool:
        mark = mark_of(sent)
        requests.append((connection.getpeername(), mark, sent))
        if not is_for_text(sent):
            connection.sendall(other_response(sent, mark))
            return True
        events = PROTOCOLS[provider].events(*[f"{mark} "] * 3)
        connection.sendall(head("chunked"))
        for event in [*events, b""]:
            connection.sendall(chunk(event, "chunked"))
        return True

    script = tmp_path / "script.py"
    script.write_text(FORKING)
    with RawServer(respond) as server:
        command = [sys.executable, "-W", "error", str(script), way, provider, base_url(server.url, provider)]
        done = subprocess.run(command, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout.split() == [b"done"], done.stdout.decode()
    assert done.returncode == 0
    owners: dict[Any, set] = {}
    for peer, mark, _ in requests:
        owners.setdefault(peer, set()).add(mark)
    assert sorted(map(sorted, owners.values())) == [["child"], ["child"], ["parent"]]
    streams = [mark for _, mark, sent in requests if is_for_text(sent)]
    assert not any(sent.path.endswith("/stop-generating") for _, _, sent in requests)
    assert streams == ["parent", "child", "child", "parent", "child", "child", "parent"]


FORKING_WHILE_ASKING = """
import os, sys, threading, time
from g4f_legacy import ChatCompletion

def ask():
    messages = [{"role": "user", "content": "Hello"}]
    return ChatCompletion.create(None, messages, "OpenAI", stream=True, base_url=sys.argv[1])

texts = []
thread = threading.Thread(target=lambda: texts.append("".join(ask())))
thread.start()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
pid = os.fork()
if not pid:
    os._exit("".join(ask()) != "Hello")
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    time.sleep(0.01)
else:
    os.kill(pid, 9)
    status = "the child hangs"
os.remove(sys.argv[2])
thread.join()
print(status, *texts)
"""


def test_a_fork_while_a_thread_asks_for_the_models(tmp_path: Path) -> None:
    listing = tmp_path / "listing"

    def respond(connection: socket.socket, sent: Sent) -> bool:
        if is_for_text(sent):
            connection.sendall(head("close") + b"".join(PROTOCOLS["OpenAI"].events("Hello")))
            return False
        if len(server.sent) == 1:
            listing.touch()
            while listing.exists():
                time.sleep(0.01)
        connection.sendall(other_response(sent))
        return True

    with RawServer(respond) as server:
        command = [sys.executable, "-c", FORKING_WHILE_ASKING, base_url(server.url, "OpenAI"), str(listing)]
        done = subprocess.run(command, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.decode() == "0 Hello\n", done
