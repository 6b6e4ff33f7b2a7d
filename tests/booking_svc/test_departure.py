"""Where riders get on and off a departure, and when its service day begins."""

from datetime import UTC, date, datetime, timedelta

import pytest

from booking_svc.domain.departure import (
    Departure,
    DepartureState,
    Mode,
    Pattern,
    PatternCall,
    Route,
    Stop,
    day_start,
    distance_meters,
)
from booking_svc.domain.errors import DepartureCancelled, DepartureGone, NotServed, UnknownStop

DAY = datetime(2030, 1, 10, tzinfo=UTC)


def stop(name: str) -> Stop:
    return Stop(name, name, name, "Europe/Lisbon", 38.0, -9.0)


def departure(way: str, *, state: DepartureState = DepartureState.SCHEDULED) -> Departure:
    """Make a departure that calls hourly: "A" takes and leaves riders, "A+" takes, "A-" leaves, "A." neither."""
    calls = []
    for place, word in enumerate(way.split()):
        allowed = word[1:]
        seconds = place * 3600
        calls.append(
            PatternCall(
                stop(word[0]), seconds, seconds + 60, allowed in ("", "+"), allowed in ("", "-"), place * 1000.0
            )
        )
    route = Route("rte_1", "", "F1", "", Mode.FERRY)
    pattern = Pattern("pat_1", tuple(calls))
    return Departure(
        "dep_1", "opr_1", "", route, "There", date(2030, 1, 10), DAY, pattern, state, None, "lay_default", 50, 1
    )


@pytest.mark.parametrize(
    ("way", "origin", "destination", "part"),
    [
        ("A B C", "A", "C", (0, 2)),
        ("A B C", "B", "C", (1, 2)),
        ("A B C", "", "", (0, 2)),
        ("A B A", "A", "A", (0, 2)),
        ("A B A", "B", "A", (1, 2)),
        ("A B C A B", "A", "B", (0, 1)),
        ("A B C A B", "C", "B", (2, 4)),
        ("A B C B", "B", "B", (1, 3)),
        ("A- B A C", "A", "C", (2, 3)),
        ("A B+ C B", "A", "B", (0, 3)),
        ("A B. C", "A", "C", (0, 2)),
    ],
)
def test_a_part_is_the_first_ride_between_two_stops(
    way: str, origin: str, destination: str, part: tuple[int, int]
) -> None:
    assert departure(way).part(origin, destination) == part


@pytest.mark.parametrize(
    ("way", "origin", "destination"),
    [
        ("A B C", "C", "A"),
        ("A B C", "B", "B"),
        ("A- B C", "A", "C"),
        ("A B C+", "A", "C"),
        ("A B. C", "B", "C"),
        ("A B. C", "A", "B"),
    ],
)
def test_a_ride_that_nobody_is_taken_on_is_not_served(way: str, origin: str, destination: str) -> None:
    with pytest.raises(NotServed) as refused:
        departure(way).part(origin, destination)
    assert refused.value.facts == {"departure_id": "dep_1"}


@pytest.mark.parametrize(("origin", "destination", "unknown"), [("X", "B", "X"), ("A", "X", "X"), ("A", "", "")])
def test_a_stop_that_is_not_on_the_way_is_unknown(origin: str, destination: str, unknown: str) -> None:
    with pytest.raises(UnknownStop) as refused:
        departure("A B C").part(origin, destination)
    assert refused.value.facts["stop_id"] == unknown


@pytest.mark.parametrize(
    ("on", "hours"),
    [
        (date(2030, 1, 10), 0),  # winter: Lisbon keeps UTC
        (date(2030, 7, 10), -1),
        (date(2030, 3, 31), -1),  # the clocks go forward: noon is summer time already
        (date(2030, 10, 27), 0),  # the clocks go back: noon is winter time already
    ],
)
def test_a_service_day_begins_twelve_hours_before_noon(on: date, hours: int) -> None:
    assert day_start(on, "Europe/Lisbon") == datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(hours=hours)


def test_seconds_of_a_service_day_have_no_gap_when_the_clocks_change() -> None:
    starts = [day_start(date(2030, 3, day), "Europe/Lisbon") for day in (30, 31)]
    # The day on which the clocks go forward has an hour less between its noon and the noon before.
    assert starts[1] - starts[0] == timedelta(hours=23)


def test_a_leg_leaves_when_riders_get_on_and_arrives_when_they_get_off() -> None:
    leg = departure("A B C").leg(0, 1)
    assert leg.origin.scheduled_at == DAY + timedelta(seconds=60)
    assert leg.destination.scheduled_at == DAY + timedelta(hours=1)


def test_a_call_without_a_time_takes_the_last_one_before_it() -> None:
    timed = departure("A B C")
    untimed = PatternCall(stop("B"), None, None, True, True, 1000.0)
    calls = (timed.pattern.calls[0], untimed, timed.pattern.calls[2])
    halfway = Departure(**{**fields(timed), "pattern": Pattern("pat_2", calls)})
    assert halfway.leg(1, 2).origin.scheduled_at == DAY + timedelta(seconds=60)
    assert halfway.leg(0, 1).destination.scheduled_at == DAY + timedelta(seconds=60)
    assert halfway.call(1).arrival_at is None


def fields(found: Departure) -> dict[str, object]:
    return {name: getattr(found, name) for name in Departure.__slots__}


def test_a_ride_can_be_booked_until_the_moment_it_leaves_its_own_origin() -> None:
    running = departure("A B C")
    leaves_b = DAY + timedelta(seconds=3660)
    running.must_be_bookable(1, now=leaves_b - timedelta(microseconds=1))
    with pytest.raises(DepartureGone):
        running.must_be_bookable(1, now=leaves_b)
    with pytest.raises(DepartureGone):
        running.must_be_bookable(0, now=leaves_b - timedelta(microseconds=1))


@pytest.mark.parametrize("state", [DepartureState.CANCELLED, DepartureState.NOT_COMING])
def test_what_does_not_run_cannot_be_booked(state: DepartureState) -> None:
    with pytest.raises(DepartureCancelled):
        departure("A B C", state=state).must_be_bookable(0, now=DAY)


def test_distance_is_the_great_circle_s() -> None:
    lisbon = Stop("l", "", "", "", 38.7223, -9.1393)
    porto = Stop("p", "", "", "", 41.1579, -8.6291)
    assert distance_meters(lisbon, porto) == pytest.approx(274_000, rel=0.005)
    assert distance_meters(lisbon, lisbon) == 0
    antipode = Stop("x", "", "", "", -38.7223, 180 - 9.1393)
    assert distance_meters(lisbon, antipode) == pytest.approx(20_015_115, rel=1e-6)
