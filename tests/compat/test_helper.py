import logging
from pathlib import Path
from typing import Any

import pytest

from g4f_legacy.compat.helper import format_prompt, get_cookies

COOKIES = """# Netscape HTTP Cookie File
.bing.com\tTRUE\t/\tTRUE\t1\t_U\texpired
www.bing.com\tFALSE\t/\tFALSE\t0\tSRCH\tb
.huggingface.co\tTRUE\t/\tFALSE\t0\ttoken\tc
"""


class TestGetCookies:
    @pytest.mark.parametrize(
        "domain, names",
        [
            (".bing.com", ["_U"]),
            ("www.bing.com", ["_U", "SRCH"]),
            ("bing.com", ["_U"]),
            ("huggingface.co", ["token"]),
            ("", ["SRCH", "_U", "token"]),
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
        with pytest.raises(OSError):
            get_cookies()
        (tmp_path / "nope").write_text("{}")
        with pytest.raises(ValueError, match="is not a cookies.txt"):
            get_cookies()


def test_format_prompt_is_exported() -> None:
    assert format_prompt([{"role": "user", "content": "x"}]) == "user: x\nassistant:"
