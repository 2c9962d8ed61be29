"""Many completions, at once and in a row: each is alone, and nothing of it stays."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
import gc
import os
from pathlib import Path
import re
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List

from every_host import base_url, other_answer, provider_of
from protocols import PROTOCOLS, is_question
import pytest
from raw_host import RawHost, head, piece, whole
from replay import Sent

from g4f_legacy import ChatCompletion
from g4f_legacy.errors import ProviderError

AT_ONCE = 200
IN_A_ROW = 250  # set it to 5,000 for the figures

NAMES = ("H2o", "OpenAI", "HuggingChat", "OpenAssistant")


def options(number: int, url: str) -> Dict[str, Any]:
    """The options of one completion. All that can be its own has its mark."""
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
    """Whether a request lacks something of its completion's, or has something of another's."""
    mark = mark_of(sent)
    cookie, login = sent.headers.get("cookie", ""), sent.headers.get("authorization", "")
    token = {"HuggingChat": "hf-chat=", "OpenAssistant": "next-auth.session-token="}.get(provider_of(sent))
    expected = [f"mine={mark}" in cookie, f"{token}{mark}" in cookie if token else login == f"Bearer {mark}"]
    if is_question(sent) and provider_of(sent) in ("H2o", "OpenAI"):
        expected += [f'"temperature": {int(mark[5:]) / 1000}' in sent.body, mark in sent.body]
    marks = set(re.findall(r"mark-\d{4}", f"{sent}"))
    return marks != {mark} or not all(expected)


def test_at_once() -> None:
    together = threading.Barrier(AT_ONCE)

    def answer(connection: socket.socket, sent: Sent) -> bool:
        mark = mark_of(sent)
        if not is_question(sent):
            connection.sendall(other_answer(sent, mark))
            return True
        words = PROTOCOLS[provider_of(sent)].events(*[f"{mark} "] * 5)
        connection.sendall(head("chunked") + piece(words[0], "chunked"))
        together.wait(60)  # all the streams are open now
        connection.sendall(b"".join(piece(word, "chunked") for word in [*words[1:], b""]))
        return True

    with RawHost(answer) as host, ThreadPoolExecutor(AT_ONCE) as threads:
        texts = list(threads.map(lambda number: "".join(ask(number, host.url)), range(AT_ONCE)))
    assert texts == [f"mark-{number:04} " * 5 for number in range(AT_ONCE)]
    assert [sent for sent in host.sent if is_mixed(sent)] == []
    assert sum(map(is_question, host.sent)) == AT_ONCE and host.connections >= AT_ONCE


def figures() -> Dict[str, int]:
    gc.collect()
    resident = re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return {
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "blocks of memory": sys.getallocatedblocks(),
        "resident kilobytes": int(resident[0]),
    }


def test_in_a_row() -> None:
    ends = ("whole", "left early", "refused", "cut", "whole")  # prime to the number of providers

    def answer(connection: socket.socket, sent: Sent) -> bool:
        host.sent.clear()
        end = ends[int(mark_of(sent)[5:]) % len(ends)]
        if not is_question(sent):
            connection.sendall(other_answer(sent, mark_of(sent)))
            return True
        if end == "refused":
            connection.sendall(whole(b'{"message": "No"}', 400))
            return True
        words = PROTOCOLS[provider_of(sent)].events(*["Hello "] * 5)
        connection.sendall(head("chunked") + b"".join(piece(word, "chunked") for word in words[:3]))
        if end == "cut":
            return False
        connection.sendall(b"".join(piece(word, "chunked") for word in [*words[3:], b""]))
        return True

    def run(count: int) -> None:
        for number in range(count):
            tokens = ask(number % 10_000, host.url)
            with suppress(ProviderError):
                for _ in tokens:
                    if ends[number % len(ends)] == "left early":
                        break
            tokens.close()

    with RawHost(answer) as host:
        run(100)
        before = figures()
        run(IN_A_ROW)
        after = figures()
    grown = {name: after[name] - before[name] for name in after}
    print(f"{IN_A_ROW} completions: {before} {after}")
    # The connection to the host may be open at one time and not at the other: its two ends, and the host's thread.
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
            sys.exit()  # the child ends as processes do
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
    came = [next(tokens)]
    run(sys.argv[1])
    assert "".join([*came, *tokens]) == "parent parent parent "
    assert "".join(ask("parent")) == "parent parent parent "
    print("done")
"""


@pytest.mark.parametrize("provider", ["OpenAI", "H2o"])
@pytest.mark.parametrize("way", ["os.fork", "fork", "spawn"])
def test_another_process(way: str, provider: str, tmp_path: Path) -> None:
    spoken: List[Any] = []

    def answer(connection: socket.socket, sent: Sent) -> bool:
        mark = mark_of(sent)
        spoken.append((connection.getpeername(), mark, sent))
        if not is_question(sent):
            connection.sendall(other_answer(sent, mark))
            return True
        words = PROTOCOLS[provider].events(*[f"{mark} "] * 3)
        connection.sendall(head("chunked"))
        for word in [*words, b""]:
            connection.sendall(piece(word, "chunked"))
        return True

    script = tmp_path / "script.py"
    script.write_text(FORKING)
    with RawHost(answer) as host:
        command = [sys.executable, "-W", "error", str(script), way, provider, base_url(host.url, provider)]
        done = subprocess.run(command, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout.split() == [b"done"], done.stdout.decode()
    assert done.returncode == 0
    owners: Dict[Any, set] = {}
    for peer, mark, _ in spoken:
        owners.setdefault(peer, set()).add(mark)
    assert sorted(map(sorted, owners.values())) == [["child"], ["child"], ["parent"]]
    streams = [mark for _, mark, sent in spoken if is_question(sent)]
    assert not any(sent.path.endswith("/stop-generating") for _, _, sent in spoken)
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

    def answer(connection: socket.socket, sent: Sent) -> bool:
        if is_question(sent):
            connection.sendall(head("close") + b"".join(PROTOCOLS["OpenAI"].events("Hello")))
            return False
        if len(host.sent) == 1:
            listing.touch()
            while listing.exists():
                time.sleep(0.01)
        connection.sendall(other_answer(sent))
        return True

    with RawHost(answer) as host:
        command = [sys.executable, "-c", FORKING_WHILE_ASKING, base_url(host.url, "OpenAI"), str(listing)]
        done = subprocess.run(command, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.decode() == "0 Hello\n", done
