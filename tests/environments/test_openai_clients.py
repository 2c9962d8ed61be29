"""Clients of OpenAI's API see through the local server what they see at its upstream."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from environments.openai_clients.comparison import CLIENTS, HELLO, KEY, Case, Job, Run, find_command
from scripted_provider import scripted_provider
from upstream import CUT_TEXT, FAILURES, REFUSALS, REPORTED, TEXT, USAGE

from g4f_legacy.server import create_app, serve_in_background
from g4f_legacy.tokens import Finish

TOOL_FUNCTION = {
    "name": "get_weather",
    "description": "Return the weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOLS = [{"type": "function", "function": TOOL_FUNCTION}]
CALL = {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Париж"}'}}
TOOL_RESULT = [
    {"role": "system", "content": "Be brief."},
    *HELLO,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0", "content": "Rain"},
]
PARTS = [{"role": "user", "name": "Anna", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
PARAMETERS = {
    "temperature": 0,
    "top_p": 0.9,
    "seed": 7,
    "stop": ["###"],
    "frequency_penalty": 0.1,
    "presence_penalty": -0.2,
    "max_completion_tokens": 64,
    "n": 1,
    "logit_bias": {"50256": -100},
    "logprobs": False,
    "tools": TOOLS,
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "service_tier": "auto",
    "user": "me",
    "store": False,
    "metadata": {"a": "b"},
}
UNDOCUMENTED = {"repetition_penalty": 1.1, "grammar": {"root": [1, None, True]}, "max_new_tokens": 5}


COMPLETIONS = [
    Job("text", text=TEXT),
    Job("text", PARAMETERS, extra=UNDOCUMENTED, text=TEXT, asks_usage=False),
    Job("text", {"response_format": {"type": "json_object"}}, text=TEXT),
    Job("text", messages=PARTS, text=TEXT),
    Job("length", {"max_tokens": 2}, text=CUT_TEXT, finish_reason="length"),
    Job("content-filter", text=CUT_TEXT, finish_reason="content_filter"),
    Job("tool-calls", {"tools": TOOLS, "tool_choice": "auto"}, finish_reason="tool_calls"),
    Job("tool-calls", {"tools": TOOLS}, TOOL_RESULT, text=TEXT),
    Job("text-and-tool-call", {"tools": TOOLS}, text=TEXT, finish_reason="tool_calls"),
    Job("two-choices", {"n": 2}, text=TEXT, finish_reason=""),  # llm keeps the last one's
    Job("logprobs", {"logprobs": True, "top_logprobs": 1}, text="Hi 👋"),
    Job("reasoning", text=TEXT),
]
REFUSED = [Job(model) for model, refusal in REFUSALS.items() if refusal.status < 500 and model != "long-message"]
LONG_MESSAGE = Job("long-message")
IGNORED_N = Job("text", {"n": 2})  # not every server knows it
FAILED = [Job(model) for model in ("server-error", "overloaded", *FAILURES)]
UNREACHABLE = Job("text", is_reachable=False)
ALL_JOBS = [*COMPLETIONS, IGNORED_N, *REFUSED, LONG_MESSAGE, *FAILED, UNREACHABLE]


@pytest.fixture(scope="module", params=CLIENTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A client's run of all jobs: once for all tests, because importing some clients takes seconds."""
    find_command(request.param)
    return Run(request.param, ALL_JOBS, tmp_path_factory.mktemp("client"))


def find(report: Any, name: str) -> list[Any]:
    """Return all values of that name in a report, in order."""
    if isinstance(report, list):
        return [value for item in report for value in find(item, name)]
    if not isinstance(report, dict):
        return []
    inner = [value for item in report.values() for value in find(item, name)]
    return [report[name], *inner] if name in report else inner


def get_text(report: dict[str, Any]) -> str:
    """Return the text of a completion, or of all its choices."""
    texts = find(report["events"], "text") or find(report["events"], "content")
    return "".join(text for text in texts if isinstance(text, str))


def check_equal(cases: list[Case]) -> None:
    """Check that a client sees the same through the server, in all cases, ids and dates included."""
    different = [case for case in cases if case.direct != case.served]
    assert not different, [f"{case.job.model}, stream={case.stream}" for case in different]


def test_completions(run: Run) -> None:
    cases = run.select(COMPLETIONS)
    for job, stream, direct, _ in cases:
        assert not direct["error"] and get_text(direct).startswith(job.text)
        assert not job.finish_reason or job.finish_reason in find(direct, "finish_reason")
        if job.asks_usage or not stream:
            assert USAGE["total_tokens"] in find(direct, "total_tokens")
        if job.model == "tool-calls" and not job.text:
            assert "get_weather" in find(direct, "name") and "Oslo" in json.dumps(direct)
    check_equal(cases)


def test_requests(run: Run) -> None:
    """The upstream receives the same requests, parameters included, as many times."""
    models = {job.model for job in (*COMPLETIONS, *REFUSED)}
    direct, served = (
        [
            (sent.path, sent.headers["authorization"], {"stream": False, **sent.payload})
            for sent in upstream.requests
            if sent.method == "POST" and sent.payload["model"] in models
        ]
        for upstream in run.upstreams
    )
    assert served == direct


def test_refusals(run: Run) -> None:
    cases = run.select(REFUSED)
    for job, _, direct, _ in cases:
        refusal = REFUSALS[job.model]
        assert direct["error"]["status"] == refusal.status and refusal.message in direct["error"]["message"]
    check_equal(cases)


def test_ignored_parameter(run: Run) -> None:
    check_equal(run.select([IGNORED_N]))


def test_long_message(run: Run) -> None:
    """A refusal with a message of several thousand characters, as of servers that quote what they refuse."""
    check_equal(run.select([LONG_MESSAGE]))


def test_failures(run: Run) -> None:
    """The server is a gateway: it reports that the upstream failed, even where that ended a stream as if complete."""
    messages = {model: refusal.message for model, refusal in REFUSALS.items()}
    messages |= {"error-event": REPORTED.message, "error-event-first": REPORTED.message}
    for job, stream, direct, served in run.select([job for job in FAILED if job.model != "empty-stream"]):
        assert served["error"] and messages.get(job.model, "") in served["error"]["message"], (job.model, stream)
        assert get_text(served) == get_text(direct)
        if stream and job.model in ("cut", "clean-cut", "error-event"):
            assert get_text(direct) == CUT_TEXT
        else:
            assert served["error"]["status"] in (502, 503, 504) or job.model == "error-event-first", (job.model, stream)


def test_error_event(run: Run) -> None:
    check_equal([case for case in run.select(FAILED) if case.job.model == "error-event" and case.stream])


def test_no_upstream(run: Run) -> None:
    for _, _, direct, served in run.select([UNREACHABLE]):
        assert direct["error"] and served["error"]["status"] in (502, 503, 504)


def test_refusal_by_an_empty_stream(run: Run) -> None:
    plain, streamed = run.select([job for job in FAILED if job.model == "empty-stream"])
    check_equal([plain])
    assert plain.served["error"]["status"] == 400
    assert streamed.served["error"] and not get_text(streamed.served)


class TestOtherEngines:
    """An engine that speaks another protocol than OpenAI's, and what the openai package sees of it."""

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls"])
    def test_ending(self, reason: str, stream: bool) -> None:
        """The finish reason and the usage are the engine's."""
        engine = scripted_provider("Hello", " there", Finish(reason, USAGE))
        with open_client(engine) as client:
            options: Any = {"stream": stream, **({"stream_options": {"include_usage": True}} if stream else {})}
            response = client.chat.completions.create(model="scripted", messages=HELLO, **options)
            events = [event.model_dump() for event in (response if stream else [response])]
        assert get_text({"events": events}) == "Hello there"
        assert [found for found in find(events, "finish_reason") if found] == [reason]
        assert [found["total_tokens"] for found in find(events, "usage") if found] == [USAGE["total_tokens"]]

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "parameter, value",
        [
            ("tools", TOOLS),
            ("functions", [TOOL_FUNCTION]),
            ("response_format", {"type": "json_object"}),
            ("n", 2),
            ("logprobs", True),
            ("logit_bias", {"50256": -100}),
        ],
    )
    @pytest.mark.parametrize("name", ["Echo", "scripted"])
    def test_refused_parameters(self, name: str, parameter: str, value: Any, stream: bool) -> None:
        engine = "Echo" if name == "Echo" else scripted_provider("never sent")
        parameters: Any = {parameter: value, "stream": stream}
        with open_client(engine) as client, pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model="any", messages=HELLO, **parameters)
        assert raised.value.type == "invalid_request_error"
        assert raised.value.param == parameter and parameter in raised.value.message

    @pytest.mark.parametrize("stream", [False, True])
    def test_parameters_without_effect(self, stream: bool) -> None:
        parameters: Any = {"user": "me", "store": False, "metadata": {"a": "b"}, "n": 1, "stream": stream}
        with open_client("Echo") as client:
            response = client.chat.completions.create(model="echo", messages=HELLO, **parameters)
            events = [event.model_dump() for event in (response if stream else [response])]
        assert get_text({"events": events}) == "Hello 👋"


@contextmanager
def open_client(engine: Any) -> Iterator[openai.OpenAI]:
    """Open a client of the local server, which answers from an engine."""
    with serve_in_background(create_app(engine), threads=4) as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
            yield client
