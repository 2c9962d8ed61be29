"""The page, in a real browser."""

import html
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_line
import flask
import pytest
import requests
from scripted_provider import scripted_provider

from g4f_legacy.errors import RequestFailedError
from g4f_legacy.server import create_app, serve_in_background

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
CURL = shutil.which("curl")
PHONE, DESKTOP = (390, 844), (1280, 900)
MIN_CONTRAST = 4.5  # https://www.w3.org/TR/WCAG22/#contrast-minimum
MIN_TARGET_SIZE = 44  # CSS pixels: https://www.w3.org/TR/WCAG22/#target-size-enhanced

# Return a list of each visible text, the ratio of its contrast, and its element's class:
# https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
MEASURE_CONTRAST = """
const channels = color => color.match(/[\\d.]+/g).map(Number);
const linear = value => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function background(element) {
  const color = channels(getComputedStyle(element).backgroundColor);
  return color.length === 3 || color[3] === 1 ? color : background(element.parentElement);
}
return [...document.querySelectorAll("body *")]
  .filter(element => element.checkVisibility())
  .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(element => {
    const colors = [channels(getComputedStyle(element).color), background(element)];
    const [dark, light] = colors.map(luminance).sort((a, b) => a - b);
    return [element.textContent, (light + 0.05) / (dark + 0.05), element.className];
  });
"""


def read_examples(url: str) -> list[str]:
    """Return the commands that the page shows."""
    return [html.unescape(code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", requests.get(url).text, re.S)]


def test_provider_and_commands_are_shown(serve: Any) -> None:
    url = serve(scripted_provider("a"), "<b>model</b>")
    page = requests.get(url).text
    assert '<strong id="engine">Scripted</strong>' in page
    assert "&lt;b&gt;model&lt;/b&gt;" in page and "<b>model" not in page
    for command in (f"-p H2o --base-url {url}", f"-p OpenAssistant --base-url {url}", f"curl {url}/v1/chat"):
        assert command in page
    assert read_examples(url)[1] == f'g4f-legacy ask -p OpenAssistant --base-url {url} --auth anything "Hello"'
    assert "TOKEN" not in page and "Bearer " not in "".join(read_examples(url))


@pytest.mark.parametrize("token", [None, "s3cr3t"])
def test_example_commands_run(token: str | None, serve: Any) -> None:
    provider = scripted_provider("fine")
    *commands, curl = read_examples(serve(provider, """it's "<b>""", token=token))
    assert len(commands) == 2
    for command in commands:
        program, *arguments = shlex.split(command.replace("TOKEN", token or "TOKEN"))
        assert program == "g4f-legacy"
        code, out, err = command_line.run(*arguments)
        assert (code, out.strip()) == (0, "fine"), err
    if CURL:
        done = subprocess.run(["sh", "-c", curl.replace("TOKEN", token or "TOKEN")], capture_output=True, timeout=30)
        assert b'"fine"' in done.stdout, done
        assert provider.calls[-1][:2] == ("""it's "<b>""", [{"role": "user", "content": "Hello"}])


def test_page_loads_nothing_else(serve: Any) -> None:
    page = requests.get(serve("Echo")).text
    assert re.findall(r"""(?:src|href)=["']?([^:"'>]+:)""", page) == ["data:"]
    assert "@import" not in page and "url(" not in page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: Any) -> Iterator[Any]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs Chromium and its driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    driver.set_window_size(360, 700)  # the size of a phone
    yield driver
    driver.quit()


class BrowserTest:
    """What the tests of the page share."""

    def ask(self, browser: Any, url: str, text: str) -> None:
        from selenium.webdriver.common.keys import Keys

        browser.get(url)
        field = browser.find_element("id", "message")
        field.send_keys(text, Keys.ENTER)

    def wait(self, browser: Any, condition: Any) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(browser, 10, 0.05).until(lambda _: condition())

    def texts(self, browser: Any, kind: str) -> Any:
        return [line.get_attribute("textContent") for line in browser.find_elements("css selector", f"#talk .{kind}")]

    def is_done(self, browser: Any) -> bool:
        return bool(browser.find_element("id", "send").is_enabled())

    def press(self, browser: Any, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(browser).send_keys(*keys).perform()

    def focused(self, browser: Any) -> str:
        element = browser.switch_to.active_element
        return element.get_attribute("id") or element.get_attribute("class") or element.tag_name


class TestBrowser(BrowserTest):
    def test_streaming_by_keyboard(self, browser: Any, serve: Any) -> None:
        gate = threading.Event()
        self.ask(browser, serve(scripted_provider("Привет", lambda: gate.wait(9), " 👋")), "Hello")
        self.wait(browser, lambda: self.texts(browser, "assistant") == ["Привет"])
        gate.set()
        self.wait(browser, lambda: self.texts(browser, "assistant") == ["Привет 👋"])
        assert self.texts(browser, "user") == ["Hello"]
        self.wait(browser, lambda: self.is_done(browser))
        assert browser.switch_to.active_element.get_attribute("id") == "message"

    def test_messages_are_not_html(self, browser: Any, serve: Any) -> None:
        text = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
        self.ask(browser, serve(scripted_provider(text)), text)
        self.wait(browser, lambda: self.texts(browser, "assistant") == [text] and self.is_done(browser))
        assert self.texts(browser, "user") == [text]
        assert browser.title == "g4f_legacy"
        assert browser.find_elements("css selector", "#talk img, #talk script") == []

    def test_conversation_of_several_turns(self, browser: Any, serve: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        provider = scripted_provider("fine")
        self.ask(browser, serve(provider), "one")
        self.wait(browser, lambda: self.texts(browser, "assistant") == ["fine"] and self.is_done(browser))
        browser.find_element("id", "message").send_keys("two", Keys.SHIFT, Keys.ENTER, Keys.NULL, "three", Keys.ENTER)
        self.wait(browser, lambda: len(provider.calls) == 2)
        assert [message["content"] for message in provider.calls[1][1]] == ["one", "fine", "two\nthree"]

    def test_stop(self, browser: Any, serve: Any) -> None:
        provider = scripted_provider("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
        self.ask(browser, serve(provider), "x")
        self.wait(browser, lambda: "".join(self.texts(browser, "assistant")).startswith("a"))
        browser.find_element("id", "stop").click()
        self.wait(browser, lambda: self.is_done(browser))
        self.wait(browser, lambda: provider.stopped == 1)
        assert self.texts(browser, "error") == []

    def test_error(self, browser: Any, serve: Any) -> None:
        self.ask(browser, serve(scripted_provider("a", ValueError("no <b>memory"))), "x")
        self.wait(browser, lambda: self.texts(browser, "error") == ["no <b>memory"])
        assert self.texts(browser, "assistant") == ["a"]

    def test_token(self, browser: Any, serve: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        browser.get(serve(scripted_provider("a"), token="s3cr3t"))
        credentials = browser.find_element("id", "credentials")
        browser.find_element("css selector", "summary").click()
        assert credentials.get_attribute("open") is None
        browser.find_element("id", "message").send_keys("x", Keys.ENTER)
        self.wait(browser, lambda: self.texts(browser, "error") and self.is_done(browser))
        assert self.texts(browser, "error") == ["This server requires a token. Enter it below, and send again."]
        assert self.texts(browser, "user") == []
        assert browser.find_element("id", "message").get_attribute("value") == "x"
        assert credentials.get_attribute("open") and self.focused(browser) == "token"
        self.press(browser, "wrong", Keys.ENTER)
        self.wait(browser, lambda: len(self.texts(browser, "error")) == 2 and self.is_done(browser))
        assert "The token is wrong" in self.texts(browser, "error")[1]
        assert self.focused(browser) == "token"
        self.press(browser, "s3cr3t", Keys.ENTER)  # the wrong one is selected
        self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "assistant") == ["a"])
        assert self.texts(browser, "user") == ["x"]
        assert len(self.texts(browser, "error")) == 2  # from the first attempts

    def test_examples_show_the_address_in_the_address_bar(self, browser: Any, serve: Any) -> None:
        url = serve(scripted_provider("a"))
        for address in (url, url.replace("127.0.0.1", "localhost"), f"{url}?x=1#y"):
            browser.get(address)
            base = address.partition("?")[0].rstrip("/")
            examples = "\n".join(code.text for code in browser.find_elements("css selector", "code"))
            assert re.findall(r"https?://\S+", examples) == [base, base, f"{base}/v1", f"{base}/v1/chat/completions"]

    def test_new_chat(self, browser: Any, serve: Any) -> None:
        provider = scripted_provider("fine")
        self.ask(browser, serve(provider), "one")
        self.wait(browser, lambda: self.texts(browser, "assistant") == ["fine"] and self.is_done(browser))
        turns = [turn.text for turn in browser.find_elements("css selector", "#talk .turn")]
        assert turns == ["You\none", "Scripted\nfine"]
        browser.find_element("id", "new").click()
        assert browser.find_element("id", "talk").text == ""
        assert self.focused(browser) == "message"
        self.press(browser, "two\n")
        self.wait(browser, lambda: len(provider.calls) == 2)
        assert [message["content"] for message in provider.calls[1][1]] == ["two"]

    def test_new_chat_stops_a_completion(self, browser: Any, serve: Any) -> None:
        provider = scripted_provider("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
        self.ask(browser, serve(provider), "one")
        self.wait(browser, lambda: "".join(self.texts(browser, "assistant")).startswith("a"))
        browser.find_element("id", "new").click()
        self.wait(browser, lambda: self.is_done(browser) and provider.stopped == 1)
        assert browser.find_element("id", "talk").text == ""
        self.press(browser, "two\n")
        self.wait(browser, lambda: len(provider.calls) == 2)
        assert [message["content"] for message in provider.calls[1][1]] == ["two"]

    def test_escape_stops(self, browser: Any, serve: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        provider = scripted_provider("a", *[lambda: time.sleep(0.02) or "b"] * 1000)
        self.ask(browser, serve(provider), "one")
        self.wait(browser, lambda: "".join(self.texts(browser, "assistant")).startswith("a"))
        self.press(browser, Keys.ESCAPE)
        self.wait(browser, lambda: self.is_done(browser) and provider.stopped == 1)
        [partial] = self.texts(browser, "assistant")
        assert not browser.find_element("id", "stop").is_displayed()
        self.press(browser, "two\n")
        self.wait(browser, lambda: len(provider.calls) == 2)
        assert [message["content"] for message in provider.calls[1][1]] == ["one", partial, "two"]

    def test_stop_before_the_first_token(self, browser: Any, serve: Any) -> None:
        gate = threading.Event()
        self.ask(browser, serve(scripted_provider(lambda: gate.wait(9), "a")), "one")
        try:
            self.press(browser, "two")
            browser.find_element("id", "stop").click()
            self.wait(browser, lambda: self.is_done(browser))
        finally:
            gate.set()
        assert browser.find_element("id", "talk").text == ""
        assert browser.find_element("id", "message").get_attribute("value") == "one\ntwo"
        assert self.focused(browser) == "message"

    def test_engine_refuses_its_own_credentials(self, browser: Any, serve: Any) -> None:
        error = RequestFailedError("refused", status=401, detail="Incorrect API key provided")
        self.ask(browser, serve(scripted_provider(error)), "x")
        self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "error"))
        assert self.texts(browser, "error") == ["Incorrect API key provided"]
        assert browser.find_element("id", "credentials").get_attribute("open") is None
        assert self.focused(browser) == "message"

    def test_empty_completion(self, browser: Any, serve: Any) -> None:
        self.ask(browser, serve(scripted_provider("")), "x")
        self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "error"))
        assert self.texts(browser, "error") == ["The completion is empty."]

    def test_copy(self, browser: Any, serve: Any) -> None:
        url = serve(scripted_provider("a"), token="s3cr3t")
        origin = "/".join(url.split("/")[:3])
        permissions = {"origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        browser.execute_cdp_cmd("Browser.grantPermissions", permissions)
        browser.get(url)
        blocks = browser.find_elements("css selector", "pre")
        buttons = browser.find_elements("css selector", ".copy")
        assert len(blocks) == len(buttons) == 3
        for block, button in zip(blocks, buttons):
            button.click()
            self.wait(browser, lambda: button.text == "Copied")
            copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")
            assert copied == block.get_attribute("textContent")
            assert "Bearer TOKEN" in copied or "--auth TOKEN" in copied

    def test_width_of_a_phone(self, browser: Any, serve: Any, tmp_path: Path) -> None:
        browser.get(serve(scripted_provider("a")))
        width = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0


class TestFailures(BrowserTest):
    def test_server_is_gone(self, browser: Any) -> None:
        with serve_in_background(create_app(scripted_provider("a"))) as url:
            browser.get(url)
        browser.find_element("id", "message").send_keys("x\n")
        self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "error"))
        assert "Is the server running?" in self.texts(browser, "error")[0]
        assert browser.find_element("id", "message").get_attribute("value") == "x"

    def test_error_page_of_a_proxy(self, browser: Any) -> None:
        app = create_app("Echo")
        app.before_request(lambda: ("<h1>Bad Gateway</h1>", 502) if flask.request.method == "POST" else None)
        with serve_in_background(app) as url:
            self.ask(browser, url, "x")
            self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "error"))
            assert self.texts(browser, "error") == ["The server returned status 502."]


class TestKeyboard(BrowserTest):
    def test_order_and_visible_focus(self, browser: Any, serve: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        gate = threading.Event()
        script = ["line\n" * 200, lambda: gate.wait(9), "end"]
        browser.get(serve(scripted_provider(*script)))
        try:
            self.press(browser, Keys.TAB)
            assert self.focused(browser) == "message"
            self.press(browser, "x", Keys.ENTER)
            self.wait(browser, lambda: "".join(self.texts(browser, "assistant")).startswith("line"))
            assert self.walk(browser) == ["message", "stop", "new", "summary", "copy", "copy", "copy"]
        finally:
            gate.set()
        self.wait(browser, lambda: self.is_done(browser))
        browser.find_element("id", "message").send_keys(Keys.TAB, Keys.TAB, Keys.TAB, Keys.SPACE)  # opens the token box
        browser.find_element("id", "message").send_keys(Keys.SHIFT, Keys.TAB)
        assert self.walk(browser) == ["talk", "message", "send", "new", "summary", "token", "copy", "copy", "copy"]

    def walk(self, browser: Any) -> list[str]:
        """Press the Tab key up to the last element, and return where the focus was, if it was visible."""
        from selenium.webdriver.common.keys import Keys

        visited = []
        while (name := self.focused(browser)) != "body" and len(visited) < 20:
            outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", name
            visited.append(name)
            self.press(browser, Keys.TAB)
        return visited

    def test_scrolling(self, browser: Any, serve: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        self.ask(browser, serve(scripted_provider("line\n" * 200, "end")), "x")
        self.wait(browser, lambda: self.is_done(browser))
        end = """
            const [talk, last] = [document.getElementById("talk"), document.querySelector("#turns").lastElementChild];
            return last.getBoundingClientRect().bottom - talk.getBoundingClientRect().bottom;
        """
        assert abs(browser.execute_script(end)) <= 20
        browser.find_element("id", "talk").send_keys(Keys.PAGE_UP)
        self.wait(browser, lambda: browser.execute_script(end) > 100)


@pytest.fixture(scope="module", params=["light", "dark"])
def color_scheme(request: pytest.FixtureRequest, browser: Any) -> Iterator[str]:
    feature = {"name": "prefers-color-scheme", "value": request.param}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    yield request.param
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture(scope="module", params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def width(request: pytest.FixtureRequest, browser: Any) -> Iterator[int]:
    width, height = request.param
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": request.param == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    yield width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture(scope="module")
def page(browser: Any, color_scheme: str, width: int) -> Iterator[Any]:
    """The page with a failed completion, one that runs, and the token box open."""
    test = BrowserTest()
    gate = threading.Event()
    endings = iter([lambda: 1 / 0, lambda: gate.wait(60)])
    provider = scripted_provider("W" * 300, lambda: next(endings)())
    with serve_in_background(create_app(provider, "model-" * 50, token="s3cr3t")) as url:
        browser.get_log("browser")  # empties it
        browser.get(url)
        browser.find_element("id", "token").send_keys("s3cr3t")
        field = browser.find_element("id", "message")
        try:
            field.send_keys("V" * 300 + "\n")
            test.wait(browser, lambda: test.texts(browser, "error") and test.is_done(browser))
            field.send_keys("x\n")
            test.wait(browser, lambda: len(test.texts(browser, "assistant")) == 2)
            yield browser
        finally:
            gate.set()


class TestScreen:
    """WCAG 2.2, and that the page fits."""

    def test_nothing_is_wider_than_the_screen(self, page: Any, width: int) -> None:
        overflowing = """
            return [...document.querySelectorAll("html, body *")]
              .filter(element => element.checkVisibility() && getComputedStyle(element).display !== "inline")
              .filter(element => element.scrollWidth > element.clientWidth || element.clientWidth > innerWidth)
              .map(element => element.outerHTML);
        """
        assert page.execute_script("return innerWidth") == width
        assert page.execute_script(overflowing) == []

    def test_lines_do_not_break_within_flags(self, page: Any) -> None:
        words = """
            const range = document.createRange();
            return [...document.querySelectorAll("pre code")].flatMap(code => {
              const nodes = [...code.childNodes].map(node => node.firstChild ?? node);
              return nodes.flatMap(node => [...node.data.matchAll(/--[a-z-]+/g)].map(match => {
                range.setStart(node, match.index);
                range.setEnd(node, match.index + match[0].length);
                return [match[0], range.getClientRects().length];
              }));
            });
        """
        flags = page.execute_script(words)
        assert flags == [["--base-url", 1], ["--auth", 1]] * 2

    def test_target_sizes(self, page: Any) -> None:
        targets = page.find_elements("css selector", "button, summary, input, textarea")
        assert len(targets) == 9
        assert all(target.is_displayed() for target in targets)
        sizes = {target.get_attribute("outerHTML"): target.size for target in targets}
        assert {target: size for target, size in sizes.items() if min(size.values()) < MIN_TARGET_SIZE} == {}

    def test_copy_buttons_are_beside_their_blocks(self, page: Any) -> None:
        for command in page.find_elements("css selector", ".command"):
            block = command.find_element("css selector", "pre").rect
            button = command.find_element("css selector", ".copy").rect
            assert button["x"] >= block["x"] + block["width"]
            assert block["y"] <= button["y"] and button["y"] + button["height"] <= block["y"] + block["height"]

    def test_contrast(self, page: Any, color_scheme: str) -> None:
        measured = page.execute_script(MEASURE_CONTRAST)
        assert {"user", "assistant", "error", "hint", "copy"} <= {kind for _, _, kind in measured}
        assert [text for text, ratio, _ in measured if ratio < MIN_CONTRAST] == []
        background = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (color_scheme == "light")
        # for scroll bars, and what else the browser draws
        assert page.execute_script("return getComputedStyle(document.documentElement).colorScheme") == "light dark"

    def test_no_console_messages(self, page: Any) -> None:
        assert page.get_log("browser") == []
