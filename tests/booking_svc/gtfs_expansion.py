"""What a feed puts on the road, worked out from the GTFS specification alone.

This shares no code with the product: https://gtfs.org/documentation/schedule/reference/ is read once more, plainly, so
that the reader and what is on sale can be compared with it. It takes a feed to be right.
"""

import csv
import io
import zipfile
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

Run = tuple[str, date, datetime]
"""Trip, service date, and when the run departs from its first stop."""
TimedCall = tuple[str, datetime | None, datetime | None]
"""Stop, arrival and departure; None where the timetable gives no time."""

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def expand(feed: Path, first_day: date, days: int) -> dict[Run, list[TimedCall]]:
    """Return every run on some service dates of a trip that has two calls or more, with its calls."""
    files = read_files(feed)
    zones = {one.get("agency_id", ""): one["agency_timezone"] for one in files["agency.txt"]}
    default_zone = files["agency.txt"][0]["agency_timezone"]
    zone_of = {one["route_id"]: zones.get(one.get("agency_id", ""), default_zone) for one in files["routes.txt"]}
    calls, frequencies = calls_by_trip(files["stop_times.txt"]), defaultdict(list)
    for one in files["frequencies.txt"]:
        frequencies[one["trip_id"]].append(one)
    found: dict[Run, list[TimedCall]] = {}
    for number in range(days):
        day = first_day + timedelta(days=number)
        active = active_services(files, day)
        for trip in files["trips.txt"]:
            rows = calls[trip["trip_id"]]
            if trip["service_id"] not in active or len(rows) < 2:
                continue
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone_of[trip["route_id"]]))
            zero = noon.astimezone(UTC) - timedelta(hours=12)
            first = departure_of(rows[0])
            assert first is not None
            for start in run_starts(frequencies[trip["trip_id"]], first):
                run = (trip["trip_id"], day, zero + timedelta(seconds=start))
                found[run] = [timed(row, zero, start - first) for row in rows]
    return found


def read_files(feed: Path) -> defaultdict[str, list[dict[str, str]]]:
    """Read all tables of a feed, whatever folder of the archive they are in."""
    files: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    with zipfile.ZipFile(feed) as archive:
        for name in archive.namelist():
            text = io.TextIOWrapper(archive.open(name), "utf-8-sig", newline="")
            if name.endswith(".txt"):
                files[name.rpartition("/")[2]] = [
                    {column.strip(): (cell or "").strip() for column, cell in row.items() if column}
                    for row in csv.DictReader(text)
                ]
    return files


def active_services(files: dict[str, list[dict[str, str]]], day: date) -> set[str]:
    """Return the services that run on a day."""
    written = f"{day:%Y%m%d}"
    active = {
        one["service_id"]
        for one in files["calendar.txt"]
        if one["start_date"] <= written <= one["end_date"] and one[WEEKDAYS[day.weekday()]] == "1"
    }
    for one in files["calendar_dates.txt"]:
        if one["date"] == written:
            (active.add if one["exception_type"] == "1" else active.discard)(one["service_id"])
    return active


def calls_by_trip(rows: list[dict[str, str]]) -> defaultdict[str, list[dict[str, str]]]:
    """Return the rows of stop_times.txt by trip, in the order of their sequence."""
    found: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["stop_sequence"])):
        found[row["trip_id"]].append(row)
    return found


def run_starts(frequencies: list[dict[str, str]], first: int) -> set[int]:
    """Return when a trip departs, in seconds of the service day: once, or every headway until a period ends."""
    if not frequencies:
        return {first}
    starts = set()
    for one in frequencies:
        start = clock(one["start_time"])
        while start < clock(one["end_time"]):
            starts.add(start)
            start += int(one["headway_secs"])
    return starts


def timed(row: dict[str, str], zero: datetime, later: int) -> TimedCall:
    """Return a call of a run that departs so many seconds later than the timetable's trip."""
    arrival, departure = row["arrival_time"], row["departure_time"]
    times = [
        zero + timedelta(seconds=clock(one) + later) for one in (arrival or departure, departure or arrival) if one
    ]
    return row["stop_id"], *(times or [None, None])


def departure_of(row: dict[str, str]) -> int | None:
    text = row["departure_time"] or row["arrival_time"]
    return clock(text) if text else None


def clock(text: str) -> int:
    """Read H:MM:SS."""
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
