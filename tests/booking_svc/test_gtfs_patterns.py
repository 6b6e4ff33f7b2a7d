"""Patterns that trips share, and where their calls lie along a shape."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, with_rows, zipped

DEGREE_METERS = 86_780
"""How long a degree of longitude is at 38.7 degrees north."""


def meters(found, trip_id: str) -> list[float]:
    return [call["distance_meters"] for call in found.calls(trip_id)]


def shape(found, trip_id: str) -> list[list[float]]:
    return found.patterns[found.trip(trip_id)["pattern"]]["shape"]


def with_calls(trip_id: str, *calls: str, shape_id: str = "", trip: str = "F1,daily,", files=ISLANDS):
    """Return a feed with one more trip, of calls such as "town 8:00"."""
    rows = "".join(
        f"{trip_id},{time}:00,,{stop},{number}\n" for number, (stop, time) in enumerate(call.split() for call in calls)
    )
    return files | {
        "trips.txt": f"{files['trips.txt']}{trip_id},{trip},{shape_id}\n",
        "stop_times.txt": files["stop_times.txt"] + rows,
    }


def with_shape(*points: str) -> dict[str, str]:
    return ISLANDS | {"shapes.txt": ISLANDS["shapes.txt"].partition("\n")[0] + "\n" + "\n".join(points)}


def test_trips_with_the_same_times_between_calls_share_a_pattern(tmp_path: Path):
    """Whenever they start, whatever their route, service and headsign."""
    files = with_calls("late", "town 23:50", "cape 24:40", trip="F1,daily,Elsewhere")
    files = with_calls("slow", "town 8:00", "cape 8:51", files=files)
    found = read(zipped(tmp_path, files))
    numbers = {trip["feed_trip_id"]: trip["pattern"] for trip in found.trips}
    assert numbers["late"] == numbers["bus"]
    assert numbers["slow"] != numbers["bus"]
    assert [pattern["number"] for pattern in found.patterns] == list(range(4))


def test_trips_with_other_rules_or_another_shape_have_a_pattern_of_their_own(tmp_path: Path):
    files = with_calls("shaped", "town 24:10", "cape 25:00", shape_id="coast")
    files["stop_times.txt"] = files["stop_times.txt"].replace("stop_sequence", "stop_sequence,pickup_type")
    files["stop_times.txt"] += "closed,8:00:00,,town,1,1\nclosed,8:50:00,,cape,2,0\n"
    files["trips.txt"] += "closed,F1,daily,,\n"
    found = read(zipped(tmp_path, files))
    assert len({found.trip(trip)["pattern"] for trip in ("bus", "shaped", "closed")}) == 3


def test_calls_lie_along_the_shape_which_is_cut_to_the_ride(tmp_path: Path):
    """A ride that takes only a part of the line."""
    found = read(zipped(tmp_path, with_calls("part", "cape 8:00", "isle 8:20", shape_id="coast")))
    assert found.problems == []
    assert meters(found, "out") == [
        0.0,
        pytest.approx(0.05 * DEGREE_METERS, abs=2),
        pytest.approx(0.1 * DEGREE_METERS, abs=2),
    ]
    assert shape(found, "out") == [[38.7, -9.2, 0.0], [38.7, -9.1, meters(found, "out")[2]]]
    assert meters(found, "part") == [0.0, pytest.approx(0.05 * DEGREE_METERS, abs=2)]
    assert shape(found, "part") == [[38.7, -9.15, 0.0], [38.7, -9.1, meters(found, "part")[1]]]


def test_points_of_a_shape_may_stand_in_any_order(tmp_path: Path):
    files = with_shape("coast,38.7,-9.1,20", "coast,38.705,-9.15,3", "coast,38.7,-9.2,0")
    assert [point[:2] for point in shape(read(zipped(tmp_path, files)), "out")] == [
        [38.7, -9.2],
        [38.705, -9.15],
        [38.7, -9.1],
    ]


def test_a_ride_without_a_shape_goes_straight(tmp_path: Path):
    found = read(zipped(tmp_path, ISLANDS))
    assert meters(found, "back") == [0.0, pytest.approx(0.1 * DEGREE_METERS, abs=2)]
    assert shape(found, "back") == []


def with_units(*units: str) -> dict[str, str]:
    """Return our feed with distances of its own, in miles from a depot 2 miles up the line, for its shape and trip."""
    files = {file: text.splitlines() for file, text in ISLANDS.items()}
    marks = [f"{files['shapes.txt'][0]},shape_dist_traveled", "coast,38.7,-9.2,1,2.0", "coast,38.7,-9.1,2,7.0"]
    calls = files["stop_times.txt"]
    rows = [f"{row},{unit}" for row, unit in zip(calls[1:4], units, strict=True)]
    calls = [f"{calls[0]},shape_dist_traveled", *rows, *calls[4:]]
    return ISLANDS | {"shapes.txt": "\n".join(marks), "stop_times.txt": "\n".join(calls)}


@pytest.mark.parametrize(
    ("units", "share"),
    [
        (["2.0", "4.5", "7.0"], 0.5),
        (["2.0", "4.7", "7.0"], 0.54),
        (["2.0", "", "7.0"], 0.5),
        (["2.0", "6.9", "4.0"], 0.5),
        (["0.0", "0.001", "0.002"], 0.5),
    ],
    ids=["as it is", "a little off", "not all given", "backwards", "in another unit than the shape's"],
)
def test_distances_that_the_feed_gives_are_used_where_they_make_sense(tmp_path: Path, units: list[str], share: float):
    found = read(zipped(tmp_path, with_units(*units)))
    assert found.problems == []
    along = meters(found, "out")
    assert along[1] / along[2] == pytest.approx(share, abs=0.001)
    assert along[2] == pytest.approx(0.1 * DEGREE_METERS, abs=2)


def test_a_shape_that_ends_too_early_is_led_on_and_told(tmp_path: Path):
    found = read(zipped(tmp_path, with_shape("coast,38.7,-9.2,0", "coast,38.72,-9.16,1", "coast,38.7,-9.14,2")))
    assert found.faults == [("warning", "shapes.txt", 0, "shape_id")]
    assert shape(found, "out")[-1] == [38.7, -9.1, meters(found, "out")[-1]]
    assert len(shape(found, "out")) == 4


def test_a_shape_that_leaves_out_stops_is_not_used_and_told(tmp_path: Path):
    found = read(zipped(tmp_path, with_shape("coast,38.7,-9.2,0", "coast,38.9,-9.15,1", "coast,38.7,-9.1,2")))
    assert found.faults == [("warning", "shapes.txt", 0, "shape_id")]
    assert shape(found, "out") == []
    assert meters(found, "out")[2] == pytest.approx(0.1 * DEGREE_METERS, abs=2)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("coast,91,-9.1,3", "shape_pt_lat"),
        ("coast,38.7,,3", "shape_pt_lon"),
        ("coast,38.7,-9.1,x", "shape_pt_sequence"),
        ("coast,38.7,-9.1,3,-5", "shape_dist_traveled"),
        ("coast,38.7,-9.1,3,1e400", "shape_dist_traveled"),
    ],
)
def test_a_shape_with_a_wrong_point_is_told_and_left_out(tmp_path: Path, row: str, field: str):
    files = with_rows("shapes.txt", row)
    files["shapes.txt"] = files["shapes.txt"].replace("sequence", "sequence,shape_dist_traveled")
    found = read(zipped(tmp_path, files), skips_bad=True)
    assert found.faults == [("error", "shapes.txt", 4, field), ("warning", "trips.txt", 2, "shape_id")]
    assert shape(found, "out") == []


def test_a_shape_of_one_point_is_none(tmp_path: Path):
    found = read(zipped(tmp_path, with_shape("coast,38.7,-9.2,0")))
    assert found.faults == [("warning", "shapes.txt", 2, "shape_id"), ("warning", "trips.txt", 2, "shape_id")]


def test_a_ride_that_stays_where_it_is_is_no_trouble(tmp_path: Path):
    """Calls in one place, with a shape that is one place, too."""
    files = with_shape("coast,38.7,-9.2,0", "coast,38.7,-9.2,1") | {}
    files["stops.txt"] = changed("stops.txt", "38.700,-9.150", "38.700,-9.200")["stops.txt"].replace(
        "38.700,-9.100", "38.700,-9.200"
    )
    found = read(zipped(tmp_path, files))
    assert found.problems == []
    assert meters(found, "out") == [0.0, 0.0, 0.0]
    assert [call["arrival_seconds"] for call in found.calls("out")] == [0, 1200, 2400]
