"""The reader as a process: it always ends with what it found, quickly, in little memory, whatever it is given."""

import json
import os
import subprocess
import sys
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_svc.gtfs.records import read_records
from tests.booking_svc.gtfs_feeds import ISLANDS, Told, read, real_feed, run_reader, told, with_rows, zipped

MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD_CELLS = st.sampled_from([
    "", " ", "0", "-1", "1", "2", "99999999999", "1e400", "nan", "٣", "x" * 300, "\x00", "\ufeff", '"', '""', "'", ",",
    "\r", "\n", "\u2028", "town", "out", "daily", "F1", "coast", "25:00:00", "08:00:00", "8:0:0", "20260101",
    "20269999", "Europe/Lisbon", "EUR", "../../etc/passwd", "\U0001d7d8", "é", "\u202e",
])  # fmt: skip


def consistent(found: Told) -> None:
    """See that whatever is told can be sold: all that is named is there, and nothing goes back."""
    if not found.is_usable:
        assert found.end["counts"] == {"stops": 0, "routes": 0, "patterns": 0, "trips": 0}
        assert found.problems
        return
    stops = {stop["feed_stop_id"] for stop in found.stops if not stop["is_station"]}
    stations = {stop["feed_stop_id"] for stop in found.stops if stop["is_station"]}
    assert all(stop["feed_station_id"] in stations | {""} for stop in found.stops)
    services = {service["service_id"] for service in found.services}
    routes = {route["feed_route_id"] for route in found.routes}
    assert found.trips
    for trip in found.trips:
        assert trip["service_id"] in services
        assert trip["feed_route_id"] in routes
        assert trip["pattern"] < len(found.patterns)
        assert trip["headsign"]
    for pattern in found.patterns:
        calls = pattern["calls"]
        times = chain.from_iterable((call["arrival_seconds"], call["departure_seconds"]) for call in calls)
        assert all(before <= after for before, after in pairwise(times))
        assert calls[0]["departure_seconds"] == 0
        distances = [call["distance_meters"] for call in calls]
        assert distances == sorted(distances)
        assert distances[0] == 0.0
        assert {call["feed_stop_id"] for call in calls} <= stops
        along = [point[2] for point in pattern["shape"]]
        assert along == sorted(along)
        assert along in ([], [*along[:-1], distances[-1]])


@MANY
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(sorted(ISLANDS)), st.integers(0, 200), st.integers(0, 12), ODD_CELLS),
        min_size=1,
        max_size=6,
    ),
    skips_bad=st.booleans(),
)
def test_whatever_stands_in_its_cells_a_feed_is_read_or_refused(
    tmp_path: Path, changes: list[tuple[str, int, int, str]], skips_bad: bool
):
    files = {file: [line.split(",") for line in text.splitlines()] for file, text in ISLANDS.items()}
    for file, line, column, cell in changes:
        row = files[file][line % len(files[file])]
        row[column % len(row)] = cell
    texts = {file: "\n".join(",".join(row) for row in rows) for file, rows in files.items()}
    found = read(zipped(tmp_path, texts), skips_bad=skips_bad)
    consistent(found)
    assert found.is_usable or found.end["errors"]


@MANY
@given(
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 50),
)
def test_whatever_happens_to_its_bytes_a_feed_is_read_or_refused(
    tmp_path: Path, places: list[tuple[int, int]], cut: int
):
    path = zipped(tmp_path, ISLANDS)
    content = bytearray(path.read_bytes())
    for place, value in places:
        content[place % len(content)] = value
    path.write_bytes(content[: len(content) - max(cut - 25, 0)])
    consistent(read(path))
    consistent(read(path, skips_bad=True))


@pytest.mark.parametrize(
    ("name", "cpu_seconds_max"),
    [("bart.zip", 4), ("caltrain.zip", 4), ("poa_eptc.zip", 8), ("wmata_3routes_gtfs.zip", 12)],
)
def test_a_real_feed_takes_seconds_and_little_memory(name: str, cpu_seconds_max: int):
    """Twice the time that it may take, for a machine that is busy; 200 MB of addresses are well over what is used."""
    feed = real_feed(name)
    found, cpu_seconds = run_reader(feed, megabytes=200)
    assert found.end["errors"] == 0
    consistent(found)
    assert cpu_seconds < cpu_seconds_max


def test_lines_are_short_enough_to_be_read_one_by_one():
    """All but the fares, which are one record."""
    lines = list(read_records(real_feed("wmata_3routes_gtfs.zip"), skips_bad=False))
    assert max(map(len, lines)) <= 200_000
    kinds = [next(iter(json.loads(line))) for line in lines]
    assert list(dict.fromkeys(kinds)) == ["stops", "routes", "patterns", "services", "trips", "end"]


def test_the_feeds_that_are_faulty_on_purpose_get_their_reports():
    """A stop at the south pole's far side and a route of nobody's, and what follows from them."""
    found = read(real_feed("example-errors.zip"))
    assert not found.is_usable
    assert found.faults == [
        ("error", "stops.txt", 6, "stop_lat"),
        ("error", "routes.txt", 6, "agency_id"),
        ("error", "fare_rules.txt", 5, "route_id"),
        *(("error", "trips.txt", line, "route_id") for line in (9, 10, 11, 12)),
        ("error", "stop_times.txt", 6, "stop_id"),
        ("error", "stop_times.txt", 11, "stop_id"),
    ]
    rest = read(real_feed("example-errors.zip"), skips_bad=True)
    assert [trip["feed_trip_id"] for trip in rest.trips] == ["AB1", "AB2", "STBA", "BFC1", "BFC2"]
    nested = read(real_feed("example-nested-dir.zip"))
    assert (nested.problems, len(nested.trips)) == ([], 11)
    assert read(real_feed("invalid.zip")).faults == [("error", "invalid.zip", 0, "")]


def test_bad_rows_are_skipped_only_when_asked(tmp_path: Path):
    path = zipped(tmp_path, with_rows("stops.txt", "far,Far,99,0"))
    assert run_reader(path)[0].is_usable is False
    found, _ = run_reader(path, "--skip-bad")
    assert found.is_usable
    assert found.end["errors"] == 1
    assert len(found.trips) == 3


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    found, _ = run_reader(tmp_path / "absent.zip")
    assert found.faults == [("error", "absent.zip", 0, "")]


def test_the_reader_gives_way_to_those_who_sell(tmp_path: Path):
    """It is nice, and holds itself to a gigabyte, before it reads anything: here from a pipe that nobody fills."""
    os.mkfifo(tmp_path / "feed.zip")
    command = [sys.executable, "-m", "booking_svc.gtfs", str(tmp_path / "feed.zip")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        with (tmp_path / "feed.zip").open("wb"):
            fields = Path(f"/proc/{reader.pid}/stat").read_text().rpartition(")")[2].split()
            limits = Path(f"/proc/{reader.pid}/limits").read_text()
        assert int(fields[16]) >= 10
        assert f"{1 << 30}" in next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert reader.stdout
        assert not told(line.decode() for line in reader.stdout).is_usable


def test_the_reader_ends_when_nobody_listens(tmp_path: Path):
    """The service may have died."""
    rows = [f"s{number},Stop,1,1" for number in range(5000)]
    command = [sys.executable, "-m", "booking_svc.gtfs", str(zipped(tmp_path, with_rows("stops.txt", *rows)))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout
        reader.stdout.close()
        assert reader.wait(timeout=30) == 1
