"""A scripted OpenAI-compatible server on a loopback socket. What it answers depends on the model that a request names.

Shapes: https://platform.openai.com/docs/api-reference/chat and its guide to error codes.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

TEXT = "Привет, мир! 👋🏽 \u2028\x85 Fine."
CUT_TEXT = "Привет, м"
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}


class Choice(NamedTuple):
    """What the model generates for one choice: the deltas of the stream, how it ends, and its logprobs by delta."""

    deltas: tuple[dict[str, Any], ...]
    finish_reason: str = "stop"
    logprobs: tuple[dict[str, Any], ...] = ()


class Refusal(NamedTuple):
    """A response with an error instead of a completion."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = {}

    @property
    def payload(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class Request(NamedTuple):
    """A request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    payload: Any


def _text(*parts: str) -> tuple[dict[str, Any], ...]:
    return tuple({"content": part} for part in parts)


def _tool_call(index: int, *arguments: str) -> tuple[dict[str, Any], ...]:
    function = {"name": "get_weather", "arguments": ""}
    start = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    rest = [{"index": index, "function": {"arguments": part}} for part in arguments]
    return tuple({"tool_calls": [call]} for call in (start, *rest))


def _logprob(token: str, logprob: float) -> dict[str, Any]:
    entry = {"token": token, "logprob": logprob, "bytes": list(token.encode())}
    return {"content": [{**entry, "top_logprobs": [entry]}], "refusal": None}


_HELLO = _text("Привет", ", м", "ир! 👋🏽", " \u2028\x85", " Fine.")
_PARIS, _OSLO = ('{"city":', ' "Париж"}'), ('{"ci', 'ty": "Oslo"}')

COMPLETIONS = {
    "text": (Choice(_HELLO),),
    "length": (Choice(_text("Привет", ", м"), "length"),),
    "content-filter": (Choice(_text("Привет", ", м"), "content_filter"),),
    "tool-calls": (Choice((*_tool_call(0, *_PARIS), *_tool_call(1, *_OSLO)), "tool_calls"),),
    "text-and-tool-call": (Choice((*_HELLO, *_tool_call(0, *_PARIS)), "tool_calls"),),
    "two-choices": (Choice(_HELLO), Choice(_text("Other", " text"), "length")),
    "logprobs": (Choice(_text("Hi", " 👋"), "stop", (_logprob("Hi", -0.25), _logprob(" 👋", -1.5))),),
    "reasoning": (Choice(({"reasoning_content": "Let me"}, {"reasoning_content": " think."}, *_HELLO)),),
}

REFUSALS = {
    "context-length": Refusal(
        400,
        "This model's maximum context length is 512 tokens. However, your messages resulted in 711 tokens.",
        param="messages",
        code="context_length_exceeded",
    ),
    "wrong-key": Refusal(401, "Incorrect API key provided: sk-no****-key.", code="invalid_api_key"),
    "forbidden": Refusal(403, "Your country is not supported.", code="unsupported_country_region_territory"),
    "unknown-model": Refusal(404, "The model `unknown-model` does not exist.", code="model_not_found"),
    "too-large": Refusal(413, "Request too large: 9 MB."),
    "unprocessable": Refusal(422, "temperature: must be at most 2", param="temperature"),
    "long-message": Refusal(422, "tools.0: not a tool.\n" * 150, param="tools", code="invalid_tools"),
    "rate-limit": Refusal(
        429, "Rate limit reached for requests.", "requests", None, "rate_limit_exceeded", {"Retry-After": "7"}
    ),
    "server-error": Refusal(500, "The server had an error (Ошибка 17).", "server_error"),
    "overloaded": Refusal(503, "The engine is overloaded.", "server_error", code="overloaded"),
}

REPORTED = Refusal(500, "CUDA out of memory", "server_error", code="out_of_memory")
"""The error that stands in a 200 response of the models ``error-event`` and ``error-event-first``."""

FAILURES = ("cut", "clean-cut", "error-event", "error-event-first", "empty-stream")
"""Further models. ``cut``: the connection is lost in the middle; ``clean-cut``: the body ends in the middle, but is
complete as HTTP. ``empty-stream``: as llama-cpp-python refuses a streamed request, with a 200 that has no event."""


class Upstream:
    """The server, for the length of the block.

    Attributes:
        url: the address, without ``/v1``.
        requests: what it received, in order.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.received = self.requests
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Upstream":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def payloads(self) -> list[Any]:
        """The payloads of the requests for a completion."""
        return [request.payload for request in self.requests if request.method == "POST"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    received: list[Request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients disconnect when they like


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._keep(None)
        names = [*COMPLETIONS, *REFUSALS, *FAILURES]
        models = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "upstream"} for name in names]
        self._send_json(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._keep(payload)
        model = payload["model"]
        if refusal := self._refusal(model, bool(payload.get("stream"))):
            self._send_json(refusal.status, refusal.payload, refusal.headers)
        elif payload.get("stream"):
            self._stream(model, list(_events(payload)))
        else:
            self._send_json(200, _completion(payload), is_cut=model in ("cut", "clean-cut"))

    def _keep(self, payload: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Request(self.command, self.path, headers, payload))

    def _refusal(self, model: str, is_stream: bool) -> Refusal | None:
        if self.path != "/v1/chat/completions":
            return Refusal(404, f"Invalid URL ({self.command} {self.path})")
        if model == "empty-stream" and not is_stream:
            return REFUSALS["context-length"]
        if model not in (*COMPLETIONS, *FAILURES):
            return REFUSALS.get(model, REFUSALS["unknown-model"])
        return None

    def _send_json(
        self, status: int, payload: Any, headers: dict[str, str] | None = None, is_cut: bool = False
    ) -> None:
        body = json.dumps(payload, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = is_cut

    def _stream(self, model: str, events: list[Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            self._send_event(json.dumps(event))
        if model in COMPLETIONS:
            self._send_event("[DONE]")
        if model == "cut":
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def log_message(self, *_: Any) -> None:
        pass


def _choices(payload: dict[str, Any]) -> tuple[Choice, ...]:
    """Return what the model generates: text once it has the results of its tool calls."""
    has_result = any(message["role"] == "tool" for message in payload["messages"])
    return COMPLETIONS["text" if has_result else payload["model"]]


def _header(payload: dict[str, Any], kind: str) -> dict[str, Any]:
    fingerprint = {"system_fingerprint": "fp_44709d6fcb", "service_tier": "default"}
    return {
        "id": f"chatcmpl-{payload['model']}",
        "object": kind,
        "created": 1700000000,
        "model": "m-0613",
        **fingerprint,
    }


def _completion(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["model"].startswith("error-event"):
        return REPORTED.payload
    if payload["model"] in FAILURES:
        payload = {**payload, "model": "text"}
    choices = []
    for index, choice in enumerate(_choices(payload)):
        logprobs = {"content": [entry for part in choice.logprobs for entry in part["content"]], "refusal": None}
        choices.append(
            {
                "index": index,
                "message": _message(choice.deltas),
                "logprobs": logprobs if choice.logprobs else None,
                "finish_reason": choice.finish_reason,
            }
        )
    return {**_header(payload, "chat.completion"), "choices": choices, "usage": USAGE}


def _message(deltas: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Join the deltas of a stream into the message of a response that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    calls: list[dict[str, Any]] = []
    for delta in deltas:
        for name in {"content", "reasoning_content"} & set(delta):
            message[name] = (message.get(name) or "") + delta[name]
        for call in delta.get("tool_calls", []):
            if "id" in call:
                calls.append({"id": call["id"], "type": "function", "function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return {**message, "tool_calls": calls} if calls else message


def _events(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    model = payload["model"]
    with_usage = bool((payload.get("stream_options") or {}).get("include_usage"))
    header = _header(payload, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
    if model in COMPLETIONS:
        for index, choice in enumerate(_choices(payload)):
            yield from (header | {"choices": [part]} for part in _chunks(index, choice))
        if with_usage:
            yield header | {"choices": [], "usage": USAGE}
        return
    if model in ("cut", "clean-cut", "error-event"):
        cut = Choice(_text("Привет", ", м"))
        yield from (header | {"choices": [part]} for part in list(_chunks(0, cut))[:-1])
    if model.startswith("error-event"):
        yield REPORTED.payload


def _chunks(index: int, choice: Choice) -> Iterator[dict[str, Any]]:
    """Yield a choice's part of each chunk: the role, the deltas, the finish reason."""
    content = "" if "content" in choice.deltas[0] else None
    first = {"role": "assistant", "content": content, "refusal": None}
    yield {"index": index, "delta": first, "logprobs": None, "finish_reason": None}
    for number, delta in enumerate(choice.deltas):
        logprobs = choice.logprobs[number] if choice.logprobs else None
        yield {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.finish_reason}
