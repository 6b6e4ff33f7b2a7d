"""Trips of a feed and their frequencies."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, with_rows, zipped


def test_trips_are_told_with_what_they_run_by(tmp_path: Path):
    found = read(zipped(tmp_path, ISLANDS))
    assert found.trips == [
        {
            "feed_trip_id": "out",
            "feed_route_id": "F1",
            "service_id": "daily",
            "headsign": "Isle",
            "timezone": "Europe/Lisbon",
            "pattern": 0,
            "start_seconds": 8 * 3600,
            "frequencies": [[6 * 3600, 7 * 3600, 1200]],
        },
        {
            "feed_trip_id": "back",
            "feed_route_id": "F1",
            "service_id": "daily",
            "headsign": "Town to Isle",
            "timezone": "Europe/Lisbon",
            "pattern": 1,
            "start_seconds": 9 * 3600 + 300,
            "frequencies": [],
        },
        {
            "feed_trip_id": "bus",
            "feed_route_id": "C9",
            "service_id": "weekend",
            "headsign": "Cape",
            "timezone": "Europe/Lisbon",
            "pattern": 2,
            "start_seconds": 24 * 3600 + 600,
            "frequencies": [],
        },
    ]
    assert found.end == {
        "counts": {"stops": 4, "routes": 2, "patterns": 3, "trips": 3},
        "errors": 0,
        "warnings": 0,
        "is_usable": True,
    }


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("odd,XX,daily,,", "route_id"),
        ("odd,F1,never,,", "service_id"),
        ("odd,F1,,,", "service_id"),
        ("out,F1,daily,,", "trip_id"),
        (",F1,daily,,", "trip_id"),
        ("o\tdd,F1,daily,,", "trip_id"),
    ],
)
def test_a_wrong_trip_is_told_and_left_out(tmp_path: Path, row: str, field: str):
    path = zipped(tmp_path, with_rows("trips.txt", row))
    assert read(path).faults == [("error", "trips.txt", 5, field)]
    assert [trip["feed_trip_id"] for trip in read(path, skips_bad=True).trips] == ["out", "back", "bus"]


def test_a_trip_goes_without_a_shape_that_is_not_there(tmp_path: Path):
    found = read(zipped(tmp_path, changed("trips.txt", "coast", "inland")))
    assert found.faults == [("warning", "trips.txt", 2, "shape_id")]
    assert found.is_usable
    assert found.patterns[found.trip("out")["pattern"]]["shape"] == []


@pytest.mark.parametrize("rows", [[], ["only,8:00:00,8:00:00,town,1"]])
def test_a_trip_of_fewer_than_two_calls_is_left_out_and_told(tmp_path: Path, rows: list[str]):
    files = with_rows("trips.txt", "only,F1,daily,,") | {
        "stop_times.txt": with_rows("stop_times.txt", *rows)["stop_times.txt"]
    }
    found = read(zipped(tmp_path, files))
    assert found.faults == [("warning", "trips.txt", 5, "trip_id")]
    assert [trip["feed_trip_id"] for trip in found.trips] == ["out", "back", "bus"]


def test_frequencies_of_a_trip_that_overlap_are_told(tmp_path: Path):
    rows = ("out,7:00:00,8:00:00,1200", "out,6:30:00,6:50:00,600")
    found = read(zipped(tmp_path, with_rows("frequencies.txt", *rows)))
    assert found.faults == [("warning", "frequencies.txt", 4, "start_time")]
    assert len(found.trip("out")["frequencies"]) == 3


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("back,10:00:00,11:00:00,0", "headway_secs"),
        ("back,10:00:00,11:00:00,-600", "headway_secs"),
        ("back,10:00:00,11:00:00,", "headway_secs"),
        ("back,10:00:00,11:00:00,10.5", "headway_secs"),
        ("back,10:00:00,11:00:00,1", "headway_secs"),
        ("back,11:00:00,10:00:00,600", "end_time"),
        ("back,10:00:00,10:00:00,600", "end_time"),
        ("back,,11:00:00,600", "start_time"),
        ("back,10:00,11:00:00,600", "start_time"),
    ],
)
def test_a_trip_with_a_wrong_frequency_is_told_and_left_out(tmp_path: Path, row: str, field: str):
    """Rather than run it once, at a time that is only an example."""
    path = zipped(tmp_path, with_rows("frequencies.txt", row))
    assert read(path).faults == [("error", "frequencies.txt", 3, field)]
    assert [trip["feed_trip_id"] for trip in read(path, skips_bad=True).trips] == ["out", "bus"]


def test_a_frequency_of_an_unknown_trip_is_told(tmp_path: Path):
    path = zipped(tmp_path, with_rows("frequencies.txt", "ghost,10:00:00,11:00:00,600"))
    assert read(path).faults == [("error", "frequencies.txt", 3, "trip_id")]
    assert len(read(path, skips_bad=True).trips) == 3


def test_frequencies_may_begin_after_midnight_and_follow_one_another(tmp_path: Path):
    files = with_rows("frequencies.txt", "bus,24:00:00,25:00:00,1800,1", "bus,25:00:00,26:30:00,3600,0")
    found = read(zipped(tmp_path, files))
    assert found.trip("bus")["frequencies"] == [[86_400, 90_000, 1800], [90_000, 95_400, 3600]]
