"""A server that is the hosts of all providers, each below its name. It answers as far as the providers look at it."""

import json
from typing import Any

from protocols import PROTOCOLS
from raw_host import whole
from replay import Sent


def base_url(url: str, provider: str) -> str:
    return f"{url}/{provider}{PROTOCOLS[provider].page}"


def provider_of(sent: Sent) -> str:
    return next(name for name in PROTOCOLS if f"/{name}/" in sent.path)


def other_answer(sent: Sent, mark: str = "one", cookie: str = "") -> bytes:
    """The answer to a request that is not the question. Ids and the cookie that it gives have a mark in them."""
    made: Any = {"id": f"id-{mark}", "conversationId": f"id-{mark}", "data": [{"id": "some"}]}
    if provider_of(sent) == "HuggingChat":
        made["conversation"] = json.dumps({"json": {"rootMessageId": "first"}})
    return whole(json.dumps(made).encode(), 200, f"Set-Cookie: seen={cookie or mark}; Path=/")
