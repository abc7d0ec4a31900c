"""The chat's page in two browsers, served by each language's example."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.support import REPLY, ROOT, Program, built, free_port, running

pytestmark = pytest.mark.browser

Start = Callable[[int], AbstractContextManager[Program]]


def python_chat(port: int) -> AbstractContextManager[Program]:
    program = ROOT / "examples" / "python" / "chat.py"
    return running([sys.executable, program, "--port", str(port)], port, interrupt=True)


def c_chat(port: int) -> AbstractContextManager[Program]:
    return running([built("examples/c/chat"), str(port)], port)


class Window:
    """The page in one browser."""

    def __init__(self, driver: webdriver.Chrome, port: int, name: str) -> None:
        self.driver = driver
        driver.get(f"http://127.0.0.1:{port}/")
        self.expect_state("connected")
        field = driver.find_element(By.ID, "name")
        field.clear()
        field.send_keys(name)

    @property
    def state(self) -> str | None:
        return self.driver.find_element(By.ID, "state").get_attribute("data-state")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The name and the words of each message, as their reader sees them."""
        return [
            (
                message.find_element(By.CSS_SELECTOR, ".name").text,
                message.find_element(By.CSS_SELECTOR, ".text").text,
            )
            for message in self.driver.find_elements(By.CSS_SELECTOR, "#log .message")
        ]

    @property
    def notices(self) -> list[str]:
        return [item.text for item in self.driver.find_elements(By.CSS_SELECTOR, "#log .notice")]

    def say(self, text: str) -> None:
        self.driver.find_element(By.ID, "text").send_keys(text, Keys.ENTER)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        WebDriverWait(self.driver, REPLY, poll_frequency=0.05).until(
            lambda _: condition(), f"{what}; messages {self.messages}, notices {self.notices}"
        )

    def expect(self, name: str, text: str) -> None:
        self.wait(lambda: self.messages[-1:] == [(name, text)], f"expected {name}: {text}")

    def expect_state(self, state: str) -> None:
        self.wait(lambda: self.state == state, f"expected {state}")

    def errors(self) -> list[str]:
        """What the browser complained about, such as a breach of the page's security policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture(params=[python_chat, c_chat], ids=["python", "c"])
def start(request: pytest.FixtureRequest) -> Start:
    function: Start = request.param
    return function


@pytest.fixture
def windows(
    browsers: tuple[webdriver.Chrome, webdriver.Chrome], start: Start
) -> Iterator[tuple[Window, Window, Program]]:
    port = free_port()
    with start(port) as server:
        yield Window(browsers[0], port, "Sami"), Window(browsers[1], port, "ليلى"), server
        for browser in browsers:
            browser.get("about:blank")


def test_two_windows_chat(windows: tuple[Window, Window, Program]) -> None:
    one, two, _ = windows
    one.say("Is anybody here?")
    for window in (one, two):
        window.expect("Sami", "Is anybody here?")
    two.say("نعم، أنا هنا")
    for window in (one, two):
        window.expect("ليلى", "نعم، أنا هنا")
    assert "Someone joined" in one.notices
    assert one.errors() == two.errors() == []


def test_arabic_runs_from_the_right(windows: tuple[Window, Window, Program]) -> None:
    one, two, _ = windows
    two.say("مرحبا (hello)")
    one.expect("ليلى", "مرحبا (hello)")
    two.say("hello مرحبا")
    one.expect("ليلى", "hello مرحبا")
    directions = [
        text.value_of_css_property("direction")
        for text in one.driver.find_elements(By.CSS_SELECTOR, ".text")
    ]
    assert directions == ["rtl", "ltr"]


def test_markup_stays_text(windows: tuple[Window, Window, Program]) -> None:
    one, two, _ = windows
    markup = "<script>document.title = 'broken'</script><img src=x onerror=alert(1)>"
    one.say(markup)
    two.expect("Sami", markup)
    assert two.driver.title == "Chat"
    assert two.driver.find_elements(By.CSS_SELECTOR, "#log script, #log img") == []
    two.say("name: with a colon, {braces} & %s")
    one.expect("ليلى", "name: with a colon, {braces} & %s")


def test_who_leaves_is_noticed(windows: tuple[Window, Window, Program]) -> None:
    one, two, _ = windows
    two.driver.get("about:blank")
    one.wait(lambda: "Someone left" in one.notices, "expected a notice")
    two.driver.back()  # whether the browser had kept the page or loads it again
    two.expect_state("connected")
    one.say("welcome back")
    two.wait(lambda: two.messages == [("Sami", "welcome back")], "expected it once")


def test_a_stopped_server_shows_and_a_started_one_is_found_again(
    windows: tuple[Window, Window, Program], start: Start
) -> None:
    one, two, server = windows
    one.say("before")
    two.expect("Sami", "before")
    server.stop()
    for window in (one, two):
        window.expect_state("disconnected")
        assert not window.driver.find_element(By.ID, "send").is_enabled()
    one.say("typed while disconnected")
    with start(server.port):
        for window in (one, two):
            window.expect_state("connected")
        assert two.messages == [("Sami", "before")], "nothing is sent while disconnected"
        one.driver.find_element(By.ID, "send").click()
        for window in (one, two):
            window.expect("Sami", "typed while disconnected")


def test_nothing_sticks_out_of_the_page(windows: tuple[Window, Window, Program]) -> None:
    one, two, _ = windows
    two.say("word " * 60 + "unbroken" * 40)
    one.wait(lambda: one.messages, "expected a message")
    for width in (1280, 360):
        one.driver.set_window_size(width, 700)
        overflow = one.driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"at {width} pixels"
        assert one.driver.find_element(By.ID, "send").is_displayed()
