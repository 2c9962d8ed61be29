"""The contenders: each prepares a client for a base URL, and returns a function that reads one stream to its end."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

MESSAGES = [{"role": "user", "content": "Hello"}]
_INPUT = {"inputs": "Hello", "parameters": {"max_new_tokens": 1024}, "stream": True}

Counts = tuple[int, int]
"""The number of tokens that were read, and of characters."""

Run = Callable[[], Counts]


def count(tokens: Iterable[str]) -> Counts:
    """Read a stream with the loop that is the same for all contenders."""
    number = length = 0
    for token in tokens:
        number += 1
        length += len(token)
    return number, length


def h2o(base_url: str) -> Run:
    from g4f_legacy.Provider import H2o

    return lambda: count(H2o._create_completion("falcon-40b", MESSAGES, stream=True, base_url=base_url))


def create(base_url: str) -> Run:
    from g4f_legacy import ChatCompletion

    return lambda: count(ChatCompletion.create("falcon-40b", MESSAGES, "H2o", stream=True, base_url=base_url))


def openai_provider(base_url: str) -> Run:
    from g4f_legacy.Provider import OpenAI

    return lambda: count(OpenAI._create_completion("tiny", MESSAGES, stream=True, base_url=f"{base_url}/v1"))


def with_orjson(contender: Callable[[str], Run]) -> Callable[[str], Run]:
    """Return the same contender with the extra ``speed``: the package uses orjson if it is installed."""

    def prepare(base_url: str) -> Run:
        import orjson  # noqa: F401

        return contender(base_url)

    return prepare


def requests_package(base_url: str) -> Run:
    import requests

    session = requests.Session()

    def run() -> Counts:
        with session.post(f"{base_url}/generate_stream", json=_INPUT, stream=True) as response:
            return count(json.loads(line[5:])["token"]["text"] for line in response.iter_lines() if line)

    return run


def httpx_sse(base_url: str) -> Run:
    import httpx
    from httpx_sse import connect_sse

    client = httpx.Client(trust_env=False)

    def run() -> Counts:
        with connect_sse(client, "POST", f"{base_url}/generate_stream", json=_INPUT) as source:
            return count(json.loads(event.data)["token"]["text"] for event in source.iter_sse())

    return run


def sseclient_py(base_url: str) -> Run:
    import requests
    from sseclient import SSEClient

    session = requests.Session()

    def run() -> Counts:
        with session.post(f"{base_url}/generate_stream", json=_INPUT, stream=True) as response:
            source: Any = response
            events = SSEClient(source).events()
            return count(json.loads(event.data)["token"]["text"] for event in events)

    return run


def openai_package(base_url: str) -> Run:
    from openai import OpenAI

    client = OpenAI(base_url=f"{base_url}/v1", api_key="none", max_retries=0)

    def run() -> Counts:
        parameters: Any = {"model": "tiny", "messages": MESSAGES, "stream": True}
        chunks = client.chat.completions.create(**parameters)
        texts = (chunk.choices[0].delta.content for chunk in chunks)
        return count(text for text in texts if text)

    return run


def huggingface_hub(base_url: str) -> Run:
    from huggingface_hub import InferenceClient

    client = InferenceClient(f"{base_url}/generate_stream", token="none")  # it posts to this URL as it is
    return lambda: count(client.text_generation("Hello", max_new_tokens=1024, stream=True))


def aiohttp_package(base_url: str) -> Run:
    import aiohttp

    async def read() -> Counts:
        number = length = 0
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{base_url}/generate_stream", json=_INPUT) as response:
                async for line in response.content:
                    if line.startswith(b"data:"):
                        number += 1
                        length += len(json.loads(line[5:])["token"]["text"])
        return number, length

    return lambda: asyncio.run(read())


def litellm_package(base_url: str) -> Run:
    import litellm

    litellm.suppress_debug_info = True

    def run() -> Counts:
        chunks = litellm.completion(
            "openai/tiny", MESSAGES, stream=True, api_base=f"{base_url}/v1", api_key="none", max_retries=0
        )
        texts = (chunk.choices[0].delta.content for chunk in chunks)
        return count(text for text in texts if text)

    return run


def floor_json(base_url: str) -> Run:
    """Read from a bare socket, with `json.loads` for each line that is an event."""

    def run() -> Counts:
        number = length = 0
        with _request(base_url) as connection, connection.makefile("rb", 65536) as lines:
            for line in lines:
                if line.startswith(b"data:"):
                    number += 1
                    length += len(json.loads(line[5:])["token"]["text"])
        return number, length

    return run


def floor_orjson(base_url: str) -> Run:
    """Read from a bare socket, split everything that has arrived at once, and use orjson."""
    from orjson import loads

    def run() -> Counts:
        number = length = 0
        rest = b""
        with _request(base_url) as connection:
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    return number, length
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    if line.startswith(b"data:"):
                        number += 1
                        length += len(loads(line[5:])["token"]["text"])

    return run


def _request(base_url: str) -> socket.socket:
    address, content = urlsplit(base_url), json.dumps(_INPUT).encode()
    connection = socket.create_connection((address.hostname or "", address.port or 80))
    connection.sendall(
        f"POST {address.path}/generate_stream HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
    )
    return connection


CONTENDERS: dict[str, Callable[[str], Run]] = {
    "H2o": h2o,
    "H2o+orjson": with_orjson(h2o),
    "create": create,
    "create+orjson": with_orjson(create),
    "OpenAI": openai_provider,
    "OpenAI+orjson": with_orjson(openai_provider),
    "requests": requests_package,
    "httpx-sse": httpx_sse,
    "sseclient-py": sseclient_py,
    "aiohttp": aiohttp_package,
    "huggingface_hub": huggingface_hub,
    "openai": openai_package,
    "litellm": litellm_package,
    "floor-json": floor_json,
    "floor-orjson": floor_orjson,
}
OURS = ("H2o", "H2o+orjson", "create", "create+orjson", "OpenAI", "OpenAI+orjson")
WITHOUT_ORJSON = ("H2o", "create", "OpenAI")
SLOW = ("litellm",)
"""Those that read a tenth of the stream in a quick run."""

LABELS = {
    "H2o": "g4f_legacy: H2o",
    "H2o+orjson": "g4f_legacy[speed]: H2o",
    "create": "g4f_legacy: create",
    "create+orjson": "g4f_legacy[speed]: create",
    "OpenAI": "g4f_legacy: OpenAI",
    "OpenAI+orjson": "g4f_legacy[speed]: OpenAI",
    "requests": "requests: iter_lines + json",
    "httpx-sse": "httpx + httpx-sse",
    "sseclient-py": "requests + sseclient-py",
    "aiohttp": "aiohttp in asyncio.run",
    "floor-json": "floor: a socket + json",
    "floor-orjson": "floor: a socket + orjson",
}
"""The names in tables and charts, where they differ."""

PACKAGES: list[str] = [
    *("g4f-legacy", "requests", "urllib3", "orjson", "httpx", "httpx-sse", "sseclient-py", "aiohttp"),
    *("huggingface-hub", "openai", "litellm", "flask", "waitress"),
]
"""The packages that the results depend on, by their names on PyPI."""
