"""On which days a service runs, when its trips start, and what the clock of the street says then."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain.departure import day_start
from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar

MONDAY = date(2026, 3, 2)
CHANGES = [
    ("America/New_York", date(2026, 3, 8), 3600),
    ("America/New_York", date(2026, 11, 1), -3600),
    ("Europe/Lisbon", date(2026, 3, 29), 3600),
    ("Europe/Lisbon", date(2026, 10, 25), -3600),
    ("Australia/Lord_Howe", date(2026, 10, 4), 1800),
    ("Australia/Lord_Howe", date(2026, 4, 5), -1800),
    ("America/Santiago", date(2026, 9, 6), 3600),
    ("Africa/Cairo", date(2026, 4, 24), 3600),
    ("Pacific/Chatham", date(2026, 9, 27), 3600),
    ("Pacific/Chatham", date(2026, 4, 5), -3600),
]
"""A zone, a day on which its clocks are put on or back before noon, and by how many seconds."""
days = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 12, 31))
seconds = st.integers(min_value=0, max_value=48 * 3600)
frequencies = st.builds(Frequency, seconds, seconds, st.integers(min_value=60, max_value=7200))


def trip(*runs: Frequency, start_seconds: int = 8 * 3600, timezone: str = "Europe/Lisbon") -> FeedTrip:
    return FeedTrip("F1-1", "F1", "daily", "There", timezone, 0, start_seconds, runs)


def service(weekdays: str = "1111111", *, added: set[date] = frozenset(), removed: set[date] = frozenset()):
    """Make a service of March 2026."""
    runs = tuple(day == "1" for day in weekdays)
    return ServiceCalendar("s", runs, MONDAY, date(2026, 3, 31), frozenset(added), frozenset(removed))


def departs_at(found: FeedTrip, day: date) -> list[datetime]:
    """Return when a trip departs on a day, by the clock of the street."""
    zero = day_start(day, found.timezone)
    return [(zero + timedelta(seconds=start)).astimezone(ZoneInfo(found.timezone)) for start in found.starts()]


def on_the_wall(day: date, count: int) -> datetime:
    """Return what a timetable means by so many seconds, where no clock is changed."""
    return datetime.combine(day, time()) + timedelta(seconds=count)


@pytest.mark.parametrize(("zone", "day", "shift"), CHANGES)
def test_a_run_after_the_change_departs_when_the_timetable_says(zone: str, day: date, shift: int):
    runs = departs_at(trip(Frequency(4 * 3600, 23 * 3600, 900), timezone=zone), day)
    assert [run.replace(tzinfo=None) for run in runs] == [
        on_the_wall(day, count) for count in range(4 * 3600, 23 * 3600, 900)
    ]


@pytest.mark.parametrize(("zone", "day", "shift"), CHANGES)
def test_a_run_before_the_change_counts_back_from_noon(zone: str, day: date, shift: int):
    """A spring day has an hour less before noon, so that its zero is 23:00 of the day before; in autumn it is 1:00."""
    (run,) = departs_at(trip(start_seconds=0, timezone=zone), day)
    midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    assert run.astimezone(UTC) - midnight == timedelta(seconds=-shift)


@pytest.mark.parametrize(("zone", "day", "shift"), CHANGES)
def test_a_run_of_the_night_before_is_late_or_early_on_the_wall(zone: str, day: date, shift: int):
    """25:00 to 36:00 of the day before the change counts from that day's noon, whatever the clocks do in between."""
    before = day - timedelta(days=1)
    (run,) = departs_at(trip(start_seconds=33 * 3600, timezone=zone), before)
    assert run.replace(tzinfo=None) == on_the_wall(before, 33 * 3600 + shift)


@given(change=st.sampled_from(CHANGES), day_offset=st.integers(-3, 3), count=seconds)
def test_runs_are_as_far_from_noon_as_the_timetable_says(change: tuple[str, date, int], day_offset: int, count: int):
    zone, day, _ = change
    service_day = day + timedelta(days=day_offset)
    (run,) = departs_at(trip(start_seconds=count, timezone=zone), service_day)
    noon = datetime.combine(service_day, time(12), ZoneInfo(zone))
    assert run.astimezone(UTC) - noon.astimezone(UTC) == timedelta(seconds=count - 12 * 3600)


@given(zone=st.sampled_from([zone for zone, _, _ in CHANGES]), day=days, count=st.integers(5 * 3600, 22 * 3600))
def test_by_day_the_clock_of_the_street_shows_what_the_timetable_says(zone: str, day: date, count: int):
    (run,) = departs_at(trip(start_seconds=count, timezone=zone), day)
    assert run.replace(tzinfo=None) == on_the_wall(day, count)


@given(st.lists(frequencies, min_size=1, max_size=4))
def test_runs_start_every_headway_before_the_end_and_each_once(found: list[Frequency]):
    starts = trip(*found).starts()
    assert list(starts) == sorted(set(starts))
    assert set(starts) == {
        start
        for start in range(48 * 3600)
        for one in found
        if one.start_seconds <= start < one.end_seconds and (start - one.start_seconds) % one.headway_seconds == 0
    }


def test_a_trip_without_frequencies_runs_once():
    assert trip(start_seconds=25 * 3600).starts() == (25 * 3600,)


def test_the_end_of_a_frequency_is_the_start_of_the_next():
    assert trip(Frequency(0, 1200, 600), Frequency(1200, 1500, 300)).starts() == (0, 600, 1200)


@pytest.mark.parametrize(
    ("day", "runs"),
    [
        (date(2026, 3, 1), False),
        (MONDAY, True),
        (date(2026, 3, 7), False),
        (date(2026, 3, 31), True),
        (date(2026, 4, 1), False),
    ],
)
def test_a_service_runs_on_its_weekdays_from_its_first_to_its_last_day(day: date, runs: bool):
    assert service("1111100").runs_on(day) is runs


@given(
    day=days,
    added=st.sets(days, max_size=5),
    removed=st.sets(days, max_size=5),
    pattern=st.text("01", min_size=7, max_size=7),
)
def test_exceptions_go_before_weekdays(day: date, added: set[date], removed: set[date], pattern: str):
    found = service(pattern, added=added, removed=removed - added)
    plain = service(pattern).runs_on(day)
    assert found.runs_on(day) is (day in added or (plain and day not in removed))


def test_exceptions_alone_make_a_service():
    found = service("0000000", added={date(2027, 1, 1)})
    assert [day for day in (MONDAY, date(2027, 1, 1)) if found.runs_on(day)] == [date(2027, 1, 1)]
