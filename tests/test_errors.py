import pickle
from typing import Any

import pytest
from replay import load
import requests

from g4f_legacy import errors
from g4f_legacy.Provider import H2o

TREE = {
    errors.ProviderNotFoundError: (errors.G4fError, LookupError),
    errors.ModelNotFoundError: (errors.G4fError, LookupError),
    errors.StreamNotSupportedError: (errors.G4fError, ValueError),
    errors.AuthenticationRequiredError: (errors.G4fError, ValueError),
    errors.ProviderNotWorkingError: (errors.G4fError,),
    errors.RetryNoProviderError: (errors.G4fError,),
    errors.RetryProviderError: (errors.G4fError,),
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
    for kind, bases in TREE.items():
        assert kind.__bases__ == bases
        assert kind.__doc__
        assert kind.__name__ in str(errors.__doc__)
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.G4fError)}
    assert found == {*TREE, errors.G4fError}


@pytest.mark.parametrize(
    "kind, attributes, text",
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
        (errors.StreamInterruptedError, {}, "What. The answer is incomplete."),
    ],
)
def test_messages(kind: Any, attributes: Any, text: str) -> None:
    error = kind("What.", **attributes)
    assert str(error) == text
    assert error.args == ("What.",)
    assert (error.partial, error.response) == ("", None)


def test_a_provider_without_a_name_is_listed_too() -> None:
    error = errors.RetryProviderError([H2o, 5], [ValueError("a"), ValueError("b")])
    assert str(error) == "all providers have failed:\n  H2o: a\n  5: b"


def test_pickle(play: Any) -> None:
    replay = play(load("h2o/error_event"))
    with pytest.raises(errors.GenerationError) as raised:
        list(H2o._create_completion("", [{"role": "user", "content": "x"}], False, base_url=replay.url))
    error = pickle.loads(pickle.dumps(raised.value))
    assert type(error) is errors.GenerationError
    assert str(error) == str(raised.value) and error.partial == raised.value.partial == "Привет! Hello —"


def test_cause_of() -> None:
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
