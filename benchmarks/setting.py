"""How much is measured, and of whom."""

from typing import Callable, List, NamedTuple

from .contenders import SLOW


class Setting(NamedTuple):
    """What every measure is given.

    Attributes:
        base: the scripted server's address.
        rounds: how often the contenders take their turns.
        is_quick: whether a minute has to be enough.
        contenders: who takes part.
        say: shows what is under way.
    """

    base: str
    rounds: int
    is_quick: bool
    contenders: List[str]
    say: Callable[[str], None]

    @property
    def tokens(self) -> int:
        """In the stream that the contenders read."""
        return 10_000 if self.is_quick else 20_000

    def tokens_for(self, contender: str) -> int:
        """In the stream that a contender reads."""
        return self.tokens // 10 if self.is_quick and contender in SLOW else self.tokens

    @property
    def seconds(self) -> float:
        """How long a contender reads the stream again and again, once at least."""
        return 0.0 if self.is_quick else 0.5

    @property
    def repeats(self) -> int:
        """How often the measures that take long are repeated."""
        return 1 if self.is_quick else 5
