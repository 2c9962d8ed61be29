from typing import Any

import pytest

from g4f_legacy.errors import ResponseFormatError, StreamInterruptedError
from g4f_legacy.parsing.json_lines import iter_json_lines


def test_lines() -> None:
    stream = b'{"a":1}\n\n  \n  {"b":2}\r\n{"c":3}'
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        assert list(iter_json_lines(chunks)) == [{"a": 1}, {"b": 2}, {"c": 3}]


@pytest.mark.parametrize(
    "rest, kind, message",
    [
        (b'{"b"', StreamInterruptedError, "the stream ended within a line: expected JSON, received '{\"b\"'"),
        (b"no\n{}\n", ResponseFormatError, "expected JSON, received 'no'"),
        (b"5\n{}", ResponseFormatError, "expected a JSON object, received '5'"),
    ],
)
def test_a_line_that_is_not_an_object(rest: bytes, kind: Any, message: str) -> None:
    payloads = iter_json_lines([b'{"a":1}\n' + rest])
    assert next(payloads) == {"a": 1}
    with pytest.raises(kind) as raised:
        next(payloads)
    assert type(raised.value) is kind and raised.value.args == (message,)
