import asyncio
import logging
import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from g4f_legacy.compat.helper import format_prompt, get_cookies, get_event_loop, get_random_string

COOKIES = """# Netscape HTTP Cookie File
.bing.com\tTRUE\t/\tTRUE\t1\t_U\texpired
www.bing.com\tFALSE\t/\tFALSE\t0\tSRCH\tb
.huggingface.co\tTRUE\t/\tFALSE\t0\ttoken\tc
.assistant.io\tTRUE\t/\tFALSE\t0\tother\td
"""


class TestGetCookies:
    @pytest.mark.parametrize(
        "domain, names",
        [
            (".bing.com", ["_U"]),
            ("www.bing.com", ["_U", "SRCH"]),
            ("bing.com", ["_U"]),
            ("huggingface.co", ["token"]),
            ("chat.assistant.io", ["other"]),
            ("open-assistant.io", []),
            ("", ["SRCH", "_U", "other", "token"]),
        ],
    )
    def test_a_file(self, domain: str, names: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "cookies.txt").write_text(COOKIES)
        monkeypatch.setenv("G4F_LEGACY_COOKIES_FILE", str(tmp_path / "cookies.txt"))
        assert sorted(get_cookies(domain)) == sorted(names)

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_COOKIES", "a=b; c=d=e;")
        assert get_cookies(".google.com") == {"a": "b", "c": "d=e"}

    def test_none(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "g4f_legacy"):
            assert get_cookies(".google.com") == {}
        assert caplog.messages[0].startswith(
            "No cookies are configured for .google.com: set G4F_LEGACY_COOKIES_FILE to"
        )

    def test_a_file_that_cannot_be_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("G4F_LEGACY_COOKIES_FILE", str(tmp_path / "nope"))
        with pytest.raises(FileNotFoundError, match="G4F_LEGACY_COOKIES_FILE: No such file.*nope"):
            get_cookies()
        for content in (b"{}", b"s3cr3t\tx", b"# Netscape HTTP Cookie File\n\xff\xfes3cr3t"):
            (tmp_path / "nope").write_bytes(content)
            with pytest.raises(ValueError, match="^G4F_LEGACY_COOKIES_FILE: .* is not a cookies.txt") as raised:
                get_cookies()
            assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))


def test_format_prompt_is_exported() -> None:
    assert format_prompt([{"role": "user", "content": "x"}]) == "user: x\nassistant:"


async def hello() -> str:
    return "Hello"


class TestGetEventLoop:
    """Warnings are errors here, those of asyncio included."""

    @staticmethod
    def use() -> asyncio.AbstractEventLoop:
        loop = get_event_loop()
        assert loop.run_until_complete(hello()) == "Hello" and get_event_loop() is loop
        return loop

    def test_the_running_one(self) -> None:
        async def main() -> bool:
            return get_event_loop() is asyncio.get_running_loop()

        assert asyncio.run(main())

    def test_the_one_of_the_thread(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert self.use() is loop
        loop.close()

    def test_a_closed_one_is_replaced(self) -> None:
        closed = self.use()
        closed.close()
        loop = self.use()
        assert loop is not closed
        loop.close()

    @pytest.mark.parametrize("in_thread", [False, True])
    def test_there_is_none(self, in_thread: bool) -> None:
        def run() -> None:
            if not in_thread:
                asyncio.run(hello())  # which leaves the thread without one
            loop = self.use()
            loop.close()
            done.append(loop)

        done: list[Any] = []
        if in_thread:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        else:
            run()
        assert len(done) == 1

    def test_a_new_process(self, tmp_path: Path) -> None:
        script = (
            "import asyncio\n"
            "from g4f_legacy.Provider.helper import get_event_loop\n"
            "loop = get_event_loop()\n"
            "assert get_event_loop() is loop\n"
            "print(loop.run_until_complete(asyncio.sleep(0, 'done')))\n"
            "loop.close()\n"
        )
        done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("done\n", "")


def test_get_random_string() -> None:
    assert re.fullmatch("[a-z0-9]{10}", get_random_string()) and len(get_random_string(3)) == 3
    assert get_random_string(0) == "" and get_random_string() != get_random_string()
    assert set("".join(get_random_string(100) for _ in range(100))) == set("abcdefghijklmnopqrstuvwxyz0123456789")
