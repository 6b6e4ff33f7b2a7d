"""The operator's page in a browser: a day is looked at, a vehicle assigned, a departure cancelled with who is on it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.system.browser import before_scripts, look_like, one, picture, requested, say, wait
from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack, admin, client, guest

OPERATOR = "harbour"
END_TOKEN = """
const kept = JSON.parse(sessionStorage.getItem("headway.session"));
sessionStorage.setItem("headway.session", JSON.stringify({ ...kept, access_token: "ended" }));
"""

# Puts a page of what is over, and much more of it, before what is there.
OVER_FIRST = """
const sent = window.fetch;
window.fetch = async (path, options) => {
  const url = new URL(path, location);
  if (url.pathname !== "/v1/departures") return sent(path, options);
  const isFirst = url.searchParams.get("cursor") === "";
  url.searchParams.set("cursor", "");
  const page = await (await sent(url, options)).json();
  const over = ["", ...Array(40).keys()].map((at) => ({ ...page.items[0], id: `dep_over${at}`, state: "completed" }));
  const items = isFirst ? over.slice(0, 1) : [...over.slice(1), ...page.items];
  return new Response(JSON.stringify({ items, next_cursor: isFirst ? "more" : null }));
};
document.getElementById("line").dispatchEvent(new Event("change"));
"""

# The page asks again every half second, and is told of each item what the test adds to it.
SOON = """
const later = window.setTimeout, sent = window.fetch;
window.setTimeout = (work, milliseconds) => later(work, Math.min(milliseconds, 500));
window.added = {};
window.fetch = async (path, options) => {
  const reply = await sent(path, options);
  const more = window.added[new URL(path, location).pathname];
  if (!more) return reply;
  const page = await reply.json();
  return new Response(JSON.stringify({ ...page, items: page.items.map((one) => ({ ...one, ...more })) }));
};
"""
ADD = "window.added[arguments[0]] = arguments[1];"

IS_SEEN = "return document.getElementById(arguments[0]).getBoundingClientRect().bottom < innerHeight"


@pytest.fixture
def day(stack: Stack) -> Any:
    """Sell a seat on one of two departures, and have a vehicle."""
    with admin(stack) as staff, guest(stack) as rider:
        wish = coach(operator_id=OPERATOR, starts_in=timedelta(minutes=30))
        sold = publish(staff, wish)
        publish(staff, {**wish, "route": {"short_name": "R2", "mode": "coach"}})
        checked(staff.post("/vehicles", json={"operator_id": OPERATOR, "label": "Swift"}), 201)
        held = hold(rider, quote(rider, leg_of(sold)))
        return sold, checked(rider.post(f"/bookings/{held['id']}/confirm", json=payment(), headers=key()), 200)


def sign_in(browser: Chrome, stack: Stack, name: str = "operator", password: str = "") -> None:
    told = (stack.folder.parent / f"{stack.folder.name}.out").read_text()
    printed = re.search(r"operator@example\.com, password (\S+)", told)
    assert printed
    browser.get(stack.url + "/operator")
    one(browser, "#sign-in")
    say(browser, f"{name}@example.com", Keys.TAB, password or printed[1], Keys.ENTER)


def open_day(browser: Chrome, departure: Any, *, has: str) -> None:
    """Choose the operator and, if it is not today's, the departure's day."""
    operator, date = one(browser, "#operator"), one(browser, "#date")
    if date.get_attribute("value") != departure["service_date"]:
        set_date = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))"
        browser.execute_script(set_date, date, departure["service_date"])
    operator.send_keys(OPERATOR)
    row_of(browser, departure, lambda text: has in text)


def row_of(browser: Chrome, departure: Any, is_so: Callable[[str], object] = bool) -> str:
    """Wait until the row of a departure reads as it should."""
    read = "return document.getElementById(arguments[0])?.closest('tr').innerText ?? ''"

    def text() -> str:
        return str(browser.execute_script(read, f"Vehicle-{departure['id']}"))

    wait(browser, lambda: is_so(text()))
    return text()


def desk(browser: Chrome, words: str) -> str:
    """Wait until the desk says something."""
    wait(browser, lambda: words in browser.find_element(By.ID, "desk").text)
    return browser.find_element(By.ID, "desk").text


def test_a_vehicle_is_assigned_and_a_departure_cancelled_with_who_is_on_it(
    browser: Chrome, stack: Stack, day: Any
) -> None:
    departure, booking = day
    sign_in(browser, stack)
    open_day(browser, departure, has="1 of 50")
    assert "scheduled" in row_of(browser, departure)
    one(browser, f"#Vehicle-{departure['id']}").send_keys(Keys.ENTER)
    desk(browser, "Which vehicle")
    say(browser, Keys.TAB, "Swift", Keys.TAB, Keys.ENTER)
    desk(browser, "Swift runs")
    row_of(browser, departure, lambda text: "Swift" in text)
    say(browser, Keys.TAB, Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == f"Vehicle-{departure['id']}"
    one(browser, f"#Bookings-{departure['id']}").click()
    assert "Rider 0" in desk(browser, booking["reference"])
    picture(browser, "operator")
    one(browser, f"tr:has(#Vehicle-{departure['id']}) input").click()
    one(browser, "#cancel").click()
    assert booking["reference"] in desk(browser, "1 booking would be hit")
    assert "scheduled" in row_of(browser, departure)
    one(browser, "#reason").send_keys("Heavy storm")
    picture(browser, "operator-cancel")
    one(browser, "#desk button.main").click()
    assert booking["reference"] in desk(browser, "1 departure cancelled")
    row_of(browser, departure, lambda text: "cancelled" in text)
    with client(stack) as anybody:
        found = checked(anybody.get(f"/departures/{departure['id']}"), 200)
        assert (found["state"], found["cancellation_reason"]) == ("cancelled", "Heavy storm")
    assert "outbox 0" in wait(browser, lambda: one(browser, "#queues").text)
    assert requested(browser) == {urlsplit(stack.url).netloc}
    assert browser.get_log("browser") == []


def test_what_is_changed_elsewhere_is_shown_before_long_and_what_is_chosen_stays(
    browser: Chrome, stack: Stack, day: Any
) -> None:
    departure, _ = day
    path, choice = f"/departures/{departure['id']}", f"Choose-{departure['id']}"
    before_scripts(browser, SOON)
    sign_in(browser, stack)
    open_day(browser, departure, has="1 of 50")
    one(browser, f"#{choice}").click()
    with admin(stack) as staff:
        bus = checked(staff.post("/vehicles", json={"operator_id": OPERATOR, "label": "Elsewhere"}), 201)
        tag = {"If-Match": staff.get(path).headers["ETag"]}
        checked(staff.put(f"{path}/vehicle", json={"vehicle_id": bus["id"]}, headers=tag), 200)
        row_of(browser, departure, lambda text: "Elsewhere" in text and "1 of 50" in text)
        assert one(browser, f"#{choice}").is_selected()
        assert browser.switch_to.active_element.get_attribute("id") == choice
        assert "chosen 1" in one(browser, "#cancel").text
        storm = {"operator_id": OPERATOR, "departure_ids": [departure["id"]], "reason": "Heavy storm"}
        checked(staff.post("/departures/cancel", json=storm, headers=key()), 200)
    row_of(browser, departure, lambda text: "cancelled: Heavy storm" in text)
    assert not one(browser, f"#{choice}").is_selected()
    assert not one(browser, f"#Vehicle-{departure['id']}").is_enabled()
    assert not one(browser, "#cancel").is_enabled()
    assert browser.get_log("browser") == []


def test_a_delay_is_told_for_as_long_as_it_is_known_and_the_departure_runs(
    browser: Chrome, stack: Stack, day: Any
) -> None:
    departure, _ = day
    before_scripts(browser, SOON)
    sign_in(browser, stack)
    open_day(browser, departure, has="scheduled")
    for path, more, said in [
        ("/v1/departures/loads", {"delay_seconds": 300}, "5 min late"),
        ("/v1/departures/loads", {"delay_seconds": None}, "scheduled"),
        ("/v1/departures/loads", {"delay_seconds": 300}, "5 min late"),
        ("/v1/departures", {"state": "completed"}, "completed"),
    ]:
        browser.execute_script(ADD, path, more)
        row_of(browser, departure, lambda text, said=said: said in text)  # type: ignore[misc]


def test_today_begins_where_not_all_is_over_and_what_is_over_comes_under_earlier(browser: Chrome, stack: Stack) -> None:
    with admin(stack) as staff:
        runs = publish(staff, coach(operator_id=OPERATOR, starts_in=timedelta(0)))
    sign_in(browser, stack)
    open_day(browser, runs, has="of 50")
    browser.execute_script(OVER_FIRST)
    wait(browser, lambda: one(browser, "#earlier").is_enabled())
    row_of(browser, runs, lambda text: "of 50" in text)
    assert browser.find_elements(By.ID, "Vehicle-dep_over") == []
    wait(browser, lambda: browser.execute_script(IS_SEEN, f"Vehicle-{runs['id']}"))
    one(browser, "#earlier").click()
    wait(browser, lambda: browser.find_elements(By.ID, "Vehicle-dep_over"))


def test_the_tab_stays_signed_in_after_its_token_s_end_until_one_signs_out(
    browser: Chrome, stack: Stack, day: Any
) -> None:
    departure, _ = day
    sign_in(browser, stack)
    one(browser, "#day")
    browser.execute_script(END_TOKEN)
    browser.refresh()
    open_day(browser, departure, has="1 of 50")
    one(browser, "#leave").click()
    one(browser, "#sign-in")
    assert browser.execute_script("return sessionStorage.length + localStorage.length + document.cookie.length") == 0


@pytest.mark.parametrize(("name", "password", "said"), [("operator", "no such word", "wrong"), ("rider", "", "staff")])
def test_nobody_else_gets_in(browser: Chrome, stack: Stack, name: str, password: str, said: str) -> None:
    sign_in(browser, stack, name, password)
    assert said in one(browser, "#error").text
    assert one(browser, "#sign-in")
    assert browser.execute_script("return sessionStorage.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_the_day_without_scrolling_sideways(
    browser: Chrome, stack: Stack, day: Any, scheme: str
) -> None:
    look_like(browser, scheme=scheme, is_telephone=True)
    sign_in(browser, stack)
    open_day(browser, day[0], has="1 of 50")
    picture(browser, f"operator-phone-{scheme}")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.get_log("browser") == []
