"""Reads the tables of the sample network without any code of the product."""

import csv
import math
import re
from collections import defaultdict
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files

FOLDER = files("cli") / "sample_network"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TIME = re.compile(r"\d{2}:[0-5]\d:[0-5]\d")
Rows = list[dict[str, str]]


@cache
def table(name: str) -> Rows:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def by(name: str, field: str) -> dict[str, Rows]:
    """Group the rows of a table."""
    found: dict[str, Rows] = defaultdict(list)
    for row in table(name):
        found[row[field]].append(row)
    return found


def ids(name: str, field: str) -> set[str]:
    return {row[field] for row in table(name)}


def seconds(text: str) -> int:
    assert TIME.fullmatch(text), text
    hours, minutes, rest = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + rest


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


def meters(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance on a sphere by the law of cosines, which is not how the shapes were measured."""
    (south, west), (north, east) = [tuple(map(math.radians, place)) for place in (start, end)]
    cosine = math.sin(south) * math.sin(north) + math.cos(south) * math.cos(north) * math.cos(east - west)
    return 6_371_000 * math.acos(min(1.0, cosine))


def place(row: dict[str, str], prefix: str) -> tuple[float, float]:
    return float(row[f"{prefix}_lat"]), float(row[f"{prefix}_lon"])


@cache
def calls_of(trip_id: str) -> Rows:
    return sorted(CALLS[trip_id], key=lambda row: int(row["stop_sequence"]))


@cache
def active_services(on: date) -> frozenset[str]:
    found = {
        row["service_id"]
        for row in table("calendar.txt")
        if row[WEEKDAYS[on.weekday()]] == "1" and day(row["start_date"]) <= on <= day(row["end_date"])
    }
    for row in EXCEPTIONS[f"{on:%Y%m%d}"]:
        (found.add if row["exception_type"] == "1" else found.discard)(row["service_id"])
    return frozenset(found)


def starts_of(trip_id: str) -> list[int]:
    """Return when a trip starts on a day that it runs, in seconds."""
    if trip_id not in FREQUENCIES:
        return [seconds(calls_of(trip_id)[0]["departure_time"])]
    return [
        start
        for row in FREQUENCIES[trip_id]
        for start in range(seconds(row["start_time"]), seconds(row["end_time"]), int(row["headway_secs"]))
    ]


CALLS, EXCEPTIONS = by("stop_times.txt", "trip_id"), by("calendar_dates.txt", "date")
FREQUENCIES, SHAPES, TRIPS_OF = (
    by("frequencies.txt", "trip_id"),
    by("shapes.txt", "shape_id"),
    by("trips.txt", "route_id"),
)
STOPS = {row["stop_id"]: row for row in table("stops.txt")}
ROUTES = {row["route_id"]: row for row in table("routes.txt")}
STARTS = {row["trip_id"]: starts_of(row["trip_id"]) for row in table("trips.txt")}


def starts_on(on: date, route_id: str) -> list[int]:
    services = active_services(on)
    return [start for trip in TRIPS_OF[route_id] if trip["service_id"] in services for start in STARTS[trip["trip_id"]]]
