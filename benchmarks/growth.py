"""What a completion costs as it grows: per message, per token and per KiB, which should stay the same."""

from typing import Iterator, List, NamedTuple

from .process import run
from .results import Results, Row
from .setting import Setting

_MESSAGES = [1, 10, 100, 1_000, 10_000]
_TOKENS = [100, 1_000, 10_000, 100_000, 1_000_000]
_SIZES = [100, 1024, 10 * 1024, 100 * 1024, 1024 * 1024]
_BYTES = 20_000_000  # of each stream, however large its events are


class _Axis(NamedTuple):
    """What grows: for each size, the messages, tokens and bytes per event of a completion, and what is counted."""

    name: str
    unit: str
    units: List[int]
    completions: List[List[int]]


def _axes(is_quick: bool) -> List[_Axis]:
    total = _BYTES // 4 if is_quick else _BYTES
    end = 4 if is_quick else 5
    events = [max(2, total // size) for size in _SIZES]
    return [
        _Axis("message", "messages", _MESSAGES[:end], [[count, 10, 0] for count in _MESSAGES[:end]]),
        _Axis("token", "tokens", _TOKENS[:end], [[1, count, 0] for count in _TOKENS[:end]]),
        _Axis(
            "KiB of events",
            "bytes each",
            _SIZES,
            [[1, count, size] for count, size in zip(events, _SIZES)],
        ),
    ]


def growth(setting: Setting, results: Results) -> Iterator[Row]:
    """The cost per unit at each size, and how much it grows with the last step: were it not linear, about tenfold."""
    for axis in _axes(setting.is_quick):
        costs = []
        for size, completion in zip(axis.units, axis.completions):
            setting.say(f"cost per {axis.name}: {size:,} {axis.unit}")
            done = completion[1] * completion[2] / 1024 if completion[2] else size
            costs.append(run("growth", setting.base, *completion) / done * 1e6)
            yield Row("growth", f"CPU per {axis.name}, {size:,} {axis.unit}", costs[-1], "µs")
        yield Row("growth", f"CPU per {axis.name}, the last size / the one before", costs[-1] / costs[-2], "×", 2)
