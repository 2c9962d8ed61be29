"""The streams of all protocols, and how to try something on each of them in many places."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

from protocols import PROTOCOLS, Outcome, Recorded, begin
from raw_server import Respond

from g4f_legacy.transport.session import new_session

RECORDINGS = """h2o/hello h2o/length_limit h2o/error_event h2o/cut openai/stream gemini/hello open_assistant/hello
    open_assistant/pending open_assistant/error_event open_assistant/worker_lost hugging_chat/hello
    hugging_chat/keep_alive hugging_chat/refused hugging_chat/stopped_early hugging_chat/cut hugging_chat/error_event
    hugging_chat/nothing_generated""".split()
FIRST_RECORDINGS = [protocol.recording for protocol in PROTOCOLS.values()]
_PROVIDERS = {protocol.recording.partition("/")[0]: name for name, protocol in PROTOCOLS.items()}

Tried = tuple[int, list[str]]  # the number of completions, and the problems with some of them


class Stream(Recorded):
    """A recorded stream: its server, and what a completion from that has to be."""

    def __init__(self, recording: str, respond: Respond = lambda *_: None) -> None:
        super().__init__(_PROVIDERS[recording.partition("/")[0]], respond, recording)
        self.recording = recording

    def begin(self, url: str, **options: Any) -> Any:
        """Return a completion from a server that plays this."""
        session = None
        if self.name == "H2o":  # a session that has accepted the terms: fewer requests
            session = new_session()
            session.cookies.set("h2ogpt", "1", domain="127.0.0.1")
        return begin(self.name, url, **{"session": session, **options})

    def expected(self, prefix: bytes, accept_rest: bool = False) -> Outcome:
        return self.protocol.expected(prefix, accept_rest)


def outcome(completion: Iterable[str]) -> Outcome:
    """Return the tokens of a completion, and the class of the error that ended it."""
    tokens: list[str] = []
    try:
        for token in completion:
            tokens.append(token)
    except Exception as error:
        return tokens, type(error)
    return tokens, None


def jobs(every: int, every_of_others: int = 1, size: int = 150) -> list[tuple[str, range]]:
    """Return the names of all recordings with some of the places to cut them at; the jobs share out all places.

    Args:
        every: the step between two places, in the first recording of each protocol.
        every_of_others: how many times longer that is in its other recordings, which have the same events.
        size: the number of places in a job.
    """
    steps = {name: every if name in FIRST_RECORDINGS else every * every_of_others for name in RECORDINGS}
    places = [(name, range(0, len(Stream(name).stream) + 1, step)) for name, step in steps.items()]
    return [(name, all_[start : start + size]) for name, all_ in places for start in range(0, len(all_), size)]


@lru_cache(maxsize=None)
def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(mp_context=get_context("spawn"))  # shared, because these take long to start


def tried(function: Callable[..., Tried], jobs: Iterable[tuple[Any, ...]]) -> int:
    """Call a function with each job, in processes on all cores, and return how many completions they tried.

    Raises:
        AssertionError: there were problems with some of them.
    """
    results = [future.result() for future in [_processes().submit(function, *job) for job in jobs]]
    problems = [problem for _, found in results for problem in found]
    assert problems == [], f"{len(problems)} problems, such as {problems[:3]}"
    return sum(count for count, _ in results)
