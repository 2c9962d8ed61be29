"""curl: each event of the body, or the complete one; the error in it, or else curl's exit code."""

import json
import subprocess
from email.parser import BytesHeaderParser
from types import SimpleNamespace
from typing import Any

from jobs import Job, run_jobs

_COMMAND = ("curl", "--silent", "--no-buffer", "--include", "--data", "@-")


class CurlError(Exception):
    """The body is an error or has one, or curl failed."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.__dict__.update(facts)


def run(job: Job, events: list) -> None:
    headers = ("--header", "Content-Type: application/json", "--header", f"Authorization: Bearer {job.key}")
    payload = json.dumps({**job.payload, **job.extra}).encode()
    curl = subprocess.run([*_COMMAND, *headers, f"{job.url}/chat/completions"], input=payload, capture_output=True)
    head, _, body = curl.stdout.partition(b"\r\n\r\n")
    status_line, _, fields = head.partition(b"\r\n")
    response = SimpleNamespace(headers=BytesHeaderParser().parsebytes(fields))
    is_stream = response.headers.get_content_type() == "text/event-stream"
    if is_stream:
        lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    else:
        lines = [] if curl.returncode else [body]
    for line in lines:
        event = line.decode() if line == b"[DONE]" else json.loads(line)
        if "error" in event:
            raise CurlError(**event["error"], status_code=int(status_line.split()[1]), response=response)
        events.append(event)
    if curl.returncode:
        raise CurlError(f"exit code {curl.returncode}")


if __name__ == "__main__":
    run_jobs(run)
