"""The measures: each makes rows of figures, and says what each has to reach."""

from statistics import median, quantiles
from typing import Callable, Dict, Iterator, List

from .contenders import LABELS
from .growth import growth
from .process import Failed, Missing, run
from .results import Results, Row
from .setting import Setting
from .start import start
from .wire import Case


def cpu(setting: Setting, results: Results) -> Iterator[Row]:
    """CPU time per token, of everyone in turn, so that what else the machine does hits all of them."""
    for name in setting.contenders:
        results.cpu[name] = []
    for number in range(setting.rounds):
        for name in [name for name in setting.contenders if name in results.cpu]:
            setting.say(f"CPU per token, round {number + 1} of {setting.rounds}: {LABELS.get(name, name)}")
            try:
                results.cpu[name].append(run("cpu", name, setting.base, setting.tokens_for(name), setting.seconds))
            except (Failed, Missing) as error:
                del results.cpu[name]
                _leave_out(name, error, setting, results)
    for one, other, at_most in (
        ("H2o", "requests", 0.85),
        ("H2o+orjson", "requests", 0.6),
        ("H2o", "openai", 1 / 20),
        ("H2o", "huggingface_hub", 1 / 8),
        ("H2o", "httpx-sse", 1 / 3),
        ("H2o+orjson", "floor-orjson", 2),
        ("create", "H2o", 1.1),
        ("create+orjson", "H2o+orjson", 1.1),
        ("OpenAI", "openai", 1 / 12),
    ):
        ratio = results.ratio(one, other)
        if ratio is not None:
            what = f"{LABELS.get(one, one)} / {LABELS.get(other, other)}"
            is_main = one != "create+orjson"
            yield Row("cpu", f"CPU per token, {what}", ratio, "×", at_most, is_main=is_main)


def first_token(setting: Setting, results: Results) -> Iterator[Row]:
    """Requests, connections and time before the first token, at 50 ms a round trip."""
    delay, expected = 50.0, ((4, 1, 5.3), (4, 0, 4.3), (2, 0, 2.3))
    kinds = ("the first completion", "the next completion", "with a session that has been there")
    runs = []
    for number in range(setting.rounds):
        setting.say(f"first token, round {number + 1} of {setting.rounds}")
        runs.append(run("first_tokens", setting.base, f"first{number}", delay))
    for place, (kind, (requests, connections, trips)) in enumerate(zip(kinds, expected)):
        for name, count in (("requests", requests), ("connections", connections)):
            counts = [one[place][1][name] for one in runs]
            yield Row("first", f"{name} before the first token, {kind}", max(counts), "", count, count, counts)
        times = [one[place][0] * 1000 / delay for one in runs]
        yield Row("first", f"first token, {kind}", median(times), "round trips", trips, None, times, True)


def way(setting: Setting, results: Results) -> Iterator[Row]:
    """From when the server writes a token to when the loop has it."""
    for framing in ("chunked", "length", "close"):
        delays: List[float] = []
        for number in range(setting.repeats):
            setting.say(f"a token on the way, {framing}, round {number + 1}")
            delays += run("on_the_way", setting.base, 300 if setting.is_quick else 500, framing)
        what = f"a token on the way, {framing}"
        yield Row("way", f"{what}: median", median(delays), "ms", 0.3, None, delays, True)
        yield Row("way", f"{what}: 99th percentile", quantiles(delays, n=100)[98], "ms", 2, None, [], True)


def memory(setting: Setting, results: Results) -> Iterator[Row]:
    """What a long stream takes more than a short one."""
    short, long = 10_000, 100_000 if setting.is_quick else 1_000_000
    more = []
    for number in range(setting.repeats):
        setting.say(f"memory, round {number + 1}")
        more.append((run("memory", setting.base, long) - run("memory", setting.base, short)) / 1024)
    what = f"memory of a stream of {long:,} tokens, more than of {short:,}"
    yield Row("memory", what, median(more), "MiB", 3, None, more, True)


def many(setting: Setting, results: Results) -> Iterator[Row]:
    """Threads with a stream each."""
    speeds: Dict[int, List[float]] = {1: [], 10: [], 100: [], 400: []}
    complete: List[float] = []
    for number in range(setting.repeats):
        for threads in speeds:
            setting.say(f"many streams, round {number + 1}: {threads}")
            done = run("many", setting.base, threads, Case(500).tokens)
            speeds[threads].append(done["speed"])
            if threads == 400:
                complete.append(done["complete"])
    for threads, samples in speeds.items():
        yield Row("many", f"{threads} threads × 500 tokens", median(samples), "tokens/s", None, None, samples)
    kept = [many / one for many, one in zip(speeds[100], speeds[1])]
    yield Row("many", "tokens per second of 100 threads / of one", median(kept), "×", None, 0.7, kept, True)
    yield Row("many", "streams of 400 that are complete", min(complete), "", 400, 400, complete, True)


def server(setting: Setting, results: Results) -> Iterator[Row]:
    """Through ``g4f-legacy serve``."""
    for clients in (1, 64):
        setting.say(f"local server, clients: {clients}")
        done = run("local_server", clients, 200 if setting.is_quick else 500)
        what = f"local server with Echo, clients: {clients}"
        yield Row("server", f"{what}: tokens per second", done["speed"], "tokens/s")
        if clients == 1:
            yield Row("server", f"{what}: first token", done["first"], "ms")
    setting.say("local server, a token on the way")
    delays = run("through_the_server", setting.base, 100 if setting.is_quick else 500)
    added = [through - median(delays["direct"]) for through in delays["through"]]
    yield Row("server", "added by the local server to a token", median(added), "ms", 5, None, added, True)


MEASURES: Dict[str, Callable[[Setting, Results], Iterator[Row]]] = {
    "cpu": cpu,
    "first": first_token,
    "way": way,
    "start": start,
    "memory": memory,
    "many": many,
    "growth": growth,
    "server": server,
}


def measure(setting: Setting, names: List[str], results: Results) -> None:
    """Adds the rows of some measures to the results."""
    for name in names:
        try:
            results.rows += MEASURES[name](setting, results)
        except (Failed, Missing) as error:
            _leave_out(name, error, setting, results)


def _leave_out(name: str, error: Exception, setting: Setting, results: Results) -> None:
    results.left_out[name] = str(error)
    results.has_failed = results.has_failed or isinstance(error, Failed)
    setting.say(f"{name} is left out: {error}\n")
