"""What is done in a process of its own, by name: everything here gives something that can be written as JSON."""

from contextlib import contextmanager
import json
from pathlib import Path
from statistics import median
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Tuple
from urllib.request import urlopen

from .contenders import CONTENDERS, MESSAGES, Counted, counted
from .process import ROOT, Failed, Missing, environment
from .wire import Case


def _checked(run: Callable[[], Counted], case: Case) -> None:
    """Nobody is fast by leaving something out."""
    came = tuple(run())
    if came != case.expected:
        raise Failed(f"{came} tokens and characters came, and not {case.expected}")


def _ask(base: str, case: Case, **options: Any) -> Any:
    from g4f_legacy.Provider import H2o

    return H2o._create_completion("falcon-40b", MESSAGES, stream=True, base_url=base + case.path, **options)


def cpu(name: str, base: str, tokens: str, seconds: str) -> float:
    """Nanoseconds of the process's time per token: the median of as many streams as so many seconds take, after a
    first, shorter one."""
    case = Case(int(tokens))
    first = case._replace(tokens=max(10, case.tokens // 10))
    prepare = CONTENDERS[name]
    _checked(prepare(base + first.path), first)
    run = prepare(base + case.path)
    times: List[float] = []
    while not times or sum(times) < float(seconds):
        begun = time.process_time()
        _checked(run, case)
        times.append(time.process_time() - begun)
    return median(times) / case.tokens * 1e9


def _before_the_first(base: str, case: Case, **options: Any) -> Tuple[float, Dict[str, int]]:
    """The seconds until the first token has come, and the requests and connections that it took."""
    before = json.load(urlopen(f"{base}/counts/{case.name}"))
    begun = time.perf_counter()
    tokens = _ask(base, case, **options)
    next(tokens)
    seconds = time.perf_counter() - begun
    after = json.load(urlopen(f"{base}/counts/{case.name}"))
    counted(tokens)
    return seconds, {name: after[name] - before[name] for name in after}


def first_tokens(base: str, name: str, delay: str) -> List[Tuple[float, Dict[str, int]]]:
    """What came before the first token: of the process's first completion, of the next one, and of one over a session
    of the caller's that has been there before."""
    import requests

    import g4f_legacy.Provider.H2o  # noqa: F401  # which is measured elsewhere

    case = Case(delay=float(delay), name=name)
    first, following = _before_the_first(base, case), _before_the_first(base, case)
    with requests.Session() as session:
        counted(_ask(base, case, session=session))
        return [first, following, _before_the_first(base, case, session=session)]


def on_the_way(base: str, tokens: str, framing: str) -> List[float]:
    """Milliseconds from when the server writes a token to when the loop has it."""
    counted(_ask(base, Case()))
    case = Case(int(tokens), framing=framing, pause=2)
    return [(time.monotonic() - float(token)) * 1000 for token in _ask(base, case)]


def memory(base: str, tokens: str) -> float:
    """The most memory that the process had, in KiB."""
    case = Case(int(tokens))
    _checked(lambda: counted(_ask(base, case)), case)
    # ru_maxrss begins with what the process had that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        return next(float(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    if sys.platform == "win32":
        raise Missing("the resource module")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)


def many(base: str, threads: str, tokens: str) -> Dict[str, float]:
    """Tokens per second of all threads together, and how many of them got their whole stream."""
    case = Case(int(tokens))
    counted(_ask(base, case))
    # A few threads are done too soon to be measured once.
    measured = [
        _at_once(int(threads), lambda: _checked(lambda: counted(_ask(base, case)), case), case.tokens)
        for _ in range(max(1, 20 // int(threads)))
    ]
    return {
        "speed": median(one["speed"] for one in measured),
        "complete": min(one["complete"] for one in measured),
    }


def _at_once(threads: int, work: Callable[[], Any], tokens: int) -> Dict[str, float]:
    whole: List[bool] = []
    ready = threading.Barrier(threads + 1)

    def run() -> None:
        ready.wait()
        work()
        whole.append(True)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in running:
        thread.join()
    return {"speed": threads * tokens / (time.perf_counter() - begun), "complete": len(whole)}


def growth(base: str, messages: str, tokens: str, size: str) -> float:
    """Seconds of the process's time for one completion of that size."""
    from g4f_legacy.Provider import H2o

    case = Case(int(tokens), size=int(size))
    asked = MESSAGES * int(messages)
    counted(_ask(base, Case()))
    begun = time.process_time()
    _checked(lambda: counted(H2o._create_completion("", asked, stream=True, base_url=base + case.path)), case)
    return time.process_time() - begun


@contextmanager
def _local_server(*options: str) -> Iterator[str]:
    """Runs ``g4f-legacy serve`` for as long as the block lasts, and gives the base address of its OpenAI API."""
    import flask  # noqa: F401
    import waitress  # noqa: F401

    command = [sys.executable, "-m", "g4f_legacy", "serve", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stderr
        try:
            line = process.stderr.readline().decode()
            if " answers at " not in line:
                raise Failed(f"the local server does not start: {line.strip()}")
            yield line.partition(" answers at ")[2].partition(",")[0] + "/v1"
        finally:
            process.terminate()
            process.stderr.close()


def local_server(clients: str, tokens: str) -> Dict[str, float]:
    """Milliseconds to the first token through the local server with Echo, and tokens per second."""
    from g4f_legacy.Provider import OpenAI

    messages = [{"role": "user", "content": " word" * int(tokens)}]

    def ask(base: str) -> Any:
        return OpenAI._create_completion("echo", messages, stream=True, base_url=base)

    def read(base: str) -> None:
        if counted(ask(base)) != (int(tokens), len(messages[0]["content"])):
            raise Failed("some of the text did not come through the local server")

    with _local_server("--engine", "Echo") as base:
        read(base)
        begun = time.perf_counter()
        came = ask(base)
        next(came)
        first = (time.perf_counter() - begun) * 1000
        counted(came)
        return {"first": first, **_at_once(int(clients), lambda: read(base), int(tokens))}


def through_the_server(base: str, tokens: str) -> Dict[str, List[float]]:
    """Milliseconds on the way of a token straight from a host, and through the local server in between."""
    from g4f_legacy.Provider import OpenAI

    host = base + Case(int(tokens), pause=5).path + "/v1"

    def delays(address: str) -> List[float]:
        came = OpenAI._create_completion("tiny", MESSAGES, stream=True, base_url=address)
        return [(time.monotonic() - float(token)) * 1000 for token in came]

    with _local_server("--engine", "OpenAI", "--base-url", host) as address:
        return {"direct": delays(host), "through": delays(address)}
