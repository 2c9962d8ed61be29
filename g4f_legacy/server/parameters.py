"""Which parameters of OpenAI's API an engine honours, and what it calls them. Others are refused, never ignored.

https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterable, Mapping
from typing import Any

_SAMPLING = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")
_COMMON = (*_SAMPLING, "stop", "max_tokens")

_HONOURED: dict[str, dict[str, str]] = {
    "Echo": {name: name for name in _COMMON},  # it chooses nothing, so that sampling changes nothing
    "H2o": {**{name: name for name in ("temperature", "top_p", "seed", "stop")}, "max_tokens": "max_new_tokens"},
    "HuggingChat": {},
    "OpenAssistant": {"temperature": "temperature", "top_p": "top_p", "max_tokens": "max_new_tokens"},
}
"""By the name of the engine: OpenAI's names, and the engine's own. Engines that are not listed honour `_COMMON`."""

_REQUEST_FIELDS = ("model", "messages", "prompt", "stream", "stream_options")
_WITHOUT_EFFECT = ("user", "store", "metadata", "safety_identifier", "prompt_cache_key")  # on the completion

_DEFAULTS: dict[str, Any] = {
    "best_of": 1,
    "echo": False,
    "frequency_penalty": 0,
    "function_call": "none",
    "functions": [],
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "stop": [],
    "suffix": "",
    "tool_choice": "none",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1,
}
"""Values that ask for nothing."""


class UnsupportedParameterError(ValueError):
    """A request has a parameter that the engine cannot honour.

    Attributes:
        parameter (str): its name.
    """

    def __init__(self, parameter: str, engine: str) -> None:
        super().__init__(f"{engine}, which answers here, cannot honour the parameter {parameter!r}: leave it out")
        self.parameter = parameter


def read_parameters(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in the payload of a request to OpenAI's API, without those that ask for nothing."""
    given = {name: value for name, value in payload.items() if value is not None and value != _DEFAULTS.get(name)}
    if "max_completion_tokens" in given:
        given.setdefault("max_tokens", given.pop("max_completion_tokens"))
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    return {name: value for name, value in given.items() if name not in (*_REQUEST_FIELDS, *_WITHOUT_EFFECT)}


def check_honoured(engine: str, parameters: Iterable[str]) -> None:
    """Check that an engine honours parameters.

    Raises:
        UnsupportedParameterError: it does not honour one of them.
    """
    honoured = _get_honoured(engine)
    for name in parameters:
        if name not in honoured:
            raise UnsupportedParameterError(name, engine)


def rename_parameters(engine: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those parameters that an engine honours, by its own names. OpenAI's ``max_tokens`` may also be called
    ``max_new_tokens``, as in the protocols of 2023."""
    honoured = _get_honoured(engine)
    named = {"max_tokens" if name == "max_new_tokens" else name: value for name, value in parameters.items()}
    return {honoured[name]: value for name, value in named.items() if name in honoured and value is not None}


def _get_honoured(engine: str) -> dict[str, str]:
    return _HONOURED.get(engine) or {name: name for name in _COMMON if engine not in _HONOURED}
