"""`create_app` under gunicorn, with one process and with several."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from environments.web_servers import ask, free_port, hang_up, running, wait_until

from g4f_legacy.errors import ProviderError, RequestFailedError

if importlib.util.find_spec("gunicorn") is None:
    pytest.skip("gunicorn is not installed", allow_module_level=True)

PROTOCOLS = ["H2o", "OpenAssistant", "OpenAI"]
ADVICE = "run it as one process with many threads (gunicorn --workers 1 --threads 32"

APPLICATION = """
import time
from pathlib import Path
from types import ModuleType

from g4f_legacy.errors import StreamInterruptedError
from g4f_legacy.server import chat_store, create_app

chat_store.ABANDON_TIMEOUT = 1

def _create_completion(model, messages, stream, **kwargs):
    directory = Path(__file__).parent
    try:
        yield "a"
        while (directory / "wait").exists():
            time.sleep(0.02)
            if (directory / "chatter").exists():
                yield "-"
        if (directory / "truncate").exists():
            raise StreamInterruptedError("cut")
        yield "b"
    except GeneratorExit:
        (directory / "stopped").touch()
        raise

provider = ModuleType("Scripted")
provider.__dict__.update(url="", model=["scripted"], models={}, supports_stream=True, needs_auth=False, working=True)
provider._create_completion = _create_completion
app = create_app(provider)
"""

Gunicorn = Callable[..., str]


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[Gunicorn]:
    """Return a function that starts gunicorn, and returns its URL. Files in `tmp_path` tell the provider what to do."""
    (tmp_path / "application.py").write_text(APPLICATION)
    with ExitStack() as servers:

        def start(*options: str) -> str:
            port = free_port()
            command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1"]
            command += [*options, "application:app"]
            return servers.enter_context(running(command, port, tmp_path / "gunicorn.log", cwd=tmp_path))

        yield start


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestOneProcess:
    @pytest.fixture
    def url(self, gunicorn: Gunicorn) -> str:
        return gunicorn("--workers", "1", "--threads", "8")

    def test_tokens_are_sent_at_once(self, protocol: str, url: str, tmp_path: Path) -> None:
        (tmp_path / "wait").touch()
        tokens = ask(protocol, url)
        assert next(tokens) == "a"
        (tmp_path / "wait").unlink()
        assert list(tokens) == ["b"]

    def test_disconnecting_stops_the_completion(self, protocol: str, url: str, tmp_path: Path) -> None:
        """gunicorn closes the iterator of the response when sending to the client fails."""
        (tmp_path / "wait").touch()
        (tmp_path / "chatter").touch()
        hang_up(protocol, url)
        assert wait_until((tmp_path / "stopped").exists)

    def test_truncated_completion(self, protocol: str, url: str, tmp_path: Path) -> None:
        (tmp_path / "truncate").touch()
        tokens = ask(protocol, url)
        assert next(tokens) == "a"
        with pytest.raises(ProviderError):
            list(tokens)


class TestSeveralProcesses:
    @pytest.fixture
    def url(self, gunicorn: Gunicorn) -> str:
        # `--reuse-port` distributes the connections evenly, and without keep-alive each request has one.
        return gunicorn("--workers", "4", "--threads", "4", "--reuse-port", "--keep-alive", "0")

    @pytest.mark.parametrize("protocol, statuses", [("H2o", {404, 405}), ("OpenAssistant", {500})])
    def test_error_says_what_to_do(self, protocol: str, statuses: set[int], url: str) -> None:
        errors: list[RequestFailedError] = []
        for _ in range(200):
            try:
                list(ask(protocol, url))
            except RequestFailedError as error:
                errors.append(error)
            if {error.status for error in errors} == statuses:
                break
        assert {error.status for error in errors} == statuses
        assert [str(error) for error in errors if ADVICE not in str(error)] == []

    def test_openai(self, url: str) -> None:
        assert [list(ask("OpenAI", url)) for _ in range(20)] == [["a", "b"]] * 20
