"""The streams of all protocols, and how to try something on each of them in many places."""

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any, Callable, Iterable, List, Tuple

from protocols import PROTOCOLS, Outcome, Recorded, begin
from raw_host import Answer

from g4f_legacy.transport.session import new_session

NAMES = """h2o/hello h2o/length_limit h2o/error_event h2o/cut openai/stream gemini/hello open_assistant/hello
    open_assistant/pending open_assistant/error_event open_assistant/worker_lost hugging_chat/hello
    hugging_chat/keep_alive hugging_chat/refused hugging_chat/stopped_early hugging_chat/cut hugging_chat/error_event
    hugging_chat/nothing_generated""".split()
FIRST = [one.recording for one in PROTOCOLS.values()]
_PROVIDERS = {one.recording.partition("/")[0]: name for name, one in PROTOCOLS.items()}

Tried = Tuple[int, List[str]]  # how many completions, and what was wrong with some


class Stream(Recorded):
    """One of the streams: its host, and what a completion of that comes to."""

    def __init__(self, recording: str, say: Answer = lambda *_: None) -> None:
        super().__init__(_PROVIDERS[recording.partition("/")[0]], say, recording)
        self.recording = recording

    def begin(self, url: str, **options: Any) -> Any:
        session = None
        if self.name == "H2o":  # one that has been there before: fewer requests
            session = new_session()
            session.cookies.set("h2ogpt", "1", domain="127.0.0.1")
        return begin(self.name, url, **{"session": session, **options})

    def expected(self, part: bytes, takes_rest: bool = False) -> Outcome:
        return self.protocol.expected(part, takes_rest)


def outcome(tokens: Iterable[str]) -> Outcome:
    """What a completion came to."""
    came: List[str] = []
    try:
        for token in tokens:
            came.append(token)
    except Exception as error:
        return came, type(error)
    return came, None


def jobs(every: int, of_others: int = 1, size: int = 150) -> List[Tuple[str, range]]:
    """The names of all streams, and some of the places to cut them at; all jobs together have all of these.

    Args:
        every: at how many places each protocol's first stream is cut: at each of so many.
        of_others: so many times fewer for the protocol's other streams, which have the same events.
    """
    steps = {name: every if name in FIRST else every * of_others for name in NAMES}
    places = [(name, range(0, len(Stream(name).stream) + 1, step)) for name, step in steps.items()]
    return [(name, all_[first : first + size]) for name, all_ in places for first in range(0, len(all_), size)]


@lru_cache(maxsize=None)
def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(mp_context=get_context("spawn"))  # these take long to start


def tried(function: Callable[..., Tried], jobs: Iterable[Tuple[Any, ...]]) -> int:
    """Calls a function for each job, in other processes on all cores; how many completions they tried.

    Raises:
        AssertionError: something was wrong with some of them.
    """
    results = [future.result() for future in [_processes().submit(function, *job) for job in jobs]]
    problems = [problem for _, found in results for problem in found]
    assert problems == [], f"{len(problems)} problems, such as {problems[:3]}"
    return sum(count for count, _ in results)
