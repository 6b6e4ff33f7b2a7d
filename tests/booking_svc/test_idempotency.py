"""A repeat with the same key has no effect of its own and gets the first one's reply."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import timetable_service_pb2 as timetable_pb
from headway.booking.v1 import vehicles_pb2

from booking_svc.store.bookings import BOOKINGS
from booking_svc.store.departures import DEPARTURES
from booking_svc.store.layouts import LAYOUTS
from booking_svc.store.payments import REFUNDS
from booking_svc.store.vehicles import VEHICLES
from tests.booking_svc.builders import HOLD_SECONDS, OPERATOR, OTHER_RIDER, RIDER, STAFF, events, rows
from tests.booking_svc.service import Booking, departure_request, refusal
from tests.clocks import FixedClock

Prepare = Callable[[Booking], Awaitable[tuple[Any, Any]]]
"""Returns a method and a request that it accepts."""


async def hold_booking(booking: Booking) -> tuple[Any, Any]:
    return booking.bookings.HoldBooking, booking.hold_request((await booking.publish(), 0, 1))


async def release_booking(booking: Booking) -> tuple[Any, Any]:
    held = await booking.hold((await booking.publish(), 0, 1))
    return booking.bookings.ReleaseBooking, pb.ReleaseBookingRequest(booking_id=held.id)


async def cancel_booking(booking: Booking) -> tuple[Any, Any]:
    held = await booking.hold((await booking.publish(), 0, 1))
    await booking.confirm(held.id)
    wanted = pb.QuoteCancellationRequest(booking_id=held.id)
    quoted = await booking.bookings.QuoteCancellation(wanted, metadata=booking.metadata())
    request = pb.CancelBookingRequest(booking_id=held.id, cancellation_quote_token=quoted.token)
    return booking.bookings.CancelBooking, request


async def confirm_booking(booking: Booking) -> tuple[Any, Any]:
    held = await booking.hold((await booking.publish(), 0, 1))
    request = pb.ConfirmBookingRequest(booking_id=held.id, payment_method="sandbox", payment_token="tok_success")
    return booking.bookings.ConfirmBooking, request


async def publish_departure(booking: Booking) -> tuple[Any, Any]:
    return booking.timetable.PublishDeparture, departure_request()


async def cancel_departures(booking: Booking) -> tuple[Any, Any]:
    departure = await booking.publish()
    request = timetable_pb.CancelDeparturesRequest(operator_id=OPERATOR, departure_ids=[departure.id])
    return booking.timetable.CancelDepartures, request


async def create_layout(booking: Booking) -> tuple[Any, Any]:
    seats = [vehicles_pb2.LayoutSeat(id="1A")]
    return booking.timetable.CreateLayout, timetable_pb.CreateLayoutRequest(
        operator_id=OPERATOR, name="Boat", seats=seats
    )


async def register_vehicle(booking: Booking) -> tuple[Any, Any]:
    return booking.timetable.RegisterVehicle, timetable_pb.RegisterVehicleRequest(operator_id=OPERATOR, label="Swift")


KEYED = [hold_booking, release_booking, cancel_booking, confirm_booking, publish_departure, cancel_departures]
OPTIONAL = [create_layout, register_vehicle]


def effects(booking: Booking) -> list[int]:
    tables = (BOOKINGS, DEPARTURES, LAYOUTS, VEHICLES, REFUNDS)
    return [*(len(rows(booking.store, table)) for table in tables), len(events(booking.store))]


def caller_of(prepare: Prepare) -> Any:
    return RIDER if prepare in KEYED[:4] else STAFF


@pytest.mark.parametrize("prepare", [*KEYED, *OPTIONAL])
async def test_a_repeat_is_answered_the_same_and_marked(booking: Booking, prepare: Prepare) -> None:
    method, request = await prepare(booking)
    metadata = booking.metadata(caller_of(prepare), key="the same")
    first = method(request, metadata=metadata)
    answer = await first
    after = effects(booking)
    assert "idempotent-replayed" not in dict(await first.trailing_metadata())
    for _ in range(2):
        again = method(request, metadata=metadata)
        assert await again == answer
        assert dict(await again.trailing_metadata())["idempotent-replayed"] == "true"
    assert effects(booking) == after


@pytest.mark.parametrize("prepare", KEYED)
@pytest.mark.parametrize("key", [None, "k" * 256])
async def test_without_a_key_nothing_is_done(on_sqlite: Booking, prepare: Prepare, key: str | None) -> None:
    method, request = await prepare(on_sqlite)
    before = effects(on_sqlite)
    refused = await refusal(method(request, metadata=on_sqlite.metadata(caller_of(prepare), key=key)))
    assert refused.reason == "MISSING_IDEMPOTENCY_KEY"
    assert effects(on_sqlite) == before


@pytest.mark.parametrize("prepare", OPTIONAL)
async def test_where_no_key_is_required_each_call_counts(on_sqlite: Booking, prepare: Prepare) -> None:
    method, request = await prepare(on_sqlite)
    metadata = on_sqlite.metadata(STAFF, key=None)
    first, second = await method(request, metadata=metadata), await method(request, metadata=metadata)
    assert first.id != second.id


async def test_the_same_key_at_once_has_one_effect(booking: Booking) -> None:
    method, request = await hold_booking(booking)
    metadata = booking.metadata(key="the same")
    answers = await asyncio.gather(*(method(request, metadata=metadata) for _ in range(10)))
    assert len({answer.id for answer in answers}) == 1
    assert len(rows(booking.store, BOOKINGS)) == 1


async def test_a_key_is_its_caller_s_own(on_sqlite: Booking) -> None:
    method, request = await hold_booking(on_sqlite)
    answers = [
        await method(request, metadata=on_sqlite.metadata(caller, key="the same")) for caller in (RIDER, OTHER_RIDER)
    ]
    assert {answer.rider_id for answer in answers} == {RIDER.subject, OTHER_RIDER.subject}


async def test_a_key_is_its_operation_s_own(on_sqlite: Booking) -> None:
    method, request = await hold_booking(on_sqlite)
    held = await method(request, metadata=on_sqlite.metadata(key="the same"))
    released = await on_sqlite.bookings.ReleaseBooking(
        pb.ReleaseBookingRequest(booking_id=held.id), metadata=on_sqlite.metadata(key="the same")
    )
    assert released.id == held.id


async def test_another_body_under_the_same_key_is_refused(on_sqlite: Booking) -> None:
    method, request = await hold_booking(on_sqlite)
    metadata = on_sqlite.metadata(key="the same")
    await method(request, metadata=metadata)
    request.passengers[0].name = "Grace Hopper"
    assert (await refusal(method(request, metadata=metadata))).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_refusal_does_not_use_the_key_up(on_sqlite: Booking, clock: FixedClock) -> None:
    departure = await on_sqlite.publish(layout_id=(await on_sqlite.layout(["A"])).id)
    await on_sqlite.hold((departure, 0, 1))
    request, metadata = on_sqlite.hold_request((departure, 0, 1)), on_sqlite.metadata(key="the same")
    assert (await refusal(on_sqlite.bookings.HoldBooking(request, metadata=metadata))).reason == "SOLD_OUT"
    clock.advance(HOLD_SECONDS)
    assert (await on_sqlite.bookings.HoldBooking(request, metadata=metadata)).items[0].seat_id == "A"


async def test_a_stored_reply_is_what_was_true_then(on_sqlite: Booking, clock: FixedClock) -> None:
    method, request = await hold_booking(on_sqlite)
    metadata = on_sqlite.metadata(key="the same")
    held = await method(request, metadata=metadata)
    clock.advance(HOLD_SECONDS)
    assert await method(request, metadata=on_sqlite.metadata(key="the same")) == held
    assert (await on_sqlite.get(held.id)).state != held.state


async def test_without_the_guard_a_repeat_has_an_effect(on_sqlite: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "once")
    method, request = await hold_booking(on_sqlite)
    metadata = on_sqlite.metadata(key="the same")
    answers = [await method(request, metadata=metadata) for _ in range(2)]
    assert len({answer.id for answer in answers}) == 2
