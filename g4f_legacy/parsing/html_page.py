"""The text of an HTML page, such as a gateway's error page or a login page, which arrived instead of a response."""

from contextlib import suppress
from html.parser import HTMLParser

from ..errors import single_line

MAX_TEXT_LENGTH = 300
"""How much of a page's text an error message shows, in characters."""

_MAX_PAGE_LENGTH = 64 * 1024  # characters
_SKIPPED_TAGS = ("script", "select", "style", "svg", "template")
_INLINE_TAGS = "a abbr b big cite code em font i kbd mark q s samp small span strong sub sup tt u var wbr".split()


def is_page(text: str, content_type: str = "") -> bool:
    """Return whether a text is an HTML page, rather than markup within something else.

    Args:
        content_type: the header of the response.
    """
    beginning = text[:1000].lstrip("\ufeff \t\r\n").lower()
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in ("text/html", "application/xhtml+xml"):
        return beginning.startswith("<")
    return beginning.startswith(("<!doctype html", "<html"))


def extract_text(page: str) -> str:
    """Return the title and the text of a page as one printable line, without repetitions; empty if it has none."""
    parser = _TextParser()
    with suppress(AssertionError):  # raised at an unknown declaration such as "<![if"; the text before it is kept
        # Not closed: `HTMLParser.close` takes a minute for 64 KiB of unfinished tags. The appended tag makes the parser
        # deliver the text before it.
        parser.feed(f"{page[:_MAX_PAGE_LENGTH]}<p>")
    text = " – ".join(dict.fromkeys(parser.get_blocks()))
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH - 1]}…"


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[str] = []
        self._text: list[str] = []
        self._skipped_tag = ""

    def get_blocks(self) -> list[str]:
        """Return the title, headings, paragraphs and so on, each as one line."""
        self._end_block()
        return self._blocks

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._handle_boundary(tag)
        if tag in _SKIPPED_TAGS and not self._skipped_tag:
            self._skipped_tag = tag

    def handle_endtag(self, tag: str) -> None:
        self._handle_boundary(tag)
        if tag == self._skipped_tag:
            self._skipped_tag = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped_tag:
            self._text.append(data)

    def _handle_boundary(self, tag: str) -> None:
        if tag == "br":
            self._text.append(" ")
        elif tag not in _INLINE_TAGS:
            self._end_block()

    def _end_block(self) -> None:
        block = single_line("".join(self._text))
        self._text.clear()
        repeats_first = bool(self._blocks) and block in self._blocks[0]  # usually the title
        if block and not repeats_first:
            self._blocks.append(block)
