from collections import deque
from typing import Any, List

import pytest
from raw_host import RawHost, whole

from g4f_legacy import connection, session
from g4f_legacy.Provider import OpenAI

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
