"""Cassettes: VCR.py, and its plugin for pytest, record completions from a real server, and replay them without one."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from completions import TOKENS, ask_h2o, ask_openai
from openai_events import COMPLETE_STREAM
from openai_events import TOKENS as OPENAI_TOKENS
from raw_server import RawServer, response
from replay import Replay, load

from g4f_legacy.errors import RequestFailedError
from g4f_legacy.transport import close_idle_connections

pytest.importorskip("vcr", reason="needs vcrpy")
from vcr import use_cassette  # noqa: E402
from vcr.errors import CannotOverwriteExistingCassetteException  # noqa: E402

SESSIONS = {"session of the package": lambda: None, "session of the caller": requests.Session}
COMPLETION = b'{"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}'


@pytest.fixture
def cassette(tmp_path: Path) -> str:
    return str(tmp_path / "cassette.yaml")


@pytest.fixture(params=SESSIONS)
def new_options(request: pytest.FixtureRequest) -> Callable[[], dict[str, Any]]:
    """Return a function that returns the options of a call, with a new session if it is the caller's."""

    def options() -> dict[str, Any]:
        session = SESSIONS[request.param]()
        if session is None:
            return {}
        request.addfinalizer(session.close)
        return {"session": session}

    return options


def stream_openai(connection: Any, _: Any) -> bool:
    connection.sendall(response("".join(COMPLETE_STREAM).encode(), 200, "Content-Type: text/event-stream"))
    return True


@pytest.mark.parametrize("stream", [True, False])
def test_a_completion_of_several_requests(stream: bool, new_options: Any, cassette: str) -> None:
    expected = (TOKENS if stream else ["".join(TOKENS)], None)
    with Replay(load("h2o/hello")) as server:
        with use_cassette(cassette) as recorded:
            assert ask_h2o(server.url, stream, **new_options()) == expected
        steps = server.steps
    assert len(recorded) == len(steps) == 5 and steps[-1].startswith("DELETE")
    with use_cassette(cassette, record_mode="none") as replayed:
        assert ask_h2o(server.url, stream, **new_options()) == expected
        assert replayed.all_played


@pytest.mark.parametrize("name", ["stream", "plain"])
def test_openai(name: str, new_options: Any, cassette: str) -> None:
    with Replay(load(f"openai/{name}")) as server:
        with use_cassette(cassette):
            recorded = ask_openai(f"{server.url}/v1", name == "stream", **new_options())
    tokens, error = recorded
    assert tokens and error is None
    with use_cassette(cassette, record_mode="none") as replayed:
        assert ask_openai(f"{server.url}/v1", name == "stream", **new_options()) == recorded
        assert replayed.all_played


def test_an_error_is_recorded(new_options: Any, cassette: str) -> None:
    def fail(url: str) -> None:
        with use_cassette(cassette):
            tokens, error = ask_openai(url, retries=0, **new_options())
        assert tokens == [] and isinstance(error, RequestFailedError)
        assert (error.status, error.body) == (503, "full")

    with RawServer(lambda client, _: client.sendall(response(b"full", 503))) as server:
        fail(server.url)
    fail(server.url)


def test_a_request_that_is_not_in_the_cassette(new_options: Any, cassette: str) -> None:
    with RawServer(stream_openai) as server:
        with use_cassette(cassette, record_mode="none"), pytest.raises(CannotOverwriteExistingCassetteException):
            ask_openai(server.url, **new_options())
        assert server.sent == []


def test_completions_before_inside_and_after_a_cassette(cassette: str) -> None:
    """Neither uses the connections of the others."""
    with RawServer(stream_openai) as server:
        assert ask_openai(server.url) == (OPENAI_TOKENS, None)
        assert server.connections == 1
        with use_cassette(cassette) as recorded:
            for _ in range(2):
                assert ask_openai(server.url) == (OPENAI_TOKENS, None)
        assert len(recorded) == 2 and len(server.sent) == 3
        used_by_cassette = server.connections - 1
        assert used_by_cassette > 0
        assert ask_openai(server.url) == (OPENAI_TOKENS, None)
        with use_cassette(cassette, record_mode="none") as replayed:
            for _ in range(2):
                assert ask_openai(server.url) == (OPENAI_TOKENS, None)
        assert replayed.all_played
        assert ask_openai(server.url) == (OPENAI_TOKENS, None)
        assert (len(server.sent), server.connections) == (5, 1 + used_by_cassette)
        close_idle_connections()


def test_the_package_is_imported_inside_a_cassette(cassette: str) -> None:
    script = """
import sys
from vcr import use_cassette

def complete():
    from g4f_legacy.Provider import OpenAI
    print(*OpenAI._create_completion("m", [{"role": "user", "content": "x"}], True, base_url=sys.argv[2]))

with use_cassette(sys.argv[1]) as cassette:
    complete()
assert len(cassette) == 1
complete()
complete()
assert len(cassette) == 1
"""
    with RawServer(stream_openai) as server:
        command = [sys.executable, "-W", "error", "-c", script, cassette, server.url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (result.stdout.splitlines(), result.stderr) == ([" ".join(OPENAI_TOKENS)] * 3, "")
        assert (len(server.sent), server.connections) == (3, 2)  # one of the cassette, one of the package


@pytest.mark.parametrize("stored", [COMPLETION, gzip.compress(COMPLETION)], ids=["decoded", "compressed"])
def test_a_compressed_response(stored: bytes, new_options: Any, cassette: str) -> None:
    """VCR.py stores it decoded since urllib3 2, with its Content-Encoding; older cassettes have it compressed."""
    compressed = response(gzip.compress(COMPLETION), 200, "Content-Type: application/json", "Content-Encoding: gzip")

    def store(recorded: dict[str, Any]) -> dict[str, Any]:
        assert recorded["body"]["string"] == COMPLETION and recorded["headers"]["Content-Encoding"] == ["gzip"]
        return {**recorded, "body": {"string": stored}}

    with RawServer(lambda client, _: client.sendall(compressed) or True) as server:
        with use_cassette(cassette, before_record_response=store):
            assert ask_openai(server.url, False, **new_options()) == (["hello"], None)
    with use_cassette(cassette, record_mode="none"):
        assert ask_openai(server.url, False, **new_options()) == (["hello"], None)


PLUGIN_TESTS = """
import os

import pytest
import requests

from g4f_legacy.Provider import H2o

URL = os.environ["SERVER"]
MESSAGES = [{"role": "user", "content": "hello"}]

@pytest.mark.vcr
def test_session_of_the_package():
    assert "".join(H2o._create_completion("falcon-40b", MESSAGES, True, base_url=URL)).endswith("1}.")

@pytest.mark.vcr
def test_session_of_the_caller():
    with requests.Session() as session:
        assert "".join(H2o._create_completion("falcon-40b", MESSAGES, False, base_url=URL, session=session))
"""


def test_pytest_recording(tmp_path: Path) -> None:
    pytest.importorskip("pytest_recording", reason="needs pytest-recording")
    tmp_path.joinpath("test_it.py").write_text(PLUGIN_TESTS)

    def run_tests(url: str, *options: str) -> str:
        plugins = ["-p", "no:cacheprovider", "-p", "pytest_recording.plugin"]
        command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-W", "error", *plugins, *options]
        environment = {**os.environ, "SERVER": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        return result.stdout

    with Replay(load("h2o/hello") * 2) as server:
        assert "2 passed" in run_tests(server.url, "--record-mode=once", "--block-network")
        assert len(server.sent) == 10
        assert "2 passed" in run_tests(server.url)
        assert len(server.sent) == 10
    cassettes = list(tmp_path.glob("cassettes/test_it/*.yaml"))
    assert len(cassettes) == 2
    assert "2 passed" in run_tests(server.url, "--record-mode=none", "--block-network")
    for cassette in cassettes:
        cassette.unlink()
    assert "2 failed" in run_tests(server.url, "--block-network")
