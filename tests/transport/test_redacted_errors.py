"""What is left of secrets in errors that are pickled or copied, and in the local variables of their frames."""

import copy
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from protocols import MESSAGES, PROTOCOLS
from raw_server import RawServer, response
from repeating_server import COOKIE, CREDENTIALS, FAULTS, KEY, faulty_server, leaks
from scripted_provider import scripted_provider
from secret_options import OPTIONS, WRONG

from g4f_legacy import ChatCompletion, RetryProvider, registry
from g4f_legacy.errors import ProviderError, RequestFailedError, RetryProviderError
from g4f_legacy.Provider import H2o
from g4f_legacy.transport.client import ServerClient

FAULTS_OF_CALLS = ("401, JSON", "407, headers", "not JSON", "a page", "error event", "event, truncated", "not HTTP")


def locals_of(error: BaseException | None) -> Iterator[str]:
    """Yield the local variables of the frames of an error and of its causes, but not those of tests."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" not in frame.f_code.co_filename.replace("\\", "/"):
                yield f"{frame.f_code.co_name}: {frame.f_locals!r}\n"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize("fault", FAULTS_OF_CALLS)
def test_a_server_repeats_secrets(fault: str, provider: str) -> None:
    for number, kind in enumerate(OPTIONS):
        with faulty_server(FAULTS[fault], "stream", number, cookie=COOKIE) as server:
            options = {**OPTIONS[kind](server.url, provider), "retries": 0}
            create = ChatCompletion.create if number % 2 else registry.get(provider)._create_completion
            with pytest.raises(ProviderError) as raised:
                list(create("some", MESSAGES, **({"provider": provider} if number % 2 else {}), stream=True, **options))
        assert leaks("".join(locals_of(raised.value))) == set()
        assert_can_be_pickled(raised.value)


def assert_can_be_pickled(error: ProviderError) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(error, protocol)
        assert leaks(pickled.decode("latin-1")) | leaks(pickled.decode("utf-8", "replace")) == set()
    for again in (pickle.loads(pickled), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error) and str(again) == str(error)
        for name in ("args", "url", "status", "detail", "body", "hint", "partial", "provider", "retry_after"):
            assert getattr(again, name) == getattr(error, name)
        if error.response is not None:
            assert again.response.status_code == error.response.status_code
            assert (again.response.text, again.response.headers) == (error.response.text, error.response.headers)


@pytest.mark.parametrize("kind", OPTIONS)
def test_no_server(kind: str) -> None:
    with RawServer(lambda connection, sent: False) as server:
        options = OPTIONS[kind](server.url, "OpenAI")
    with pytest.raises(RequestFailedError) as raised:
        ChatCompletion.create("some", MESSAGES, "OpenAI", **options, retries=0)
    assert leaks("".join(locals_of(raised.value))) == set()
    assert raised.value.request.headers["Content-Type"] == "application/json"
    assert_can_be_pickled(raised.value)


def test_a_client_without_a_block() -> None:
    with RawServer(lambda connection, sent: False) as server:
        client = ServerClient(H2o.__name__, OPTIONS["as_options"](server.url, "H2o"))
    client.set_auth()
    with pytest.raises(RequestFailedError) as raised:
        client.send_quietly("GET", "/x")
        client.get("/x", dict, retries=0)
    assert leaks("".join(locals_of(raised.value))) == set()
    assert client.auth == KEY and leaks(repr((client.auth, client.headers, vars(client)))) == set()


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    options = {"base_url": "http://127.0.0.1:1", "retries": 0, **wrong}
    for call in (
        lambda: ChatCompletion.create("some", MESSAGES, "OpenAI", **options),
        lambda: list(registry.get("OpenAI")._create_completion("some", MESSAGES, True, **options)),
        lambda: list(RetryProvider(["OpenAI"]).create_completion("some", MESSAGES, **options)),
    ):
        with pytest.raises((TypeError, ValueError, ProviderError, RetryProviderError)) as raised:
            call()
        assert leaks("".join(locals_of(raised.value))) == set()


def test_the_request_and_the_response() -> None:
    def respond(connection: Any, sent: Any) -> None:
        headers = (
            f"Set-Cookie: session={COOKIE}; Path=/",
            f"X-Key: {KEY}",
            "X-Other: other",
            "Content-Type: text/plain",
        )
        connection.sendall(response(f"No {KEY}, {COOKIE}".encode(), 403, *headers))

    with RawServer(respond) as server:
        url = server.url.replace("//", f"//{CREDENTIALS}@")
        with pytest.raises(RequestFailedError) as raised:
            ServerClient(H2o.__name__, {"base_url": url, "headers": {"X-Key": KEY, "Referer": "x"}}).post(
                "/x", json={"a": 1}, params={"b": "c"}
            )
    request, reply = raised.value.request, raised.value.response
    assert (request.method, request.url, request.body) == ("POST", f"{server.url}/x", b'{"a": 1}')
    assert (request.headers["X-Key"], request.headers["authorization"], request.headers["Referer"]) == ("…", "…", "x")
    assert (reply.status_code, reply.reason, reply.url, reply.ok) == (403, "Said So", f"{server.url}/x", False)
    assert reply.content == "No …, …".encode() and reply.elapsed.total_seconds() > 0
    assert (reply.headers["Set-Cookie"], reply.headers["x-other"], dict(reply.cookies)) == ("…", "other", {})
    assert leaks(repr(dict(reply.headers))) == set() and reply.raw is None
    assert reply.request.headers == request.headers
    with pytest.raises(requests.HTTPError):
        reply.raise_for_status()


def test_objects_of_the_caller_are_not_changed() -> None:
    seen: list[requests.Response] = []
    session = requests.Session()
    session.hooks["response"].append(lambda response, **_: seen.append(response))
    options = {"session": session, "auth": KEY, "cookies": {"a": COOKIE}, "headers": {"X-Key": KEY}}
    with faulty_server(FAULTS["401, JSON"], "first") as server:
        with pytest.raises(RequestFailedError) as raised:
            ChatCompletion.create("some", MESSAGES, "OpenAI", base_url=f"{server.url}/OpenAI", **options, retries=0)
    assert seen[0].request.headers["X-Key"] == KEY and KEY in seen[0].json()["error"]["message"]
    assert raised.value.response is not seen[0] and raised.value.request is not seen[0].request
    assert repr(options["cookies"]) == repr({"a": COOKIE})


def test_what_a_caller_was_handling_keeps_its_variables() -> None:
    def fail(text: str) -> None:
        raise requests.HTTPError("another", response=requests.Response())

    with pytest.raises(RequestFailedError) as raised:
        try:
            fail("kept")
        except requests.HTTPError as error:
            other = error
            ChatCompletion.create("some", MESSAGES, "OpenAI", base_url="http://127.0.0.1:1/v1", retries=0)
    assert isinstance(raised.value, ProviderError) and other.response.status_code is None
    frames = [frame for frame, _ in traceback.walk_tb(other.__traceback__)]
    assert frames[-1].f_locals == {"text": "kept"}


def test_an_error_of_requests_that_a_caller_was_handling_keeps_its_variables() -> None:
    with pytest.raises(RequestFailedError):
        try:
            requests.get("http://127.0.0.1:1", timeout=5)
        except requests.ConnectionError as error:
            other = error
            ChatCompletion.create("some", MESSAGES, "OpenAI", base_url="http://127.0.0.1:1/v1", retries=0)
    frames = [frame for frame, _ in traceback.walk_tb(other.__traceback__)]
    assert all(frame.f_locals for frame in frames)


def test_a_stream_that_has_seen_the_same_error_goes_on() -> None:
    kept_error = RequestFailedError("kept, as by a circuit breaker")
    failing, working = scripted_provider(kept_error), scripted_provider("a", "b", "c")
    for provider in (failing, working):
        provider.create_completion = provider._create_completion  # as a class of a script has it
    stream = RetryProvider([failing, working], shuffle=False).create_completion("", MESSAGES, stream=True)
    assert next(stream) == "a"
    with pytest.raises(RequestFailedError):
        try:
            list(failing.create_completion("", MESSAGES, True))
        except RequestFailedError:
            ChatCompletion.create("some", MESSAGES, "OpenAI", base_url="http://127.0.0.1:1/v1", retries=0)
    assert list(stream) == ["b", "c"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_while_a_request_is_sent(interruption: Callable[[], BaseException]) -> None:
    def interrupt(response: Any, **_: Any) -> None:
        response.close()
        raise interruption()

    session = requests.Session()
    session.hooks["response"].append(interrupt)
    with faulty_server(FAULTS["401, JSON"], "first") as server, pytest.raises(BaseException) as raised:
        options = {"auth": KEY, "cookies": {"a": COOKIE}, "session": session, "proxy": server.url}
        ChatCompletion.create("some", MESSAGES, "H2o", base_url="http://chat.test", **options)
    assert type(raised.value) is interruption
    assert leaks("".join(locals_of(raised.value))) == set()
