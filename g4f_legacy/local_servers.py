"""The servers that listen on this machine, found at their well-known ports.

A server is recognized by its protocol, because each may listen on any of these ports. Only GET requests are sent, and
only to loopback addresses: without credentials, without cookies, and never through a proxy.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .errors import ResponseFormatError
from .parsing.payload import get_field, get_objects, get_or_empty, parse_json
from .transport.body import ByteStream, drain_redirect
from .transport.session import new_session

log = logging.getLogger(__name__)

WELL_KNOWN_PORTS = {
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama.cpp",
    8000: "vLLM",
    5000: "text-generation-webui",
    1337: "Jan, g4f-legacy serve",
    3000: "chat-ui, Open-Assistant",
    5173: "chat-ui",
}
"""What listens on each port unless it is told otherwise."""

TIMEOUT = 1.0
"""Seconds for all servers together."""

MAX_BODY_SIZE = 1024 * 1024
"""The maximum size of a response in bytes. Longer ones are ignored."""

_ADDRESSES = ("127.0.0.1", "[::1]")
_RESERVE = 0.1  # the part of the time that is left for recognizing a server after its last response

_OPENAI_COMPATIBLE = "OpenAI-compatible server"
_KINDS_BY_OWNER = {"llamacpp": "llama.cpp", "organization_owner": "LM Studio", "vllm": "vLLM"}  # of the first model


@dataclass(frozen=True)
class LocalServer:
    """A server that listens on this machine.

    Attributes:
        kind: what it is, such as "Ollama"; "OpenAI-compatible server" if only its protocol is known.
        provider: the name of the provider that speaks to it.
        base_url: the address to give to that provider.
        models: the ids of the models that it lists; empty if it lists none, or requires credentials to do so.
        needs_auth: whether it requires credentials.
    """

    kind: str
    provider: str
    base_url: str
    models: tuple[str, ...] = ()
    needs_auth: bool = False


class _Reply(NamedTuple):
    """What a server responded with; status 0 if it did not respond properly, or not in time."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace") if self.status == 200 else ""

    @property
    def payload(self) -> dict[str, Any]:
        """The JSON object of a successful response, else an empty one."""
        with suppress(ResponseFormatError):
            return parse_json(self.body, dict) if self.status == 200 else {}
        return {}


class _Candidate:
    """Something that may listen at an address.

    Args:
        url: the scheme, the address and the port.
        deadline: the time by `time.monotonic` at which all requests have ended.
    """

    def __init__(self, url: str, deadline: float) -> None:
        self.url = url
        self._deadline = deadline

    def get(self, path: str) -> _Reply:
        """Send a GET request, and return the response to it. Redirects are not followed."""
        seconds_left = self._deadline - time.monotonic()
        if seconds_left <= 0:
            return _Reply()
        session = new_session()  # a new one for each request, so that no cookie is sent back
        session.trust_env = False  # neither the netrc file nor proxies
        try:
            response = session.get(
                self.url + path,
                stream=True,
                allow_redirects=False,
                timeout=seconds_left,
                headers={"Accept-Encoding": "identity", "Connection": "close"},
                hooks={"response": drain_redirect},
            )
            body = _read(ByteStream(response, self._deadline - time.monotonic()))
            return _Reply(response.status_code, response.headers, body)
        except Exception as error:  # whatever listens there may speak anything but HTTP
            log.debug("GET %s%s: %s", self.url, path, type(error).__name__)
            return _Reply()


def find_servers(ports: Iterable[int] | None = None, timeout: float = TIMEOUT) -> list[LocalServer]:
    """Find the servers that listen on this machine's loopback addresses, IPv4 and IPv6.

    Args:
        ports: where to look; by default at the well-known ports.
        timeout: seconds for all servers together. Those that take longer are left out.
    """
    started = time.monotonic()
    looked_at = WELL_KNOWN_PORTS if ports is None else ports
    candidates = [
        _Candidate(f"http://{address}:{port}", started + timeout * (1 - _RESERVE))
        for port in looked_at
        for address in _ADDRESSES
    ]
    results: SimpleQueue[tuple[str, LocalServer | None]] = SimpleQueue()
    for candidate in candidates:
        # Not a ThreadPoolExecutor: the process would wait for its threads.
        threading.Thread(target=_examine, args=(candidate, results), daemon=True).start()
    found: dict[str, LocalServer | None] = {}
    with suppress(Empty):
        for _ in candidates:
            url, server = results.get(timeout=max(0.0, started + timeout - time.monotonic()))
            found[url] = server
    return list(_drop_duplicates(found.get(candidate.url) for candidate in candidates))


def _drop_duplicates(servers: Iterable[LocalServer | None]) -> Iterator[LocalServer]:
    """Yield each server once, although it may listen on both addresses."""
    known = set()
    for server in servers:
        if server is None:
            continue
        identity = (urlsplit(server.base_url).port, server.provider, frozenset(server.models))
        if identity not in known:
            known.add(identity)
            yield server


def _examine(candidate: _Candidate, results: "SimpleQueue[tuple[str, LocalServer | None]]") -> None:
    server = None
    try:
        server = _recognize(candidate)
    finally:
        results.put((candidate.url, server))


def _recognize(candidate: _Candidate) -> LocalServer | None:
    """Return the server at an address; None if there is none, or if it speaks no protocol that is known here."""
    listed = candidate.get("/v1/models")
    if not listed.status:
        return None
    return _recognize_openai(candidate, listed) or _recognize_chat_ui(candidate) or _recognize_by_page(candidate)


def _recognize_openai(candidate: _Candidate, listed: _Reply) -> LocalServer | None:
    base_url = f"{candidate.url}/v1"
    if _requires_key(listed):
        return LocalServer(_find_kind(candidate), "OpenAI", base_url, needs_auth=True)
    if listed.status == 503 and listed.headers.get("Server") == "llama.cpp":  # it is loading its model
        return LocalServer("llama.cpp", "OpenAI", base_url)
    payload = listed.payload
    try:
        entries = get_objects(payload, "data")
        models = tuple(get_field(entry, str, "id") for entry in entries)
    except ResponseFormatError:
        return None
    if not models and payload.get("object") != "list":
        return None
    owner = entries[0].get("owned_by") if entries else None
    return LocalServer(_find_kind(candidate, str(owner)), "OpenAI", base_url, models)


def _requires_key(listed: _Reply) -> bool:
    """Return whether a server requires an API key. One that requires a login by another scheme is not known here."""
    scheme = listed.headers.get("WWW-Authenticate", "Bearer").partition(" ")[0]
    return listed.status == 401 and scheme.lower() == "bearer"


def _find_kind(candidate: _Candidate, owner: str = "") -> str:
    """Return what an OpenAI-compatible server is.

    Args:
        owner: that of its first model.
    """
    if owner in _KINDS_BY_OWNER:
        return _KINDS_BY_OWNER[owner]
    page = candidate.get("/").text
    if owner.startswith("g4f_legacy.") or "<title>g4f_legacy</title>" in page:
        return "g4f_legacy"
    if _is_ollama(page):
        return "Ollama"
    if "model_name" in candidate.get("/v1/internal/model/info").payload:
        return "text-generation-webui"
    with suppress(ResponseFormatError):
        if get_field(candidate.get("/openapi.json").payload, str, "info", "title").startswith("Jan "):
            return "Jan"
    return _OPENAI_COMPATIBLE


def _recognize_chat_ui(candidate: _Candidate) -> LocalServer | None:
    """Recognize a chat-ui that lists its models."""
    reply = candidate.get("/api/models")
    if reply.status != 200:
        return None
    try:
        entries = parse_json(reply.body, list)
        for entry in entries:
            get_field(entry, str, "displayName")  # other servers have lists of models at this path, too
        models = tuple(get_field(entry, str, "id") for entry in entries)
    except ResponseFormatError:
        return None
    return LocalServer("chat-ui", "HuggingChat", candidate.url, models) if models else None


def _recognize_by_page(candidate: _Candidate) -> LocalServer | None:
    page = candidate.get("/")
    if _is_ollama(page.text):  # before v0.2, it had no /v1/models
        return LocalServer("Ollama", "OpenAI", f"{candidate.url}/v1", _list_ollama_models(candidate))
    if "X-SvelteKit-Page" in page.headers:
        return _recognize_chat_ui_by_data(candidate)
    # The routes of Open-Assistant's website answer so without a session cookie; other programs answer so everywhere.
    if "Open Assistant" in page.text and candidate.get("/api/chat/models").status == 403:
        return LocalServer("Open-Assistant", "OpenAssistant", candidate.url, needs_auth=True)
    return None


def _is_ollama(page: str) -> bool:
    return page.strip() == "Ollama is running"


def _list_ollama_models(candidate: _Candidate) -> tuple[str, ...]:
    try:
        entries = get_objects(candidate.get("/api/tags").payload, "models")
        return tuple(get_field(entry, str, "name") for entry in entries)
    except ResponseFormatError:
        return ()


def _recognize_chat_ui_by_data(candidate: _Candidate) -> LocalServer | None:
    """Recognize a chat-ui that has no list of its models, or whose API is disabled, by the data of its page.

    The data is a flat list, in which numbers refer to other items. Settings of v0.7 and later tell whether the terms
    have been accepted; earlier ones only tell when.
    """
    try:
        data = get_or_empty(candidate.get("/__data.json").payload, list, "nodes")[0]["data"]
        settings = data[data[0]["settings"]]
        models = tuple(data[data[index]["id"]] for index in data[data[0]["models"]])
        provider = "HuggingChat" if "ethicsModalAccepted" in settings else "H2o"
    except (LookupError, TypeError, ResponseFormatError):
        return None
    if not all(isinstance(model, str) for model in models):
        return None
    return LocalServer("chat-ui", provider, candidate.url, models)


def _read(stream: ByteStream) -> bytes:
    """Read a body.

    Raises:
        ResponseFormatError: it is larger than ``MAX_BODY_SIZE``.
        StreamInterruptedError: it was not complete in time, or the connection was lost.
    """
    body = bytearray()
    try:
        for chunk in stream:
            body += chunk
            if len(body) > MAX_BODY_SIZE:
                raise ResponseFormatError(f"the response is larger than {MAX_BODY_SIZE} bytes")
    finally:
        stream.close()
    return bytes(body)
