from collections import deque
from typing import Any, List

import pytest
from raw_host import RawHost, whole

from g4f_legacy.Provider import OpenAI
from g4f_legacy.errors import RequestFailedError
from g4f_legacy.transport import connection, session

STREAM = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n'


def test_a_completion_that_the_collector_ends_within_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    left: List[Any] = []

    class Collecting(deque):  # type: ignore[type-arg]
        def pop(self) -> Any:  # type: ignore[override]
            while left:
                left.pop().close()
            return super().pop()

    monkeypatch.setattr(connection, "deque", Collecting)
    monkeypatch.setattr(session, "_shared_adapter", lambda adapter=session._Adapter(): adapter)
    with RawHost(lambda client, _: client.sendall(whole(STREAM)) or True) as host:

        def begin() -> Any:
            return OpenAI._create_completion("m", [{"role": "user", "content": "x"}], True, base_url=f"{host.url}/v1")

        for _ in range(3):
            tokens = begin()
            assert next(tokens) == "a"
            left.append(tokens)
        assert list(begin()) == ["a"] and left == []


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_headers_that_break_off(end: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nA: b\r\n" * 2
    with RawHost(lambda client, _: client.sendall(answer[:end])) as host:
        with pytest.raises(RequestFailedError, match="^OpenAI: no answer: "):
            OpenAI._list_models(base_url=f"{host.url}/v1", retries=0)
