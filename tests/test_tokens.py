import asyncio
import json
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
import test_Google
from completions import ask_google, ask_openai
from openai_events import DONE, PATH, TOKEN_CHUNKS, TOKENS, chunk
from replay import exchange, load
from scripted_provider import scripted_provider
from test_Google import event

from g4f_legacy import ChatCompletion
from g4f_legacy.compat.retry_provider import RetryProvider
from g4f_legacy.errors import GenerationError
from g4f_legacy.Provider import Echo, H2o, OpenAI
from g4f_legacy.tokens import Finish, TokenStream, describe_ending, join_tokens, yield_joined

HELLO = [{"role": "user", "content": "hello"}]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def generate(*tokens: str, finish: Any = None) -> Generator[str, None, Any]:
    yield from tokens
    return finish


def generate_and_fail(error: Exception) -> Iterator[str]:
    yield "a"
    yield "b"
    raise error


class TestTokenStream:
    def test_it_is_a_generator(self) -> None:
        stream = TokenStream(generate("a", "b", finish=Finish("length", USAGE)))
        assert isinstance(stream, Generator) and iter(stream) is stream
        assert next(stream) == "a" and (stream.finish_reason, stream.usage) == (None, None)
        assert list(stream) == ["b"]
        assert (stream.finish_reason, stream.usage) == ("length", USAGE)
        assert list(stream) == [] and stream.finish_reason == "length"

    def test_yield_from_returns_the_finish(self) -> None:
        def delegate() -> Generator[str, None, None]:
            finish = yield from TokenStream(generate("a", finish=Finish("stop")))
            assert finish == Finish("stop")
            yield "end"

        assert list(delegate()) == ["a", "end"]

    def test_what_is_sent_and_thrown_reaches_the_provider(self) -> None:
        def provider() -> Generator[str, Any, Finish]:
            received = yield "a"
            try:
                yield f"received {received}"
            except KeyError:
                return Finish("stop")
            raise AssertionError

        stream = TokenStream(provider())
        assert next(stream) == "a" and stream.send(5) == "received 5"
        with pytest.raises(StopIteration):
            stream.throw(KeyError())
        assert stream.finish_reason == "stop"

    @pytest.mark.parametrize(
        "end", [TokenStream.close, lambda stream: None], ids=["close", "garbage"]
    )  # which CPython frees at once
    def test_closing_it_closes_the_provider(self, end: Callable[[Any], Any]) -> None:
        provider = scripted_provider("a", "b")
        stream = TokenStream(provider._create_completion("", HELLO, True))
        assert next(stream) == "a"
        end(stream)
        del stream
        assert provider.stopped == 1

    def test_an_iterable_without_a_finish(self) -> None:
        stream = TokenStream(["a", "b"])
        assert list(stream) == ["a", "b"] and stream.finish is None and stream.finish_reason is None

    def test_a_value_other_than_a_finish_is_ignored(self) -> None:
        stream = TokenStream(generate("a", finish="stop"))
        assert list(stream) == ["a"] and stream.finish_reason is None

    def test_there_is_no_finish_after_an_error(self) -> None:
        stream = TokenStream(generate_and_fail(GenerationError("x")))
        with pytest.raises(GenerationError):
            list(stream)
        assert stream.finish_reason is None


class TestJoin:
    def test_tokens(self) -> None:
        assert join_tokens(["a", "b"]) == "ab"
        assert join_tokens(generate("a", "b", finish=Finish("stop"))) == "ab"

    @pytest.mark.parametrize("text", ["c", ""])
    def test_the_text_of_the_server(self, text: str) -> None:
        finish = Finish("stop", text=text)
        assert join_tokens(generate("a", "b", finish=finish)) == text
        joined = TokenStream(yield_joined(generate("a", "b", finish=finish)))
        assert list(joined) == [text] and joined.finish == finish

    def test_an_error_keeps_the_tokens(self) -> None:
        with pytest.raises(GenerationError) as raised:
            join_tokens(generate_and_fail(GenerationError("x")))
        assert raised.value.partial == "ab"

    def test_an_error_keeps_what_it_has(self) -> None:
        error = GenerationError("x")
        error.partial = "abc"
        for join in (join_tokens, lambda tokens: list(yield_joined(tokens))):
            with pytest.raises(GenerationError) as raised:
                join(generate_and_fail(error))
            assert raised.value.partial == "abc"

    def test_another_error(self) -> None:
        with pytest.raises(ZeroDivisionError):
            join_tokens(generate_and_fail(ZeroDivisionError()))


@pytest.mark.parametrize(
    "reason, has_text, has_reasoning, words",
    [
        ("stop", True, False, ""),
        (None, True, True, ""),
        ("tool_calls", True, False, ""),
        ("length", True, True, "raise max_tokens"),
        ("content_filter", True, False, "content filter"),
        ("interrupted", True, False, "marked the text as interrupted"),
        ("length", False, True, "reasoning used up max_tokens"),
        ("length", False, False, "no text (finish_reason: length)"),
        (None, False, True, "the completion has no text"),
    ],
)
def test_describe_ending(reason: str | None, has_text: bool, has_reasoning: bool, words: str) -> None:
    sentence = describe_ending(reason, has_text=has_text, has_reasoning=has_reasoning)
    assert words in sentence and bool(sentence) == bool(words)


def openai_exchange(*end: str) -> dict[str, Any]:
    return exchange("POST", PATH, 200, (*TOKEN_CHUNKS, *end), transfer_encoding="chunked")


def plain_exchange(reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "".join(TOKENS)}, "finish_reason": reason}
    body = json.dumps({"choices": [choice], "usage": USAGE})
    return exchange("POST", PATH, 200, (body,), content_length="?")


USAGE_CHUNK = chunk(choices=[], usage=USAGE)


class TestCreate:
    """`finish_reason` and `usage` of a real server's completion, however it is called."""

    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "eos_token"])
    def test_openai(self, reason: str, play: Any) -> None:
        url = play([openai_exchange(chunk(reason=reason), USAGE_CHUNK, DONE)]).url + "/v1"
        stream = ChatCompletion.create("tiny", HELLO, "OpenAI", stream=True, base_url=url)
        assert isinstance(stream, Generator)
        assert list(stream) == TOKENS
        assert (stream.finish_reason, stream.usage) == (reason, USAGE)

    def test_openai_below_v1(self, play: Any) -> None:
        refusal = exchange("POST", "/chat/completions", 404, content_length="0")
        url = play([refusal, openai_exchange(chunk(reason="length"), DONE)]).url
        stream = ChatCompletion.create("tiny", HELLO, "OpenAI", stream=True, base_url=url)
        assert list(stream) == TOKENS and stream.finish_reason == "length"

    def test_openai_recorded(self, play: Any) -> None:
        stream = TokenStream(
            OpenAI._create_completion("tiny", HELLO, False, base_url=play(load("openai/plain")).url + "/v1")
        )
        assert "".join(stream)
        recorded = json.loads("".join(load("openai/plain")[0]["response"]["chunks"]))
        assert (stream.finish_reason, stream.usage) == (recorded["choices"][0]["finish_reason"], recorded["usage"])

    @pytest.mark.parametrize("name, reason", [("hello", "stop"), ("length_limit", "length")])
    @pytest.mark.parametrize("stream", [True, False])
    def test_h2o_recorded(self, name: str, reason: str, stream: bool, play: Any) -> None:
        url = play(load(f"h2o/{name}")).url
        tokens = TokenStream(H2o._create_completion("falcon-40b", HELLO, stream, base_url=url))
        assert "".join(tokens) and tokens.finish == Finish(reason)

    @pytest.mark.parametrize("stream", [True, False])
    def test_echo(self, stream: bool) -> None:
        tokens = TokenStream(Echo._create_completion("", HELLO, stream))
        assert list(tokens) == ["hello"] and tokens.finish_reason == "stop"
        assert tokens.usage == {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}

    def test_without_stream_the_result_is_a_str(self, play: Any) -> None:
        text = ChatCompletion.create("tiny", HELLO, "OpenAI", base_url=play([plain_exchange("length")]).url + "/v1")
        assert type(text) is str

    def test_asynchronously(self, play: Any) -> None:
        async def main() -> None:
            url = play([openai_exchange(chunk(reason="length"), USAGE_CHUNK, DONE) for _ in range(2)]).url + "/v1"
            stream: Any = ChatCompletion.create_async("tiny", HELLO, "OpenAI", stream=True, base_url=url)
            assert stream.finish_reason is None
            assert [token async for token in stream] == TOKENS
            assert (stream.finish_reason, stream.usage) == ("length", USAGE)
            awaited = await OpenAI.create_async_generator("tiny", HELLO, base_url=url)  # type: ignore[attr-defined]
            assert await awaited.text() == "".join(TOKENS)
            assert (awaited.finish_reason, awaited.usage) == ("length", USAGE)

        asyncio.run(main())

    def test_retry_provider(self, play: Any) -> None:
        url = play([openai_exchange(chunk(reason="length"), DONE)]).url + "/v1"
        failing = scripted_provider(GenerationError("x"))
        failing.create_completion = failing._create_completion
        provider = RetryProvider([failing, OpenAI], shuffle=False)
        stream = ChatCompletion.create("tiny", HELLO, provider, stream=True, base_url=url)
        assert list(stream) == TOKENS and stream.finish_reason == "length"

    def test_a_provider_that_returns_nothing(self) -> None:
        stream = ChatCompletion.create("", HELLO, scripted_provider("a"), stream=True)
        assert list(stream) == ["a"] and (stream.finish_reason, stream.usage) == (None, None)


class TestWarnings:
    @pytest.mark.parametrize(
        "reason, words", [("length", "length limit"), ("content_filter", "content filter"), ("stop", "")]
    )
    @pytest.mark.parametrize("stream", [True, False])
    def test_they_say_what_to_do(
        self, stream: bool, reason: str, words: str, play: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        replay = play([openai_exchange(chunk(reason=reason), DONE) if stream else plain_exchange(reason)])
        ending = ask_openai(replay.url + "/v1", stream)
        assert ending == (TOKENS if stream else ["".join(TOKENS)], None)
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == bool(words) and all(
            logged.startswith("OpenAI: ") and words in logged for logged in warnings
        )

    def test_google(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        replay = play([exchange("POST", test_Google.PATH, 200, (event("Hi"), event(reason="MAX_TOKENS")))])
        assert ask_google(replay.url) == (["Hi"], None)
        assert "Google: the text ends at the length limit" in caplog.text

    def test_a_secret_as_a_reason_is_redacted(self, play: Any, caplog: pytest.LogCaptureFixture) -> None:
        role = chunk(choices=[{"index": 0, "delta": {"role": "assistant"}}])
        replay = play([exchange("POST", PATH, 200, (role, chunk(reason="s3cr3t-k3y\x1b"), DONE))])
        stream = ChatCompletion.create(
            "tiny", HELLO, "OpenAI", stream=True, base_url=replay.url + "/v1", auth="s3cr3t-k3y"
        )
        assert list(stream) == []
        assert "s3cr3t" not in caplog.text and "\x1b" not in caplog.text and "no text" in caplog.text
