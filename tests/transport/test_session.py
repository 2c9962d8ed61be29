import os
import subprocess
import sys
from typing import Any

import pytest
from replay import exchange

from g4f_legacy.transport.session import is_loopback, new_session


def test_sessions_share_connections_only() -> None:
    one, two = new_session(), new_session()
    assert one.get_adapter("http://") is two.get_adapter("https://")
    assert one.headers is not two.headers and one.cookies is not two.cookies


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
def test_what_is_loopback(hostname: str, expected: bool) -> None:
    assert is_loopback(hostname) is expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_fork_gets_connections_of_its_own(play: Any) -> None:
    replay = play([exchange("GET", "/x", 200, ("{}",), content_length="?")] * 4)
    script = """
import os, sys
from g4f_legacy.transport.client import ServerClient
from g4f_legacy.Provider import H2o
ask = lambda: ServerClient(H2o.__name__, {"base_url": sys.argv[1]}).get("/x", dict)
ask()
child = os.fork()
ask()
if child:
    assert os.waitpid(child, 0)[1] == 0
    ask()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script, replay.url], check=True, timeout=30)
    assert len(replay.sent) == 4
    assert replay.connections == 2
