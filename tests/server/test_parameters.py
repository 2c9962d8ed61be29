from typing import Any

import pytest

from g4f_legacy.server.parameters import (
    UnsupportedParameterError,
    check_honoured,
    read_parameters,
    rename_parameters,
)


def test_fields_of_the_request_are_no_parameters() -> None:
    payload = {"model": "m", "messages": [], "prompt": "", "stream": True, "stream_options": {}, "temperature": 0.5}
    assert read_parameters(payload) == {"temperature": 0.5}


@pytest.mark.parametrize(
    "asks_for_nothing",
    [
        {"user": "me", "store": True, "metadata": {"a": "b"}},
        {"n": 1, "tools": [], "tool_choice": "none", "logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"response_format": {"type": "text"}, "presence_penalty": 0, "frequency_penalty": 0.0, "top_p": 1},
        {"n": None, "tools": None, "stop": None},
    ],
)
def test_parameters_that_ask_for_nothing(asks_for_nothing: dict[str, Any]) -> None:
    assert read_parameters(asks_for_nothing) == {}


def test_both_names_of_max_tokens() -> None:
    assert read_parameters({"max_completion_tokens": 5}) == {"max_tokens": 5}
    assert read_parameters({"max_completion_tokens": 5, "max_tokens": 6}) == {"max_tokens": 6}
    assert rename_parameters("Another", {"max_new_tokens": 5}) == {"max_tokens": 5}


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
        ("Another", {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_tokens": 4}),
    ],
)
def test_names_of_the_engines(engine: str, honoured: dict[str, Any]) -> None:
    given = {"temperature": 1, "top_p": 2, "seed": 3, "stop": ["x"], "max_tokens": 4, "truncate": 5, "min_p": None}
    assert rename_parameters(engine, given) == honoured


@pytest.mark.parametrize(
    "engine, parameter",
    [
        ("Echo", "tools"),
        ("H2o", "presence_penalty"),
        ("HuggingChat", "temperature"),
        ("OpenAssistant", "seed"),
        ("Another", "tools"),
        ("Another", "max_new_tokens"),
    ],
)
def test_parameters_that_cannot_be_honoured(engine: str, parameter: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=f"{engine}.* '{parameter}'") as caught:
        check_honoured(engine, [parameter])
    assert caught.value.parameter == parameter


def test_parameters_that_can_be_honoured() -> None:
    check_honoured("H2o", ["temperature", "max_tokens"])
    check_honoured("HuggingChat", [])
