from typing import Any

import pytest
from scripted_provider import scripted_provider

from g4f_legacy import registry
from g4f_legacy.server.parameters import (
    UnsupportedParameterError,
    check_parameters,
    read_parameters,
    rename_parameters,
)

ANOTHER: Any = scripted_provider()


def get_provider(name: str) -> Any:
    return ANOTHER if name == "Scripted" else registry.get(name)


def test_fields_of_the_request_are_no_parameters() -> None:
    payload = {"model": "m", "messages": [], "prompt": "", "stream": True, "stream_options": {}, "temperature": 0.5}
    assert read_parameters(payload) == {"temperature": 0.5}


@pytest.mark.parametrize(
    "without_effect",
    [
        {"user": "me", "store": True, "metadata": {"a": "b"}, "safety_identifier": "x", "prompt_cache_key": "y"},
        {"tool_choice": "auto", "parallel_tool_calls": True, "function_call": "none"},
        {"n": None, "tools": None, "stop": None},
    ],
)
def test_parameters_without_effect(without_effect: dict[str, Any]) -> None:
    assert read_parameters(without_effect) == {}


@pytest.mark.parametrize(
    "asks_for_nothing",
    [
        {"n": 1, "tools": [], "logprobs": False, "top_logprobs": 0, "logit_bias": {}, "echo": False, "best_of": 1},
        {"response_format": {"type": "text"}, "presence_penalty": 0, "frequency_penalty": 0.0, "top_p": 1},
    ],
)
def test_parameters_that_ask_for_nothing(asks_for_nothing: dict[str, Any]) -> None:
    check_parameters(registry.get("HuggingChat"), read_parameters(asks_for_nothing))
    assert rename_parameters(registry.get("HuggingChat"), read_parameters(asks_for_nothing)) == {}


def test_honoured_parameters_are_passed_on_whatever_their_values() -> None:
    given = {"top_p": 1, "presence_penalty": 0}  # the default of a server may be another
    assert rename_parameters(registry.get("OpenAI"), read_parameters(given)) == given


def test_log_probabilities_of_the_tokens_themselves() -> None:
    assert read_parameters({"logprobs": 0}) == {"logprobs": 0}


def test_both_names_of_max_tokens() -> None:
    assert read_parameters({"max_completion_tokens": 5}) == {"max_tokens": 5}
    assert read_parameters({"max_completion_tokens": 5, "max_tokens": 6}) == {"max_tokens": 6}
    assert rename_parameters(ANOTHER, {"max_new_tokens": 5}) == {"max_tokens": 5}


def test_stop_is_a_list() -> None:
    assert read_parameters({"stop": "x"}) == {"stop": ["x"]}
    assert read_parameters({"stop": ["x", "y"]}) == {"stop": ["x", "y"]}


@pytest.mark.parametrize(
    "engine, honoured",
    [
        ("H2o", {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_new_tokens": 4}),
        ("OpenAssistant", {"temperature": 1, "top_p": 2, "max_new_tokens": 4}),
        ("HuggingChat", {}),
        ("Echo", {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_tokens": 4}),
        ("Scripted", {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_tokens": 4}),
    ],
)
def test_names_of_the_engines(engine: str, honoured: dict[str, Any]) -> None:
    given = {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_tokens": 4, "truncate": 5, "min_p": None}
    assert rename_parameters(get_provider(engine), given) == honoured


@pytest.mark.parametrize(
    "engine, parameter",
    [
        ("Echo", "tools"),
        ("Echo", "logprobs"),
        ("H2o", "presence_penalty"),
        ("HuggingChat", "temperature"),
        ("OpenAssistant", "seed"),
        ("Scripted", "tools"),
        ("Scripted", "max_new_tokens"),
    ],
)
def test_parameters_that_cannot_be_honoured(engine: str, parameter: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=f"{engine}.* '{parameter}'") as caught:
        check_parameters(get_provider(engine), {parameter: 0.5})
    assert caught.value.parameter == parameter


def test_parameters_that_can_be_honoured() -> None:
    check_parameters(registry.get("H2o"), {"temperature": 0.5, "max_tokens": 5})
    check_parameters(registry.get("HuggingChat"), {})
