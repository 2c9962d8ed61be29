"""The streams of all protocols, and how to try something on each of them in many places."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from typing import Any

from outcomes import Outcome, interpret_hugging_chat
from protocols import PROTOCOLS, Recorded, begin
from raw_server import Respond
from written import WRITTEN

from g4f_legacy.transport.session import new_session

V0_7_RECORDINGS = [f"hugging_chat/v0_7_{name}" for name in ("hello", "length_limit", "nothing_generated", "cut")]
V0_9_1_RECORDINGS = [f"hugging_chat/v0_9_1_{name}" for name in ("hello", "length_limit", "clean_cut")]
RECORDINGS = """h2o/hello h2o/length_limit h2o/error_event h2o/cut openai/stream gemini/hello open_assistant/hello
    open_assistant/pending open_assistant/error_event open_assistant/worker_lost hugging_chat/hello
    hugging_chat/keep_alive hugging_chat/refused hugging_chat/stopped_early hugging_chat/cut hugging_chat/error_event
    hugging_chat/nothing_generated""".split()
RECORDINGS += V0_7_RECORDINGS + V0_9_1_RECORDINGS
FIRST_RECORDINGS = [protocol.recording for protocol in PROTOCOLS.values()]
ALL_DIFFERENT = {*FIRST_RECORDINGS, *WRITTEN}
_PROVIDERS = {protocol.recording.partition("/")[0]: name for name, protocol in PROTOCOLS.items()}

Tried = tuple[int, list[str]]  # the number of completions, and the problems with some of them


class Stream(Recorded):
    """A recorded or written stream: its server, and what a completion from that has to be.

    Attributes:
        title: the name of the stream.
        is_first: whether it is the first recording of its protocol.
        is_written: whether it is one of those in `written`.
    """

    def __init__(self, title: str, respond: Respond = lambda *_: None) -> None:
        written = WRITTEN.get(title)
        recording = written.recording if written else title
        name = (written and written.variant) or _PROVIDERS[recording.partition("/")[0]]
        super().__init__(name, respond, recording)
        self.title, self.is_first, self.is_written = title, title in FIRST_RECORDINGS, written is not None
        changes = dict(written.changes) if written else {}
        if self.prompt is not None:
            repeated = self.prompt["inputs"] if "v0_7" in recording else ""
            changes["interpret"] = partial(interpret_hugging_chat, prompt=repeated, is_legacy=True)
        self.protocol = self.protocol._replace(**changes)
        self.stream = written.stream if written else self.stream
        self.text = self.text_of(self.stream)

    def begin(self, url: str, stream: bool = True, **options: Any) -> Any:
        """Return a completion from a server that plays this."""
        if self.name == "H2o":  # a session that has accepted the terms: fewer requests
            session = new_session()
            session.cookies.set("h2ogpt", "1", domain="127.0.0.1")
            options = {"session": session, **options}
        if self.prompt is not None:
            options = {"prompt": self.prompt["inputs"], **options}
        return begin(self.name, url, stream, **options)

    def stream_options(self, number: int, every_way: bool) -> Iterable[bool]:
        """Return the values of `stream` to ask with at one of the places: both at every second one, or in every way."""
        if not self.is_written:
            return (True,)
        both = self.protocol.stream_options
        return both if every_way or number % 2 else both[:1]

    def expected(self, prefix: bytes, accept_rest: bool = False) -> Outcome:
        return self.protocol.expected(prefix, accept_rest)


def jobs(
    every: int, every_of_others: int = 1, titles: Iterable[str] = RECORDINGS, size: int = 150
) -> list[tuple[str, range]]:
    """Return the titles of streams with some of the places to cut them at; the jobs share out all places.

    Args:
        every: the step between two places, in the first recording of each protocol, and in written streams.
        every_of_others: how many times longer that is in other recordings, which have the same events.
        titles: of the streams.
        size: the number of places in a job.
    """
    steps = {title: every if title in ALL_DIFFERENT else every * every_of_others for title in titles}
    places = [(title, range(0, len(Stream(title).stream) + 1, step)) for title, step in steps.items()]
    return [(title, all_[start : start + size]) for title, all_ in places for start in range(0, len(all_), size)]


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
