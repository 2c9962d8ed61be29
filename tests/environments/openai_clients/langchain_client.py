"""LangChain (langchain-openai): the text, the metadata, the usage and the tool calls of each message or chunk of it."""

from jobs import Job, run_jobs
from langchain_openai import ChatOpenAI

_REPORTED = ("content", "additional_kwargs", "response_metadata", "usage_metadata", "tool_calls", "invalid_tool_calls")


def run(job: Job, events: list) -> None:
    model = ChatOpenAI(model=job.payload["model"], base_url=job.url, api_key=job.key, max_retries=0, stream_usage=False)
    parameters = {name: value for name, value in job.parameters.items() if name != "metadata"}
    metadata = {name: job.parameters[name] for name in job.parameters.keys() - parameters.keys()}
    bound = model.bind(**parameters, extra_body={**job.extra, **metadata})
    messages = job.payload["messages"]
    for message in bound.stream(messages) if job.payload["stream"] else [bound.invoke(messages)]:
        events.append(message.model_dump(include=set(_REPORTED)))


if __name__ == "__main__":
    run_jobs(run)
