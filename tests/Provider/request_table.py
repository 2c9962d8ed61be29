"""The rows of a table of requests, and how a request that was sent becomes such a row."""

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from requests import PreparedRequest
from requests.utils import DEFAULT_ACCEPT_ENCODING

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_COMPARED_HEADERS = ("Accept-Encoding", "Authorization", "Content-Type", "Cookie", "Origin", "Referer")


class Request(NamedTuple):
    """A request of a completion.

    Attributes:
        path: follows the server's address, and includes the query.
        headers: those of Accept-Encoding, Authorization, Content-Type, Cookie, Origin and Referer that the request has.
            Accept-Encoding is left out where it is the default of requests.
        form: the decoded body, if it is a form.
        json: the decoded body, if it is JSON.
    """

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str] | None = None
    json: Any = None


def read_request(request: PreparedRequest, base_url: str) -> Request:
    """Return the row of a request that was sent to the server at that address."""
    headers = {name: request.headers[name] for name in _COMPARED_HEADERS if name in request.headers}
    if headers["Accept-Encoding"] == DEFAULT_ACCEPT_ENCODING:
        del headers["Accept-Encoding"]
    assert request.url is not None and request.url.startswith(base_url)
    row = Request(str(request.method), request.url.removeprefix(base_url), headers)
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
    content_type = headers.get("Content-Type")
    if content_type == FORM:
        return row._replace(form=dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True)))
    if content_type == JSON:
        return row._replace(json=json.loads(body))
    assert body == ""
    return row
