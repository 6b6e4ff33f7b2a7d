"""Leaps that no vehicle makes are refused, whoever errs for good is believed in the end, and no order matters."""

from datetime import timedelta
from random import Random

import pytest

from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import FERRY_DEVICE, batch, history, newest, position, reasons, report, way
from tracking_svc.domain.leaps import Fix, is_leap
from tracking_svc.domain.points import SECOND, Position
from tracking_svc.store.work import Work

Tracked = Store[Work]
FAR = {"latitude": 12.0}


def send(store: Tracked, *points: Position) -> list[str]:
    found = report(store, batch(points, session=""), caller=FERRY_DEVICE)
    return [reason for _, reason in reasons(found)]


def test_one_leap_is_refused_and_the_way_goes_on(store: Tracked, clock: FixedClock):
    first, second, third, fourth = way(clock.now() - timedelta(seconds=9), [1, 2, 3, 4])
    leap = position(0, second.recorded_at + timedelta(milliseconds=500), **FAR)
    assert send(store, first, second, leap, third) == ["implausible_speed"]
    assert send(store, fourth) == []
    assert history(store) == [first, second, third, fourth]
    assert newest(store) == fourth


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_vehicle_that_insists_is_believed_at_the_third_point_in_a_row(store: Tracked, clock: FixedClock, size: int):
    start = clock.now() - timedelta(seconds=20)
    send(store, position(0, start))
    there = [position(0, start + timedelta(seconds=number), **FAR) for number in range(1, 6)]
    found = [reason for place in range(0, 5, size) for reason in send(store, *there[place : place + size])]
    assert found == ["implausible_speed"] * 2
    assert newest(store) == there[-1]
    assert send(store, position(0, start + timedelta(seconds=9))) == ["implausible_speed"]


def test_the_same_leap_sent_again_is_no_insisting(store: Tracked, clock: FixedClock):
    start = clock.now() - timedelta(seconds=20)
    send(store, position(0, start))
    leap = position(0, start + timedelta(seconds=1), **FAR)
    assert [send(store, leap) for _ in range(5)] == [["implausible_speed"]] * 5


def test_leaps_with_true_points_between_them_are_never_believed(store: Tracked, clock: FixedClock):
    start = clock.now() - timedelta(seconds=60)
    for number in range(20):
        assert send(store, position(0, start + timedelta(seconds=2 * number))) == []
        leap = position(0, start + timedelta(seconds=2 * number + 1), **FAR)
        assert send(store, leap) == ["implausible_speed"]


def test_leaps_to_other_places_each_time_are_never_believed(store: Tracked, clock: FixedClock):
    start = clock.now() - timedelta(seconds=60)
    send(store, position(0, start))
    for number in range(1, 20):
        leap = position(0, start + timedelta(seconds=number), latitude=12.0 + number)
        assert send(store, leap) == ["implausible_speed"]


@pytest.mark.parametrize("seed", range(5))
def test_a_true_way_is_believed_in_whatever_order_it_comes(store: Tracked, clock: FixedClock, seed: int):
    """At the speed of the fastest train, with a receiver that errs by fifty metres."""
    random = Random(seed)
    start = clock.now() - timedelta(seconds=600)
    degrees = 90 / 111_195
    sent = [
        position(0, start + timedelta(seconds=n * 5), latitude=10 + n * 5 * degrees + random.gauss(0, 50 / 111_195))
        for n in range(100)
    ]
    random.shuffle(sent)
    while sent:
        size = random.randint(1, 5)
        assert send(store, *sent[:size]) == []
        sent = sent[size:]


def test_late_points_are_told_and_move_nothing(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(seconds=9), [1, 2, 3])
    assert report(store, batch(sent[2:], session="")).late == 0
    found = report(store, batch(sent[:2], session=""))
    assert (found.accepted, found.late, found.moved_to) == (2, 2, None)
    assert newest(store) == sent[2]


def test_the_date_line_is_no_leap():
    assert not is_leap(Fix(0, 0.0, 179.9999), Fix(SECOND, 0.0, -179.9999))
    assert is_leap(Fix(0, 0.0, 0.0), Fix(SECOND, 0.0, 179.0))
