"""Warn of generation parameters that look like a misspelt option or parameter, or an option of another client.

They are sent to the server all the same, because servers have parameters that no list has.
"""

import logging
import re
from collections.abc import Iterable
from functools import lru_cache

from .credentials import AUTH_ALIASES
from .option_values import OPTIONS

log = logging.getLogger(__name__)

_MIN_SIMILARITY = 0.85  # of names, as `difflib` measures it

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
"""Parameters that a warning may suggest. Short ones are left out: ``top_a`` may be a parameter, not a misspelt
``top_k``."""

_UNSUGGESTED_PARAMETERS = frozenset(
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

_OPTION_ALIASES = {
    **dict.fromkeys(AUTH_ALIASES, "auth"),
    "api_base": "base_url",
    "api_url": "base_url",
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
    "url": "base_url",
    "verify_ssl": "verify",
}
"""What other clients call the options."""

_SECRET_OPTIONS = ("access_token", "auth", "cookies", "headers")
_ADDRESS_OPTIONS = ("base_url", "proxy")
_SECRET_NAME = re.compile("(^|_)((key|secret|password|passwd|credential)s?|token|bearer|jwt)$")
_PUBLIC_NAME = re.compile(
    "(^|_)(answer|bos|cache|completion|end|eos|idempotency|max|min|new|pad|partition|prompt|sep|sort|special|stop|unk)"
    "_(key|token)$"
)

_KNOWN = _UNSUGGESTED_PARAMETERS.union(_COMMON_PARAMETERS)


def warn_of_near_misses(provider: str, parameters: Iterable[str]) -> None:
    """Log a warning for each generation parameter that is probably meant to be an option, or another parameter.

    Args:
        provider: the provider's name.
        parameters: the names of the parameters.
    """
    for name, suggestion in find_near_misses(parameters).items():
        log.warning(
            "%s: %r is sent to the server as a generation parameter; did you mean %s?", provider, name, suggestion
        )


def find_near_misses(parameters: Iterable[str]) -> dict[str, str]:
    """Return the names that are probably meant to be others, each with the other name."""
    suggestions = {name: _find_suggestion(name) for name in parameters if name not in _KNOWN}
    return {name: suggestion for name, suggestion in suggestions.items() if suggestion}


def may_be_secret(parameter: str) -> bool:
    """Return whether a generation parameter probably holds credentials, or is meant to be an option that does."""
    if parameter in _KNOWN:
        return False
    name = _normalize(parameter)
    is_named_so = _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name)
    return bool(is_named_so) or _find_suggestion(parameter) in _SECRET_OPTIONS


def may_be_address(parameter: str) -> bool:
    """Return whether a generation parameter is probably meant to be an option that holds a URL."""
    return parameter not in _KNOWN and _find_suggestion(parameter) in _ADDRESS_OPTIONS


@lru_cache(maxsize=256)
def _find_suggestion(name: str) -> str | None:
    from difflib import get_close_matches  # imported for unknown parameters only, which are rare

    normalized = _normalize(name)
    if normalized in _OPTION_ALIASES:
        return _OPTION_ALIASES[normalized]
    candidates = [*OPTIONS, *_COMMON_PARAMETERS]
    return next(iter(get_close_matches(normalized, candidates, n=1, cutoff=_MIN_SIMILARITY)), None)


def _normalize(name: str) -> str:
    words = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name)  # of camelCase
    return words.lower().replace("-", "_").strip("_")
