from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain.departure import Departure, DepartureState, Mode, PatternCall, Route
from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar
from booking_svc.domain.feed_import import FeedOptions
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, default_layout
from booking_svc.domain.timetable_diff import Laid, Timetable, Trip, diff_day
from booking_svc.store.patterns import identified
from tests.booking_svc.builders import OPERATOR, stop

DAY = date(2030, 1, 10)
DAILY = ServiceCalendar("daily", (True,) * 7, date(2030, 1, 1), date(2030, 12, 31))
ROUTE = Route("rte_1", "r1", "F1", "Around the bay", Mode.FERRY)
CALLS = tuple(PatternCall(stop(number), number * 600, number * 600, True, True, number * 1000.0) for number in range(3))
WAY, BACK = identified(CALLS), identified(CALLS[::-1])


def trip(trip_id: str, start_seconds: int = 8 * 3600, **changes: object) -> Trip:
    usual = FeedTrip(trip_id, "r1", "daily", "There", "Europe/Lisbon", 0, start_seconds)
    return Trip(replace(usual, **changes), ROUTE, WAY)


def timetable(*trips: Trip, feed_id: str = "fed_new", **options: object) -> Timetable:
    asked = FeedOptions(OPERATOR, DAY, 7, None, is_skipping_bad=False, is_dry_run=False, layout_ids={})
    layouts = {DEFAULT_LAYOUT_ID: default_layout(), "lay_deck": replace(default_layout(), id="lay_deck")}
    return Timetable(feed_id, replace(asked, **options), {"daily": DAILY}, trips, layouts)


def laid(departure: Departure, **changes: object) -> Laid:
    found = Laid(
        departure.id, "fed_old", departure.feed_trip_id, departure.route.id, departure.pattern.id,
        departure.headsign, departure.starts_at, departure.state, is_withdrawn=False,
    )  # fmt: skip
    return found._replace(**changes)


def departures(*trips: Trip, day: date = DAY, **options: object) -> list[Departure]:
    return list(timetable(*trips, **options).departures(day))


def test_a_departure_starts_its_seconds_after_noon_minus_twelve_hours() -> None:
    (one,) = departures(trip("t1", 25 * 3600 + 60))
    assert (one.service_date, one.starts_at) == (DAY, datetime(2030, 1, 11, 1, 1, tzinfo=UTC))
    (short,) = departures(trip("t1", 8 * 3600), day=date(2030, 3, 31))
    assert short.starts_at == datetime(2030, 3, 31, 7, tzinfo=UTC)  # eight in Lisbon, where the clocks went forward


def test_a_frequency_runs_each_headway_and_each_run_is_a_departure_of_its_own() -> None:
    runs = departures(
        trip("t1", frequencies=(Frequency(6 * 3600, 7 * 3600, 1200), Frequency(7 * 3600, 8 * 3600, 1800)))
    )
    assert [run.starts_at.strftime("%H:%M") for run in runs] == ["06:00", "06:20", "06:40", "07:00", "07:30"]
    assert len({run.id for run in runs}) == 5
    assert [run.feed_start_time for run in runs] == ["06:00:00", "06:20:00", "06:40:00", "07:00:00", "07:30:00"]


def test_a_run_past_midnight_starts_at_a_time_beyond_24_and_a_plain_trip_needs_none() -> None:
    (night,) = departures(trip("t1", frequencies=(Frequency(25 * 3600 + 90, 26 * 3600, 3600),)))
    assert (night.service_date, night.feed_start_time) == (DAY, "25:01:30")
    assert [one.feed_start_time for one in departures(trip("t2"))] == [""]


def test_ids_stay_whatever_the_order_and_the_time() -> None:
    one, other = departures(trip("t1"), trip("t2"))
    assert [found.id for found in departures(trip("t2"), trip("t1"))] == [other.id, one.id]
    assert departures(trip("t1", 9 * 3600))[0].id == one.id
    assert departures(trip("t1"), day=DAY + timedelta(days=1))[0].id != one.id
    assert departures(trip("t1"), operator_id="opr_else")[0].id != one.id


@given(st.permutations([trip(f"t{number}", number * 600) for number in range(6)]))
def test_importing_again_in_any_order_changes_nothing(trips: list[Trip]) -> None:
    there = [laid(one) for one in departures(*(trip(f"t{number}", number * 600) for number in range(6)))]
    found = diff_day(timetable(*trips), DAY, there)
    assert (found.added, found.changed, found.withdrawn_ids, found.unchanged) == ((), (), (), 6)


def test_days_of_the_feed_are_sold_on_later_ones() -> None:
    old = replace(DAILY, start_date=date(2018, 1, 1), end_date=date(2018, 12, 31))
    shifted = replace(timetable(trip("t1"), first_day=date(2018, 1, 11), lay_on=DAY), services={"daily": old})
    assert [one.service_date for one in shifted.departures(DAY)] == [DAY]
    assert list(replace(shifted, services={"daily": DAILY}).departures(DAY)) == []


def test_a_route_may_have_a_layout_of_its_own() -> None:
    (one,) = departures(trip("t1"), layout_ids={"r1": "lay_deck"})
    assert (one.layout_id, one.capacity) == ("lay_deck", 50)
    assert departures(trip("t1"))[0].layout_id == DEFAULT_LAYOUT_ID


CHANGES = {
    "another time": trip("t1", 9 * 3600),
    "another way": replace(trip("t1"), pattern=BACK),
    "another route": replace(trip("t1"), route=replace(ROUTE, id="rte_2")),
    "another headsign": trip("t1", headsign="Elsewhere"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_noticed(name: str) -> None:
    (before,) = departures(trip("t1"))
    found = diff_day(timetable(CHANGES[name]), DAY, [laid(before)])
    assert ([one.id for one in found.changed], found.unchanged) == ([before.id], 0)


def test_what_the_feed_has_no_more_is_withdrawn_and_what_was_published_by_hand_is_not() -> None:
    gone, by_hand = departures(trip("t1"), trip("t2", 9 * 3600))
    found = diff_day(timetable(trip("t3")), DAY, [laid(gone), laid(by_hand, feed_id="", id="dep_hand")])
    assert (found.withdrawn_ids, len(found.added)) == ((gone.id,), 1)


def test_a_run_that_was_published_by_hand_is_not_put_on_sale_twice() -> None:
    (one,) = departures(trip("t1"))
    found = diff_day(timetable(trip("t1")), DAY, [laid(one, id="dep_hand", feed_id="")])
    assert (found.added, found.unchanged) == ((), 1)


def test_what_the_operator_cancelled_stays_cancelled_and_what_a_feed_withdrew_comes_back() -> None:
    (one,) = departures(trip("t1"))
    cancelled = laid(one, state=DepartureState.CANCELLED)
    assert diff_day(timetable(trip("t1", 9 * 3600)), DAY, [cancelled]).unchanged == 1
    back = diff_day(timetable(trip("t1")), DAY, [cancelled._replace(is_withdrawn=True)])
    assert [found.id for found in back.changed] == [one.id]
    assert diff_day(timetable(), DAY, [cancelled._replace(is_withdrawn=True)]).withdrawn_ids == ()


def test_an_import_that_was_interrupted_counts_what_it_laid_out_before_as_added() -> None:
    first, second = departures(trip("t1"), trip("t2", 9 * 3600))
    found = diff_day(timetable(trip("t1"), trip("t2", 9 * 3600)), DAY, [laid(first, feed_id="fed_new")])
    assert (found.laid_before, [one.id for one in found.added], found.departures) == (1, [second.id], 2)


def test_calls_count_for_every_departure_of_the_day() -> None:
    (one,) = departures(trip("t1"))
    found = diff_day(timetable(trip("t1"), trip("t2", 9 * 3600)), DAY, [laid(one)])
    assert (found.departures, found.calls) == (2, 6)
