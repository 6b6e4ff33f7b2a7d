import pytest

from booking_svc.queries.get_ticket import get_ticket
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OTHER_RIDER,
    RIDER,
    STAFF,
    ask,
    cancel,
    confirm,
    hold,
    passenger,
    publish,
)


def test_each_item_of_a_paid_booking_has_a_ticket_of_its_own(store: Store[Work]) -> None:
    first, second = publish(store), publish(store)
    paid = confirm(store, hold(store, (first, 0, 1), (second, 0, 1), passengers=[passenger(), passenger()]))
    tickets = {item.ticket_id for item in paid.items}
    assert len(tickets) == 4
    for item in paid.items:
        found = ask(store, get_ticket, caller=RIDER, booking_id=paid.id, ticket_id=item.ticket_id)
        assert (found, found.ticket_code) == (item, f"code {item.id}")


def test_a_hold_has_no_ticket(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    for ticket_id in ("", "tkt_none"):
        with pytest.raises(NotFound):
            ask(store, get_ticket, caller=RIDER, booking_id=held.id, ticket_id=ticket_id)


def test_a_cancelled_item_has_none_any_more(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1), passengers=[passenger(), passenger()]))
    cancel(store, paid, [paid.items[0].id])
    with pytest.raises(NotFound):
        ask(store, get_ticket, caller=RIDER, booking_id=paid.id, ticket_id=paid.items[0].ticket_id)
    ask(store, get_ticket, caller=RIDER, booking_id=paid.id, ticket_id=paid.items[1].ticket_id)


def test_a_ticket_is_found_under_its_own_booking_only(store: Store[Work]) -> None:
    departure = publish(store)
    one, other = (confirm(store, hold(store, (departure, 0, 1))) for _ in range(2))
    with pytest.raises(NotFound):
        ask(store, get_ticket, caller=RIDER, booking_id=one.id, ticket_id=other.items[0].ticket_id)


def test_only_its_rider_and_its_operator_s_staff_find_it(store: Store[Work]) -> None:
    paid = confirm(store, hold(store, (publish(store), 0, 1)))
    named = {"booking_id": paid.id, "ticket_id": paid.items[0].ticket_id}
    for caller in (OTHER_RIDER, FOREIGN_STAFF, Caller()):
        with pytest.raises(NotFound):
            ask(store, get_ticket, caller=caller, **named)
    assert ask(store, get_ticket, caller=STAFF, **named) == paid.items[0]
