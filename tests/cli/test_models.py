import json
from typing import Any

import pytest
from command_line import run
from replay import exchange, load

from g4f_legacy.server import create_app, serve_in_background


def test_all_providers() -> None:
    code, out, _ = run("models")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["H2o", "falcon-7b", "h2oai/h2ogpt-gm-oasst1-en-2048-falcon-7b-v3"] in rows


@pytest.mark.parametrize("variable", ["G4F_LEGACY_H2O_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY"])
def test_all_providers_with_a_wrong_variable(variable: str) -> None:
    assert run("models", **{variable: "s3cr3t-no\nthing"}) == run("models")


def test_json() -> None:
    assert json.loads(run("models", "-p", "Echo", "--json")[1]) == [{"provider": "Echo", "model": "echo", "id": "echo"}]


def test_models_that_the_server_lists() -> None:
    with serve_in_background(create_app("Echo"), threads=2) as url:
        code, out, _ = run("models", "-p", "OpenAssistant", "--base-url", url, "--auth", "a")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["OA_SFT_Llama_30B_6", "echo"]


def test_models_that_an_openai_compatible_server_lists(play: Any) -> None:
    url = play(load("openai/models")).url
    assert json.loads(run("models", "-p", "OpenAI", "--json", OPENAI_BASE_URL=url + "/v1")[1]) == [
        {"provider": "OpenAI", "model": "tiny.gguf", "id": "tiny.gguf"}
    ]


def test_the_public_server_without_a_key() -> None:
    code, out, err = run("models", "-p", "OpenAI")
    assert code == 0 and [line.split()[1] for line in out.splitlines()[1:]] == ["gpt-3.5-turbo", "gpt-4"]
    assert err.startswith("Built-in list (the server was not asked: OpenAI needs credentials")


def test_a_public_server_that_is_gone_is_not_asked() -> None:
    code, out, err = run("models", "-p", "OpenAssistant")
    assert (code, err) == (0, "Built-in list (the server is gone, or its protocol has no list of models)\n")


def test_a_base_url_without_a_provider_is_that_of_an_openai_compatible_server(play: Any) -> None:
    code, out, _ = run("models", "--base-url", play(load("openai/models")).url + "/v1")
    assert code == 0 and out.splitlines()[1].split() == ["OpenAI", "tiny.gguf", "tiny.gguf"]


def test_a_chat_ui_that_lists_its_models_on_a_page(play: Any) -> None:
    page = ("<!DOCTYPE html><html><body>Models</body></html>",)
    replay = play([exchange("GET", "/api/models", 404, page, content_type="text/html", content_length="?")])
    code, out, err = run("models", "-p", "HuggingChat", "--base-url", replay.url)
    assert (code, out) == (5, "") and "<" not in err
    assert err.startswith("g4f-legacy: HuggingChat: the server has no list of its models, only pages that show them")
