"""What servers of chat-ui v0.7 and later send, and how to read what they are sent."""

import json
import re
from typing import Any

from replay import Sent, exchange, load


def line(**fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def token_line(text: str) -> str:
    return line(type="stream", token=text.ljust(16, "\0"))


def final_line(text: str, **fields: Any) -> str:
    return line(type="finalAnswer", text=text, interrupted=False, **fields)


def exchanges_with(*chunks: Any, ended: str = "complete", **framing: str) -> list[dict[str, Any]]:
    """Return the recording "hello" with another stream, and without the requests for the parent."""
    exchanges = [exchange for exchange in load("hugging_chat/hello") if exchange["request"]["method"] != "GET"]
    exchanges[1]["response"].update(chunks=list(chunks), ended=ended)
    if framing:
        exchanges[1]["response"]["headers"] = [[key.replace("_", "-"), value] for key, value in framing.items()]
    return exchanges


def exchanges_before_v0_9_5(page: Any, *responses: tuple[int, str]) -> list[dict[str, Any]]:
    """Return the exchanges with a server of v0.7 to v0.9.4, which does not have the route of the API.

    Args:
        page: the data of the conversation's page, which has the parent.
        responses: status and body of the response to each prompt.
    """

    def respond(method: str, path: str, status: int, text: str) -> dict[str, Any]:
        return exchange(method, path, status, (text,), content_length="?")

    return [
        respond("POST", "/conversation", 200, '{"conversationId": "c1"}'),
        respond("GET", "/api/conversation/c1", 404, "{}"),
        respond("GET", "/api/v2/conversations/c1", 404, "{}"),
        respond("GET", "/conversation/c1/__data.json", 200, json.dumps(page)),
        *(respond("POST", "/conversation/c1", *response) for response in responses),
        respond("DELETE", "/conversation/c1", 200, ""),
    ]


def read_multipart(sent: Sent) -> dict[str, Any]:
    """Return the JSON in the only field of a multipart body."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", sent.headers["content-type"])
    assert boundary
    head, _, body = sent.body.partition("\r\n\r\n")
    assert head == f'--{boundary[1]}\r\nContent-Disposition: form-data; name="data"'
    payload: dict[str, Any] = json.loads(body.partition(f"\r\n--{boundary[1]}--")[0])
    return payload
