"""The read models of departures, patterns and seats: newest wins, what is over is forgotten."""

from typing import Any

import pytest

from chassis.errors import Unavailable
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import commit
from tests.tracking_svc.timetable import START, STOP_SECONDS, days, departure, pattern, pattern_message
from tracking_svc import translate
from tracking_svc.domain.departures import Availability, Departure
from tracking_svc.store.work import Work
from tracking_svc.use_cases.keep_availability import keep_availability
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns
from tracking_svc.use_cases.prune_history import prune_history


@pytest.fixture
def store(store: Store[Work]) -> Store[Work]:
    commit(store, keep_patterns, patterns=[pattern(), pattern("pat_2", stops=3)])
    return store


def known(store: Store[Work], *ids: str) -> dict[str, Departure]:
    found: dict[str, Departure] = store._query(lambda work: work.departures.find(ids))
    return found


def keep(store: Store[Work], *departures: Departure) -> None:
    commit(store, keep_departures, departures=departures)


def test_a_departure_is_kept_as_it_was_told_and_only_a_newer_version_replaces_it(store: Store[Work]):
    keep(store, departure(version=2))
    keep(store, departure(version=1, state="CANCELLED"))
    assert known(store, "dep_1", "dep_2") == {"dep_1": departure(version=2)}
    keep(store, departure(version=3, state="CANCELLED", vehicle=None, pattern_id="pat_2"))
    assert known(store, "dep_1")["dep_1"] == departure(version=3, state="CANCELLED", vehicle=None, pattern_id="pat_2")


def test_a_pattern_is_kept_as_it_was_told_and_never_changes(store: Store[Work]):
    commit(store, keep_patterns, patterns=[pattern(stops=2), pattern("pat_3"), pattern("pat_3")])
    for id_ in ("pat_1", "pat_3"):
        assert commit(store, lambda work, id_: work.patterns.get(id_), id_=id_) == pattern(id_)


def test_a_departure_whose_pattern_has_just_been_forgotten_comes_again(store: Store[Work]):
    with pytest.raises(Unavailable):
        keep(store, departure(), departure("dep_2", pattern_id="pat_9"))
    assert known(store, "dep_1", "dep_2") == {}


def test_what_ended_two_days_ago_is_neither_kept_nor_stays(store: Store[Work], clock: FixedClock):
    over = START - days(2)
    keep(store, departure("dep_1", start=over), departure("dep_2", start=over - days(1)))
    assert set(known(store, "dep_1", "dep_2")) == {"dep_1"}
    commit(store, keep_availability, availability=Availability("dep_1", 50, (1, 2, 3), 1))
    clock.advance(3 * STOP_SECONDS + 1)
    assert commit(store, prune_history) == 1
    assert known(store, "dep_1") == {}
    assert commit(store, lambda work: work.departures.availabilities(["dep_1"])) == {}


def test_a_pattern_goes_when_no_departure_has_it_for_long(store: Store[Work], clock: FixedClock):
    keep(store, departure(start=START + days(9)))
    clock.advance(2 * 86_400 + 1)
    assert commit(store, prune_history) == 1
    assert commit(store, lambda work: set(work.patterns.lasting(["pat_1", "pat_2"]))) == {"pat_1"}


def test_only_newer_seats_replace_what_is_known(store: Store[Work]):
    for version, seats in ((1, (50, 50)), (3, (48, 47)), (2, (49, 49))):
        commit(store, keep_availability, availability=Availability("dep_1", 50, seats, version))
    found = commit(store, lambda work: work.departures.availabilities(["dep_1"])["dep_1"])
    assert found == Availability("dep_1", 50, (48, 47), 3)


def test_a_call_without_a_time_takes_the_last_given_before_it():
    told = pattern_message()
    for field in ("arrival_seconds", "departure_seconds"):
        told.calls[2].ClearField(field)
        told.calls[0].ClearField(field)
    told.calls[1].ClearField("departure_seconds")
    found = [(call.arrival_seconds, call.departure_seconds) for call in translate.pattern_in(told).calls]
    assert found == [(0, 0), (120, 120), (120, 120), (360, 360)]


@pytest.mark.parametrize(
    "breaking",
    [{"calls": 1}, {"latitude": float("nan")}, {"latitude": 91.0}, {"meters": 1e9}, {"meters": float("inf")}],
)
def test_a_pattern_that_cannot_be_followed_is_refused(breaking: dict[str, Any]):
    told = pattern_message(stops=breaking.get("calls", 4))
    told.calls[0].stop.latitude = breaking.get("latitude", 1.0)
    told.shape[0].distance_meters = breaking.get("meters", 0.0)
    with pytest.raises(translate.MalformedPattern):
        translate.pattern_in(told)
