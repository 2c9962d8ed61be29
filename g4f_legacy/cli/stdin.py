"""Reading of a stdin that is not a terminal: bytes are UTF-8, whatever the locale is."""

import codecs
import os
import sys
import threading

from .output import print_error

_NOTICE_DELAY = 3  # seconds

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, with whose mark it begins
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",  # as Windows PowerShell writes it
    codecs.BOM_UTF16_BE: "UTF-16",
}


def has_terminal_input() -> bool:
    """Return whether stdin is a terminal."""
    return _has_stdin() and sys.stdin.isatty()


def _has_stdin() -> bool:
    """Return whether stdin is open. A program without a console has none."""
    return sys.stdin is not None and not sys.stdin.closed


def read_stdin() -> str:
    """Read stdin, unless it is a terminal. Print a notice if that takes long, because a pipe may never end.

    Raises:
        ValueError: it is not UTF-8.
    """
    if not _has_stdin() or has_terminal_input():
        return ""
    text = "Waiting for the end of stdin. (If there is nothing to read: </dev/null.)"
    notice = threading.Timer(_NOTICE_DELAY, print_error, [text])
    notice.daemon = True
    notice.start()
    try:
        content: str | bytes = getattr(sys.stdin, "buffer", sys.stdin).read()
    finally:
        notice.cancel()
    return (_decode(content) if isinstance(content, bytes) else content).rstrip("\n")


def read_stdin_line() -> str | None:
    """Read a line from stdin, and return it without its end. None is the end of stdin.

    Raises:
        ValueError: it is not UTF-8.
    """
    if not _has_stdin():
        return None
    line: str | bytes = getattr(sys.stdin, "buffer", sys.stdin).readline()
    if not line:
        return None
    text = _decode(line) if isinstance(line, bytes) else line
    return text.removesuffix("\n").removesuffix("\r")


def _decode(content: bytes) -> str:
    """Decode UTF-8, whatever the locale is. Other encodings are refused: the model would be sent other characters."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise _not_utf8(encoding, encoding)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode().replace(os.linesep, "\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(f"byte 0x{error.object[error.start]:02x} at position {error.start}", "LATIN1") from None


def _not_utf8(found: str, encoding: str) -> ValueError:
    return ValueError(f"stdin is not UTF-8 ({found}): convert it first, for example with iconv -f {encoding} -t UTF-8")
