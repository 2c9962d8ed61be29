"""litellm: each chunk, or the completion, as a dict, without its date: litellm makes up those of chunks."""

import litellm
from jobs import Job, run_jobs

litellm.suppress_debug_info = True


def run(job: Job, events: list) -> None:
    payload = {**job.payload, "model": f"openai/{job.payload['model']}"}
    response = litellm.completion(api_base=job.url, api_key=job.key, max_retries=0, extra_body=job.extra, **payload)
    for event in response if job.payload["stream"] else [response]:
        events.append(event.model_dump(exclude={"created"}, exclude_none=True))


if __name__ == "__main__":
    run_jobs(run)
