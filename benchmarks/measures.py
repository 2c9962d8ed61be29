"""The measures: each yields rows of figures, with the target of each."""

from collections.abc import Callable, Iterator
from statistics import median, quantiles

from .contenders import LABELS
from .growth import growth
from .process import Failed, Missing, run
from .results import Results, Row
from .setting import Setting
from .start import start
from .wire import Case


def cpu(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield CPU times per token. The contenders take turns, so that other load on the machine affects all of them."""
    for name in setting.contenders:
        results.cpu[name] = []
    for number in range(setting.rounds):
        for name in [name for name in setting.contenders if name in results.cpu]:
            setting.show_progress(f"CPU per token, round {number + 1} of {setting.rounds}: {LABELS.get(name, name)}")
            try:
                results.cpu[name].append(run("cpu", name, setting.base_url, setting.tokens_for(name), setting.seconds))
            except (Failed, Missing) as error:
                del results.cpu[name]
                _leave_out(name, error, setting, results)
    for name, other, at_most in (
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
        ratio = results.ratio(name, other)
        if ratio is not None:
            what = f"{LABELS.get(name, name)} / {LABELS.get(other, other)}"
            is_main = name != "create+orjson"
            yield Row("cpu", f"CPU per token, {what}", ratio, "×", at_most, is_main=is_main)


def first_token(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield requests, connections and time before the first token, at 50 ms a round trip."""
    round_trip, expected = 50.0, ((4, 1, 5.3), (4, 0, 4.3), (2, 0, 2.3))
    kinds = ("the first completion", "the next completion", "with a session used before")
    runs = []
    for number in range(setting.rounds):
        setting.show_progress(f"first token, round {number + 1} of {setting.rounds}")
        runs.append(run("first_tokens", setting.base_url, f"first{number}", round_trip))
    for place, (kind, (requests, connections, trips)) in enumerate(zip(kinds, expected)):
        for name, count in (("requests", requests), ("connections", connections)):
            counts = [run_[place][1][name] for run_ in runs]
            yield Row("first", f"{name} before the first token, {kind}", max(counts), "", count, count, counts)
        times = [run_[place][0] * 1000 / round_trip for run_ in runs]
        yield Row("first", f"first token, {kind}", median(times), "round trips", trips, None, times, True)


def delay(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield the time between the server's write of a token and its arrival in the loop."""
    for framing in ("chunked", "length", "close"):
        delays: list[float] = []
        for number in range(setting.repeats):
            setting.show_progress(f"delay of a token, {framing}, round {number + 1}")
            delays += run("token_delays", setting.base_url, 300 if setting.is_quick else 500, framing)
        what = f"delay of a token, {framing}"
        yield Row("delay", f"{what}: median", median(delays), "ms", 0.3, None, delays, True)
        yield Row("delay", f"{what}: 99th percentile", quantiles(delays, n=100)[98], "ms", 2, None, [], True)


def memory(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield the additional memory of a long stream, compared with a short one."""
    short, long = 10_000, 100_000 if setting.is_quick else 1_000_000
    differences = []
    for number in range(setting.repeats):
        setting.show_progress(f"memory, round {number + 1}")
        differences.append((run("memory", setting.base_url, long) - run("memory", setting.base_url, short)) / 1024)
    what = f"additional memory of a stream of {long:,} tokens, compared with {short:,}"
    yield Row("memory", what, median(differences), "MiB", 3, None, differences, True)


def many(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield the speed of many threads with a stream each."""
    speeds: dict[int, list[float]] = {1: [], 10: [], 100: [], 400: []}
    complete: list[float] = []
    for number in range(setting.repeats):
        for threads in speeds:
            setting.show_progress(f"many streams, round {number + 1}: {threads}")
            result = run("many", setting.base_url, threads, Case(500).tokens)
            speeds[threads].append(result["speed"])
            if threads == 400:
                complete.append(result["complete"])
    for threads, samples in speeds.items():
        yield Row("many", f"{threads} threads × 500 tokens", median(samples), "tokens/s", None, None, samples)
    ratios = [of_100 / of_1 for of_100, of_1 in zip(speeds[100], speeds[1])]
    yield Row("many", "tokens per second of 100 threads / of 1", median(ratios), "×", None, 0.7, ratios, True)
    yield Row("many", "complete streams of 400", min(complete), "", 400, 400, complete, True)


def server(setting: Setting, results: Results) -> Iterator[Row]:
    """Yield the speed of ``g4f-legacy serve``, and the delay that it adds."""
    for clients in (1, 64):
        setting.show_progress(f"local server, clients: {clients}")
        result = run("local_server", clients, 200 if setting.is_quick else 500)
        what = f"local server with Echo, clients: {clients}"
        yield Row("server", f"{what}: tokens per second", result["speed"], "tokens/s")
        if clients == 1:
            yield Row("server", f"{what}: first token", result["first"], "ms")
    setting.show_progress("local server, delay of a token")
    delays = run("server_delays", setting.base_url, 100 if setting.is_quick else 500)
    added = [through - median(delays["direct"]) for through in delays["through"]]
    yield Row("server", "delay added to a token by the local server", median(added), "ms", 5, None, added, True)


MEASURES: dict[str, Callable[[Setting, Results], Iterator[Row]]] = {
    "cpu": cpu,
    "first": first_token,
    "delay": delay,
    "start": start,
    "memory": memory,
    "many": many,
    "growth": growth,
    "server": server,
}


def measure(setting: Setting, names: list[str], results: Results) -> None:
    """Add the rows of some measures to the results."""
    for name in names:
        try:
            results.rows += MEASURES[name](setting, results)
        except (Failed, Missing) as error:
            _leave_out(name, error, setting, results)


def _leave_out(name: str, error: Exception, setting: Setting, results: Results) -> None:
    results.left_out[name] = str(error)
    results.has_failed = results.has_failed or isinstance(error, Failed)
    setting.show_progress(f"{name} is left out: {error}\n")
