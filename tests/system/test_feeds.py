"""A feed goes in by the public door, and riders find, book and lose sight of its seats."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.booking_svc.small_feed import FIRST_DAY, Run, SmallFeed
from tests.system.deadlines import until
from tests.system.journey import checked, hold, key, quote
from tests.system.running_stack import Stack, admin, client, guest

RUNS = {"morning": Run(start="08:00"), "evening": Run(start="18:00"), "back": Run(start="09:00", stops="3210")}
NAMES = {"s0": "São Bento", "s3": "Far Shore"}
OPERATOR = "bay_ferries"


@pytest.fixture(scope="module")
def operator(stack: Stack) -> Iterator[httpx2.Client]:
    with admin(stack) as found:
        yield found


def a_monday() -> date:
    """Return the first Monday that is a week away at least."""
    day = datetime.now(UTC).date() + timedelta(days=7)
    return day + timedelta(days=-day.weekday() % 7)


def send(operator: httpx2.Client, feed: bytes, headers: dict[str, str], **form: str) -> httpx2.Response:
    wanted = {"operator_id": OPERATOR, "from": FIRST_DAY, "days": "7", "lay_on": a_monday().isoformat()}
    return operator.post("/feeds", data=wanted | form, files={"file": ("feed.zip", feed)}, headers=headers)


def settled(operator: httpx2.Client, reply: httpx2.Response) -> Any:
    """Follow an accepted feed to its end."""
    checked(reply, 202)
    path = reply.headers["Location"].removeprefix("/v1")

    def is_settled() -> Any:
        feed = checked(operator.get(path), 200)
        return feed if feed["state"] != "importing" else None

    return until(is_settled, seconds=60, what="the import's end")


@pytest.fixture(scope="module")
def published(operator: httpx2.Client) -> Any:
    same, content = key(), SmallFeed(RUNS, NAMES).zip()
    reply = send(operator, content, same)
    feed = settled(operator, reply)
    again = send(operator, content, same)
    assert (checked(again, 202), again.headers["Idempotent-Replayed"]) == (reply.json(), "true")
    return feed


def test_a_feed_is_published_as_it_was_asked_for(published: Any) -> None:
    assert (published["state"], published["problems"], published["progress"]) == ("published", [], None)
    assert (published["from"], published["days"], published["lay_on"]) == (FIRST_DAY, 7, a_monday().isoformat())
    assert published["counts"] == {"stops": 6, "routes": 1, "departures": 21, "calls": 84}
    assert published["changes"] == {"added": 21, "changed": 0, "withdrawn": 0, "unchanged": 0}
    assert published["on_sale_until"] == (a_monday() + timedelta(days=6)).isoformat()


def find(anybody: httpx2.Client, **query: str) -> Any:
    """Find the one stop that is meant."""
    (stop,) = checked(anybody.get("/stops", params=query | {"operator_id": OPERATOR}), 200)["items"]
    return stop


def test_riders_find_stops_routes_and_the_way_they_take(stack: Stack, published: Any) -> None:
    with client(stack) as anybody:
        stop = find(anybody, q="sao b")
        assert (stop["name"], stop["feed_stop_id"], stop["distance_meters"]) == ("São Bento", "s0", None)
        near = find(anybody, near=f"{stop['latitude']},{stop['longitude']}")
        assert (near["id"], near["distance_meters"]) == (stop["id"], 0)
        (route,) = checked(anybody.get("/routes", params={"operator_id": OPERATOR}), 200)["items"]
        assert (route["short_name"], route["mode"], len(route["pattern_ids"])) == ("F1", "ferry", 2)
        patterns = checked(anybody.get("/patterns", params={"ids": route["pattern_ids"]}), 200)["items"]
        assert {stop["id"]} < {call["stop"]["id"] for call in patterns[0]["calls"]}
        assert [call["departure_seconds"] for call in patterns[0]["calls"]] == [0, 600, 1200, 1800]


def test_riders_find_rides_with_their_seats_and_price_right_within_two_seconds(stack: Stack, published: Any) -> None:
    with client(stack) as anybody, guest(stack) as rider:
        ends = {
            "origin_stop_id": find(anybody, q="sao")["id"],
            "destination_stop_id": find(anybody, q="far")["id"],
            "date": a_monday().isoformat(),
        }

        def found() -> Any:
            return checked(anybody.get("/itineraries", params=ends), 200)["items"]

        def found_with_prices() -> Any:
            rides = found()
            return rides if all(ride["price_from"] for ride in rides) else None

        morning, evening = until(found_with_prices, seconds=20, what="prices")
        leg = morning["legs"][0]
        assert (leg["route"]["short_name"], leg["delay_seconds"]) == ("F1", None)
        assert [ride["seats_available"] for ride in (morning, evening)] == [50, 50]
        quoted = quote(
            rider, {name: ends[name] for name in ends if name != "date"} | {"departure_id": leg["departure_id"]}
        )
        assert quoted["total"] == morning["price_from"]
        assert quoted["legs"] == [leg]
        hold(rider, quoted)
        held_at = time.monotonic()
        until(lambda: found()[0]["seats_available"] == 49, seconds=2, what="one seat less")
        assert time.monotonic() - held_at < 2
        assert found()[1]["seats_available"] == 50


def test_a_faulty_feed_is_rejected_with_its_places_and_changes_nothing(operator: httpx2.Client, published: Any) -> None:
    faulty = SmallFeed({**RUNS, "morning": Run(start="08:00", stops="09")}, NAMES)
    feed = settled(operator, send(operator, faulty.zip(), key()))
    assert (feed["state"], feed["counts"]["departures"]) == ("rejected", 0)
    (problem, *_) = feed["problems"]
    assert (problem["severity"], problem["file"], problem["field"]) == ("error", "stop_times.txt", "stop_id")
    listed = operator.get("/departures", params={"operator_id": OPERATOR, "limit": "200"})
    assert len(checked(listed, 200)["items"]) == 21


def test_a_dry_run_tells_what_would_change_and_changes_nothing(operator: httpx2.Client, published: Any) -> None:
    changed = SmallFeed({"morning": Run(start="08:30"), "back": RUNS["back"]}, NAMES)
    feed = settled(operator, send(operator, changed.zip(), key(), dry_run="true"))
    assert (feed["state"], feed["dry_run"]) == ("published", True)
    assert feed["changes"] == {"added": 0, "changed": 7, "withdrawn": 7, "unchanged": 7}
    listed = operator.get("/departures", params={"operator_id": OPERATOR, "limit": "200"})
    assert len(checked(listed, 200)["items"]) == 21


def test_a_feed_is_its_operators_own(stack: Stack, published: Any) -> None:
    with client(stack) as anybody:
        assert anybody.get(f"/feeds/{published['id']}").status_code == 401
        assert anybody.get(f"/feeds/fed_{uuid.uuid4().hex}").status_code == 401
