from dataclasses import replace
from datetime import timedelta

import pytest

from booking_svc.domain.departure import Departure
from booking_svc.queries.list_departures import cursor_of, list_departures
from booking_svc.store.departures import Filter
from booking_svc.store.work import Work
from chassis.errors import InvalidInput
from chassis.store import Store
from tests.booking_svc.builders import (
    OPERATOR,
    OTHER_OPERATOR,
    SERVICE_DATE,
    STARTS_AT,
    ask,
    departure_wish,
    publish,
    stop,
)


def listed(store: Store[Work], wanted: Filter | None = None, *, cursor: str = "", limit: int = 100) -> list[str]:
    found: list[Departure] = ask(store, list_departures, wanted=wanted or Filter(), cursor=cursor, limit=limit)
    return [departure.id for departure in found]


def test_departures_come_in_order_of_their_start(store: Store[Work]) -> None:
    late, early = publish(store, starts_at=STARTS_AT + timedelta(hours=1)), publish(store)
    assert listed(store) == [early.id, late.id]


def test_pages_hold_every_departure_once_even_those_that_start_together(store: Store[Work]) -> None:
    published = {publish(store, starts_at=STARTS_AT + timedelta(hours=number // 3)).id for number in range(7)}
    seen: list[str] = []
    cursor = ""
    while page := ask(store, list_departures, wanted=Filter(), cursor=cursor, limit=2):
        seen += [departure.id for departure in page]
        cursor = cursor_of(page[-1])
    assert len(seen) == 7
    assert set(seen) == published


def test_each_filter_leaves_out_what_it_should(store: Store[Work]) -> None:
    plain = publish(store)
    other = departure_wish()["route"]
    foreign = publish(store, operator_id=OTHER_OPERATOR)
    on_route = publish(store, route=replace(other, id="rte_other"))
    tomorrow = publish(store, starts_at=STARTS_AT + timedelta(days=1))
    elsewhere = publish(store, stops=[7, 8])
    everything = {one.id for one in (plain, foreign, on_route, tomorrow, elsewhere)}
    tomorrow_s = (SERVICE_DATE + timedelta(days=1)).isoformat()
    assert set(listed(store)) == everything
    assert listed(store, Filter(operator_id=OTHER_OPERATOR)) == [foreign.id]
    assert listed(store, Filter(route_id="rte_other")) == [on_route.id]
    assert listed(store, Filter(service_date=tomorrow_s)) == [tomorrow.id]
    assert listed(store, Filter(stop_id=stop(8).id)) == [elsewhere.id]
    assert set(listed(store, Filter(departure_ids=(plain.id, foreign.id)))) == {plain.id, foreign.id}
    assert listed(store, Filter(operator_id=OPERATOR, stop_id=stop(8).id, service_date=tomorrow_s)) == []


def test_a_window_takes_its_beginning_and_leaves_its_end(store: Store[Work]) -> None:
    first, second = publish(store), publish(store, starts_at=STARTS_AT + timedelta(hours=1))
    window = Filter(starts_from=first.starts_at, starts_before=second.starts_at)
    assert listed(store, window) == [first.id]


@pytest.mark.parametrize("cursor", ["x", "~dep_1", "2030-01-10~dep_1", "1800000000000000~", "9" * 40 + "~dep_1"])
def test_a_cursor_that_is_not_ours_is_refused(store: Store[Work], cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        listed(store, cursor=cursor)
    assert [error.pointer for error in refused.value.errors] == ["/cursor"]


def test_a_cursor_from_the_ends_of_time_finds_all_or_nothing(store: Store[Work]) -> None:
    published = publish(store)
    assert listed(store, cursor="-1~dep_1") == [published.id]
    assert listed(store, cursor="250000000000000000~dep_1") == []
