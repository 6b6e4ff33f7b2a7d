"""Calls that share a transaction: each sees what those before it did, though most of it waits to be written."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.wrappers_pb2 import StringValue
from headway.booking.v1.availability_events_pb2 import AvailabilityChanged

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import PaymentUnderWay, SoldOut, TooManyHolds
from booking_svc.domain.payment import Charge, ChargeState, Outcome
from booking_svc.store.bookings import BOOKINGS, ITEMS
from booking_svc.store.history import HISTORY
from booking_svc.store.occupancies import MASKS
from booking_svc.store.payments import CHARGES
from booking_svc.store.work import Work
from booking_svc.use_cases import hold_booking as holding
from booking_svc.use_cases.assign_vehicle import assign_vehicle
from booking_svc.use_cases.begin_payment import begin_payment
from booking_svc.use_cases.cancel_departures import cancel_departures
from booking_svc.use_cases.finish_payment import finish_payment
from booking_svc.use_cases.hold_booking import hold_booking
from booking_svc.use_cases.register_vehicle import register_vehicle
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import NotFound
from chassis.replies import Once, Phase
from chassis.store import Store
from tests.booking_svc.builders import (
    ADMIN,
    HOLD_SECONDS,
    OPERATOR,
    OTHER_RIDER,
    RIDER,
    account_balances,
    ask,
    begin,
    commit,
    events,
    hold,
    hold_wish,
    layout,
    passenger,
    publish,
    rows,
    seats_free,
    seats_of,
)
from tests.clocks import FixedClock


async def group(store: Store[Work], *calls: Any) -> list[Any]:
    """Run calls in one group; return answers and failures in order."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    store.start()
    return await asyncio.gather(*tasks, return_exceptions=True)


def statements_of(store: Store[Work]) -> list[str]:
    seen: list[str] = []
    sa.event.listen(store.database.writer, "before_cursor_execute", lambda *given: seen.append(given[2]))
    return seen


async def test_two_hundred_holds_take_a_few_statements_and_leave_what_each_would(store: Store[Work]) -> None:
    departure = publish(store, seats=300)
    statements = statements_of(store)
    wish = hold_wish((departure, 0, 3), holds_max=200)
    held = await group(store, *(store.write(hold_booking, **wish) for _ in range(200)))
    assert [seats_of(booking) for booking in held] == [[str(seat)] for seat in range(1, 201)]
    assert len(statements) < 30
    assert {row.id for row in rows(store, BOOKINGS)} == {booking.id for booking in held}
    assert {row.id for row in rows(store, ITEMS)} == {booking.items[0].id for booking in held}
    assert [(row.seat_index, row.taken) for row in rows(store, MASKS)] == [(seat, 0b111) for seat in range(200)]
    assert len(rows(store, HISTORY)) == len(events(store, "BOOKING")) == 200
    (told,) = (AvailabilityChanged.FromString(event.payload) for event in events(store, "AVAILABILITY"))
    assert (list(told.seats_free), told.version) == ([100] * 3, 200)
    occupancy = ask(store, lambda work: work.occupancies.get(departure))
    assert (occupancy.taken, occupancy.version) == ((200,) * 3, 200)


async def test_a_seat_that_is_released_in_a_group_is_free_to_the_next_call(store: Store[Work]) -> None:
    departure = publish(store, seats=2)
    first = hold(store, (departure, 0, 3))
    wish = hold_wish((departure, 0, 3))
    second, full, released, again = await group(
        store,
        store.write(hold_booking, **wish),
        store.write(hold_booking, **wish),
        store.write(release_booking, caller=RIDER, booking_id=first.id, version=0),
        store.write(hold_booking, **wish),
    )
    assert (seats_of(second), type(full), released.state, seats_of(again)) == (["2"], SoldOut, "released", ["1"])
    assert seats_free(store, departure) == 0


async def test_rides_that_share_a_seat_in_a_group_are_all_in_its_mask(store: Store[Work]) -> None:
    departure = publish(store, seats=1)
    rides = [(departure, 0, 1), (departure, 2, 3), (departure, 1, 2), (departure, 0, 2)]
    *held, full = await group(store, *(store.write(hold_booking, **hold_wish(ride)) for ride in rides))
    assert [seats_of(booking) for booking in held] == [["1"]] * 3
    assert type(full) is SoldOut
    assert [row.taken for row in rows(store, MASKS)] == [0b111]


async def test_a_named_seat_is_taken_for_those_who_come_later_in_the_group(store: Store[Work]) -> None:
    departure = publish(store, seats=3)
    named = hold_wish((departure, 0, 3), passengers=[passenger("1")])
    held, taken, other = await group(
        store,
        store.write(hold_booking, **named),
        store.write(hold_booking, **named),
        store.write(hold_booking, **hold_wish((departure, 0, 3))),
    )
    assert (seats_of(held), taken.reason, seats_of(other)) == (["1"], "SEAT_TAKEN", ["2"])


async def test_holds_of_one_group_count_for_the_cap_of_their_rider_alone(store: Store[Work]) -> None:
    departure = publish(store, seats=9)
    mine = hold_wish((departure, 0, 3), holds_max=2)
    theirs = mine | {"caller": OTHER_RIDER}
    found = await group(store, *(store.write(hold_booking, **wish) for wish in (mine, theirs, mine, mine, theirs)))
    assert [type(one) for one in found] == [Booking, Booking, Booking, TooManyHolds, Booking]


async def test_a_repeat_in_the_same_group_gets_the_first_reply(store: Store[Work]) -> None:
    departure = publish(store, seats=9)
    once = Once.of(subject=RIDER.subject, operation="hold", key="k", body=b"")
    other = Once.of(subject=RIDER.subject, operation="hold", key="k", body=b"other")
    wish = hold_wish((departure, 0, 3))
    first, again, reused = await group(
        store, *(store.write(hold_booking, once=one, answer=id_message, **wish) for one in (once, once, other))
    )
    assert (again, reused.reason) == (first, "IDEMPOTENCY_KEY_REUSED")
    assert len(rows(store, BOOKINGS)) == 1


def id_message(booking: Booking) -> StringValue:
    return StringValue(value=booking.id)


async def test_holds_that_are_over_are_tidied_once_in_a_group(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    over = [hold(store, (departure, 0, 3)) for _ in range(2)]
    clock.advance(HOLD_SECONDS)
    wish = hold_wish((departure, 0, 3))
    *held, full = await group(store, *(store.write(hold_booking, **wish) for _ in range(3)))
    assert [seats_of(booking) for booking in held] == [["1"], ["2"]]
    assert type(full) is SoldOut
    states = {row.id: row.state for row in rows(store, BOOKINGS)}
    assert [states[booking.id] for booking in over] == ["expired"] * 2


async def test_a_departure_that_changes_in_a_group_is_seen_changed(store: Store[Work]) -> None:
    departure = publish(store, seats=1)
    bigger = layout(store, 2)
    vehicle = commit(
        store, register_vehicle, caller=ADMIN, operator_id=OPERATOR, label="Two seats", layout_id=bigger.id
    )
    window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
    wish = hold_wish((departure, 0, 3), passengers=[passenger(), passenger()])
    full, _, held, _, cancelled = await group(
        store,
        store.write(hold_booking, **wish),
        store.write(assign_vehicle, caller=ADMIN, departure_id=departure.id, vehicle_id=vehicle.id, version=1),
        store.write(hold_booking, **wish),
        store.write(cancel_departures, caller=ADMIN, operator_id=OPERATOR, departure_ids=[departure.id], **window),
        store.write(hold_booking, **wish),
    )
    assert (type(full), seats_of(held), cancelled.reason) == (SoldOut, ["1", "2"], "DEPARTURE_CANCELLED")


async def test_a_reference_that_is_taken_is_not_given_in_a_group(
    store: Store[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = publish(store, seats=9)
    taken = hold(store, (departure, 0, 3)).reference
    drawn = iter([taken, "AAAAAA", "BBBBBB", "CCCCCC"])
    monkeypatch.setattr(holding, "new_reference", lambda: next(drawn))
    held = await group(store, *(store.write(hold_booking, **hold_wish((departure, 0, 3))) for _ in range(3)))
    assert {booking.reference for booking in held} == {"AAAAAA", "BBBBBB", "CCCCCC"}


def payment_of(booking: Booking, *, key: str) -> dict[str, Any]:
    once = Once.of(subject=RIDER.subject, operation="confirm", key=key, body=b"")
    return {"caller": RIDER, "booking_id": booking.id, "version": 0, "waiting": once, "once": once.opening()}


def capture_of(charge: Charge) -> dict[str, Any]:
    outcome = Outcome(ChargeState.CAPTURED, provider_charge_id=f"ch_{charge.id}")
    closing = Once(charge.once_digest, charge.once_fingerprint, phase=Phase.CLOSE)
    usual: dict[str, Any] = {"charge_id": charge.id, "outcome": outcome, "issue_ticket": lambda *_of: "code"}
    return usual | {"once": closing, "answer": id_message}


async def test_fifty_payments_begin_with_a_few_statements(store: Store[Work]) -> None:
    departure = publish(store, seats=60)
    held = [hold(store, (departure, 0, 3)) for _ in range(50)]
    statements = statements_of(store)
    begun = await group(store, *(store.write(begin_payment, **payment_of(one, key=one.id)) for one in held))
    assert len(statements) < 20
    assert [(booking.id, charge.booking_id) for booking, charge in begun] == [(one.id, one.id) for one in held]
    assert {(row.payment_state, row.version, row.expires_at) for row in rows(store, BOOKINGS)} == {
        ("processing", 2, None)
    }
    assert {row.id for row in rows(store, CHARGES)} == {charge.id for _, charge in begun}


async def test_fifty_outcomes_take_a_few_statements_and_each_is_entered_once(store: Store[Work]) -> None:
    departure = publish(store, seats=60)
    charges = [begin(store, hold(store, (departure, 0, 3))) for _ in range(50)]
    twice = [*charges, *charges]
    statements = statements_of(store)
    answers = await group(store, *(store.write(finish_payment, **capture_of(charge)) for charge in twice))
    assert len(statements) < 20
    assert [answer.value for answer in answers] == [charge.booking_id for charge in twice]
    assert {(row.state, row.version) for row in rows(store, BOOKINGS)} == {("confirmed", 3)}
    assert {(row.state, row.ticket_code) for row in rows(store, ITEMS)} == {("confirmed", "code")}
    assert {row.state for row in rows(store, CHARGES)} == {"captured"}
    sold = sum(charge.amount_minor for charge in charges)
    assert ask(store, account_balances)["sales", "EUR"] == -sold


async def test_a_second_payment_of_a_hold_in_one_group_sees_the_first(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 3))
    others = hold(store, (publish(store), 0, 3), caller=OTHER_RIDER)
    wishes = [payment_of(held, key="a"), payment_of(held, key="b"), payment_of(others, key="c")]
    first, second, absent = await group(store, *(store.write(begin_payment, **wish) for wish in wishes))
    assert first[0].id == held.id
    assert (type(second), type(absent)) == (PaymentUnderWay, NotFound)
    assert len(rows(store, CHARGES)) == 1


async def test_what_was_paid_for_in_a_group_counts_no_more_for_the_cap(store: Store[Work]) -> None:
    departure = publish(store, seats=9)
    charge = begin(store, hold(store, (departure, 0, 3)))
    wish = hold_wish((departure, 0, 3), holds_max=1)
    full, paid, held = await group(
        store,
        store.write(hold_booking, **wish),
        store.write(finish_payment, **capture_of(charge)),
        store.write(hold_booking, **wish),
    )
    assert (type(full), paid.value, type(held)) == (TooManyHolds, charge.booking_id, Booking)
