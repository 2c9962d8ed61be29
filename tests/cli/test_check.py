import logging
import re
import socket
import ssl
from typing import Any

import pytest
import requests
from command_line import run
from replay import exchange, load
from test_OpenAssistant_message import exchanges_with
from urllib3.exceptions import MaxRetryError

from g4f_legacy import errors
from g4f_legacy.cli import check as check_module
from g4f_legacy.cli.check import explain
from g4f_legacy.server import create_app, serve_in_background


def check(provider: str, url: str, model: str = "", auth: str = "") -> Any:
    """Return the exit code and the printed lines, without the server's address."""
    credentials = ["--auth", auth] if auth else []
    code, out, _ = run("check", "-p", provider, "-m", model, "--base-url", url, *credentials)
    return code, out.replace(url, "").splitlines()


def test_a_server_that_works() -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        code, lines = check("H2o", url)
        assert code == 0
        assert [line.split()[:2] for line in lines] == [["ok", step] for step in "GET POST POST POST DELETE 2".split()]
        assert check("OpenAssistant", url, auth="a")[0] == 0


def test_the_number_of_tokens() -> None:
    marker = "and the end-of-stream marker\n"
    assert run("check", "-p", "Echo")[1] == f"ok      2 tokens {marker}"
    assert run("check", "-p", "Echo", "-o", "max_tokens=1")[1].endswith(f"ok      1 token {marker}")


@pytest.mark.parametrize("form", ["/v1", ""])
def test_an_openai_compatible_server(form: str) -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        code, lines = check("OpenAI", url + form)
    assert code == 0
    assert [line.split()[1] for line in lines] == ["GET", "POST", "2"]


def test_a_chat_ui_of_the_other_generation(play: Any) -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        code, lines = check("HuggingChat", url, model="falcon-40b")
    assert code == 5 and "speaks the protocol of chat-ui v0.3 to v0.6: use the provider H2o" in lines[-2]
    created, _, _, deleted = load("hugging_chat/hello")
    settings = exchange("POST", "/settings", 200, content_length="0")
    code, lines = check("H2o", play([exchange("GET", "/", 200, content_length="0"), settings, created, deleted]).url)
    assert code == 5 and "speaks the protocol of chat-ui v0.7 and later: use the provider HuggingChat" in lines[-2]


@pytest.mark.parametrize("name", ["v0_7_settings_form", "v0_9_1_settings_form"])
def test_a_chat_ui_that_does_not_take_the_form(name: str, play: Any) -> None:
    code, lines = check("H2o", play(load(f"hugging_chat/{name}")).url)
    assert code in (3, 5) and "use the provider HuggingChat" in lines[-2]
    assert lines[-1].strip() == "It is a chat-ui of another generation."


def test_a_chat_ui_without_its_origin(play: Any) -> None:
    refusal = exchange("POST", "/settings", 403, ("Invalid referer for POST request",), content_type="text/plain")
    page, _, refused = load("h2o/no_cookie")
    code, lines = check("H2o", play([page, refusal, refused]).url)
    assert code == 5 and "ORIGIN" in lines[-2] and "--base-url" in lines[-2] and "--auth" not in lines[-2]
    assert (
        lines[-1].strip() == "The server requires that its terms be accepted, and refuses to take that at this address."
    )


@pytest.mark.usefixtures("any_wording")
def test_the_output_does_not_depend_on_the_wording_of_errors(play: Any) -> None:
    with serve_in_background(create_app("Echo"), threads=4) as url:
        code, lines = check("HuggingChat", url, model="falcon-40b")
    assert code == 5 and lines[-1].strip() == "It is a chat-ui of another generation."
    code, lines = check("H2o", play(load("h2o/hello")[:-1]).url)
    assert code == 0 and [line.split()[0] for line in lines] == ["ok"] * 4 + ["warning", "ok"]


def test_hugging_chat(play: Any) -> None:
    code, lines = check("HuggingChat", play(load("hugging_chat/hello")).url, model="falcon-180b")
    assert code == 0
    assert [line.split()[1] for line in lines] == ["POST", "POST", "DELETE", "14"]


def test_google_with_a_bad_key(play: Any) -> None:
    body = '[{"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}]'
    path = "/v1beta/models/gemini-flash-latest:streamGenerateContent?alt=sse"
    code, lines = check("Google", play([exchange("POST", path, 400, (body,))]).url, auth="a")
    assert code == 3 and lines[0].startswith("failed  Google: 400 Said So: API key not valid (/v1beta/models/")


def test_a_step_that_fails(play: Any) -> None:
    code, lines = check("H2o", play(load("h2o/no_cookie")).url)
    assert code == 5
    assert lines[:2] == ["ok      GET / 200", "ok      POST /settings 200"]
    assert lines[2].startswith("failed  H2o: 405 Method Not Allowed: You need to accept the welcome modal first (/conv")
    assert "terms" in lines[3] and len(lines) == 4


def test_refused_credentials(play: Any) -> None:
    code, lines = check("OpenAssistant", play(load("open_assistant/not_logged_in")).url, auth="a")
    assert code == 3 and "requires credentials" in lines[-1]


def test_a_clean_up_that_fails(play: Any) -> None:
    code, lines = check("H2o", play(load("h2o/hello")[:-1]).url)
    assert code == 0
    assert lines[-2].startswith("warning H2o: cleaning up failed: ")


def test_a_page_of_another_kind_of_server(play: Any) -> None:
    page = exchange("POST", "/api/chat", 200, ("<html>",), content_length="?", content_type="text/html")
    code, lines = check("OpenAssistant", play([page]).url, auth="a")
    assert code == 5 and lines[-1].strip() == "The server responds, but it does not speak this protocol."


@pytest.mark.usefixtures("any_wording")
def test_a_message_without_a_worker(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "_READ_TIMEOUTS", {"OpenAssistant": 0.3})
    pending = [{"state": "pending", "content": None}] * 9
    code, lines = check("OpenAssistant", play(exchanges_with([], pending)).url, auth="session-token")
    assert code == 5
    assert lines[-1].strip() == "No worker takes the message: none is connected for this model, or all are busy."


def test_the_timeout_that_is_given_counts(play: Any) -> None:
    replay = play(exchanges_with([], [{"state": "pending", "content": None}] * 9))
    arguments = ["-p", "OpenAssistant", "--base-url", replay.url, "--auth", "a", "-o", "timeout=[5, 0.3]"]
    _, out, _ = run("check", *arguments)
    assert re.search(r"still pending after 0\.\d+ seconds", out) and "No worker has taken the message" in out


@pytest.mark.usefixtures("any_wording")
def test_the_rate_limit_of_open_assistant(play: Any) -> None:
    exchanges = load("open_assistant/bad_parent")
    exchanges[2]["response"]["status"] = 500
    code, lines = check("OpenAssistant", play(exchanges).url, auth="session-token")
    assert code == 5 and lines[-1].strip() == "The server's rate limit, or a failure: its log has the cause."


def test_the_logger_is_restored(play: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("g4f_legacy")
    before = (log.propagate, list(log.handlers))
    check("H2o", play(load("h2o/no_cookie")).url)
    assert (log.propagate, list(log.handlers)) == before
    assert capsys.readouterr() == ("", "")


def failure(cause: Exception) -> errors.RequestFailedError:
    error = errors.RequestFailedError("no answer")
    error.__cause__ = requests.ConnectionError(MaxRetryError(None, "/", cause))  # type: ignore[arg-type]
    return error


@pytest.mark.parametrize(
    "error, text",
    [
        (failure(socket.gaierror(-2, "Name or service not known")), "The host name cannot be resolved"),
        (failure(ConnectionRefusedError(111, "Connection refused")), "Nothing listens there"),
        (failure(ssl.SSLError(1, "certificate verify failed")), "TLS failed"),
        (errors.RequestFailedError("no answer"), "did not respond as expected"),
        (errors.RequestFailedError("x", status=404), "another protocol"),
        (errors.RequestFailedError("x", status=422), "does not list that model"),
        (errors.RequestFailedError("x", status=500), "its log has the cause"),
        (errors.RequestFailedError("x", status=500, hint=errors.Hint.CHECK_MODEL), "does not list"),
        (errors.RequestFailedError("x", status=500, hint=errors.Hint.POSSIBLE_RATE_LIMIT), "rate limit"),
        (errors.StreamInterruptedError("x", hint=errors.Hint.NO_WORKER), "No worker takes the message"),
        (errors.GenerationError("x", hint=errors.Hint.ONE_MESSAGE_PER_LOGIN), "the same login"),
        (errors.AuthenticationError("x", status=401), "requires credentials"),
        (errors.RateLimitError("x", status=429), "busy"),
        (errors.ResponseFormatError("x"), "does not speak this protocol"),
        (errors.GenerationError("x"), "its model failed"),
        (errors.StreamInterruptedError("x"), "was truncated"),
    ],
)
def test_meanings(error: errors.ProviderError, text: str) -> None:
    assert text in explain(error)
