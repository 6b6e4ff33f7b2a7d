"""Routes of a feed and what runs on them."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import changed, read, with_rows, zipped

MODES = {
    "tram": [0, 5, 900, 906],
    "metro": [1, 400, 401, 500, 600],
    "rail": [2, 7, 12, 100, 106, 117, 300, 1400],
    "bus": [3, 11, 700, 702, 715, 800],
    "ferry": [4, 1000, 1015, 1200],
    "coach": [200, 202, 209],
    "shuttle": [711, 1501],
}


def test_every_type_of_route_has_its_mode(tmp_path: Path):
    rows = [f"r{kind},IL,{kind},,{kind}" for kinds in MODES.values() for kind in kinds]
    found = read(zipped(tmp_path, with_rows("routes.txt", *rows)))
    assert found.problems == []
    modes = {route["feed_route_id"]: route["mode"] for route in found.routes}
    assert {mode: [kind for kind in kinds if modes[f"r{kind}"] == mode] for mode, kinds in MODES.items()} == MODES
    assert found.routes[0] == {
        "feed_route_id": "F1",
        "short_name": "F1",
        "long_name": "Town to Isle",
        "mode": "ferry",
    }


@pytest.mark.parametrize("kind", [6, 8, 99, 1100, 1300, 1700, 9999])
def test_an_unknown_type_is_taken_for_a_bus_and_told(tmp_path: Path, kind: int):
    found = read(zipped(tmp_path, with_rows("routes.txt", f"odd,IL,Odd,,{kind}")))
    assert found.faults == [("warning", "routes.txt", 4, "route_type")]
    assert found.routes[2]["mode"] == "bus"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("odd,XX,Odd,,3", "agency_id"),
        ("odd,IL,,,3", "route_short_name"),
        ("odd,IL,Odd,,", "route_type"),
        ("odd,IL,Odd,,bus", "route_type"),
        ("odd,IL,Odd,,-3", "route_type"),
        ("F1,IL,Again,,3", "route_id"),
        (",IL,Nameless,,3", "route_id"),
    ],
)
def test_a_wrong_route_is_told_and_left_out(tmp_path: Path, row: str, field: str):
    path = zipped(tmp_path, with_rows("routes.txt", row))
    assert read(path).faults == [("error", "routes.txt", 4, field)]
    assert [route["feed_route_id"] for route in read(path, skips_bad=True).routes] == ["F1", "C9"]


def test_trips_of_a_wrong_route_are_left_out_with_it(tmp_path: Path):
    """Their calls are not told one by one."""
    path = zipped(tmp_path, changed("routes.txt", "F1,IL", "F1,XX"))
    found = read(path, skips_bad=True)
    assert found.faults == [
        ("error", "routes.txt", 2, "agency_id"),
        ("error", "fare_rules.txt", 2, "route_id"),
        ("error", "trips.txt", 2, "route_id"),
        ("error", "trips.txt", 3, "route_id"),
    ]
    assert [trip["feed_trip_id"] for trip in found.trips] == ["bus"]
    assert found.is_usable
