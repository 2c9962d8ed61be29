import random
import time

import pytest

from g4f_legacy.parsing.html_page import MAX_TEXT_LENGTH, extract_text, is_page

NGINX = """<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r
<center><h1>502 Bad Gateway</h1></center>\r
<hr><center>nginx/1.24.0 (Ubuntu)</center>\r\n</body>\r\n</html>\r
<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n"""
HAPROXY = """<html><body><h1>503 Service Unavailable</h1>
No server is available to handle this request.
</body></html>
"""
APACHE = """<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>404 Not Found</title>
</head><body>
<h1>Not Found</h1>
<p>The requested URL was not found on this server.</p>
<hr>
<address>Apache/2.4.58 (Ubuntu) Server at 127.0.0.1 Port 80</address>
</body></html>
"""
CLOUDFLARE = """<!DOCTYPE html>
<!--[if lt IE 7]> <html class="no-js ie6 oldie" lang="en-US"> <![endif]-->
<!--[if gt IE 8]><!--> <html class="no-js" lang="en-US"> <!--<![endif]-->
<head>
<title>example.com | 522: Connection timed out</title>
<meta charset="UTF-8" />
<link rel="stylesheet" id="cf_styles-css" href="/cdn-cgi/styles/main.css" />
<style>body{margin:0;padding:0}</style>
<script>(function(){if (1 < 2 && "</b>") { window.__CF$cv$params = {r:'8a'}; }})();</script>
</head>
<body>
<div id="cf-wrapper"><div id="cf-error-details" class="p-0">
  <header class="mx-auto"><h1 class="inline-block"><span class="inline-block">Connection timed out</span>
  <span class="code-label">Error code 522</span></h1>
  <div>Visit <a href="https://www.cloudflare.com/">cloudflare.com</a> for more&nbsp;information.</div></header>
  <svg><title>Icon</title><path d="M0"/></svg>
</div></div></body></html>"""
LOGIN = """<!doctype html><html lang=en><meta charset=utf-8><title>Sign in &middot; Example</title>
<noscript>Please enable JavaScript.</noscript><form><label>User<input name=u></label><br>
<select><option>English<option>Deutsch</select><button>Sign&nbsp;in</button></form>"""

TEXTS = {
    NGINX: "502 Bad Gateway – nginx/1.24.0 (Ubuntu)",
    HAPROXY: "503 Service Unavailable – No server is available to handle this request.",
    APACHE: "404 Not Found – The requested URL was not found on this server. – "
    "Apache/2.4.58 (Ubuntu) Server at 127.0.0.1 Port 80",
    CLOUDFLARE: "example.com | 522: Connection timed out – Connection timed out Error code 522 – "
    "Visit cloudflare.com for more information.",
    LOGIN: "Sign in · Example – Please enable JavaScript. – User",
    "<p>a<br>b<p>c</i></b><li>d": "a b – c – d",
    "<p>a &lt;b&gt; &amp; &#x1b;[2J&#0;c &nosuch; &": "a <b> & [2J\ufffdc &nosuch; &",
    "<html>a <b>b</b>c<i>d": "a bcd",
    "<h1>a</h1><p>a</p><p>b</p><p>a</p>": "a – b",
    "<html><body><h1>Down</h1><![if x]>later": "Down – later",
    "<h1>Down</h1><![<![": "Down",
    "<h1>Down</h1><!-- not ended": "Down",
    "<h1>Down</h1><a href='": "Down",
    "<h1>Down</h1><script>a": "Down",
    "<html>": "",
    "<script>a</script><style>b</style>": "",
    "": "",
}


@pytest.mark.parametrize("page", TEXTS)
def test_extract_text(page: str) -> None:
    assert extract_text(page) == TEXTS[page]


def test_a_long_page() -> None:
    assert extract_text("<html>" + "word " * 100_000) == ("word " * 100)[: MAX_TEXT_LENGTH - 1] + "…"


@pytest.mark.parametrize(
    "text, content_type, expected",
    [
        (NGINX, "", True),
        (APACHE, "text/plain", True),
        ("\ufeff\r\n <!DocType HTML>", "", True),
        ("<h1>no</h1>", "text/html; charset=utf-8", True),
        ("<h1>no</h1>", " Application/XHTML+XML", True),
        ("<h1>no</h1>", "application/json", False),
        ("no <b>page</b>", "text/html", False),
        ('{"a": "<html>"}', "", False),
        ("", "text/html", False),
    ],
)
def test_is_page(text: str, content_type: str, expected: bool) -> None:
    assert is_page(text, content_type) is expected


PARTS = [
    "<",
    "<!--",
    "<a ",
    "<a/",
    "<a b='",
    "</",
    "</a",
    "<!",
    "<![",
    "<![CDATA[",
    "<?",
    "<!DOCTYPE [",
    "<script>",
    "&",
    "&#",
]
PARTS += [
    "<title>",
    "</script",
    "=",
    '"',
    "'",
    ">",
    "-->",
    "]]>",
    "a",
    " ",
    "\n",
    "\0",
    "\ud800",
    "\ufffd",
    "<svg>",
    "<svg/>",
]


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_read_quickly(seed: int) -> None:
    chance = random.Random(seed)
    for length in (1, 1, 3, 6):
        unit = "".join(chance.choices(PARTS, k=length))
        started = time.process_time()
        text = extract_text(chance.choice(["", "<html>", "<script>", "<a "]) + unit * (70_000 // len(unit)))
        assert time.process_time() - started < 2, unit
        assert len(text) <= MAX_TEXT_LENGTH and text.isprintable()


@pytest.mark.parametrize("part", PARTS)
def test_repeated_garbage_is_read_quickly(part: str) -> None:
    started = time.process_time()
    extract_text(part * (70_000 // len(part)))
    assert time.process_time() - started < 2
