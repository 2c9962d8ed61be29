"""One server for all providers, each below its name. It sends only what the providers look at."""

import json
from typing import Any

from protocols import PROTOCOLS
from raw_server import response
from replay import Sent


def base_url(url: str, provider: str) -> str:
    return f"{url}/{provider}{PROTOCOLS[provider].base_path}"


def get_provider(sent: Sent) -> str:
    """Return the name of the provider that sent a request."""
    return next(name for name in PROTOCOLS if f"/{name}/" in sent.path)


def other_response(sent: Sent, mark: str = "one", cookie: str = "") -> bytes:
    """Return the response to a request for something else than the text, with a mark in its ids and its cookie."""
    payload: Any = {"id": f"id-{mark}", "conversationId": f"id-{mark}", "data": [{"id": "some"}]}
    if get_provider(sent) == "HuggingChat":
        payload["conversation"] = json.dumps({"json": {"rootMessageId": "first"}})
    return response(json.dumps(payload).encode(), 200, f"Set-Cookie: seen={cookie or mark}; Path=/")
