"""What is measured in a process of its own: each function returns something that can be written as JSON."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

from .contenders import CONTENDERS, MESSAGES, Counts, count
from .process import ROOT, Failed, Missing, environment
from .wire import Case


def _check(run: Callable[[], Counts], case: Case) -> None:
    """Read a stream, and check that it is complete: no contender is fast by skipping something."""
    received = tuple(run())
    if received != case.expected:
        raise Failed(f"{received} tokens and characters were received instead of {case.expected}")


def _complete(base_url: str, case: Case, **options: Any) -> Any:
    from g4f_legacy.Provider import H2o

    return H2o._create_completion("falcon-40b", MESSAGES, stream=True, base_url=base_url + case.path, **options)


def cpu(name: str, base_url: str, tokens: str, seconds: str) -> float:
    """Return the process's CPU nanoseconds per token: the median of streams for so many seconds, after a short one."""
    case = Case(int(tokens))
    short_case = case._replace(tokens=max(10, case.tokens // 10))
    prepare = CONTENDERS[name]
    _check(prepare(base_url + short_case.path), short_case)
    run = prepare(base_url + case.path)
    times: list[float] = []
    while not times or sum(times) < float(seconds):
        start = time.process_time()
        _check(run, case)
        times.append(time.process_time() - start)
    return median(times) / case.tokens * 1e9


def _first_token(base_url: str, case: Case, **options: Any) -> tuple[float, dict[str, int]]:
    """Return the seconds until the first token, with the number of requests and connections."""
    before = json.load(urlopen(f"{base_url}/counts/{case.name}"))
    start = time.perf_counter()
    tokens = _complete(base_url, case, **options)
    next(tokens)
    seconds = time.perf_counter() - start
    after = json.load(urlopen(f"{base_url}/counts/{case.name}"))
    count(tokens)
    return seconds, {name: after[name] - before[name] for name in after}


def first_tokens(base_url: str, name: str, delay: str) -> list[tuple[float, dict[str, int]]]:
    """Return the same for the process's first completion, for its next one, and for one with a session that the caller
    has used before."""
    import requests

    import g4f_legacy.Provider.H2o  # noqa: F401  # which is measured elsewhere

    case = Case(delay=float(delay), name=name)
    first, following = _first_token(base_url, case), _first_token(base_url, case)
    with requests.Session() as session:
        count(_complete(base_url, case, session=session))
        return [first, following, _first_token(base_url, case, session=session)]


def token_delays(base_url: str, tokens: str, framing: str) -> list[float]:
    """Return the milliseconds between the server's write of each token and its arrival in the loop."""
    count(_complete(base_url, Case()))
    case = Case(int(tokens), framing=framing, pause=2)
    return [(time.monotonic() - float(token)) * 1000 for token in _complete(base_url, case)]


def memory(base_url: str, tokens: str) -> float:
    """Return the peak of the process's memory, in KiB."""
    case = Case(int(tokens))
    _check(lambda: count(_complete(base_url, case)), case)
    # Not ru_maxrss, which begins with the memory of the parent process.
    status = Path("/proc/self/status")
    if status.exists():
        return next(float(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    if sys.platform == "win32":
        raise Missing("the resource module")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)


def many(base_url: str, threads: str, tokens: str) -> dict[str, float]:
    """Return the tokens per second of all threads together, and how many of them received their complete stream."""
    case = Case(int(tokens))
    count(_complete(base_url, case))
    # A few threads finish too soon to be measured once.
    runs = [
        _run_threads(int(threads), lambda: _check(lambda: count(_complete(base_url, case)), case), case.tokens)
        for _ in range(max(1, 20 // int(threads)))
    ]
    return {
        "speed": median(run["speed"] for run in runs),
        "complete": min(run["complete"] for run in runs),
    }


def _run_threads(threads: int, work: Callable[[], Any], tokens: int) -> dict[str, float]:
    complete: list[bool] = []
    ready = threading.Barrier(threads + 1)

    def run() -> None:
        ready.wait()
        work()
        complete.append(True)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    return {"speed": threads * tokens / (time.perf_counter() - start), "complete": len(complete)}


def growth(base_url: str, messages: str, tokens: str, size: str) -> float:
    """Return the process's CPU seconds for one completion of that size."""
    from g4f_legacy.Provider import H2o

    case = Case(int(tokens), size=int(size))
    prompt = MESSAGES * int(messages)
    count(_complete(base_url, Case()))
    start = time.process_time()
    _check(lambda: count(H2o._create_completion("", prompt, stream=True, base_url=base_url + case.path)), case)
    return time.process_time() - start


@contextmanager
def _local_server(*options: str) -> Iterator[str]:
    """Run ``g4f-legacy serve`` for the length of the block, and return the base URL of its OpenAI API."""
    import flask  # noqa: F401
    import waitress  # noqa: F401

    command = [sys.executable, "-m", "g4f_legacy", "serve", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr
        try:
            line = process.stderr.readline().decode()
            url = re.search(r"http://[\w.]+:\d+", line)
            if url is None:
                raise Failed(f"the local server does not start: {line.strip()}")
            yield f"{url.group()}/v1"
        finally:
            process.terminate()
            process.stderr.close()


def local_server(clients: str, tokens: str) -> dict[str, float]:
    """Return the milliseconds to the first token through the local server with Echo, and the tokens per second."""
    from g4f_legacy.Provider import OpenAI

    messages = [{"role": "user", "content": " word" * int(tokens)}]

    def complete(base_url: str) -> Any:
        return OpenAI._create_completion("echo", messages, stream=True, base_url=base_url)

    def read(base_url: str) -> None:
        if count(complete(base_url)) != (int(tokens), len(messages[0]["content"])):
            raise Failed("the local server truncated the text")

    with _local_server("--engine", "Echo") as base_url:
        read(base_url)
        start = time.perf_counter()
        completion = complete(base_url)
        next(completion)
        first = (time.perf_counter() - start) * 1000
        count(completion)
        return {"first": first, **_run_threads(int(clients), lambda: read(base_url), int(tokens))}


def server_delays(base_url: str, tokens: str) -> dict[str, list[float]]:
    """Return the milliseconds from the write of each token to its arrival, directly and through the local server."""
    from g4f_legacy.Provider import OpenAI

    scripted_url = base_url + Case(int(tokens), pause=5).path + "/v1"

    def delays(url: str) -> list[float]:
        completion = OpenAI._create_completion("tiny", MESSAGES, stream=True, base_url=url)
        return [(time.monotonic() - float(token)) * 1000 for token in completion]

    with _local_server("--engine", "OpenAI", "--base-url", scripted_url) as local_url:
        return {"direct": delays(scripted_url), "through": delays(local_url)}
