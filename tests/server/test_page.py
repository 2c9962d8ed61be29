"""The page, in a real browser."""

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from scripted_provider import scripted_provider

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")


def test_provider_and_commands_are_shown(serve: Any) -> None:
    url = serve(scripted_provider("a"), "<b>model</b>")
    page = requests.get(url).text
    assert '<strong id="engine">Scripted</strong>' in page
    assert "&lt;b&gt;model&lt;/b&gt;" in page and "<b>model" not in page
    for command in (f"-p H2o --base-url {url}", f"-p OpenAssistant --base-url {url}", f"curl {url}/v1/chat"):
        assert command in page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: Any) -> Iterator[Any]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("needs Chromium and its driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.accept_insecure_certs = True
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


class TestBrowser:
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
        url = serve(scripted_provider("a"), token="s3cr3t")
        self.ask(browser, url, "x")
        self.wait(browser, lambda: "A token is required" in "".join(self.texts(browser, "error")))
        browser.find_element("css selector", "summary").click()
        browser.find_element("id", "token").send_keys("s3cr3t")
        browser.find_element("id", "message").send_keys("y")
        browser.find_element("id", "send").click()
        self.wait(browser, lambda: self.is_done(browser) and self.texts(browser, "assistant")[-1] == "a")
        assert len(self.texts(browser, "error")) == 1  # from the first attempt

    def test_examples_show_the_address_in_the_address_bar(self, browser: Any, serve: Any) -> None:
        url = serve(scripted_provider("a"))
        for address in (url, url.replace("127.0.0.1", "localhost"), f"{url}?x=1#y"):
            browser.get(address)
            base = address.partition("?")[0].rstrip("/")
            examples = "\n".join(code.text for code in browser.find_elements("css selector", "code"))
            assert re.findall(r"https?://\S+", examples) == [base, base, f"{base}/v1", f"{base}/v1/chat/completions"]

    def test_width_of_a_phone(self, browser: Any, serve: Any, tmp_path: Path) -> None:
        browser.get(serve(scripted_provider("a")))
        width = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0
