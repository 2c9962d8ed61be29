"""Recorded answers with a wrong value at each key, and with random bytes in them; the same ones in every run."""

import copy
import gc
import json
import logging
import random
import socket
import time
from typing import Any, Iterator, List, Tuple

from protocols import ANSWERS, IN_STEPS, Recorded, ask, is_question
import pytest
from raw_host import RawHost, head, piece, whole
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
LONGEST = 10.0  # seconds for one answer; a hundredth of one is usual


@pytest.fixture(autouse=True)
def collected_between() -> Iterator[None]:
    """The collector closes what is left over. In the depth of a nested document there is no stack left for that."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def paths(value: Any, *path: Any) -> Iterator[Tuple[Any, ...]]:
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], *path, key)


def with_wrong(document: Any, path: Tuple[Any, ...], wrong: bytes) -> bytes:
    if not path:
        return wrong
    document = copy.deepcopy(document)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if wrong == b"0":  # stands for: nothing at all
        del parent[path[-1]]
    else:
        parent[path[-1]] = "@wrong@"
    return json.dumps(document).encode().replace(b'"@wrong@"', wrong)


def outcome(name: str, stream: bool, answer: Any) -> Tuple[str, Any]:
    began = time.monotonic()
    with RawHost(answer) as host:
        text, error = ask(name, host.url, stream)
    assert time.monotonic() - began < LONGEST
    return text, error


def saying(answers: Recorded, said: bytes, framing: str) -> Any:
    def answer(connection: socket.socket, sent: Sent) -> bool:
        if not is_question(sent):
            return bool(answers(connection, sent))
        end = piece(b"", framing) if framing == "chunked" else b""
        connection.sendall(head(framing, len(said), answers.kind) + (piece(said, framing) if said else b"") + end)
        return False

    return answer


def kinds_of_documents(answers: Recorded) -> List[Tuple[int, int, Any]]:
    """One object of the stream for each set of keys, and the last two."""
    found = {}
    spans = answers.documents()
    for begin, end in spans:
        document = json.loads(answers.stream[begin:end])
        keys = repr([path for path in paths(document)]) + str((begin, end) in spans[-2:] and begin)
        found[keys] = (begin, end, document)
    return list(found.values())


@pytest.mark.parametrize("name", ANSWERS)
def test_a_wrong_value_at_each_key_of_a_stream(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")  # what is logged is written out, too
    answers, chance, protocol = Recorded(name), random.Random(name), ANSWERS[name]
    for begin, end, document in kinds_of_documents(answers):
        before = answers.text_of(answers.stream[: answers.stream.rfind(b"\n", 0, begin) + 1])
        for path in paths(document):
            is_read = not path or not {key for key in path if isinstance(key, str)} - set(protocol.keys.split())
            for wrong in chance.sample(WRONG, 5 if is_read else 1):
                said = answers.stream[:begin] + with_wrong(document, path, wrong) + answers.stream[end:]
                way = chance.choice(protocol.ways)
                text, error = outcome(name, way, saying(answers, said, chance.choice(["chunked", "length", "close"])))
                assert text.startswith(before) or protocol.ways == (False,)
                if not is_read and wrong not in DEEP + [b"9" * 5000, WRONG[21]]:  # no JSON for every interpreter
                    assert (text, error) == (answers.text, None), path


@pytest.mark.parametrize("name", IN_STEPS)
def test_a_wrong_value_at_each_key_on_the_way(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "g4f_legacy")
    answers, chance = Recorded(name), random.Random(name)
    for asked, wire in answers.answers.items():
        body = wire.partition(b"\r\n\r\n")[2]
        document = json.loads(body) if body.startswith((b"{", b"[")) else {}
        for path in paths(document):
            for wrong in chance.sample(WRONG, 2):
                said = with_wrong(document, path, wrong)

                def answer(connection: socket.socket, sent: Sent) -> bool:
                    is_it = (sent.method, sent.path) == asked
                    connection.sendall(whole(said if is_it else answers.to(sent), 200, f"Content-Type: {answers.kind}"))
                    return True

                text, error = outcome(name, chance.choice([True, False]), answer)
                assert (text, error) == (answers.text, None) if error is None else text == ""


@pytest.mark.parametrize("name", ANSWERS)
def test_random_bytes_in_a_stream(name: str) -> None:
    answers, chance = Recorded(name), random.Random(name)
    for _ in range(50):
        said = bytearray(answers.stream)
        at = first = chance.randrange(len(said))
        for _ in range(chance.randrange(1, 5)):
            instead = chance.choice([*RANDOM, chance.getrandbits(64).to_bytes(8, "big")])
            said[at : at + chance.choice([0, 1, 50])] = instead
            at = chance.randrange(first, len(said) + 1)
        framing = chance.choice(["chunked", "length", "close"])
        text, _ = outcome(name, chance.choice(ANSWERS[name].ways), saying(answers, bytes(said), framing))
        assert text.startswith(answers.text_of(answers.stream[:first]))


@pytest.mark.parametrize("name", ANSWERS)
def test_random_bytes_on_the_wire(name: str) -> None:
    """The status, the headers and the framing may be meant as well."""
    answers, chance = Recorded(name), random.Random(name)

    def answer(connection: socket.socket, sent: Sent) -> bool:
        said = answers.to(sent)
        wire = bytearray(head("chunked", kind=answers.kind) + piece(said, "chunked") * bool(said) + b"0\r\n\r\n")
        if chance.random() < (0.8 if is_question(sent) else 0.1):
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(chance.choice([20, 120, len(wire)]))
                wire[at : at + chance.choice([0, 1, 5])] = chance.choice([*RANDOM, bytes([chance.randrange(256)])])
        connection.sendall(wire)
        return False

    for _ in range(40):
        text, error = outcome(name, chance.choice(ANSWERS[name].ways), answer)
        assert error is None or isinstance(error, ProviderError)
