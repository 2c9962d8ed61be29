"""What to measure, and how long."""

from collections.abc import Callable
from typing import NamedTuple

from .contenders import SLOW


class Setting(NamedTuple):
    """The arguments of every measure.

    Attributes:
        base_url: of the scripted server.
        rounds: the number of rounds, in which the contenders take turns.
        is_quick: whether to measure only for about a minute.
        contenders: their names.
        show_progress: prints what is being measured.
    """

    base_url: str
    rounds: int
    is_quick: bool
    contenders: list[str]
    show_progress: Callable[[str], None]

    @property
    def tokens(self) -> int:
        """The number of tokens in a stream."""
        return 10_000 if self.is_quick else 20_000

    def tokens_for(self, contender: str) -> int:
        """Return the number of tokens in the streams of a contender."""
        return self.tokens // 10 if self.is_quick and contender in SLOW else self.tokens

    @property
    def seconds(self) -> float:
        """How long a contender reads streams, one at least."""
        return 0.0 if self.is_quick else 0.5

    @property
    def repeats(self) -> int:
        """How often long measures are repeated."""
        return 1 if self.is_quick else 5
