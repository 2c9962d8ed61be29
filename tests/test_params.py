from typing import Any, Optional

from g4f_legacy.params import format_params
from g4f_legacy.Provider import H2o


def test_h2o() -> None:
    assert H2o.params == "g4f.Providers.H2o supports: (model: str, messages: list, stream: bool)"


def test_other_hints() -> None:
    def completion(  # type: ignore[no-untyped-def]
        model: str,
        messages: list[dict[str, str]],
        temperature: Optional[float] = None,
        untyped=1,
        **kwargs: Any,
    ) -> None:
        pass

    hints = "model: str, messages: list[dict[str, str]], temperature: "
    optional = str(Optional[float]).replace("typing.", "")  # spelled differently by Python 3.14
    assert format_params("somewhere.X", completion) == f"g4f.Providers.X supports: ({hints}{optional})"
