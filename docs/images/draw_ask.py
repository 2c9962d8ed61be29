"""Draw ``ask.svg``: run commands in a pseudo-terminal, and draw what that shows.

Run it with the extras ``docs`` and ``server`` installed, and port 1337 free: ``python docs/images/draw_ask.py``.
"""

import io
import os
import pty
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 100
COMMANDS = (
    "g4f-legacy servers",
    "g4f-legacy ask -p H2o --base-url http://127.0.0.1:1337 'Hello, world'",
    "g4f-legacy check -p H2o --base-url http://127.0.0.1:1337",
)
PICTURE = Path(__file__).with_name("ask.svg")


@contextmanager
def running_server() -> Iterator[None]:
    """Run the server that the commands ask."""
    process = subprocess.Popen(_split("g4f-legacy serve -p Echo"), stderr=subprocess.PIPE)
    assert process.stderr is not None
    if not process.stderr.readline().startswith(b"Echo answers"):
        sys.exit("The server did not start: is port 1337 free?")
    try:
        yield
    finally:
        process.terminate()
        process.communicate()


def run_in_terminal(command: str) -> str:
    """Return what a terminal shows when a command is run on it."""
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.environ["COLUMNS"] = str(COLUMNS)
        os.execv(_split(command)[0], _split(command))
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:  # how Linux ends a pseudo-terminal: https://bugs.python.org/issue5380
        pass
    _, status = os.waitpid(process_id, 0)
    if status:
        sys.exit(f"{command} failed:\n{shown.decode()}")
    return shown.decode().replace("\r\n", "\n")


def draw(session: str) -> str:
    """Return an SVG of what a terminal shows."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(session.rstrip()))
    picture = console.export_svg(title="g4f-legacy", unique_id="ask")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # rich's template loads fonts from elsewhere


def _split(command: str) -> list[str]:
    name, *arguments = shlex.split(command)
    return [str(Path(sysconfig.get_path("scripts")) / name), *arguments]


def main() -> None:
    with running_server():
        session = "".join(f"$ {command}\n{run_in_terminal(command)}" for command in COMMANDS)
    PICTURE.write_text(draw(session), "utf-8")


if __name__ == "__main__":
    main()
