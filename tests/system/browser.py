"""A browser without a screen, and how tests look at a page and act on it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE_SECONDS = 12
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900"]  # fmt: skip


@contextmanager
def opened_browser(profile: Path) -> Iterator[Chrome]:
    """Start Chromium with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
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


def look_like(browser: Chrome, *, scheme: str, is_telephone: bool) -> None:
    """Show the page in a colour scheme, and on a telephone's screen if asked."""
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    if is_telephone:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def before_scripts(browser: Chrome, script: str) -> None:
    """Run a script in every page that is opened from now on, before its own."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})


def requested(browser: Chrome) -> set[str]:
    """Return the hosts that the browser asked; its own chrome: pages and data: are none."""
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in urls if urlsplit(url).scheme not in ("chrome", "data")}


def picture(browser: Chrome, name: str) -> None:
    """Keep what is seen where somebody asks for it."""
    if folder := os.environ.get("HEADWAY_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))
