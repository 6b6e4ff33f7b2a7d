"""Riders ride real trains: runs, stops, times, zones and fares of Caltrain and BART on the coming days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from tests.system.journey import checked, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack, admin, client
from tests.system.timetables import Feed

RUNS_A_DAY = 6
DAYS = 3


@pytest.mark.parametrize("name", ["caltrain", "bart"])
def test_riders_ride_real_trains(stack: Stack, name: str) -> None:
    feed = Feed(name)
    today = datetime.now(ZoneInfo(feed.timezone)).date()
    with admin(stack) as operator, signed_up(stack, f"{name}@example.com") as rider:
        put_in_force(operator, feed)
        days = weekdays(today + timedelta(days=4))
        described = [run for day in islice(days, DAYS) for run in feed.departures(day, count=RUNS_A_DAY, routes=3)]
        published = [publish(operator, departure) for departure in described]
        for wanted, departure in zip(described, published, strict=True):
            assert_same_run(wanted, departure)
        for departure in published:
            ride(stack, rider, feed, departure)
        assert len({departure["route"]["id"] for departure in published}) >= 3
        assert len({departure["service_date"] for departure in published}) == DAYS


def weekdays(day: date) -> Iterator[date]:
    """Yield the working days from a day on: Saturdays and Sundays have other trains."""
    while True:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)


def signed_up(stack: Stack, email: str) -> httpx2.Client:
    """Sign a rider up and in."""
    password = "a long enough password"
    with client(stack) as anybody:
        checked(anybody.post("/riders", json={"email": email, "password": password, "name": "Ada"}), 201)
        form = {"grant_type": "password", "username": email, "password": password}
        return client(stack, checked(anybody.post("/oauth/token", data=form), 200)["access_token"])


def put_in_force(operator: httpx2.Client, feed: Feed) -> None:
    put = operator.put(f"/fare-policies/{feed.operator_id}", json=feed.policy(), headers={"If-Match": '"0"'})
    drafted = checked(put, 200)
    path = f"/fare-policies/{feed.operator_id}/publish"
    reply = operator.post(path, headers={**key(), "If-Match": f'"{drafted["version"]}"'})
    assert checked(reply, 200)["is_published"] is True


def assert_same_run(wanted: dict[str, Any], departure: Any) -> None:
    """What was published is what the feed says, call by call."""
    assert [call["stop_name"] for call in departure["calls"]] == [call["stop"]["name"] for call in wanted["calls"]]
    for call, described in zip(departure["calls"], wanted["calls"], strict=True):
        told = datetime.fromisoformat(call["scheduled_departure_at"])
        assert told == datetime.fromisoformat(described["scheduled_departure_at"])
        assert call["scheduled_departure_at"].endswith("Z")
    assert departure["capacity"] == 50


def ride(stack: Stack, rider: httpx2.Client, feed: Feed, departure: Any) -> None:
    """Quote at the feed's own fare, hold, pay, show the ticket, leave the seat to others behind, and cancel."""
    last = len(departure["calls"]) // 2
    leg = leg_of(departure, 0, last)
    quoted = quote(rider, leg, categories=("adult", "child"))
    zones = [feed.stops[feed_stop_id(feed, departure, place)]["zone_id"] for place in (0, last)]
    adult = feed.zone_fares()[zones[0], zones[1]]
    assert quoted["total"] == {"amount_minor": adult + -(-adult // 2), "currency": "USD"}
    booking = hold(rider, quoted, categories=("adult", "child"))
    reply = rider.post(f"/bookings/{booking['id']}/confirm", json=payment(), headers=key())
    paid = checked(reply, 200)
    assert (paid["state"], len(paid["tickets"])) == ("confirmed", 2)
    assert "<svg" in httpx2.get(stack.url + paid["tickets"][0]["svg_url"], headers=rider.headers).text
    free = checked(rider.get(f"/departures/{departure['id']}/availability", params=part(leg)), 200)
    behind = checked(
        rider.get(f"/departures/{departure['id']}/availability", params=part(leg_of(departure, last))), 200
    )
    assert (free["seats_available"], behind["seats_available"]) == (48, 50)
    assert datetime.fromisoformat(free["observed_at"]) <= datetime.now(UTC)
    back = checked(rider.post(f"/bookings/{booking['id']}/cancellation-quotes", json={}), 200)
    assert back["refund"]["amount_minor"] + back["fee"]["amount_minor"] == paid["total"]["amount_minor"]
    body = {"cancellation_quote_token": back["token"]}
    cancelled = checked(rider.post(f"/bookings/{booking['id']}/cancel", json=body, headers=key()), 200)
    assert cancelled["state"] == "cancelled"
    free = checked(rider.get(f"/departures/{departure['id']}/availability", params=part(leg)), 200)
    assert free["seats_available"] == 50


def part(leg: dict[str, str]) -> dict[str, str]:
    return {name: leg[name] for name in ("origin_stop_id", "destination_stop_id")}


def feed_stop_id(feed: Feed, departure: Any, place: int) -> str:
    name = departure["calls"][place]["stop_name"]
    times = feed.stop_times[departure["feed_trip_id"]]
    ordered = sorted(times, key=lambda row: int(row["stop_sequence"]))
    assert feed.stops[ordered[place]["stop_id"]]["stop_name"] == name
    return ordered[place]["stop_id"]
