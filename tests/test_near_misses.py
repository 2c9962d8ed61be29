import logging
import subprocess
import sys
from typing import Any

import pytest
from replay import exchange

from g4f_legacy import ChatCompletion
from g4f_legacy.compat import redirects
from g4f_legacy.errors import AuthenticationRequiredError, RequestFailedError
from g4f_legacy.near_misses import may_be_secret, warn_of_near_misses
from g4f_legacy.options import OPTION_NAMES

SECRET = "s3cr3t-value"
HELLO = [{"role": "user", "content": "x"}]

# What OpenAI, text-generation-inference, chat-ui, Open-Assistant, Gemini, llama.cpp, Ollama, vLLM and
# text-generation-webui document.
PARAMETERS = """
audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata modalities
n parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format safety_identifier
seed service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
web_search_options extra_body

adapter_id best_of decoder_input_details details do_sample grammar max_new_tokens repetition_penalty return_full_text
top_k top_n_tokens truncate typical_p watermark use_cache is_retry is_continue id response_id web_search files
plugins used_plugins system_prompt user_profile user_response_instructions enable_unsafe_third_party_plugins

candidateCount maxOutputTokens stopSequences topK topP responseMimeType responseSchema presencePenalty frequencyPenalty
safetySettings systemInstruction toolConfig cachedContent thinkingConfig generationConfig contents
candidate_count max_output_tokens stop_sequences response_mime_type response_schema safety_settings system_instruction

n_predict n_keep n_probs mirostat mirostat_tau mirostat_eta tfs_z repeat_penalty repeat_last_n penalize_nl min_p
dynatemp_range dynatemp_exponent xtc_probability xtc_threshold dry_multiplier cache_prompt id_slot json_schema samplers
num_ctx num_predict num_gpu num_thread num_batch keep_alive format options think raw draft system template context

min_tokens min_new_tokens ignore_eos skip_special_tokens spaces_between_special_tokens stop_token_ids length_penalty
include_stop_str_in_output use_beam_search add_generation_prompt continue_final_message chat_template
chat_template_kwargs guided_json guided_regex guided_choice prompt_logprobs priority documents bad_words
mm_processor_kwargs allowed_token_ids truncate_prompt_tokens

top_a penalty_alpha epsilon_cutoff eta_cutoff guidance_scale negative_prompt no_repeat_ngram_size temperature_last
encoder_repetition_penalty ban_eos_token add_bos_token truncation_length mode character preset session_id
""".split()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_not_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_near_misses("OpenAI", [name])
    assert caplog.text == ""


@pytest.mark.parametrize(
    "name, suggestion",
    [
        ("base_ulr", "base_url"),
        ("base_URL", "base_url"),
        ("baseurl", "base_url"),
        ("api_base", "base_url"),
        ("url", "base_url"),
        ("api_key", "auth"),
        ("token", "auth"),
        ("Auth", "auth"),
        ("acess_token", "access_token"),
        ("cookie", "cookies"),
        ("headers_", "headers"),
        ("extra_headers", "headers"),
        ("proxies", "proxy"),
        ("timout", "timeout"),
        ("request_timeout", "timeout"),
        ("max_retries", "retries"),
        ("verfy", "verify"),
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("repitition_penalty", "repetition_penalty"),
    ],
)
def test_near_misses(name: str, suggestion: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_near_misses("OpenAI", ["temperature", name])
    expected = f"OpenAI: {name!r} is sent to the server as a generation parameter; did you mean {suggestion}?"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, expected)]


@pytest.mark.parametrize("name", ["", "x", "x" * 100_000, "tempo", "foo_bar", "№", *OPTION_NAMES])
def test_other_names(name: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_near_misses("OpenAI", [name] if name not in OPTION_NAMES else [])
    assert caplog.text == ""


def answer() -> Any:
    chunk = '{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}'
    return exchange(
        "POST", "/chat/completions", 200, (f"data: {chunk}\n\ndata: [DONE]\n\n",), content_type="text/event-stream"
    )


def call(provider: str, play: Any, **options: Any) -> Any:
    replay = play([answer()])
    options = {"base_url": replay.url, **options}
    assert list(ChatCompletion.create("m", [{"role": "user", "content": "x"}], provider, stream=True, **options)) == [
        "Hi"
    ]
    return replay


def test_a_call(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    replay = call("OpenAI", play, api_key=SECRET, temprature=1, temperature=0.5)
    assert [record.args[1:] for record in caplog.records if record.levelno >= logging.WARNING] == [
        ("api_key", "auth"),
        ("temprature", "temperature"),
    ]
    assert SECRET not in caplog.text
    assert replay.sent[0].json["temprature"] == 1  # passed on


def test_a_redirected_call_that_does_not_send_them(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    replay = play([answer()])
    redirects.redirect("OpenAI", "m", base_url=replay.url)
    tokens = ChatCompletion.create(
        "m", [{"role": "user", "content": "x"}], "Bing", stream=True, api_key=SECRET, timout=1
    )
    assert list(tokens) == ["Hi"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_value_is_a_secret(play: Any) -> None:
    refusal = exchange("POST", "/chat/completions", 400, (f'{{"error": {{"message": "{SECRET}?"}}}}',))
    options = {"base_url": play([refusal]).url, "api_key": SECRET, "top_p": 0.123456789}
    with pytest.raises(RequestFailedError) as raised:
        ChatCompletion.create("m", [{"role": "user", "content": "x"}], "OpenAI", **options)
    assert SECRET not in f"{raised.value} {vars(raised.value)} {raised.value.request.body}"
    assert b"0.123456789" in raised.value.request.body


@pytest.mark.parametrize(
    "name, value",
    [
        ("my_key", SECRET),
        ("hf-token", SECRET),
        ("client_secret", [SECRET]),
        ("JWT", {"value": [SECRET]}),
        ("heders", {"X-Mine": f"Bearer {SECRET}", "Accept": "application/json"}),
        ("proxies", {"http": f"http://me:{SECRET}@127.0.0.1:1"}),
        ("base_ulr", f"http://me:{SECRET}@127.0.0.1:1/v1"),
        ("api_url", f"http://127.0.0.1:1/v1?key={SECRET}"),
    ],
)
def test_values_that_may_contain_a_secret(name: str, value: Any, play: Any) -> None:
    assert name not in PARAMETERS
    refusal = exchange("POST", "/chat/completions", 400, (f'{{"error": {{"message": "{SECRET}? application/json"}}}}',))
    replay = play([refusal])
    with pytest.raises(RequestFailedError) as raised:
        ChatCompletion.create("m", HELLO, "OpenAI", base_url=replay.url, **{name: value})
    error = raised.value
    assert SECRET not in f"{error} {vars(error)} {error.request.body!r}"
    assert "application/json" in error.detail and replay.url in str(error)


@pytest.mark.parametrize(
    "name", ["top_k", "monkey", "prompt_cache_key", "tokens", "keyword", "stop_token", "max_token", "sort_key", "host"]
)
def test_values_that_are_no_secret(name: str) -> None:
    assert not may_be_secret(name)


def test_missing_credentials_may_be_a_misspelt_option(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AuthenticationRequiredError) as raised:
        ChatCompletion.create("tiny", HELLO, "OpenAI", base_ur="http://127.0.0.1:1", api_key=SECRET, top_k=1)
    text = "OpenAI needs credentials ('base_ur': did you mean base_url?, 'api_key': did you mean auth?). Give a token "
    assert str(raised.value).startswith(text) and caplog.text == "" and SECRET not in str(raised.value)


def test_difflib_is_imported_for_unknown_names_only() -> None:
    code = """
import sys
from g4f_legacy.near_misses import warn_of_near_misses
warn_of_near_misses("x", ["temperature", "stop"])
assert "difflib" not in sys.modules
warn_of_near_misses("x", ["timout"])
assert "difflib" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
