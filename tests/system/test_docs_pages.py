"""The documentation in a browser: the journey first, calls made, a demo user signed in, and nobody else asked."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from gateway.openapi import JOURNEY, TAGS
from tests.system.browser import one, picture, requested, wait
from tests.system.running_stack import Stack, client


@pytest.fixture
def swagger(browser: Chrome, stack: Stack) -> Chrome:
    browser.get(stack.url + "/docs")
    one(browser, ".opblock")
    return browser


@pytest.fixture(autouse=True)
def quiet(browser: Chrome, stack: Stack) -> Iterator[None]:
    """No page asks another host or complains, whatever is done on it."""
    yield
    # ReDoc's search is a worker made of a blob, which has no host.
    assert requested(browser) - {""} == {urlsplit(stack.url).netloc}
    # A hint about forms that Chromium thinks passwords should have is no complaint.
    assert [found["message"] for found in browser.get_log("browser") if found["level"] in ("WARNING", "SEVERE")] == []


def executed_keys(browser: Chrome) -> list[str]:
    """Read the keys of what was executed from the lines that Swagger shows for curl."""
    shown = browser.find_elements(By.CSS_SELECTOR, ".curl")
    return [
        key for line in shown for key in re.findall(r"Idempotency-Key: (\w+)", str(line.get_attribute("textContent")))
    ]


def block(browser: Chrome, name: str) -> WebElement:
    """Open an operation."""
    found = browser.find_element(By.CSS_SELECTOR, f"[id$='-{name}']")
    browser.execute_script("arguments[0].scrollIntoView()", found)
    if not found.find_elements(By.CSS_SELECTOR, ".opblock-body"):
        found.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait(browser, lambda: found.find_elements(By.CSS_SELECTOR, ".execute"))
    return found


def execute(browser: Chrome, name: str) -> tuple[str, Any]:
    """Execute an operation as it is shown; return the status and the body of the answer."""
    found = block(browser, name)
    for clear in found.find_elements(By.CSS_SELECTOR, ".btn-clear"):
        clear.click()
    button = found.find_element(By.CSS_SELECTOR, ".execute")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    live = ".live-responses-table .response .response-col_status"
    status = wait(browser, lambda: [one.text for one in found.find_elements(By.CSS_SELECTOR, live)])[0]
    body = found.find_element(By.CSS_SELECTOR, ".live-responses-table .response .microlight").get_attribute(
        "textContent"
    )
    return status.split()[0], json.loads(str(body))


def test_the_tags_are_in_order_and_the_five_calls_of_a_journey_come_first(swagger: Chrome) -> None:
    tags = [found.get_attribute("data-tag") for found in swagger.find_elements(By.CSS_SELECTOR, ".opblock-tag")]
    assert tags == [tag["name"] for tag in TAGS]
    names = [found.text for found in swagger.find_elements(By.CSS_SELECTOR, ".opblock-summary-operation-id")]
    assert tuple(names[:5]) == JOURNEY
    picture(swagger, "docs")


def test_a_call_is_executed_as_it_is_shown(swagger: Chrome) -> None:
    status, page = execute(swagger, "list_stops")
    assert (status, page.keys()) == ("200", {"items", "next_cursor"})
    status, feed = execute(swagger, "get_alerts")
    assert (status, feed["header"]["gtfs_realtime_version"]) == ("200", "2.0")
    picture(swagger, "docs-executed")


def test_a_guest_that_is_made_is_signed_in(swagger: Chrome) -> None:
    assert execute(swagger, "create_guest")[0] == "201"
    status, me = execute(swagger, "get_me")
    assert (status, me["role"], me["email"]) == ("200", "rider", None)


def test_a_demo_user_signs_in_and_every_click_sends_a_fresh_key(swagger: Chrome, stack: Stack) -> None:
    printed = re.search(r"password (\S+)", (stack.folder.parent / f"{stack.folder.name}.out").read_text())
    assert printed
    one(swagger, ".auth-wrapper .authorize").click()
    one(swagger, "#oauth_username").send_keys("operator@example.com")
    one(swagger, "#oauth_password").send_keys(printed[1])
    picture(swagger, "docs-authorize")
    one(swagger, ".modal-ux .auth-btn-wrapper .authorize").click()
    wait(swagger, lambda: "Authorized" in one(swagger, ".modal-ux").text)
    one(swagger, ".modal-ux .btn-done").click()
    answers, keys = [], []
    for _ in range(2):
        answers.append(execute(swagger, "publish_departure"))
        keys += executed_keys(swagger)
    picture(swagger, "docs-authorized")
    assert [status for status, _ in answers] == ["201", "201"]
    with client(stack) as anybody:
        assert all(anybody.get(f"/departures/{made['id']}").status_code == 200 for _, made in answers)
    assert len({made["id"] for _, made in answers}) == 2
    assert len(keys) == len(set(keys)) == 2


def test_redoc_shows_every_tag(browser: Chrome, stack: Stack) -> None:
    browser.get(stack.url + "/redoc")
    text = "return document.getElementById('redoc-container')?.textContent ?? document.body.textContent"
    wanted = [*(tag["description"] for tag in TAGS), "Scope: bookings or bookings:all."]
    wait(browser, lambda: all(words in browser.execute_script(text) for words in wanted))
    picture(browser, "redoc")
