from datetime import timedelta
from typing import Any

import pytest
from headway.booking.v1.departure_events_pb2 import DepartureCancelled

from booking_svc import translate
from booking_svc.domain.departure import OVER_AFTER, DepartureState
from booking_svc.domain.errors import IllegalState
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import DEPARTURES_MAX, Hit, cancel_departures
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import Forbidden, InvalidInput, NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OPERATOR,
    OTHER_OPERATOR,
    RIDER,
    STAFF,
    STARTS_AT,
    ask,
    calls_at,
    commit,
    events,
    hold,
    publish,
)
from tests.clocks import FixedClock


def cancel(store: Store[Work], **changes: Any) -> Hit:
    usual = {
        "caller": STAFF,
        "operator_id": OPERATOR,
        "departure_ids": [],
        "route_id": "",
        "starts_from": None,
        "starts_before": None,
        "is_dry_run": False,
    }
    found: Hit = commit(store, cancel_departures, **(usual | changes))
    return found


def state_of(store: Store[Work], departure_id: str) -> DepartureState:
    found: DepartureState = ask(store, lambda work: work.departures.get(departure_id).state)
    return found


def test_named_departures_are_cancelled_and_told(store: Store[Work]) -> None:
    first, second, other = publish(store), publish(store), publish(store)
    hit = cancel(store, departure_ids=[first.id, second.id])
    assert set(hit.departure_ids) == {first.id, second.id}
    assert [state_of(store, one.id) for one in (first, second, other)] == ["cancelled", "cancelled", "scheduled"]
    told = [event.subject for event in events(store) if ".cancelled." in event.subject]
    assert sorted(told) == sorted(f"headway.v1.departure.cancelled.{OPERATOR}.{one.id}" for one in (first, second))


def test_why_is_told_with_the_departure_its_event_and_every_leg_on_it(store: Store[Work]) -> None:
    departure, other = publish(store), publish(store)
    held = hold(store, (departure, 0, 1), (other, 0, 1))
    cancel(store, departure_ids=[departure.id], reason="Storm at sea")
    assert ask(store, lambda work: work.departures.get(departure.id).cancellation_reason) == "Storm at sea"
    seen = ask(store, lambda work: work.bookings.get(held.id, caller=RIDER))
    assert [leg.cancellation_reason for leg in translate.booking_out(seen, now=STARTS_AT).legs] == ["Storm at sea", ""]
    (event,) = [one for one in events(store) if ".departure.cancelled." in one.subject]
    told = DepartureCancelled.FromString(event.payload).departure
    assert (told.id, told.cancellation_reason) == (departure.id, "Storm at sea")


def test_a_window_of_a_route_is_cancelled(store: Store[Work]) -> None:
    early, late = publish(store), publish(store, starts_at=STARTS_AT + timedelta(hours=2))
    hit = cancel(
        store,
        route_id=early.route.id,
        starts_from=STARTS_AT + timedelta(hours=1),
        starts_before=STARTS_AT + timedelta(hours=3),
    )
    assert hit.departure_ids == (late.id,)
    assert state_of(store, early.id) is DepartureState.SCHEDULED


def test_bookings_with_seats_on_them_are_told_and_stay(store: Store[Work]) -> None:
    departure, other = publish(store), publish(store)
    held, elsewhere, released = (hold(store, (one, 0, 1)) for one in (departure, other, departure))
    commit(store, release_booking, caller=RIDER, booking_id=released.id, version=0)
    assert cancel(store, departure_ids=[departure.id]).booking_ids == (held.id,)
    assert elsewhere.id != held.id
    seen = ask(store, lambda work: work.bookings.get(held.id, caller=RIDER))
    assert (seen.state, seen.legs[0].state) == ("held", "cancelled")


def test_a_dry_run_tells_the_same_and_changes_nothing(store: Store[Work]) -> None:
    departure = publish(store)
    held = hold(store, (departure, 0, 1))
    before = events(store)
    dry = cancel(store, departure_ids=[departure.id], is_dry_run=True)
    assert dry == Hit((departure.id,), (held.id,))
    assert state_of(store, departure.id) is DepartureState.SCHEDULED
    assert events(store) == before
    assert cancel(store, departure_ids=[departure.id]) == dry


def test_what_is_cancelled_already_is_not_hit_again(store: Store[Work]) -> None:
    departure = publish(store)
    cancel(store, departure_ids=[departure.id])
    assert cancel(store, departure_ids=[departure.id]) == Hit((), ())


def test_what_is_on_its_way_is_cancelled_for_it_may_break_down(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    clock.set(departure.ends_at)
    assert state_of(store, departure.id) is DepartureState.DEPARTED
    assert cancel(store, departure_ids=[departure.id]).departure_ids == (departure.id,)
    assert state_of(store, departure.id) is DepartureState.CANCELLED


def test_what_is_over_is_not_cancelled_and_neither_is_the_rest(store: Store[Work], clock: FixedClock) -> None:
    over, departure = publish(store), publish(store, starts_at=STARTS_AT + timedelta(days=1))
    clock.set(over.ends_at + OVER_AFTER)
    with pytest.raises(IllegalState) as refused:
        cancel(store, departure_ids=[departure.id, over.id])
    assert refused.value.facts == {"departure_id": over.id, "state": "completed"}
    assert state_of(store, departure.id) is DepartureState.SCHEDULED
    hit = cancel(store, starts_from=STARTS_AT, starts_before=STARTS_AT + timedelta(days=2))
    assert hit.departure_ids == (departure.id,)


def test_another_operator_s_departure_is_as_absent_as_none(store: Store[Work]) -> None:
    foreign = publish(store, operator_id=OTHER_OPERATOR)
    for departure_id in (foreign.id, "dep_none"):
        with pytest.raises(NotFound):
            cancel(store, departure_ids=[departure_id])
    assert state_of(store, foreign.id) is DepartureState.SCHEDULED


def test_staff_cancel_for_their_own_operator_only(store: Store[Work]) -> None:
    with pytest.raises(Forbidden):
        cancel(store, caller=FOREIGN_STAFF, departure_ids=[publish(store).id])


@pytest.mark.parametrize("given", [{}, {"starts_from": STARTS_AT}, {"starts_before": STARTS_AT}])
def test_an_open_window_is_refused(store: Store[Work], given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        cancel(store, route_id="rte_1", **given)


def test_more_calls_than_can_be_cancelled_at_once_are_refused(store: Store[Work]) -> None:
    for number in range(6):
        publish(store, calls=calls_at(range(300), starts_at=STARTS_AT + timedelta(minutes=number)))
    window = {"starts_from": STARTS_AT, "starts_before": STARTS_AT + timedelta(minutes=12)}
    with pytest.raises(InvalidInput):
        cancel(store, **window)
    assert (
        len(cancel(store, **window | {"starts_from": STARTS_AT + timedelta(minutes=1, seconds=30)}).departure_ids) == 5
    )


def test_more_than_can_be_cancelled_at_once_is_refused(store: Store[Work]) -> None:
    for number in range(DEPARTURES_MAX + 1):
        publish(store, stops=[0, 1], starts_at=STARTS_AT + timedelta(minutes=number))
    with pytest.raises(InvalidInput):
        cancel(store, starts_from=STARTS_AT, starts_before=STARTS_AT + timedelta(days=1))
    whole = {"starts_from": STARTS_AT, "starts_before": STARTS_AT + timedelta(minutes=DEPARTURES_MAX, seconds=1)}
    assert len(cancel(store, **whole).departure_ids) == DEPARTURES_MAX
