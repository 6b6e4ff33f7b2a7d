"""Small feeds made in a test, real ones where they lie, and what the reader tells of both."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from booking_svc.domain.departure import day_start
from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar
from booking_svc.gtfs.records import read_records
from tests.booking_svc.gtfs_expansion import Run, TimedCall

REAL_FEEDS = Path(os.environ.get("TEST_FEEDS", Path(__file__).parents[3] / "shared" / "data"))

Files = dict[str, str]
ISLANDS: Files = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nIL,Island Lines,https://example.org,Europe/Lisbon\n",
    "stops.txt": """stop_id,stop_name,stop_lat,stop_lon,zone_id,location_type,parent_station,stop_timezone
town,Town Pier,38.700,-9.200,1,,,
cape,Cape,38.700,-9.150,1,,,
isle,Isle,38.700,-9.100,2,,,
harbour,Old Harbour,38.800,-9.100,3,1,,
""",
    "routes.txt": """route_id,agency_id,route_short_name,route_long_name,route_type
F1,IL,F1,Town to Isle,4
C9,IL,C9,,200
""",
    "trips.txt": """trip_id,route_id,service_id,trip_headsign,shape_id
out,F1,daily,Isle,coast
back,F1,daily,,
bus,C9,weekend,,
""",
    "stop_times.txt": """trip_id,arrival_time,departure_time,stop_id,stop_sequence
out,8:00:00,8:00:00,town,1
out,,,cape,2
out,8:40:00,8:40:00,isle,3
back,9:00:00,9:05:00,isle,1
back,9:45:00,9:45:00,town,5
bus,24:10:00,24:10:00,town,1
bus,25:00:00,25:00:00,cape,2
""",
    "calendar.txt": """service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date
daily,1,1,1,1,1,1,1,20260101,20261231
weekend,0,0,0,0,0,1,1,20260101,20261231
""",
    "calendar_dates.txt": "service_id,date,exception_type\nweekend,20260606,2\nweekend,20260608,1\n",
    "frequencies.txt": "trip_id,start_time,end_time,headway_secs\nout,6:00:00,7:00:00,1200\n",
    "shapes.txt": """shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence
coast,38.700,-9.200,1
coast,38.700,-9.100,2
""",
    "fare_attributes.txt": "fare_id,price,currency_type,transfers\nshort,2.50,EUR,0\nlong,4.00,EUR,0\n",
    "fare_rules.txt": "fare_id,route_id,origin_id,destination_id\nshort,F1,1,2\n",
}
"""A ferry that runs every twenty minutes in the morning, one back, and a coach at night on weekends."""


@dataclass(slots=True)
class Told:
    """What the reader writes, by kind."""

    stops: list[dict[str, Any]] = field(default_factory=list)
    routes: list[dict[str, Any]] = field(default_factory=list)
    patterns: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, Any]] = field(default_factory=list)
    trips: list[dict[str, Any]] = field(default_factory=list)
    fares: dict[str, Any] | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        return self.end["is_usable"]

    @property
    def faults(self) -> list[tuple[str, str, int, str]]:
        """Return the problems without their reasons."""
        return [(one["severity"], one["file"], one["line"], one["field"]) for one in self.problems]

    def calls(self, trip_id: str) -> list[dict[str, Any]]:
        """Return the calls of a trip."""
        return self.patterns[self.trip(trip_id)["pattern"]]["calls"]

    def trip(self, trip_id: str) -> dict[str, Any]:
        (found,) = [trip for trip in self.trips if trip["feed_trip_id"] == trip_id]
        return found


def told(lines: Iterable[str]) -> Told:
    """Take in the reader's lines."""
    found = Told()
    for line in lines:
        ((kind, content),) = json.loads(line).items()
        assert not found.end, "nothing comes after the end"
        if kind in ("fares", "end"):
            setattr(found, kind, content)
        else:
            getattr(found, kind).extend(content)
    assert found.end
    return found


def zipped(folder: Path, files: dict[str, str | bytes], *, name: str = "feed.zip") -> Path:
    """Pack a feed."""
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return folder / name


def changed(file: str, old: str, new: str) -> Files:
    """Return our feed with one thing put otherwise."""
    assert ISLANDS[file].count(old) == 1, f"{old!r} stands {ISLANDS[file].count(old)} times in {file}"
    return ISLANDS | {file: ISLANDS[file].replace(old, new)}


def with_rows(file: str, *rows: str) -> Files:
    """Return our feed with more rows at the end of a file."""
    return ISLANDS | {file: ISLANDS[file] + "".join(f"{row}\n" for row in rows)}


def without(*files: str) -> Files:
    return {file: text for file, text in ISLANDS.items() if file not in files}


def read(path: Path, *, skips_bad: bool = False) -> Told:
    return told(read_records(path, skips_bad=skips_bad))


def real_feed(name: str) -> Path:
    """Return a real feed, or skip the test aloud."""
    path = REAL_FEEDS / name
    if not path.exists():
        pytest.skip(f"NOT TESTED ON {name}: it is not in {REAL_FEEDS.name}; say where by TEST_FEEDS")
    return path


def laid_out(found: Told, first_day: date, days: int) -> dict[Run, list[TimedCall]]:
    """Lay out what the reader tells by the rules of the domain, in the form of gtfs_expansion."""
    services = {one["service_id"]: calendar_of(one) for one in found.services}
    runs: dict[Run, list[TimedCall]] = {}
    for record in found.trips:
        trip = trip_of(record)
        for day in (first_day + timedelta(days=number) for number in range(days)):
            if services[trip.service_id].runs_on(day):
                for start in trip.starts():
                    at = day_start(day, trip.timezone) + timedelta(seconds=start)
                    calls = found.patterns[trip.pattern]["calls"]
                    runs[trip.feed_trip_id, day, at] = [timed_call(call, at) for call in calls]
    return runs


def timed_call(call: dict[str, Any], start: datetime) -> TimedCall:
    if call["is_interpolated"]:
        return call["feed_stop_id"], None, None
    times = (start + timedelta(seconds=call[name]) for name in ("arrival_seconds", "departure_seconds"))
    return call["feed_stop_id"], *times


def calendar_of(record: dict[str, Any]) -> ServiceCalendar:
    return ServiceCalendar(
        record["service_id"],
        tuple(record["weekdays"]),
        date.fromisoformat(record["start_date"]),
        date.fromisoformat(record["end_date"]),
        frozenset(map(date.fromisoformat, record["added"])),
        frozenset(map(date.fromisoformat, record["removed"])),
    )


def trip_of(record: dict[str, Any]) -> FeedTrip:
    return FeedTrip(**record | {"frequencies": tuple(Frequency(*one) for one in record["frequencies"])})


def run_reader(path: Path, *options: str, megabytes: int = 1024) -> tuple[Told, float]:
    """Run the reader as the service does, in a process that gets so much memory; return the seconds of CPU, too."""
    command = ["prlimit", f"--as={megabytes << 20}", sys.executable, "-m", "booking_svc.gtfs", str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        found = told(reader.stdout)
        _, status, usage = os.wait4(reader.pid, 0)
        reader.returncode = os.waitstatus_to_exitcode(status)
    assert reader.returncode == 0
    return found, usage.ru_utime + usage.ru_stime
