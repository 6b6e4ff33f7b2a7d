"""Which part of a departure a leg is, and what can no longer be sold."""

from datetime import timedelta

import pytest

from chassis.errors import Failure
from pricing_svc import translate
from pricing_svc.domain.departure import Departure, Leg
from pricing_svc.domain.errors import DepartureCancelled, DepartureGone, NotServed, UnknownStop
from tests.pricing_svc import network
from tests.pricing_svc.network import START, alter, leg_of

NOW = START - timedelta(hours=1)
LOOP = tuple((f"stp_{letter}", "", 1000 * place) for place, letter in enumerate("abcabd"))


def part(departure: Departure, origin: str, destination: str) -> tuple[int, int]:
    leg: Leg = leg_of(departure, origin, destination, now=NOW)
    return leg.origin.sequence, leg.destination.sequence


def refuses(departure: Departure, origin: str, destination: str, *, now=NOW) -> type[Failure]:
    with pytest.raises(Failure) as caught:
        leg_of(departure, origin, destination, now=now)
    assert caught.value.facts["departure_id"] == departure.id
    return caught.type


def test_a_leg_runs_from_its_origin_to_its_destination():
    leg = leg_of(network.departure(), "stp_b", "stp_d", now=NOW)
    assert (leg.origin.sequence, leg.destination.sequence, leg.meters) == (1, 3, 50_000)


@pytest.mark.parametrize(
    ("origin", "destination", "expected"),
    [
        ("a", "c", (0, 2)),
        ("b", "a", (1, 3)),
        ("c", "b", (2, 4)),
        ("a", "a", (0, 3)),
        ("a", "b", (0, 1)),
        ("b", "d", (1, 5)),
    ],
)
def test_of_calls_at_the_same_stop_the_first_origin_and_the_next_destination_are_taken(
    origin: str, destination: str, expected: tuple[int, int]
):
    assert part(network.departure(line=LOOP), f"stp_{origin}", f"stp_{destination}") == expected


@pytest.mark.parametrize(("origin", "destination"), [("stp_c", "stp_a"), ("stp_d", "stp_a"), ("stp_a", "stp_a")])
def test_the_wrong_direction_is_not_served(origin: str, destination: str):
    assert refuses(network.departure(), origin, destination) is NotServed


@pytest.mark.parametrize(("origin", "destination"), [("stp_x", "stp_a"), ("stp_a", "stp_x"), ("stp_x", "stp_y")])
def test_a_stop_elsewhere_is_unknown(origin: str, destination: str):
    assert refuses(network.departure(), origin, destination) is UnknownStop


def test_a_call_that_takes_no_riders_is_not_served_from():
    message = alter(network.message(), 0, is_boarding_allowed=False)
    assert refuses(translate.departure_in(message), "stp_a", "stp_c") is NotServed


def test_a_call_that_leaves_no_riders_is_not_served_to():
    departure = translate.departure_in(alter(network.message(), 2, is_alighting_allowed=False))
    assert refuses(departure, "stp_a", "stp_c") is NotServed
    assert part(departure, "stp_c", "stp_d") == (2, 3)


def test_in_a_loop_a_later_call_that_takes_riders_stands_in():
    message = alter(network.message(line=LOOP), 0, is_boarding_allowed=False)
    departure = translate.departure_in(alter(message, 4, is_alighting_allowed=False))
    assert part(departure, "stp_a", "stp_d") == (3, 5)
    assert refuses(departure, "stp_a", "stp_b") is NotServed


def test_a_departure_is_gone_from_the_moment_it_leaves_the_origin():
    departure = network.departure()
    leaves = START + timedelta(minutes=30)
    leg_of(departure, "stp_b", "stp_c", now=leaves - timedelta(microseconds=1))
    assert refuses(departure, "stp_b", "stp_c", now=leaves) is DepartureGone
    leg_of(departure, "stp_c", "stp_d", now=leaves)


@pytest.mark.parametrize("state", ["CANCELLED", "NOT_COMING"])
def test_a_departure_that_does_not_run_is_cancelled_even_when_its_time_is_past(state: str):
    departure = network.departure(state=state)
    assert refuses(departure, "stp_a", "stp_c") is DepartureCancelled
    assert refuses(departure, "stp_a", "stp_c", now=START + timedelta(days=1)) is DepartureCancelled


def test_a_call_without_times_takes_the_last_time_before_it():
    message = alter(network.message(), 1, arrival_seconds=None, departure_seconds=None)
    message = alter(alter(message, 0, arrival_seconds=None), 3, departure_seconds=None)
    calls = network.pattern_of(translate.departure_in(message)).calls
    assert [(call.arrives_seconds, call.departs_seconds) for call in calls] == [
        (0, 0),
        (0, 0),
        (3540, 3600),
        (5340, 5340),
    ]


def test_metres_become_whole_once():
    line = (("stp_a", "", 0.4), ("stp_b", "", 1000.6))
    calls = network.pattern_of(network.departure(line=line)).calls
    assert [(type(call.distance_meters), call.distance_meters) for call in calls] == [(int, 0), (int, 1001)]


@pytest.mark.parametrize("meters", [float("nan"), float("inf"), -1.0, 1e300])
def test_an_impossible_distance_makes_no_pattern(meters: float):
    with pytest.raises(translate.MalformedPattern):
        translate.pattern_in(network.pattern((("stp_a", "", 0), ("stp_b", "", meters))))


def test_a_pattern_of_one_call_is_none():
    with pytest.raises(translate.MalformedPattern):
        translate.pattern_in(network.pattern(network.LINE[:1]))
