"""On which days the services of a feed run."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.booking_svc.gtfs_expansion import active_services, read_files
from tests.booking_svc.gtfs_feeds import ISLANDS, calendar_of, changed, read, with_rows, zipped

days = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 3, 1))


def test_only_services_that_trips_use_are_told(tmp_path: Path):
    files = with_rows("calendar.txt", "idle,1,1,1,1,1,1,1,20260101,20261231")
    found = read(zipped(tmp_path, files))
    assert [service["service_id"] for service in found.services] == ["daily", "weekend"]
    assert found.services[1] == {
        "service_id": "weekend",
        "weekdays": [False, False, False, False, False, True, True],
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "added": ["2026-06-08"],
        "removed": ["2026-06-06"],
    }


@given(
    weekdays=st.lists(st.booleans(), min_size=7, max_size=7),
    ends=st.lists(days, min_size=2, max_size=2).map(sorted),
    exceptions=st.dictionaries(days, st.booleans(), max_size=8),
)
def test_a_service_runs_when_the_specification_says(
    tmp_path_factory: pytest.TempPathFactory, weekdays: list[bool], ends: list[date], exceptions: dict[date, bool]
):
    files = ISLANDS.copy()
    row = ",".join(["drawn", *(str(int(runs)) for runs in weekdays), *(f"{end:%Y%m%d}" for end in ends)])
    files["calendar.txt"] += f"{row}\n"
    files["calendar_dates.txt"] += "".join(
        f"drawn,{day:%Y%m%d},{1 if added else 2}\n" for day, added in exceptions.items()
    )
    files["trips.txt"] = files["trips.txt"].replace("daily", "drawn")
    path = zipped(tmp_path_factory.mktemp("feed"), files)
    (service,) = [one for one in read(path).services if one["service_id"] == "drawn"]
    whole, calendar = read_files(path), calendar_of(service)
    for day in (date(2025, 12, 25) + timedelta(days=number) for number in range(80)):
        assert calendar.runs_on(day) is ("drawn" in active_services(whole, day))


@pytest.mark.parametrize(
    ("file", "row", "field"),
    [
        ("calendar.txt", "odd,1,1,1,1,1,1,2,20260101,20261231", "sunday"),
        ("calendar.txt", "odd,1,1,1,1,,1,1,20260101,20261231", "friday"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,20260230,20261231", "start_date"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,2026-01-01,20261231", "start_date"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,2026W011,20261231", "start_date"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,20260101,22000101", "end_date"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,20260101,20251231", "end_date"),
        ("calendar.txt", "odd,1,1,1,1,1,1,1,20260101", "end_date"),
        ("calendar.txt", "daily,1,1,1,1,1,1,1,20260101,20261231", "service_id"),
        ("calendar_dates.txt", "odd,20260101,3", "exception_type"),
        ("calendar_dates.txt", "odd,20260101,", "exception_type"),
        ("calendar_dates.txt", "odd,tomorrow,1", "date"),
        ("calendar_dates.txt", "weekend,20260606,1", "exception_type"),
        ("calendar_dates.txt", ",20260606,1", "service_id"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_told(tmp_path: Path, file: str, row: str, field: str):
    assert read(zipped(tmp_path, with_rows(file, row))).faults[0] == ("error", file, 4, field)


def test_the_same_exception_twice_is_no_trouble(tmp_path: Path):
    assert read(zipped(tmp_path, with_rows("calendar_dates.txt", "weekend,20260606,2"))).problems == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("calendar.txt", "weekend,0,0", "weekend,0,x"),
        ("calendar_dates.txt", "weekend,20260606,2", "weekend,2026-06-06,2"),
        ("calendar_dates.txt", "weekend,20260606,2", "weekend,20260608,2"),  # and it is added there
    ],
)
def test_a_service_with_anything_wrong_is_sold_on_no_day(tmp_path: Path, file: str, old: str, new: str):
    """A ride on a day on which it does not run is worse than none."""
    found = read(zipped(tmp_path, changed(file, old, new)), skips_bad=True)
    assert [service["service_id"] for service in found.services] == ["daily"]
    assert [trip["feed_trip_id"] for trip in found.trips] == ["out", "back"]
    assert found.faults[-1] == ("error", "trips.txt", 4, "service_id")
