"""What the client scripts share: they read jobs from stdin, and write a line of JSON for each to stdout."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class Job(NamedTuple):
    """A completion to ask for.

    Attributes:
        url: the base URL of the API.
        key: the API key.
        payload: ``model``, ``messages``, ``stream`` and the parameters that the API documents.
        extra: parameters that the API does not document.
    """

    url: str
    key: str
    payload: dict[str, Any]
    extra: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The payload without the model and the messages."""
        return {name: value for name, value in self.payload.items() if name not in ("model", "messages")}


def run_jobs(run: Callable[[Job, list[Any]], None]) -> None:
    """Call `run` with each job and with the list to which it has to append what the client reports.

    Libraries print to stdout, which is why the results are written to a copy of it.
    """
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for fields in json.load(sys.stdin):
        events: list[Any] = []
        error = None
        try:
            run(Job(**fields), events)
        except Exception as raised:
            error = describe(raised)
        results.write(json.dumps({"events": events, "error": error}, default=str) + "\n")
        results.flush()


def describe(error: Any) -> dict[str, Any]:
    """Return what programs can read from an error of the openai package, or of a package that wraps or copies it."""
    facts = {name: getattr(error, name, None) for name in ("code", "type", "param")}
    response = getattr(error, "response", None)
    retry_after = response.headers.get("retry-after") if response is not None else None
    status = getattr(error, "status_code", None)
    return {"class": type(error).__name__, "message": str(error), "status": status, "retry_after": retry_after, **facts}
