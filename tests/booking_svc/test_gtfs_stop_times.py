"""The calls of a feed's trips: in any order, with gaps, and never backwards."""

from pathlib import Path
from random import Random

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, changed, read, with_rows, zipped


def shuffled(text: str) -> str:
    header, *rows = text.splitlines()
    Random(5).shuffle(rows)
    return "\n".join([header, *rows])


def test_calls_may_stand_in_any_order(tmp_path: Path):
    """Neither by trip nor by sequence."""
    files = ISLANDS | {"stop_times.txt": shuffled(ISLANDS["stop_times.txt"])}
    assert read(zipped(tmp_path, files)) == read(zipped(tmp_path, ISLANDS, name="ordered.zip"))


def test_calls_are_told_by_seconds_from_the_first_departure(tmp_path: Path):
    """A vehicle that is there before it leaves arrives at less than zero."""
    calls = read(zipped(tmp_path, ISLANDS)).calls("back")
    assert [(call["feed_stop_id"], call["arrival_seconds"], call["departure_seconds"]) for call in calls] == [
        ("isle", -300, 0),
        ("town", 2400, 2400),
    ]


def test_blank_times_are_worked_out_by_distance_and_marked(tmp_path: Path):
    calls = read(zipped(tmp_path, changed("stops.txt", "38.700,-9.150", "38.700,-9.125"))).calls("out")
    assert [(call["arrival_seconds"], call["is_interpolated"]) for call in calls] == [
        (0, False),
        (1800, True),
        (2400, False),
    ]


@pytest.mark.parametrize("times", ["8:20:00,", ",8:20:00", "8:20:00,8:20:00", " 8:20:00 , 08:20:00"])
def test_one_time_stands_for_both(tmp_path: Path, times: str):
    calls = read(zipped(tmp_path, changed("stop_times.txt", "out,,,cape", f"out,{times},cape"))).calls("out")
    assert (calls[1]["arrival_seconds"], calls[1]["departure_seconds"]) == (1200, 1200)
    assert not calls[1]["is_interpolated"]


@pytest.mark.parametrize(
    ("pickup", "drop_off", "may_board", "may_alight"),
    [
        ("", "", True, True),
        ("0", "0", True, True),
        ("1", "0", False, True),
        ("0", "1", True, False),
        ("2", "3", True, True),
    ],
)
def test_rules_of_getting_on_and_off_are_told(
    tmp_path: Path, pickup: str, drop_off: str, may_board: bool, may_alight: bool
):
    """To phone the agency or to wave at the driver is allowed."""
    header, *rows = ISLANDS["stop_times.txt"].splitlines()
    rows[1] += f",{pickup},{drop_off}"
    text = "\n".join([f"{header},pickup_type,drop_off_type", *rows])
    calls = read(zipped(tmp_path, ISLANDS | {"stop_times.txt": text})).calls("out")
    assert (calls[1]["is_boarding_allowed"], calls[1]["is_alighting_allowed"]) == (may_board, may_alight)
    assert calls[0]["is_boarding_allowed"]


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("out,,,cape,2", "out,8:50:00,8:50:00,cape,2", 4, "arrival_time"),
        ("out,,,cape,2", "out,7:50:00,8:10:00,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,8:20:00,8:10:00,cape,2", 3, "departure_time"),
        ("out,,,cape,2", "out,8:20,8:20,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,8:60:00,,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,-1:00:00,,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,168:00:00,,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,٨:20:00,,cape,2", 3, "arrival_time"),
        ("out,,,cape,2", "out,,,cape,3", 4, "stop_sequence"),
        ("out,,,cape,2", "out,,,cape,two", 3, "stop_sequence"),
        ("out,,,cape,2", "out,,,cape,", 3, "stop_sequence"),
        ("out,,,cape,2", "out,,,cape,-2", 3, "stop_sequence"),
        ("out,,,cape,2", "out,,,atlantis,2", 3, "stop_id"),
        ("out,,,cape,2", "out,,,,2", 3, "stop_id"),
        ("out,,,cape,2", "out,,,harbour,2", 3, "stop_id"),
        ("out,8:00:00,8:00:00,town,1", "out,,,town,1", 2, "arrival_time"),
        ("out,8:40:00,8:40:00,isle,3", "out,,,isle,3", 4, "arrival_time"),
    ],
)
def test_a_trip_with_a_wrong_call_is_told_and_left_out(tmp_path: Path, old: str, new: str, line: int, field: str):
    path = zipped(tmp_path, changed("stop_times.txt", old, new))
    found = read(path)
    assert found.faults == [("error", "stop_times.txt", line, field)]
    assert not found.is_usable
    assert [trip["feed_trip_id"] for trip in read(path, skips_bad=True).trips] == ["back", "bus"]


def test_a_trip_on_demand_is_left_out_and_told(tmp_path: Path):
    """GTFS-Flex: a window of time within an area, which has no stop; the feed is right, and the rest of it on sale."""
    files = with_rows("trips.txt", "flex,F1,daily,,", "mixed,F1,daily,,")
    header, *rows = with_rows("stop_times.txt", "mixed,7:00:00,7:00:00,town,1")["stop_times.txt"].splitlines()
    windows = [f"{row},,,8:00:00,12:00:00" for row in ("flex,,,,1", "flex,,,,2", "mixed,,,,2")]
    windows = [row.replace(",,,8:", ",area,8:") for row in windows]
    columns = f"{header},location_id,start_pickup_drop_off_window,end_pickup_drop_off_window"
    found = read(zipped(tmp_path, files | {"stop_times.txt": "\n".join([columns, *rows, *windows])}))
    field = "start_pickup_drop_off_window"
    assert found.faults == [("warning", "stop_times.txt", line, field) for line in (10, 11, 12)]
    assert found.is_usable
    assert [trip["feed_trip_id"] for trip in found.trips] == ["out", "back", "bus"]


def test_a_call_of_an_unknown_trip_is_told(tmp_path: Path):
    path = zipped(tmp_path, with_rows("stop_times.txt", "ghost,8:00:00,8:00:00,town,1"))
    assert read(path).faults == [("error", "stop_times.txt", 9, "trip_id")]
    assert len(read(path, skips_bad=True).trips) == 3


@pytest.mark.parametrize(("calls", "is_right"), [(300, True), (301, False)])
def test_a_trip_has_three_hundred_calls_at_most(tmp_path: Path, calls: int, is_right: bool):
    rows = [f"long,{8 + number // 60}:{number % 60:02}:00,,town,{number * 7}" for number in range(calls)]
    files = with_rows("stop_times.txt", *rows) | {"trips.txt": with_rows("trips.txt", "long,F1,daily,,")["trips.txt"]}
    found = read(zipped(tmp_path, files))
    assert found.faults == ([] if is_right else [("error", "stop_times.txt", 309, "stop_sequence")])
    assert found.is_usable is is_right


def test_times_may_pass_midnight_more_than_once(tmp_path: Path):
    """A night ferry of two nights."""
    found = read(zipped(tmp_path, changed("stop_times.txt", "bus,25:00:00,25:00:00", "bus,61:30:00,61:30:00")))
    assert found.problems == []
    assert found.calls("bus")[1]["arrival_seconds"] == (61 * 60 + 30 - 24 * 60 - 10) * 60
