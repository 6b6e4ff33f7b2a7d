from datetime import timedelta

import pytest

from booking_svc.domain.departure import OVER_AFTER
from booking_svc.queries.get_departure import get_departure
from booking_svc.queries.list_departures import list_departures
from booking_svc.store.departures import Filter
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_departures import cancel_departures
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import STAFF, ask, commit, publish
from tests.clocks import FixedClock

MOMENT = timedelta(microseconds=1)


def test_a_departure_is_read_with_its_calls(store: Store[Work]) -> None:
    published = publish(store)
    assert ask(store, get_departure, departure_id=published.id) == published


def test_it_has_departed_and_is_completed_by_the_clock_in_every_answer(store: Store[Work], clock: FixedClock) -> None:
    published = publish(store)
    leaves_at = published.calls[0].departure_at or published.starts_at
    seen = []
    for at in (leaves_at - MOMENT, leaves_at, published.ends_at + OVER_AFTER - MOMENT, published.ends_at + OVER_AFTER):
        clock.set(at)
        found = ask(store, get_departure, departure_id=published.id)
        (listed,) = ask(store, list_departures, wanted=Filter(), cursor="", limit=1)
        assert (listed, found.version) == (found, published.version)
        seen.append(str(found.state))
    assert seen == ["scheduled", "departed", "departed", "completed"]


def test_what_is_cancelled_stays_so_whatever_the_clock_says(store: Store[Work], clock: FixedClock) -> None:
    published = publish(store)
    window = {"departure_ids": [published.id], "route_id": "", "starts_from": None, "starts_before": None}
    commit(
        store, cancel_departures, caller=STAFF, operator_id=published.operator_id, is_dry_run=False, **window
    )  # fmt: skip
    clock.set(published.ends_at + OVER_AFTER)
    assert ask(store, get_departure, departure_id=published.id).state == "cancelled"


def test_what_is_not_there_is_not_found(store: Store[Work]) -> None:
    with pytest.raises(NotFound):
        ask(store, get_departure, departure_id="dep_none")
