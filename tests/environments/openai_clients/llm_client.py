"""llm (https://llm.datasette.io): the tokens of each response, and what it knows of the response. It calls tools."""

import json
import os
import time
from functools import cache
from pathlib import Path

import llm
from jobs import Job, run_jobs

# llm always uses the openai package with its two retries, which wait for seconds.
time.sleep = lambda seconds: None

_OPTIONS = ("temperature", "top_p", "seed", "max_tokens", "frequency_penalty", "presence_penalty", "logit_bias")


def get_weather(city: str) -> str:
    """Return the weather in a city."""
    return f"Rain in {city}"


def run(job: Job, events: list) -> None:
    model = _configure()
    model.model_name = job.payload["model"]
    model.api_base = job.url
    options = {name: value for name, value in job.parameters.items() if name in _OPTIONS}
    if "response_format" in job.parameters:
        options["json_object"] = True
    tools = [get_weather] if "tools" in job.parameters else []
    prompt = job.payload["messages"][0]["content"]
    chain = model.chain(prompt, tools=tools, stream=job.payload["stream"], key=job.key, options=options)
    for response in chain.responses():
        events.extend({"text": token} for token in response)
        calls = [call.__dict__ for call in response.tool_calls()]
        events.append({"tool_calls": calls, "usage": response.usage().__dict__, "response": response.response_json})


@cache  # because each look-up of a model takes a third of a second
def _configure() -> llm.Model:
    """Configure a model as the manual describes it; JSON is YAML.

    https://llm.datasette.io/en/stable/other-models.html
    """
    model = {"model_id": "upstream", "model_name": "", "api_base": "", "api_key_name": "any", "supports_tools": True}
    path = Path(os.environ["LLM_USER_PATH"], "extra-openai-models.yaml")
    path.write_text(json.dumps([model]))
    return llm.get_model("upstream")


if __name__ == "__main__":
    run_jobs(run)
