import os
import subprocess
import sys
from typing import Any

import pytest
from replay import exchange

from g4f_legacy.transport.session import is_loopback, new_session


def test_sessions_share_connections_only() -> None:
    session, other_session = new_session(), new_session()
    assert session.get_adapter("http://") is other_session.get_adapter("https://")
    assert session.headers is not other_session.headers
    assert session.cookies is not other_session.cookies


@pytest.mark.parametrize(
    "hostname, expected",
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_is_loopback(hostname: str, expected: bool) -> None:
    assert is_loopback(hostname) is expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_opens_its_own_connections(play: Any) -> None:
    replay = play([exchange("GET", "/x", 200, ("{}",), content_length="?")] * 4)
    script = """
import os, sys
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.Provider import H2o

def send():
    ServerClient(H2o.__name__, {"base_url": sys.argv[1]}).get("/x", dict)

send()
child = os.fork()
send()
if child:
    assert os.waitpid(child, 0)[1] == 0
    send()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script, replay.url], check=True, timeout=30)
    assert len(replay.sent) == 4
    assert replay.connections == 2
