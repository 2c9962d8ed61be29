"""Recorded responses with a wrong value at each key, and with random bytes; the same ones in every run."""

import copy
import gc
import json
import logging
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from protocols import VARIANTS, WITH_CONVERSATION, Recorded, ask, is_for_text
from raw_server import FRAMINGS, RawServer, chunk, head, response
from replay import Sent

from g4f_legacy.errors import ProviderError

DEEP = [b"[" * depth + b"]" * depth for depth in (300, 700, 850, 900, 950, 1000, 1010, 1020, 5000)]
WRONG = [
    b"null",
    b"true",
    b"false",
    b"0",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"9" * 5000,
    b"NaN",
    b'""',
    b'"a"',
    b"[]",
    b"{}",
]
WRONG += [b'"\\ud800"', b'"\\u0000\\u001b[2J"', b'"%s"' % (b"x" * 5000), b"[[]]", b"[null]", b'["x"]', b'{"a": 1}']
WRONG += [
    b'{"error": {"message": [{"loc": [%s], "msg": 5}, "x"]}}' % DEEP[0],
    b'{"a":' * 900 + b"1" + b"}" * 900,
    *DEEP,
]
RANDOM = [
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b": x\n",
    b"error: \n\n",
    b"data:\n\n",
    b"data: [DONE]\n\n",
    b"[",
    b"{" * 5000,
]
RANDOM += [b"\xff\xfe", b"\xef\xbb\xbf", b"\xd0", b'"', b"retry: 1\n", b"event: error\n", b"id: \0\n"]
REFUSED_BY_SOME_PARSERS = [*DEEP, b"9" * 5000, WRONG[21]]
MAX_SECONDS = 10.0  # for one completion; a hundredth of a second is usual


@pytest.fixture(autouse=True)
def collect_garbage_between_tests() -> Iterator[None]:
    """Collect garbage, which closes sockets, only between tests: deep in a nested payload no stack is left for that."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of a value, and of each value in it."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], *path, key)


def with_wrong_value(payload: Any, path: tuple[Any, ...], wrong: bytes) -> bytes:
    """Return a payload as JSON, with the value at a path replaced."""
    if not path:
        return wrong
    payload = copy.deepcopy(payload)
    parent = payload
    for key in path[:-1]:
        parent = parent[key]
    if wrong == b"0":  # means: remove the key
        del parent[path[-1]]
    else:
        parent[path[-1]] = "@wrong@"
    return json.dumps(payload).encode().replace(b'"@wrong@"', wrong)


def ask_server(name: str, stream: bool, respond: Any) -> tuple[str, Any]:
    start = time.monotonic()
    with RawServer(respond) as server:
        text, error = ask(name, server.url, stream)
    assert time.monotonic() - start < MAX_SECONDS
    return text, error


def sending(recorded: Recorded, stream: bytes, framing: str) -> Any:
    """Return a function that responds with another stream than the recorded one."""

    def respond(connection: socket.socket, sent: Sent) -> bool:
        if not is_for_text(sent):
            return bool(recorded(connection, sent))
        body = chunk(stream, framing) if stream else b""
        connection.sendall(head(framing, len(stream), recorded.content_type) + body + chunk(b"", framing))
        return False

    return respond


def different_payloads(recorded: Recorded) -> list[tuple[int, int, Any]]:
    """Return a payload of the stream, with its span, for each set of keys, and the last two."""
    found = {}
    spans = recorded.payload_spans()
    for begin, end in spans:
        payload = json.loads(recorded.stream[begin:end])
        is_last = (begin, end) in spans[-2:]
        found[str([*paths(payload)]), begin if is_last else None] = (begin, end, payload)
    return list(found.values())


@pytest.mark.parametrize("name", VARIANTS)
def test_a_wrong_value_at_each_key_of_a_stream(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")  # so that log records are formatted, too
    recorded, chance, protocol = Recorded(name), random.Random(name), VARIANTS[name]
    for begin, end, payload in different_payloads(recorded):
        text_before = recorded.text_of(recorded.stream[: recorded.stream.rfind(b"\n", 0, begin) + 1])
        for path in paths(payload):
            is_read = not path or not {key for key in path if isinstance(key, str)} - set(protocol.keys.split())
            for wrong in chance.sample(WRONG, 5 if is_read else 1):
                stream = recorded.stream[:begin] + with_wrong_value(payload, path, wrong) + recorded.stream[end:]
                option = chance.choice(protocol.stream_options)
                text, error = ask_server(name, option, sending(recorded, stream, chance.choice(FRAMINGS)))
                assert text.startswith(text_before) or protocol.stream_options == (False,)
                if not is_read and wrong not in REFUSED_BY_SOME_PARSERS:
                    assert (text, error) == (recorded.text, None), path


@pytest.mark.parametrize("name", WITH_CONVERSATION)
def test_a_wrong_value_at_each_key_before_the_stream(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")
    recorded, chance = Recorded(name), random.Random(name)
    for request, data in recorded.responses.items():
        body = data.partition(b"\r\n\r\n")[2]
        payload = json.loads(body) if body.startswith((b"{", b"[")) else {}
        for path in paths(payload):
            for wrong in chance.sample(WRONG, 2):
                wrong_body = with_wrong_value(payload, path, wrong)

                def respond(connection: socket.socket, sent: Sent) -> bool:
                    sent_body = wrong_body if (sent.method, sent.path) == request else recorded.body_for(sent)
                    connection.sendall(response(sent_body, 200, f"Content-Type: {recorded.content_type}"))
                    return True

                text, error = ask_server(name, chance.choice([True, False]), respond)
                assert (text, error) == (recorded.text, None) if error is None else text == ""


@pytest.mark.parametrize("name", VARIANTS)
def test_random_bytes_in_a_stream(name: str) -> None:
    recorded, chance = Recorded(name), random.Random(name)
    for _ in range(50):
        stream = bytearray(recorded.stream)
        place = first_place = chance.randrange(len(stream))
        for _ in range(chance.randrange(1, 5)):
            replacement = chance.choice([*RANDOM, chance.getrandbits(64).to_bytes(8, "big")])
            stream[place : place + chance.choice([0, 1, 50])] = replacement
            place = chance.randrange(first_place, len(stream) + 1)
        respond = sending(recorded, bytes(stream), chance.choice(FRAMINGS))
        text, _ = ask_server(name, chance.choice(VARIANTS[name].stream_options), respond)
        assert text.startswith(recorded.text_of(recorded.stream[:first_place]))


@pytest.mark.parametrize("name", VARIANTS)
def test_random_bytes_in_a_response(name: str) -> None:
    """The status, the headers and the framing may change as well."""
    recorded, chance = Recorded(name), random.Random(name)

    def respond(connection: socket.socket, sent: Sent) -> bool:
        body = recorded.body_for(sent)
        data = bytearray(head("chunked", content_type=recorded.content_type))
        if body:
            data += chunk(body, "chunked")
        data += chunk(b"", "chunked")
        if chance.random() < (0.8 if is_for_text(sent) else 0.1):
            for _ in range(chance.randrange(1, 4)):
                place = chance.randrange(chance.choice([20, 120, len(data)]))
                replacement = chance.choice([*RANDOM, bytes([chance.randrange(256)])])
                data[place : place + chance.choice([0, 1, 5])] = replacement
        connection.sendall(data)
        return False

    for _ in range(40):
        text, error = ask_server(name, chance.choice(VARIANTS[name].stream_options), respond)
        assert error is None or isinstance(error, ProviderError)
