"""Warn of generation parameters that look like a misspelt option or parameter, or an option of another client.

They are sent to the server all the same, because servers have parameters that no list has.
"""

import logging
from collections.abc import Iterable
from functools import lru_cache

from .option_values import OPTIONS

log = logging.getLogger(__name__)

_MIN_RATIO = 0.85

_COMMON_PARAMETERS = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "stop_sequences",
    "stream_options",
    "temperature",
    "tool_choice",
    "top_logprobs",
)
"""Parameters that are suggested. Not the short ones: ``top_a`` may be one, too."""

_OTHER_PARAMETERS = frozenset(
    # OpenAI: https://platform.openai.com/docs/api-reference/chat/create
    "audio echo extra_body function_call functions metadata modalities n parallel_tool_calls prediction "
    "prompt_cache_key prompt_cache_retention reasoning safety_identifier seed service_tier stop store stream suffix "
    "tools top_p user verbosity web_search_options "
    # text-generation-inference, chat-ui and Open-Assistant
    "adapter_id best_of decoder_input_details details do_sample files grammar id is_continue is_retry options "
    "plugins response_id return_full_text system_prompt top_k top_n_tokens truncate typical_p use_cache used_plugins "
    "user_profile watermark web_search "
    # Gemini: https://ai.google.dev/api/generate-content
    "cachedContent candidateCount contents frequencyPenalty generationConfig labels maxOutputTokens "
    "mediaResolution presencePenalty responseFormat responseJsonSchema responseLogprobs responseMimeType "
    "responseModalities responseSchema safetySettings speechConfig stopSequences systemInstruction thinkingConfig "
    "toolConfig topK topP "
    # Ollama, llama.cpp and vLLM
    "cache_prompt chat_template chat_template_kwargs format ignore_eos json_schema keep_alive length_penalty "
    "min_new_tokens min_p min_tokens mirostat n_predict num_ctx num_predict repeat_last_n repeat_penalty "
    "skip_special_tokens stop_token_ids structured_outputs temperature_last think timings_per_token "
    "use_beam_search".split()
)

_OTHER_NAMES = {
    "api_base": "base_url",
    "api_key": "auth",
    "api_url": "base_url",
    "apikey": "auth",
    "auth_token": "auth",
    "authorization": "auth",
    "bearer_token": "auth",
    "default_headers": "headers",
    "endpoint": "base_url",
    "extra_headers": "headers",
    "host": "base_url",
    "max_retries": "retries",
    "num_retries": "retries",
    "proxies": "proxy",
    "request_timeout": "timeout",
    "retry": "retries",
    "server": "base_url",
    "server_url": "base_url",
    "ssl_verify": "verify",
    "token": "auth",
    "url": "base_url",
    "verify_ssl": "verify",
}
"""What other clients call the options."""

_KNOWN = _OTHER_PARAMETERS.union(_COMMON_PARAMETERS)


def warn_of_near_misses(provider: str, parameters: Iterable[str]) -> None:
    """Log a warning for each generation parameter that is probably meant to be an option, or another parameter.

    Args:
        provider: the provider's name.
        parameters: the names of the parameters.
    """
    for name in parameters:
        if name in _KNOWN:
            continue
        suggestion = _find_suggestion(name)
        if suggestion:
            log.warning(
                "%s: %s is sent to the server as a generation parameter; did you mean %s?", provider, name, suggestion
            )


def may_be_secret(parameter: str) -> bool:
    """Return whether a generation parameter is probably meant to be the credentials."""
    return parameter not in _KNOWN and _find_suggestion(parameter) in ("auth", "access_token", "cookies")


@lru_cache(maxsize=256)
def _find_suggestion(name: str) -> str | None:
    from difflib import get_close_matches  # imported for unknown parameters only, which are rare

    normalized = name.lower().replace("-", "_").strip("_")
    if normalized in _OTHER_NAMES:
        return _OTHER_NAMES[normalized]
    candidates = [*OPTIONS, *_COMMON_PARAMETERS]
    return next(iter(get_close_matches(normalized, candidates, n=1, cutoff=_MIN_RATIO)), None)
