"""The live page in a browser: the network is drawn, and a ride is booked by clicks and keys alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.system.journey import checked
from tests.system.running_stack import ROOT, Stack, client, running

ROUTES_MIN = 10
PATIENCE_SECONDS = 12
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900"]  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a system that sells the sample network and nothing else."""
    with running(tmp_path_factory.mktemp("page") / "data") as started:
        command = [sys.executable, "-m", "cli", "import", "--sample", "--data-dir", str(started.folder), "--days", "4"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
        yield started


@pytest.fixture(scope="module")
def on_sale() -> str:
    """Return a day on which rides can be booked at any hour of today."""
    return (datetime.now(UTC).date() + timedelta(days=2)).isoformat()


@pytest.fixture(scope="module")
def routes(stack: Stack) -> int:
    """Count what there is to draw."""
    with client(stack) as anybody:
        found = checked(anybody.get("/routes"), 200)["items"]
    return sum(bool(route["pattern_ids"]) for route in found)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def wait(browser: Chrome, found: Callable[[], Any]) -> Any:
    try:
        return WebDriverWait(browser, PATIENCE_SECONDS, 0.05).until(lambda _: found())
    except TimeoutException as late:
        raise AssertionError([one(browser, "body").text, browser.get_log("browser")]) from late


def one(browser: Chrome, selector: str) -> WebElement:
    """Wait for what can be seen on the page."""
    return wait(
        browser, lambda: next((e for e in browser.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None)
    )


def say(browser: Chrome, *keys: str) -> None:
    """Type where the focus is."""
    browser.switch_to.active_element.send_keys(*keys)


def open_page(browser: Chrome, stack: Stack) -> None:
    browser.get(stack.url + "/")
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#map path")) >= ROUTES_MIN)


def choose(browser: Chrome, field: str, words: str) -> None:
    one(browser, field).send_keys(words)
    one(browser, f"{field}-list [role=option]")
    say(browser, Keys.ARROW_DOWN, Keys.ENTER)
    assert words in str(one(browser, field).get_attribute("value"))


def search(browser: Chrome, day: str) -> None:
    choose(browser, "#origin", "Hamburg ZOB")
    choose(browser, "#destination", "Kiel")
    browser.execute_script("document.getElementById('date').value = arguments[0]", day)
    say(browser, Keys.ENTER)
    one(browser, ".ride")


def requested(browser: Chrome) -> set[str]:
    """Return the hosts that the browser asked; its own chrome: pages and data: are none."""
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in urls if urlsplit(url).scheme not in ("chrome", "data")}


def picture(browser: Chrome, name: str) -> None:
    """Keep what is seen where somebody asks for it."""
    if folder := os.environ.get("HEADWAY_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_the_network_is_drawn_and_a_ride_booked_by_keys_and_clicks(
    browser: Chrome, stack: Stack, on_sale: str, routes: int
) -> None:
    open_page(browser, stack)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#legend li")) == routes >= ROUTES_MIN
    picture(browser, "light")
    search(browser, on_sale)
    picture(browser, "rides")
    one(browser, ".ride button.main").click()
    one(browser, "#name-0").send_keys("Ada Lovelace", Keys.TAB)
    say(browser, "ada@example.com", Keys.ENTER)
    one(browser, "#card")
    one(browser, "form[aria-label=Payment] button").click()
    ticket = one(browser, "img.ticket")
    wait(browser, lambda: browser.execute_script("return arguments[0].naturalWidth > 0", ticket))
    assert ticket.get_attribute("alt") == "Ticket of Ada Lovelace"
    picture(browser, "ticket")
    assert requested(browser) == {urlsplit(stack.url).netloc}
    assert browser.get_log("browser") == []


def test_a_departure_is_followed_call_by_call(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    one(browser, ".ride button:not(.main)").click()
    assert "Kiel" in wait(browser, lambda: one(browser, "#live").text if "ZOB" in one(browser, "#live").text else "")
    assert browser.get_log("browser") == []


def test_what_is_refused_is_said(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    one(browser, ".ride button.main").click()
    one(browser, "#name-0").send_keys("Ada")
    one(browser, "#email").send_keys("ada@example.com", Keys.ENTER)
    one(browser, "#card").send_keys("A card that is declined")
    one(browser, "form[aria-label=Payment] button").click()
    assert "declined" in one(browser, "#error").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_all_of_it_without_scrolling_sideways(
    browser: Chrome, stack: Stack, on_sale: str, scheme: str
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    open_page(browser, stack)
    search(browser, on_sale)
    picture(browser, f"phone-{scheme}")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.get_log("browser") == []
