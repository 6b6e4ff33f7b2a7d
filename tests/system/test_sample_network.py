"""The sample network on sale: a newcomer imports it by its name and finds what the timetable promises."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.booking_svc.gtfs_expansion import expand
from tests.sample_network.feed import FOLDER, OPERATOR
from tests.sample_network.layouts import LAYOUTS
from tests.system.deadlines import until
from tests.system.journey import checked, hold, leg_of, quote
from tests.system.running_stack import ROOT, Stack, client, guest

DAYS = 3


@pytest.fixture(scope="module")
def day() -> date:
    return datetime.now(UTC).date() + timedelta(days=2)


@pytest.fixture(scope="module")
def told(stack: Stack, day: date) -> str:
    command = [sys.executable, "-m", "cli", "import", "--sample", "--data-dir", str(stack.folder)]
    window = ["--from", day.isoformat(), "--days", str(DAYS)]
    done = subprocess.run([*command, *window], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def departures(stack: Stack, told: str, day: date) -> list[Any]:
    """Return what runs on the first day on sale."""
    found: list[Any] = []
    with client(stack) as anybody:
        query = {"operator_id": OPERATOR, "date": day.isoformat(), "limit": 200}
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            page = checked(anybody.get("/departures", params=query | {"cursor": page["next_cursor"]}), 200)
            found += page["items"]
    return found


def test_it_is_counted_as_an_independent_expansion_counts_it(
    told: str, departures: list[Any], day: date, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "feed.zip", "w") as archive:
        for file in FOLDER.glob("*.txt"):
            archive.write(file, file.name)
    runs = expand(tmp_path / "feed.zip", day, DAYS)
    calls = sum(map(len, runs.values()))
    assert f"{OPERATOR}: 63 stops, 12 routes, {len(runs)} departures, {calls} calls, on sale until" in told
    steps = [line for line in told.splitlines() if line.endswith(" ...")]
    assert len(told.splitlines()) - len(steps) == 2, "no line for a problem"
    expected = Counter(trip_id for trip_id, on, _ in runs if on == day)
    assert Counter(found["feed_trip_id"] for found in departures) == expected


def test_ships_have_their_seats_and_their_places_on_deck(stack: Stack, departures: list[Any]) -> None:
    for found in departures:
        layout = LAYOUTS.get(found["route"]["feed_route_id"])
        assert found["capacity"] == (len(layout["seats"]) if layout else 50), found["route"]
    ship = departure_of(departures, "F1")
    part = {"origin_stop_id": ship["calls"][0]["stop_id"], "destination_stop_id": ship["calls"][-1]["stop_id"]}
    with client(stack) as anybody:
        seats = checked(anybody.get(f"/departures/{ship['id']}/seat-map", params=part), 200)["seats"]
    assert sum("deck" in seat["features"] for seat in seats) == 132


@pytest.mark.parametrize(("line", "amount_minor"), [("N4", 2290), ("N9", 3290), ("F1", 980), ("S1", 320)])
def test_a_ride_on_it_costs_what_the_feed_says(
    stack: Stack, departures: list[Any], line: str, amount_minor: int
) -> None:
    with guest(stack) as rider:
        leg = leg_of(departure_of(departures, line))

        def priced() -> Any:
            """Wait for pricing to have heard of the departure and of the fares."""
            found = rider.post("/quotes", json={"legs": [leg], "passengers": [{"category": "adult"}]})
            return found.status_code == 201 and found.json()["total"]["amount_minor"] == amount_minor

        until(priced, seconds=20, what=f"a quote of {amount_minor}")
        assert hold(rider, quote(rider, leg))["total"] == {"amount_minor": amount_minor, "currency": "EUR"}


def test_nobody_gets_off_the_night_coach_where_it_only_takes_up(departures: list[Any]) -> None:
    calls = departure_of(departures, "N9", "N9-out-2245-daily")["calls"]
    rules = [(call["boarding"], call["alighting"]) for call in calls]
    assert rules == [(True, False), (True, False), (True, True), (False, True), (False, True), (False, True)]
    assert calls[0]["scheduled_departure_at"][:10] < calls[-1]["scheduled_arrival_at"][:10]


def test_calls_without_times_of_their_own_are_marked(departures: list[Any]) -> None:
    calls = departure_of(departures, "N5", "N5-out-0830-daily")["calls"]
    assert {call["feed_stop_id"] for call in calls if call["interpolated"]} == {"loebnitz", "samtens", "sagard"}
    times = [call["scheduled_arrival_at"] for call in calls]
    assert times == sorted(set(times))


def departure_of(departures: list[Any], line: str, trip_id: str = "") -> Any:
    """Return a departure of a line: one that goes out."""
    return next(
        found
        for found in departures
        if found["feed_trip_id"].startswith(trip_id or f"{line}-out") and found["route"]["feed_route_id"] == line
    )
