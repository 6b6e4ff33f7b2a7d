from datetime import timedelta
from typing import Any

import pytest

from booking_svc.domain.departure import Departure
from booking_svc.domain.errors import DepartureExists
from booking_svc.store.departures import DEPARTURES
from booking_svc.store.work import Work
from booking_svc.use_cases.publish_departures import DEPARTURES_MAX, publish_departures
from chassis.access import Caller
from chassis.errors import ForbiddenOperator, InvalidInput
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    FOREIGN_STAFF,
    STARTS_AT,
    calls_at,
    commit,
    departure_wish,
    events,
    publish,
    rows,
)


def wish(**changes: Any) -> dict[str, Any]:
    wanted = departure_wish(**changes)
    del wanted["caller"]
    return wanted


def publish_all(store: Store[Work], *wishes: dict[str, Any], caller: Caller = ADMIN) -> list[Departure]:
    found: list[Departure] = commit(store, publish_departures, caller=caller, wishes=wishes)
    return found


def test_all_are_on_sale_in_the_order_given(store: Store[Work]) -> None:
    starts = [STARTS_AT + timedelta(hours=hour) for hour in (2, 0, 1)]
    published = publish_all(store, *(wish(starts_at=at) for at in starts))
    assert [one.starts_at - timedelta(minutes=1) for one in published] == starts
    assert len(events(store, "DEPARTURE")) == 3


def test_what_is_wrong_with_one_refuses_all_and_says_which(store: Store[Work]) -> None:
    with pytest.raises(InvalidInput) as refused:
        publish_all(store, wish(), wish(calls=calls_at([0])))
    assert [error.pointer for error in refused.value.errors] == ["/departures/1/calls"]
    assert rows(store, DEPARTURES) == []
    publish(store, feed_trip_id="t1")
    with pytest.raises(DepartureExists):
        publish_all(store, wish(), wish(feed_trip_id="t1"))
    assert len(rows(store, DEPARTURES)) == 1


@pytest.mark.parametrize("count", [0, DEPARTURES_MAX + 1])
def test_a_call_takes_a_bounded_number(store: Store[Work], count: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        publish_all(store, *[wish()] * count)
    assert refused.value.errors[0].pointer == "/departures"


def test_staff_of_another_operator_cannot(store: Store[Work]) -> None:
    with pytest.raises(ForbiddenOperator):
        publish_all(store, wish(), caller=FOREIGN_STAFF)
