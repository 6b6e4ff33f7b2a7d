"""Real buses: the positions of a day and the timetable that they ran by, read straight from the shared data."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest

from tracking_svc.domain.departures import Departure, DepartureState, Pattern, PatternCall
from tracking_svc.domain.line import DEGREE_METERS, draw
from tracking_svc.domain.points import NOT_TOLD, SECOND, Points
from tracking_svc.domain.vehicles import Vehicle

DATA = Path(__file__).parents[3] / "shared" / "data"
FEED, POSITIONS = DATA / "wmata_3routes_gtfs.zip", DATA / "wmata_positions_open.csv"
MIDNIGHT = datetime(2026, 2, 16, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
OPERATOR = "opr_bus"
STOPPED = "1"

Row = dict[str, str]
Passed = dict[tuple[str, int], tuple[int, int]]
"""Departure and call -> between which times, in seconds since 1970, the data show the bus come to it."""


@dataclass(frozen=True)
class Buses:
    """What ran that day."""

    patterns: dict[str, Pattern]
    departures: dict[str, Departure]
    positions: dict[str, list[Row]]
    """By vehicle, oldest first."""
    sequences: dict[str, list[int]]
    """The feed's own numbers of the calls, by trip."""

    def runs(self, vehicle_id: str) -> list[Departure]:
        trips = {row["trip_id"] for row in self.positions[vehicle_id]}
        return [self.departures[trip_id] for trip_id in sorted(trips)]

    def points(self, vehicle_id: str) -> Points:
        rows = self.positions[vehicle_id]
        none = [NOT_TOLD] * len(rows)
        times = [int(row["timestamp"]) * SECOND for row in rows]
        places = ([float(row["latitude"]) for row in rows], [float(row["longitude"]) for row in rows])
        return Points([0] * len(rows), times, *places, none, none, none)

    def passed(self, vehicle_id: str) -> Passed:
        """Return the calls that the data themselves show a bus come to."""
        found: Passed = {}
        before: dict[str, tuple[int, int]] = {}
        for row in self.positions[vehicle_id]:
            trip_id, at, number = row["trip_id"], int(row["timestamp"]), int(float(row["current_stop_sequence"]))
            if number not in self.sequences[trip_id]:
                continue
            call = self.sequences[trip_id].index(number)
            since, last = before.get(trip_id, (at, call))
            for skipped in range(last, call):
                found.setdefault((trip_id, skipped), (since, at))
            if row["current_status"].startswith(STOPPED):
                found.setdefault((trip_id, call), (since, at))
            if call >= last:
                before[trip_id] = (at, call)
        return found


@cache
def read_buses() -> Buses:
    """Read the day; skip the test, visibly, where the data are not."""
    if not FEED.exists() or not POSITIONS.exists():
        pytest.skip(f"NOT TESTED ON REAL BUSES: {POSITIONS.name} and {FEED.name} are not in {DATA}")
    positions: dict[str, list[Row]] = defaultdict(list)
    with POSITIONS.open() as file:
        for row in sorted(csv.DictReader(file), key=lambda row: int(row["timestamp"])):
            positions[row["vehicle_id"]].append(row)
    wanted = {row["trip_id"] for rows in positions.values() for row in rows}
    with ZipFile(FEED) as feed:
        trips = {row["trip_id"]: row for row in rows_of(feed, "trips.txt") if row["trip_id"] in wanted}
        stops = {row["stop_id"]: row for row in rows_of(feed, "stops.txt")}
        shapes, times = defaultdict(list), defaultdict(list)
        for row in rows_of(feed, "shapes.txt"):
            shapes[row["shape_id"]].append((float(row["shape_pt_lat"]), float(row["shape_pt_lon"])))
        for row in rows_of(feed, "stop_times.txt"):
            if row["trip_id"] in trips:
                times[row["trip_id"]].append(row)
    patterns = {id_: pattern_of(id_, times[id_], stops, tuple(shapes[trip["shape_id"]])) for id_, trip in trips.items()}
    departures = {id_: departure_of(id_, times[id_]) for id_ in trips}
    sequences = {id_: [int(row["stop_sequence"]) for row in rows] for id_, rows in times.items()}
    return Buses(patterns, departures, dict(positions), sequences)


def rows_of(feed: ZipFile, name: str) -> Iterator[Row]:
    with feed.open(name) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8-sig"))


def departure_of(trip_id: str, times: Sequence[Row]) -> Departure:
    start = MIDNIGHT + timedelta(seconds=seconds_of(times[0]["departure_time"]))
    return Departure(trip_id, OPERATOR, trip_id, start, DepartureState.SCHEDULED, "", "", trip_id, "", "2026-02-16", 1)


def seconds_of(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def pattern_of(
    id_: str, times: Sequence[Row], stops: dict[str, Row], shape: tuple[tuple[float, float], ...]
) -> Pattern:
    start = seconds_of(times[0]["departure_time"])
    places = [(float(stops[row["stop_id"]]["stop_lat"]), float(stops[row["stop_id"]]["stop_lon"])) for row in times]
    meters = lengths(shape)
    along = distances(shape, tuple(places))
    calls = [
        PatternCall(
            row["stop_id"], row["stop_id"], "", "America/New_York", *place,
            seconds_of(row["arrival_time"]) - start, seconds_of(row["departure_time"]) - start, far - along[0],
        )
        for row, place, far in zip(times, places, along, strict=True)
    ]  # fmt: skip
    return Pattern(id_, tuple(calls), tuple((*point, far - along[0]) for point, far in zip(shape, meters, strict=True)))


@cache
def lengths(shape: tuple[tuple[float, float], ...]) -> list[float]:
    """Return how far along each point of a shape is."""
    found = [0.0]
    scale = math.cos(math.radians(shape[0][0]))
    for (y0, x0), (y1, x1) in pairwise(shape):
        found.append(found[-1] + DEGREE_METERS * math.hypot(y1 - y0, (x1 - x0) * scale))
    return found


@cache
def distances(shape: tuple[tuple[float, float], ...], stops: tuple[tuple[float, float], ...]) -> list[float]:
    """Put stops onto a shape, in order and as near to it as they lie: the cheapest way through all near places."""
    meters = lengths(shape)
    points = [(*point, far) for point, far in zip(shape, meters, strict=True)]
    line = draw(points, is_drawn=True, calls=[0.0, meters[-1]], arrivals=[0, 1], departures=[0, 1])
    ways: list[tuple[float, list[float]]] = [(0.0, [0.0])]
    for stop in stops:
        ways = [
            min((cost + place.aside**2, [*way, place.along]) for cost, way in ways if way[-1] <= place.along + 1)
            for place in line.places(*line.xy(*stop), first=0.0, last=meters[-1])
            if any(way[-1] <= place.along + 1 for _, way in ways)
        ]
    return min(ways)[1][1:]


def vehicle(id_: str) -> Vehicle:
    return Vehicle(id_, OPERATOR, id_, 1)
