"""The cost of a completion as it grows: per message, per token and per KiB, which should stay the same."""

from collections.abc import Iterator
from typing import NamedTuple

from .process import run
from .results import Results, Row
from .setting import Setting

_MESSAGES = [1, 10, 100, 1_000, 10_000]
_TOKENS = [100, 1_000, 10_000, 100_000, 1_000_000]
_SIZES = [100, 1024, 10 * 1024, 100 * 1024, 1024 * 1024]
_BYTES = 20_000_000  # of each stream, for any size of events


class _Axis(NamedTuple):
    """A dimension that grows.

    Attributes:
        name: what the cost is divided by.
        unit: of the sizes.
        units: the sizes.
        completions: for each size, the messages, tokens and bytes per event of a completion.
    """

    name: str
    unit: str
    units: list[int]
    completions: list[list[int]]


def _axes(is_quick: bool) -> list[_Axis]:
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
    """Yield the cost per unit at each size, and its growth in the last step: about tenfold, if it were quadratic."""
    for axis in _axes(setting.is_quick):
        costs = []
        for size, completion in zip(axis.units, axis.completions):
            setting.show_progress(f"cost per {axis.name}: {size:,} {axis.unit}")
            _, tokens, event_size = completion
            amount = tokens * event_size / 1024 if event_size else size
            costs.append(run("growth", setting.base_url, *completion) / amount * 1e6)
            yield Row("growth", f"CPU per {axis.name}, {size:,} {axis.unit}", costs[-1], "µs")
        yield Row("growth", f"CPU per {axis.name}, the last size / the one before", costs[-1] / costs[-2], "×", 2)
