"""The live page in a browser: the network is drawn, and a ride is booked by clicks and keys alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from gateway.openapi import JOURNEY
from tests.system.browser import before_scripts, look_like, one, picture, requested, say, wait
from tests.system.bus import Bus, bus_on_its_way
from tests.system.journey import checked, hold, leg_of, quote
from tests.system.running_stack import ROOT, Stack, admin, client, guest, running
from tests.system.test_docs_pages import execute

ROUTES_MIN = 10
VEHICLES = 14
UNBUFFERED = {**os.environ, "PYTHONUNBUFFERED": "1"}
TABS = 7
"""More than a browser has connections to one host: https://www.rfc-editor.org/rfc/rfc9112#section-9.4."""
END_FIRST_TOKEN = """
const sent = window.fetch;
let first;
window.fetch = (path, options = {}) => {
  const token = options.headers?.Authorization;
  first ??= token;
  const isEnded = token && token === first;
  return sent(path, isEnded ? { ...options, headers: { ...options.headers, Authorization: "Bearer ended" } } : options);
};
"""
PLACES = [("Alster", 53.5600, 10.0200), ("Neumünster", 54.0700, 9.9800), ("Förde", 54.3200, 10.1400)]
NO_ANSWER = """
window.EventSource = class extends EventTarget {
  readyState = 0;
  constructor() {
    super();
    setInterval(() => this.dispatchEvent(new Event("error")), 100);
  }
  close() {}
};
"""
IS_DOWN = """
const sent = window.fetch;
window.isDown = true;
window.fetch = async (path, options) => {
  const isRefused = window.isDown && path.startsWith("/v1/patterns");
  return isRefused ? new Response(JSON.stringify({ title: "Nobody is there" }), { status: 503 }) : sent(path, options);
};
"""
LATER = "const now = performance.now.bind(performance); performance.now = () => now() + 180_000;"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a system that sells the sample network and nothing else, from the coaches of last night on."""
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    with running(tmp_path_factory.mktemp("page") / "data") as started:
        command = [sys.executable, "-m", "cli", "import", "--sample", "--data-dir", str(started.folder)]
        window = ["--from", yesterday, "--days", "5"]
        subprocess.run([*command, *window], cwd=ROOT, check=True, capture_output=True, timeout=120)
        yield started


@contextmanager
def driving(stack: Stack) -> Iterator[int]:
    """Let vehicles drive what runs at this hour; tell how many."""
    command = [sys.executable, "-m", "cli", "simulate", "--data-dir", str(stack.folder), "--vehicles", str(VEHICLES)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=UNBUFFERED) as simulation:
        assert simulation.stdout
        try:
            yield int(simulation.stdout.readline().split()[0])
        finally:
            simulation.terminate()


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


def test_the_network_is_drawn_and_a_ride_booked_by_keys_and_clicks(
    browser: Chrome, stack: Stack, on_sale: str, routes: int
) -> None:
    open_page(browser, stack)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#legend li")) == routes >= ROUTES_MIN
    picture(browser, "light")
    search(browser, on_sale)
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


def test_vehicles_drive_on_the_network_that_is_drawn(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    with driving(stack) as told:
        # Some are out of reach at first, as some phones are.
        wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".vehicle")) >= told / 2)
        picture(browser, "live-page")
    assert browser.get_log("browser") == []


def test_a_network_that_cannot_be_read_yet_is_asked_for_again_and_that_is_said(
    browser: Chrome, stack: Stack, routes: int
) -> None:
    before_scripts(browser, IS_DOWN)
    browser.get(stack.url + "/")
    assert "asked for again in a moment. Nobody is there" in one(browser, "#missing").text
    picture(browser, "missing")
    browser.execute_script("window.isDown = false")
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#map path")) >= ROUTES_MIN)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#legend li")) == routes
    assert not one(browser, "#network").find_element(By.ID, "missing").text
    assert "Nobody" not in one(browser, "body").text


def test_who_thinks_for_longer_than_a_token_lasts_still_books(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    one(browser, ".ride button.main").click()
    one(browser, "#name-0").send_keys("Ada Lovelace", Keys.TAB)
    browser.execute_script(END_FIRST_TOKEN)
    say(browser, "ada@example.com", Keys.ENTER)
    one(browser, "#card")
    one(browser, "form[aria-label=Payment] button").click()
    assert one(browser, "img.ticket").get_attribute("alt") == "Ticket of Ada Lovelace"


def test_the_documentation_takes_a_newcomer_through_the_journey_by_clicks_alone(browser: Chrome, stack: Stack) -> None:
    browser.get(stack.url + "/docs")
    one(browser, ".opblock")
    told = {name: execute(browser, name) for name in JOURNEY}
    assert [status for status, _ in told.values()] == ["200", "201", "201", "201", "200"]
    assert told["confirm_booking"][1]["state"] == "confirmed"
    assert execute(browser, "quote_cancellation")[0] == "200"
    assert execute(browser, "cancel_booking")[1]["state"] == "cancelled"


def test_the_documentation_sends_a_time_of_a_phone_as_it_shows_it(browser: Chrome, stack: Stack) -> None:
    browser.get(stack.url + "/docs")
    one(browser, ".opblock")
    assert execute(browser, "report_osmand")[0] == "401"


def test_a_departure_is_followed_call_by_call(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    one(browser, ".ride button:not(.main)").click()
    calls = wait(browser, lambda: [call.text for call in browser.find_elements(By.CSS_SELECTOR, "#live li")])
    assert "Hamburg ZOB" in calls[0]
    assert any("Kiel" in call for call in calls[1:])
    assert browser.get_log("browser") == []


def test_that_nobody_answers_any_more_is_said(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    browser.execute_script(NO_ANSWER)
    one(browser, ".ride button:not(.main)").click()
    wait(browser, lambda: "no news" in one(browser, "#live [aria-live=polite]").text)


def test_what_is_refused_is_said(browser: Chrome, stack: Stack, on_sale: str) -> None:
    open_page(browser, stack)
    search(browser, on_sale)
    one(browser, ".ride button.main").click()
    one(browser, "#name-0").send_keys("Ada")
    one(browser, "#email").send_keys("ada@example.com", Keys.ENTER)
    one(browser, "#card").send_keys("A card that is declined")
    one(browser, "form[aria-label=Payment] button").click()
    assert "declined" in one(browser, "#error").text


@pytest.fixture
def bus(stack: Stack) -> Iterator[Bus]:
    """Let a coach be on its way from Alster to Kiel."""
    with admin(stack) as operator:
        yield bus_on_its_way(operator, "page", places=PLACES)


def place_of(browser: Chrome, vehicle: WebElement) -> Any:
    return browser.execute_script("return arguments[0]._leaflet_pos && {...arguments[0]._leaflet_pos}", vehicle)


def test_vehicles_move_and_the_one_that_is_chosen_is_followed(browser: Chrome, stack: Stack, bus: Bus) -> None:
    bus.report(53.5600, 10.0200, seconds_ago=60)
    open_page(browser, stack)
    marker = one(browser, f".vehicle[aria-label^='{bus.label}']")
    assert "late" in str(marker.get_attribute("aria-label"))
    assert "stale" in str(marker.get_attribute("class"))
    stood = place_of(browser, marker)
    bus.report(53.5660, 10.0195)
    wait(browser, lambda: place_of(browser, marker) != stood)
    assert "stale" not in str(marker.get_attribute("class"))
    marker.send_keys(Keys.ENTER)
    assert "R1 to Förde" in one(browser, "#live h2").text
    calls = wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#live li"))
    wait(browser, lambda: "50 seats" in calls[1].text)
    assert ("left, " in calls[0].text, "late" in calls[1].text, "seats" in calls[2].text) == (True, True, False)
    assert "late, next Neumünster at" in one(browser, "#live [aria-live=polite]").text
    assert "followed" in str(marker.get_attribute("class"))
    with guest(stack) as rider:
        hold(rider, quote(rider, leg_of(bus.departure, 1)))
    wait(browser, lambda: "49 seats" in calls[1].text)
    assert "50 seats" in calls[0].text
    picture(browser, "followed")
    say(browser, Keys.TAB)
    one(browser, "#live button").send_keys(Keys.ENTER)
    wait(browser, lambda: not browser.find_element(By.ID, "live").text)
    assert "followed" not in str(marker.get_attribute("class"))
    assert requested(browser) == {urlsplit(stack.url).netloc}
    assert browser.get_log("browser") == []


def test_a_vehicle_that_nothing_is_told_of_any_more_goes(browser: Chrome, stack: Stack) -> None:
    with admin(stack) as operator:
        # Stale already, so that nothing more is told of it for the next minute.
        bus_on_its_way(operator, "page", places=PLACES, label="Ghost").report(53.5600, 10.0200, seconds_ago=25)
    open_page(browser, stack)
    ghost = ".vehicle[aria-label^='Ghost']"
    one(browser, ghost)
    browser.execute_script(LATER)
    wait(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ghost))


def test_many_tabs_are_open_at_once_and_the_one_that_is_seen_goes_on(browser: Chrome, stack: Stack, bus: Bus) -> None:
    tabs = []
    for _ in range(TABS):
        browser.switch_to.new_window("tab")
        tabs.append(browser.current_window_handle)
        open_page(browser, stack)
    bus.report(53.5660, 10.0195)
    for tab in (tabs[-1], tabs[0]):
        browser.switch_to.window(tab)
        one(browser, f".vehicle[aria-label^='{bus.label}']")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_all_of_it_without_scrolling_sideways(
    browser: Chrome, stack: Stack, on_sale: str, scheme: str
) -> None:
    look_like(browser, scheme=scheme, is_telephone=True)
    open_page(browser, stack)
    search(browser, on_sale)
    picture(browser, f"phone-{scheme}")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.get_log("browser") == []
