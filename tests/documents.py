"""Reads the examples and tables of the README and of the manual, and runs commands."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Document:
    """A reStructuredText file of the project."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / name).read_text("utf-8")

    def examples(self, language: str) -> list[str]:
        """Return the code blocks in a language."""
        blocks = re.findall(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", self.text, re.MULTILINE)
        return [re.sub("^    ", "", block, flags=re.MULTILINE).strip() + "\n" for block in blocks]

    def count_examples(self) -> dict[str, int]:
        """Return how many code blocks there are in each language."""
        languages = re.findall(r"^\.\. code-block:: (\w+)$", self.text, re.MULTILINE)
        return {language: languages.count(language) for language in languages}

    def table(self, header: str) -> list[list[str]]:
        """Return the rows of the table whose first column has that header."""
        line = next(line for line in self.text.splitlines() if re.match(header + r"\s", line))
        above, _, below = self.text.partition(line)
        border = above.rstrip().splitlines()[-1]
        columns = [(match.start(), match.end()) for match in re.finditer("=+", border)]
        rows = below.split(border)[1].strip("\n").splitlines()
        return [[row[start:end].strip() for start, end in columns] for row in rows]


def shell(code: str) -> str:
    """Return what commands print to stdout."""
    code = code.replace("g4f-legacy", f"'{sys.executable}' -m g4f_legacy")
    done = subprocess.run(["sh", "-c", code], check=True, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return done.stdout.decode()


def python(code: str, **environment: str) -> str:
    """Return what Python code prints to stdout."""
    environment = {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": ":".join(sys.path), **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, check=True, timeout=30, stdout=subprocess.PIPE).stdout.decode()
