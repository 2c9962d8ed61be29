import pickle
import re
from typing import Any

import pytest
import requests
from replay import load

from g4f_legacy import errors
from g4f_legacy.cli.arguments import spell_flag
from g4f_legacy.errors import Hint, RetryProviderError
from g4f_legacy.options import OPTION_NAMES
from g4f_legacy.parsing.payload import parse_json
from g4f_legacy.Provider import H2o

TREE = {
    errors.ProviderNotFoundError: (errors.G4fError, LookupError),
    errors.ModelNotFoundError: (errors.G4fError, LookupError),
    errors.StreamNotSupportedError: (errors.G4fError, ValueError),
    errors.AuthenticationRequiredError: (errors.G4fError, ValueError),
    errors.ProviderNotWorkingError: (errors.G4fError,),
    errors.RetryNoProviderError: (errors.G4fError,),
    RetryProviderError: (errors.G4fError,),
    errors.ModelNotAllowed: (errors.G4fError,),
    errors.VersionNotFoundError: (errors.G4fError,),
    errors.NestAsyncioError: (errors.G4fError,),
    errors.ProviderError: (errors.G4fError, requests.exceptions.RequestException, RuntimeError),
    errors.RequestFailedError: (errors.ProviderError,),
    errors.AuthenticationError: (errors.RequestFailedError,),
    errors.RateLimitError: (errors.RequestFailedError,),
    errors.ResponseFormatError: (errors.ProviderError,),
    errors.GenerationError: (errors.ProviderError,),
    errors.StreamInterruptedError: (errors.ProviderError,),
}


def test_the_tree() -> None:
    for error_type, bases in TREE.items():
        assert error_type.__bases__ == bases
        assert error_type.__doc__
        assert error_type.__name__ in str(errors.__doc__)
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {value for value in classes if issubclass(value, errors.G4fError)} == {*TREE, errors.G4fError}


@pytest.mark.parametrize(
    "error_type, bases",
    [
        (errors.OptionError, (Exception,)),
        (errors.OptionTypeError, (errors.OptionError, TypeError)),
        (errors.OptionValueError, (errors.OptionError, ValueError)),
    ],
)
def test_errors_for_options(error_type: type[Exception], bases: tuple[type[Exception], ...]) -> None:
    assert error_type.__bases__ == bases and error_type.__doc__ and error_type.__name__ in str(errors.__doc__)


@pytest.mark.parametrize(
    "error_type, facts, text",
    [
        (errors.ProviderError, {}, "What."),
        (errors.GenerationError, {"provider": "H2o"}, "H2o: What."),
        (errors.GenerationError, {"provider": "H2o", "url": "http://h/x"}, "H2o: What (http://h/x)."),
        (
            errors.RequestFailedError,
            {"provider": "H2o"},
            "H2o: What. Is the server running? Point the provider at another one with base_url= or G4F_LEGACY_H2O_URL.",
        ),
        (
            errors.RequestFailedError,
            {},
            "What. Is the server running? "
            "Point the provider at another one with base_url= or G4F_LEGACY_<PROVIDER>_URL.",
        ),
        (errors.RequestFailedError, {"status": 500}, "What."),
        (
            errors.AuthenticationError,
            {"provider": "OpenAssistant", "status": 403},
            "OpenAssistant: What. Check auth=, cookies= or G4F_LEGACY_OPENASSISTANT_AUTH.",
        ),
        (errors.RateLimitError, {"status": 429}, "What. Try again later."),
        (errors.RateLimitError, {"retry_after": 1.5}, "What. Try again in 1.5 seconds."),
        (errors.ResponseFormatError, {}, "What. Does this server speak the provider's protocol?"),
        (errors.StreamInterruptedError, {}, "What. The completion is truncated."),
    ],
)
def test_messages(error_type: Any, facts: Any, text: str) -> None:
    error = error_type("What.", **facts)
    assert str(error) == text
    assert error.args == ("What.",)
    assert (error.partial, error.response) == ("", None)


def test_failures_are_listed_with_providers_that_have_no_name() -> None:
    error = RetryProviderError([H2o, 5], [ValueError("a"), ValueError("b")])
    assert str(error) == "all providers have failed:\n  H2o: a\n  5: b"


class TestHints:
    @pytest.mark.parametrize(
        "spell, text",
        [
            (errors.keyword, "What. Check auth=, cookies= or MY_TOKEN or MY_LOGIN."),
            (spell_flag, "What. Check --auth, -o cookies=… or MY_TOKEN or MY_LOGIN."),
        ],
        ids=["keywords", "flags"],
    )
    def test_credentials(self, spell: Any, text: str) -> None:
        error = errors.AuthenticationError("What", auth_variables=["MY_TOKEN", "MY_LOGIN"])
        assert error.describe(spell) == text

    @pytest.mark.parametrize(
        "spell, text",
        [
            (errors.keyword, "H2o: What. Give it a server with base_url= or G4F_LEGACY_H2O_URL."),
            (spell_flag, "H2o: What. Give it a server with --base-url or G4F_LEGACY_H2O_URL."),
        ],
        ids=["keywords", "flags"],
    )
    def test_server(self, spell: Any, text: str) -> None:
        error = errors.ProviderError("What", provider="H2o", hint=Hint.SET_SERVER)
        assert error.describe(spell) == text

    def test_the_text_of_an_error_has_keywords(self) -> None:
        error = errors.ModelNotFoundError("what", hint=Hint.NAME_PROVIDER)
        assert (
            str(error)
            == error.describe(errors.keyword)
            == "what. Name the provider to ask with provider=, such as OpenAI for any OpenAI-compatible server."
        )
        assert (
            error.describe(spell_flag)
            == "what. Name the provider to ask with --provider, such as OpenAI for any OpenAI-compatible server."
        )

    @pytest.mark.parametrize("hint", Hint, ids=lambda hint: hint.name)
    def test_every_template_can_be_rendered(self, hint: Hint) -> None:
        error = errors.ProviderError("What", hint=hint)
        for spell in (errors.keyword, spell_flag):
            rendered = error.describe(spell)
            assert rendered.startswith("What. ") and len(rendered) > len("What. ")
            assert "{" not in rendered

    @pytest.mark.parametrize("hint", Hint, ids=lambda hint: hint.name)
    def test_options_are_spelled_for_the_reader(self, hint: Hint) -> None:
        error = errors.ProviderError("What", hint=hint)
        for option in OPTION_NAMES:
            assert not re.search(rf"(?<!redirect\(…, )(?<!, )\b{option}=(?!…)", error.describe(spell_flag))
            assert f"-o {option}=" not in str(error) and f"--{option}" not in str(error)

    @pytest.mark.parametrize(
        "source, in_python, on_the_command_line",
        [(None, "proxy=", "-o proxy=…"), ("proxy", "proxy=", "-o proxy=…"), ("HTTPS_PROXY",) * 3],
    )
    def test_a_proxy(self, source: Any, in_python: str, on_the_command_line: str) -> None:
        error = errors.RequestFailedError("What", hint=Hint.CHECK_PROXY)
        error.proxy_source = source
        assert str(error) == f"What. Check {in_python}."
        assert error.describe(spell_flag) == f"What. Check {on_the_command_line}."

    def test_templates_are_all_different(self) -> None:
        assert len(Hint) == len(Hint.__members__)  # members with equal values would be aliases

    def test_a_hint_that_is_given_replaces_that_of_the_class(self) -> None:
        assert errors.ResponseFormatError("What").hint is Hint.CHECK_PROTOCOL
        assert errors.ResponseFormatError("What", hint=Hint.USE_H2O).hint is Hint.USE_H2O
        assert errors.RequestFailedError("What", hint=Hint.SERVER_GONE).hint is Hint.SERVER_GONE

    def test_a_hint_that_is_set_later(self) -> None:
        error = errors.RequestFailedError("What", status=500)
        assert error.hint is None
        error.hint = Hint.CHECK_MODEL
        error.model = "falcon"
        assert str(error) == "What. Does the server list the model 'falcon'?"


def test_an_error_without_a_message() -> None:
    assert str(errors.G4fError()) == ""


def test_the_body_is_bounded() -> None:
    body = "b" * (errors.MAX_BODY_LENGTH + 1)
    assert errors.ResponseFormatError("What", body=body).body == "b" * errors.MAX_BODY_LENGTH
    assert errors.ResponseFormatError("What").body == errors.ResponseFormatError("What").detail == ""


@pytest.mark.parametrize("text", ["x" * 1_000_000, b"\xd0\x9f" * 1_000_000, "[" + "5," * 1_000_000 + "5]"])
def test_the_body_of_a_payload_is_bounded(text: Any) -> None:
    with pytest.raises(errors.ResponseFormatError) as raised:
        parse_json(text, dict)
    assert len(raised.value.body) == errors.MAX_BODY_LENGTH


def test_context_is_added_to_the_message() -> None:
    error = errors.RequestFailedError("What", provider="H2o", status=404)
    error.add_context("without /v1: refused")
    assert str(error) == "H2o: What; without /v1: refused."


def test_pickle(play: Any) -> None:
    replay = play(load("h2o/error_event"))
    with pytest.raises(errors.GenerationError) as raised:
        list(H2o._create_completion("", [{"role": "user", "content": "x"}], False, base_url=replay.url))
    error = pickle.loads(pickle.dumps(raised.value))
    assert type(error) is errors.GenerationError
    assert str(error) == str(raised.value) and error.partial == raised.value.partial == "Привет! Hello —"


def test_pickling_keeps_the_facts() -> None:
    error = errors.RateLimitError(
        "What",
        provider="H2o",
        url="http://h/x",
        status=429,
        detail="too many",
        body='{"error": "too many"}',
        retry_after=2.5,
        hint=Hint.CHECK_MODEL,
        auth_variables=["MY_TOKEN"],
    )
    error.model = "falcon"
    error.partial = "Привет"
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is errors.RateLimitError
    assert (copied.args, vars(copied)) == (error.args, vars(error))
    assert copied.hint is Hint.CHECK_MODEL
    assert copied.describe(spell_flag) == error.describe(spell_flag)


@pytest.mark.parametrize("error_type", [error_type for error_type in TREE if error_type is not RetryProviderError])
def test_pickling_every_error(error_type: Any) -> None:
    error = error_type("What", provider="H2o", hint=Hint.SET_SERVER)
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is error_type
    assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_pickling_the_failures_of_several_providers() -> None:
    error = RetryProviderError([H2o], [errors.GenerationError("What", provider="H2o", detail="full")])
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.providers) == (str(error), ["H2o"])
    assert copied.failures[0].detail == "full"


def test_describe_cause() -> None:
    assert errors.describe_cause(ValueError("a")) == "a"
    assert errors.describe_cause(ValueError()) == "ValueError"
    assert errors.describe_cause(ValueError("a\x1b[2J\r\n" + "b" * 5000)) == "a[2J " + "b" * 495
    assert errors.describe_cause(OSError(111, "Connection refused")) == "Connection refused"
    outer = ValueError("outer", OSError(111, "inner"))
    assert errors.describe_cause(outer) == "inner"
    try:
        try:
            raise OSError(1, "cause")
        except OSError as cause:
            raise ValueError("effect") from cause
    except ValueError as effect:
        assert errors.describe_cause(effect) == "cause"
