"""Which parameters of OpenAI's API a provider honours, and what it calls them.

OpenAI's API refuses the others by their names. The protocols of 2023, whose clients send parameters with each request,
leave them out.

https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Mapping
from typing import Any

from ..options import provider_name

_COMMON = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "stop", "max_tokens")
_REQUEST_FIELDS = ("model", "messages", "prompt", "stream", "stream_options")
_IGNORED = (  # they do not affect the completion; the last three only with `tools` or `functions`, which are refused
    *("user", "store", "metadata", "safety_identifier", "prompt_cache_key"),
    *("tool_choice", "parallel_tool_calls", "function_call"),
)

_DEFAULTS: dict[str, Any] = {
    "best_of": 1,
    "echo": False,
    "frequency_penalty": 0,
    "functions": [],
    "logit_bias": {},
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "stop": [],
    "suffix": "",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1,
}
"""Values that ask for nothing of a provider that does not honour the parameter."""


class UnsupportedParameterError(ValueError):
    """A request has a parameter that the provider cannot honour.

    Attributes:
        parameter (str): its name.
    """

    def __init__(self, parameter: str, provider_name: str) -> None:
        message = f"{provider_name}, which answers here, cannot honour the parameter {parameter!r}: leave it out"
        super().__init__(message)
        self.parameter = parameter


def read_parameters(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in the payload of a request to OpenAI's API, without those that have no effect."""
    given = {name: value for name, value in payload.items() if value is not None}
    if "max_completion_tokens" in given:
        given.setdefault("max_tokens", given.pop("max_completion_tokens"))
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    return {name: value for name, value in given.items() if name not in (*_REQUEST_FIELDS, *_IGNORED)}


def check_parameters(provider: Any, parameters: Mapping[str, Any]) -> None:
    """Check that a provider honours parameters, or that they ask for nothing.

    Raises:
        UnsupportedParameterError: it does not honour one of them.
    """
    honoured = _get_honoured(provider)
    for name, value in parameters.items():
        if name not in honoured and not _asks_for_nothing(name, value):
            raise UnsupportedParameterError(name, provider_name(provider))


def rename_parameters(provider: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those parameters that a provider honours, by its own names. OpenAI's ``max_tokens`` may also be called
    ``max_new_tokens``, as in the protocols of 2023."""
    honoured = _get_honoured(provider)
    named = {"max_tokens" if name == "max_new_tokens" else name: value for name, value in parameters.items()}
    return {honoured[name]: value for name, value in named.items() if name in honoured and value is not None}


def _asks_for_nothing(name: str, value: Any) -> bool:
    if name == "logprobs":
        return value is False  # 0 asks for the log probabilities of the tokens themselves
    return name in _DEFAULTS and bool(value == _DEFAULTS[name])


def _get_honoured(provider: Any) -> dict[str, str]:
    """Return OpenAI's names of the parameters that a provider honours, and its own names."""
    return getattr(provider, "_OPENAI_PARAMETERS", {name: name for name in _COMMON})
