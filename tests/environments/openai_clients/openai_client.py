"""The openai package: each chunk, or the completion, as a dict."""

import openai
from jobs import Job, run_jobs


def run(job: Job, events: list) -> None:
    with openai.OpenAI(base_url=job.url, api_key=job.key, max_retries=0) as client:
        response = client.chat.completions.create(**job.payload, extra_body=job.extra)
        for event in response if job.payload["stream"] else [response]:
            events.append(event.model_dump(exclude_unset=True))


if __name__ == "__main__":
    run_jobs(run)
