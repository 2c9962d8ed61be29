import logging
import traceback
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
        with pytest.raises(FileNotFoundError, match="G4F_LEGACY_COOKIES_FILE: No such file.*nope"):
            get_cookies()
        for content in (b"{}", b"s3cr3t\tx", b"# Netscape HTTP Cookie File\n\xff\xfes3cr3t"):
            (tmp_path / "nope").write_bytes(content)
            with pytest.raises(ValueError, match="^G4F_LEGACY_COOKIES_FILE: .* is not a cookies.txt") as raised:
                get_cookies()
            assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))


def test_format_prompt_is_exported() -> None:
    assert format_prompt([{"role": "user", "content": "x"}]) == "user: x\nassistant:"
