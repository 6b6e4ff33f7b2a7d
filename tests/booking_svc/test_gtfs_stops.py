"""Agencies, stops and stations of a feed."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, with_rows, zipped


def test_stops_and_stations_are_told_and_what_is_inside_them_is_not(tmp_path: Path):
    """An entrance, a node and a boarding area have neither a name nor a place that we need; a station has no parent."""
    files = with_rows(
        "stops.txt",
        "quay,Quay,38.801,-9.101,3,0,harbour,",
        "door,,,,,2,harbour,",
        "node,,,,,3,harbour,",
        "bay,,,,,4,quay,",
        "odd,Odd Quay,38.802,-9.102,,,node,",
        "hub,Hub,38.802,-9.102,,1,nowhere,",
    )
    found = read(zipped(tmp_path, files))
    assert found.problems == []
    stations = {stop["feed_stop_id"]: (stop["feed_station_id"], stop["is_station"]) for stop in found.stops}
    assert stations == {
        "town": ("", False),
        "cape": ("", False),
        "isle": ("", False),
        "harbour": ("", True),
        "quay": ("harbour", False),
        "odd": ("harbour", False),
        "hub": ("", True),
    }
    assert found.stops[0] == {
        "feed_stop_id": "town",
        "name": "Town Pier",
        "timezone": "Europe/Lisbon",
        "latitude": 38.7,
        "longitude": -9.2,
        "zone_id": "1",
        "feed_station_id": "",
        "is_station": False,
    }


def test_a_stop_has_its_own_zone_of_time_or_its_stations_or_the_agencys(tmp_path: Path):
    files = with_rows(
        "stops.txt",
        "azores,Ponta Delgada,37.7,-25.7,,1,,Atlantic/Azores",
        "quay,Quay,37.7,-25.7,,,azores,",
        "border,Border,37.7,-25.7,,,azores,Europe/Madrid",
    )
    zones = {stop["feed_stop_id"]: stop["timezone"] for stop in read(zipped(tmp_path, files)).stops}
    assert zones["town"] == "Europe/Lisbon"
    assert zones["quay"] == "Atlantic/Azores"
    assert zones["border"] == "Europe/Madrid"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("far,Far,90.1,0", "stop_lat"),
        ("far,Far,0,-180.5", "stop_lon"),
        ("far,Far,nan,0", "stop_lat"),
        ("far,Far,0,inf", "stop_lon"),
        ("far,Far,1e999,0", "stop_lat"),
        ("far,Far,,", "stop_lat"),
        ('far,Far,"38,7",0', "stop_lat"),
        ("far,Far,0x10,0", "stop_lat"),
        ("far,Far,1_0,0", "stop_lat"),
        ("far,Far,٣,0", "stop_lat"),
        ("far,Far,1,0,,5", "location_type"),
        ("far,Far,1,0,,-1", "location_type"),
        ("far,Far,1,0,,,nowhere", "parent_station"),
        ("far,Far,1,0,,,,Europe/Atlantis", "stop_timezone"),
        ("far,Far,1,0,,,,../../etc/passwd", "stop_timezone"),
        (f"far,Far,1,0,{'z' * 65}", "zone_id"),
        ("town,Town again,1,0", "stop_id"),
        (",Nameless,1,0", "stop_id"),
        (f"{'x' * 201},Far,1,0", "stop_id"),
        ("be\x07ll,Far,1,0", "stop_id"),
        ("right\u202eleft,Far,1,0", "stop_id"),
    ],
)
def test_a_wrong_stop_is_told_and_left_out(tmp_path: Path, row: str, field: str):
    path = zipped(tmp_path, with_rows("stops.txt", row))
    found = read(path)
    assert found.faults == [("error", "stops.txt", 6, field)]
    assert not found.is_usable
    rest = read(path, skips_bad=True)
    assert [stop["feed_stop_id"] for stop in rest.stops] == ["town", "cape", "isle", "harbour"]
    assert len(rest.trips) == 3


def test_a_stop_at_zero_and_zero_is_told(tmp_path: Path):
    found = read(zipped(tmp_path, changed("stops.txt", "38.700,-9.150", "0,0.0")))
    assert found.faults[0] == ("warning", "stops.txt", 3, "stop_lat")
    assert found.is_usable


def test_names_are_put_on_one_line_and_cut_and_told(tmp_path: Path):
    files = with_rows("stops.txt", 'loud,"A\x07  \u00a0\u2028B ",1,0', f"long,{'x' * 300},1,0", "mute,,1,0")
    found = read(zipped(tmp_path, files))
    names = {stop["feed_stop_id"]: stop["name"] for stop in found.stops}
    assert names["loud"] == "A B"
    assert names["long"] == "x" * 200
    assert names["mute"] == "mute"
    assert found.faults == [("warning", "stops.txt", line, "stop_name") for line in (6, 7, 8)]
    assert found.is_usable


def test_parents_that_go_in_circles_or_are_no_stations_are_told(tmp_path: Path):
    rows = (
        "one,One,1,0,,0,two,",
        "two,Two,1,0,,0,one,",
        "self,Self,1,0,,0,self,",
        "in,,,,,3,out,",
        "out,,,,,3,in,",
        "way,Way,1,0,,0,in,",
    )
    found = read(zipped(tmp_path, with_rows("stops.txt", *rows)), skips_bad=True)
    assert ("warning", "stops.txt", 6, "parent_station") in found.faults
    assert ("warning", "stops.txt", 7, "parent_station") in found.faults
    assert ("warning", "stops.txt", 8, "parent_station") in found.faults
    assert ("error", "stops.txt", 11, "parent_station") in found.faults
    assert all(not stop["feed_station_id"] for stop in found.stops)


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "+01:00", "UTC+1"])
def test_an_agency_without_a_zone_of_time_is_told(tmp_path: Path, zone: str):
    found = read(zipped(tmp_path, changed("agency.txt", "Europe/Lisbon", zone)), skips_bad=True)
    assert found.faults == [("error", "agency.txt", 2, "agency_timezone"), ("error", "agency.txt", 0, "")]
    assert not found.is_usable


def test_a_trip_has_the_zone_of_its_routes_agency(tmp_path: Path):
    """Which should be that of all agencies, so it is told; but times are right all the same."""
    files = with_rows("agency.txt", "AZ,Azores,https://example.org,Atlantic/Azores")
    files["routes.txt"] = ISLANDS["routes.txt"].replace("C9,IL", "C9,AZ").replace("F1,IL", "F1,")
    found = read(zipped(tmp_path, files))
    assert found.faults == [("warning", "agency.txt", 3, "agency_timezone")]
    assert found.trip("bus")["timezone"] == "Atlantic/Azores"
    assert found.trip("out")["timezone"] == "Europe/Lisbon"
