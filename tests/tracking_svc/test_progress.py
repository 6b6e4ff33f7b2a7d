"""Progress along a line: calls once each, whatever a receiver does at a stop, in a loop or after a silence."""

from random import Random

import pytest

from tests.tracking_svc.timetable import LATITUDE, START, STOP_DEGREES, STOP_METERS, STOP_SECONDS, departure, pattern
from tracking_svc.domain.departures import Pattern, PatternCall
from tracking_svc.domain.line import DEGREE_METERS
from tracking_svc.domain.points import NOT_TOLD, SECOND, Points, microseconds
from tracking_svc.domain.progress import Follower, Progress, Ride, go_back, ride_of

BEGIN = microseconds(START)
Spot = tuple[float, float, float]
"""Seconds after the start, metres north and metres east of the first stop."""


def points(spots: list[Spot]) -> Points:
    none = [NOT_TOLD] * len(spots)
    times = [BEGIN + round(at * SECOND) for at, _, _ in spots]
    north = [LATITUDE + metres / DEGREE_METERS for _, metres, _ in spots]
    east = [20.0 + metres / (DEGREE_METERS * 0.7660444) for _, _, metres in spots]
    return Points([0] * len(spots), times, north, east, none, none, none)


def ride(id_: str = "dep_1", *, after_seconds: float = 0, made: Pattern | None = None) -> Ride:
    found = ride_of(departure(id_), (made or pattern()).line)
    return Ride(
        id_, found.starts + round(after_seconds * SECOND), found.ends + round(after_seconds * SECOND), found.line
    )


def follow(spots: list[Spot], *rides: Ride) -> Follower:
    follower = Follower(Progress(), rides or (ride(),))
    follower.follow(points(spots))
    return follower


def arrivals(follower: Follower) -> dict[int, float]:
    return {visit.sequence: (visit.arrived_at - BEGIN) / SECOND for visit in follower.visits.values()}


def drive(*, every: float = 10, late: float = 0, until: float = 3 * STOP_METERS) -> list[Spot]:
    """Go north as the timetable says."""
    speed = STOP_METERS / STOP_SECONDS
    return [(late + n * every, min(n * every * speed, until), 0) for n in range(int(until / speed / every) + 2)]


def test_calls_are_reached_between_the_points_around_them():
    found = arrivals(follow(drive(every=7)))
    speed = STOP_METERS / STOP_SECONDS
    expected = {place: place * STOP_SECONDS - 30 / speed for place in (1, 2)}
    for place, at in expected.items():
        assert found[place] == pytest.approx(at, abs=1.5)
    assert set(found) == {0, 1, 2, 3}


def test_a_stop_between_two_far_points_is_reached_and_left():
    visits = follow([(0, 0, 0), (60, 500, 0), (180, 1500, 0), (370, 3000, 0)]).visits
    visit = visits["dep_1", 1]
    assert (visit.arrived_at - BEGIN) / SECOND == pytest.approx(116.4, abs=0.5)
    assert visit.departed_at is not None
    assert (visit.departed_at - BEGIN) / SECOND == pytest.approx(123.6, abs=0.5)


def test_a_receiver_that_jitters_at_a_stop_comes_once_and_leaves_once():
    random = Random(7)
    spots = drive(until=1000)
    spots += [(150 + n, 1000 + random.gauss(0, 8), random.gauss(0, 8)) for n in range(600)]
    spots += [(800 + n * 10, 1000 + n * 80, 0) for n in range(26)]
    visit = follow(spots).visits["dep_1", 1]
    assert (visit.arrived_at - BEGIN) / SECOND < 130
    assert visit.departed_at is not None
    assert 790 < (visit.departed_at - BEGIN) / SECOND < 810


def test_progress_never_falls():
    spots = drive(until=2000)
    follower = follow([*spots, (300, 1950, 0), (310, 1900, 0)])
    assert follower.progress.along == pytest.approx(2000, rel=0.002)
    assert follower.progress.matched_at == BEGIN + 310 * SECOND


def loop() -> Pattern:
    """Out north for a kilometre and a half, and back on the same street."""
    stops = ((0, 0), (1000, 1000), (1500, 1500), (1000, 2000), (0, 3000))
    calls = tuple(
        PatternCall(f"stp_{far}", "", "", "", LATITUDE + north / DEGREE_METERS, 20.0, far // 10, far // 10, far)
        for north, far in stops
    )
    shape = tuple((LATITUDE + north / DEGREE_METERS, 20.0, float(far)) for north, far in stops)
    return Pattern("pat_loop", calls, shape)


def test_out_and_back_on_one_street_every_call_is_met_on_its_own_passage():
    spots = [(n * 5.0, n * 50.0 if n <= 30 else 3000 - n * 50.0, 0.0) for n in range(61)]
    found = arrivals(follow(spots, ride(made=loop())))
    assert [round(found[place], -1) for place in range(5)] == [0, 100, 150, 200, 290]


def test_a_vehicle_that_waits_at_the_end_of_a_loop_does_not_begin_it_again():
    spots = [(n * 5.0, n * 50.0 if n <= 30 else 3000 - n * 50.0, 0.0) for n in range(61)]
    rides = (ride("dep_1", made=loop()), ride("dep_2", made=loop(), after_seconds=1800))
    follower = follow([*spots, *((310 + n * 10.0, 0.0, 0.0) for n in range(30))], *rides)
    assert {key for key, visit in follower.visits.items() if visit.departed_at} == {("dep_1", n) for n in range(4)}
    assert ("dep_2", 0) in follower.visits
    assert not follower.progress.is_certain


def test_waiting_past_the_first_stop_long_before_the_start_is_no_departure():
    spots = [(-1500 + n * 30.0, 400.0, 0.0) for n in range(38)]
    follower = follow([(-1600, 0, 0), *spots])
    assert arrivals(follower) == {0: -1600}
    assert not follower.progress.is_certain


def test_a_vehicle_met_on_its_way_is_believed_once_it_moves():
    stood = [(200.0 + n, 1500.0, 0.0) for n in range(10)]
    assert not follow(stood).progress.is_certain
    follower = follow([*stood, (220, 1600, 0), (300, 2200, 0)])
    assert follower.progress.is_certain
    assert set(arrivals(follower)) == {2}


def test_off_route_after_a_minute_away_and_on_it_again_at_the_first_point_there():
    away = [(130.0 + n * 10, 1050.0, 400.0) for n in range(8)]
    spots = drive(until=1000)
    assert not follow([*spots, *away[:5]]).progress.is_off_route
    assert follow([*spots, *away]).progress.is_off_route
    assert not follow([*spots, *away, (300, 1500, 0)]).progress.is_off_route


def test_a_long_silence_says_nothing_of_the_calls_in_it():
    follower = follow([(0, 0, 0), (30, 200, 0), (1500, 2500, 0)])
    assert set(arrivals(follower)) == {0}
    assert follower.progress.along == pytest.approx(2500, rel=0.002)


def test_of_two_departures_the_one_that_fits_the_time_is_run():
    later = ride("dep_2", after_seconds=3600)
    follower = follow([(3500 + at, north, east) for at, north, east in drive(late=100)], ride(), later)
    assert {departure_id for departure_id, _ in follower.visits} == {"dep_2"}


def test_without_a_departure_nothing_is_found():
    follower = follow(drive(), ride(after_seconds=86_400))
    assert (follower.visits, follower.progress.departure_id) == ({}, "")


@pytest.mark.parametrize("seed", range(20))
def test_going_back_to_any_visit_comes_to_the_same_end(seed: int):
    random = Random(seed)
    spots = [(at, north + random.gauss(0, 5), random.gauss(0, 5)) for at, north, _ in drive(every=7, late=20)]
    whole = follow(spots)
    before = random.randrange(BEGIN - SECOND, BEGIN + 500 * SECOND)
    again = go_back([ride()], whole.visits.values(), before=before)
    rest = points(spots)
    again.follow(rest.take([place for place, at in enumerate(rest.recorded) if at > again.progress.seen_at]))
    assert (again.progress, again.visits) == (whole.progress, whole.visits)


def test_lateness_between_stops_and_waiting_at_one():
    found = ride()
    assert found.late_by(1500, BEGIN + 200 * SECOND) == pytest.approx(20)
    assert found.late_by(1000, BEGIN + 100 * SECOND) == pytest.approx(-20)


def test_stops_without_a_shape_are_followed_along_straight_lines_widely():
    bare = pattern()
    bare = Pattern(bare.id, bare.calls, ())
    spots = [(at, north, 250.0 if north % 1000 else 0.0) for at, north, _ in drive(every=12)]
    assert set(arrivals(follow(spots, ride(made=bare)))) == {0, 1, 2, 3}
    assert pytest.approx(STOP_METERS, rel=0.001) == STOP_DEGREES * DEGREE_METERS
