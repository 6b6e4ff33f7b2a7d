"""Paying for a hold at the real provider: every answer it can give, one charge at most."""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import bookings_pb2

from booking_svc import loops
from booking_svc.domain.errors import IllegalState
from booking_svc.servicers.tokens import TICKET
from booking_svc.settings import BookingSettings
from booking_svc.store.payments import CHARGES
from booking_svc.use_cases.begin_payment import ACTION_GRACE
from chassis.keys import Verifier
from tests.booking_svc import service
from tests.booking_svc.builders import HOLD_SECONDS, RIDER, STAFF, rows, until
from tests.booking_svc.payments import Provider
from tests.booking_svc.service import refusal
from tests.clocks import FixedClock

HELD, CONFIRMED = bookings_pb2.BOOKING_STATE_HELD, bookings_pb2.BOOKING_STATE_CONFIRMED
NONE, PROCESSING, ACTION_REQUIRED, CAPTURED, DECLINED, UNKNOWN = (
    bookings_pb2.PaymentState.Value(f"PAYMENT_STATE_{name}")
    for name in ("NONE", "PROCESSING", "ACTION_REQUIRED", "CAPTURED", "DECLINED", "UNKNOWN")
)


@pytest.fixture
async def booking(
    ready_url: str, keys_dir: Path, provider: Provider, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[service.Booking]:
    """The service with little patience, looking at open charges all the time."""
    monkeypatch.setattr(loops, "RESOLVE_SECONDS", 0.05)
    impatient = {"payment_wait_seconds": 0.3, "payment_timeout_seconds": 1.0}
    async with service.serving(service.settings(ready_url, keys_dir, provider.url, **impatient), clock) as running:
        yield running


async def held(booking: service.Booking, passengers: int = 1) -> bookings_pb2.Booking:
    riders = [pb.PassengerInput(name="Ada Lovelace", category="adult") for _ in range(passengers)]
    return await booking.hold((await booking.publish(), 0, 3), passengers=riders)


async def is_payment(booking: service.Booking, booking_id: str, state: int) -> bool:
    return bool((await booking.get(booking_id)).payment.state == state)


def becomes(booking: service.Booking, booking_id: str, state: int) -> Any:
    return until(functools.partial(is_payment, booking, booking_id, state))


async def trailing(call: Any) -> dict[str, str]:
    return dict(await call.trailing_metadata())


async def test_a_payment_that_succeeds_confirms_at_once(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking, passengers=2)
    call = booking.confirm(hold.id, key="k1")
    paid = await call
    assert (paid.state, paid.payment.state, paid.payment.action_url) == (CONFIRMED, CAPTURED, "")
    assert not paid.HasField("hold_expires_at")
    assert {item.state for item in paid.items} == {bookings_pb2.ITEM_STATE_CONFIRMED}
    assert [ticket.item_id for ticket in paid.tickets] == [item.id for item in paid.items]
    assert list(paid.available_actions) == ["quote_cancellation", "cancel_booking"]
    assert "payment-pending" not in await trailing(call)
    assert provider.captured_minor(hold.id) == [2500]
    assert paid == await booking.get(hold.id)


async def test_a_repeat_gets_the_stored_reply_and_charges_nothing(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking)
    first = await booking.confirm(hold.id, key="k1")
    again = booking.confirm(hold.id, key="k1")
    assert await again == first
    assert (await trailing(again))["idempotent-replayed"] == "true"
    assert provider.captured_minor(hold.id) == [1250]
    reused = await refusal(booking.confirm(hold.id, "tok_declined", key="k1"))
    assert reused.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_ticket_is_a_promise_that_can_be_checked_without_asking(
    booking: service.Booking, clock: FixedClock
) -> None:
    hold = await held(booking)
    (ticket,) = (await booking.confirm(hold.id)).tickets
    claims = Verifier(booking.keys_dir / "trusted").check(ticket.code, TICKET, now=clock.now())
    told = {name: claims[name] for name in ("tkt", "bkg", "dep", "seat", "cat", "from", "to")}
    assert told == {
        "tkt": ticket.id,
        "bkg": hold.id,
        "dep": hold.legs[0].departure_id,
        "seat": hold.items[0].seat_id,
        "cat": "adult",
        "from": 0,
        "to": 3,
    }
    assert claims["exp"] > hold.legs[0].destination.scheduled_at.seconds
    assert "Ada" not in str(claims)


async def test_a_declined_payment_leaves_the_hold_and_another_token_works(
    booking: service.Booking, provider: Provider
) -> None:
    hold = await held(booking)
    declined = await refusal(booking.confirm(hold.id, "tok_declined", key="k1"))
    assert (declined.reason, declined.facts) == ("PAYMENT_DECLINED", {"provider_reason": "card_declined"})
    seen = await booking.get(hold.id)
    assert (seen.state, seen.payment.state, seen.hold_expires_at) == (HELD, DECLINED, hold.hold_expires_at)
    assert list(seen.available_actions) == ["confirm_booking", "release_booking"]
    assert provider.captured_minor(hold.id) == []
    # A failure does not use the key up.
    assert (await booking.confirm(hold.id, key="k1")).state == CONFIRMED
    assert provider.captured_minor(hold.id) == [1250]


async def test_a_token_that_the_provider_does_not_know_is_declined(
    booking: service.Booking, provider: Provider
) -> None:
    hold = await held(booking)
    declined = await refusal(booking.confirm(hold.id, "tok_other"))
    assert (declined.reason, declined.facts) == ("PAYMENT_DECLINED", {"provider_reason": "unknown_token"})
    assert provider.charges(hold.id) == []


async def test_an_error_that_passes_is_not_the_rider_s(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking)
    assert (await booking.confirm(hold.id, "tok_error_once")).state == CONFIRMED
    assert provider.captured_minor(hold.id) == [1250]


async def test_a_slow_payment_is_answered_as_pending_and_is_known_later(
    booking: service.Booking, provider: Provider
) -> None:
    hold = await held(booking)
    call = booking.confirm(hold.id, "tok_slow", key="k1")
    pending = await call
    assert (pending.state, pending.payment.state) == (HELD, PROCESSING)
    assert list(pending.available_actions) == []
    assert (await trailing(call))["payment-pending"] == "true"
    for key in ("k1", "k2"):
        in_flight = await refusal(booking.confirm(hold.id, "tok_slow", key=key))
        assert (in_flight.reason, in_flight.retry_after_seconds) == ("REQUEST_IN_FLIGHT", 1.0)
    await becomes(booking, hold.id, CAPTURED)
    repeat = booking.confirm(hold.id, "tok_slow", key="k1")
    assert await repeat == await booking.get(hold.id)
    assert (await trailing(repeat))["idempotent-replayed"] == "true"
    assert provider.captured_minor(hold.id) == [1250]


async def test_a_payment_whose_answer_is_lost_is_found_and_captured_once(
    booking: service.Booking, provider: Provider
) -> None:
    hold = await held(booking)
    pending = await booking.confirm(hold.id, "tok_timeout", key="k1")
    assert pending.payment.state == PROCESSING
    await becomes(booking, hold.id, CAPTURED)
    assert (await booking.confirm(hold.id, "tok_timeout", key="k1")).state == CONFIRMED
    assert provider.captured_minor(hold.id) == [1250]


def test_an_answer_that_is_lost_is_known_within_35_seconds() -> None:
    usual = {name: field.default for name, field in BookingSettings.model_fields.items()}
    lost = usual["payment_timeout_seconds"] + loops.RESOLVE_SECONDS
    never_made = usual["payment_give_up_seconds"] + loops.RESOLVE_SECONDS
    assert lost < 35
    assert never_made < 35
    # Nobody gives a charge up while a request for it may still be on its way.
    assert usual["payment_give_up_seconds"] > 2 * usual["payment_timeout_seconds"]


@pytest.mark.parametrize(("decision", "state"), [("approve", CAPTURED), ("refuse", DECLINED)])
async def test_the_rider_decides_at_the_bank(
    booking: service.Booking, provider: Provider, decision: str, state: int
) -> None:
    hold = await held(booking)
    call = booking.confirm(hold.id, "tok_action_required", key="k1")
    waiting = await call
    assert (waiting.state, waiting.payment.state) == (HELD, ACTION_REQUIRED)
    assert waiting.payment.action_url.startswith(provider.url)
    assert (await trailing(call))["payment-pending"] == "true"
    assert (await refusal(booking.confirm(hold.id, "tok_action_required", key="k1"))).reason == "REQUEST_IN_FLIGHT"
    provider.decide(waiting.payment.action_url, decision)
    await becomes(booking, hold.id, state)
    after = await booking.get(hold.id)
    assert (after.payment.action_url, after.state) == ("", CONFIRMED if state == CAPTURED else HELD)
    assert provider.captured_minor(hold.id) == ([1250] if state == CAPTURED else [])
    if state == CAPTURED:
        assert await booking.confirm(hold.id, "tok_action_required", key="k1") == after
    else:
        assert (await booking.confirm(hold.id, key="k2")).state == CONFIRMED


async def test_a_rider_who_never_comes_back_from_the_bank_loses_the_hold_not_money(
    booking: service.Booking, provider: Provider, clock: FixedClock
) -> None:
    hold = await held(booking)
    waiting = await booking.confirm(hold.id, "tok_action_required")
    clock.advance(HOLD_SECONDS + ACTION_GRACE.total_seconds())
    await becomes(booking, hold.id, DECLINED)
    assert (await booking.get(hold.id)).state == bookings_pb2.BOOKING_STATE_EXPIRED
    provider.decide(waiting.payment.action_url, "approve")
    assert provider.captured_minor(hold.id) == []


async def test_two_confirmations_at_once_make_one_charge(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking)
    calls = [booking.confirm(hold.id, "tok_slow", key=key) for key in ("k1", "k2", "k1", "k3")]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, bookings_pb2.Booking) for outcome in outcomes) == 1
    await becomes(booking, hold.id, CAPTURED)
    assert provider.captured_minor(hold.id) == [1250]
    assert len(rows(booking.store, CHARGES)) == 1


async def test_a_caller_that_goes_away_does_not_stop_the_payment(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking)
    call = booking.confirm(hold.id, "tok_slow", key="k1")
    await becomes(booking, hold.id, PROCESSING)
    call.cancel()
    await becomes(booking, hold.id, CAPTURED)
    assert provider.captured_minor(hold.id) == [1250]


async def test_what_cannot_be_paid_for_is_refused_before_the_provider_hears_of_it(
    booking: service.Booking, provider: Provider, clock: FixedClock
) -> None:
    departure = await booking.publish()
    released, expired, confirmed = [await booking.hold((departure, 0, 3)) for _ in range(3)]
    request = pb.ReleaseBookingRequest(booking_id=released.id)
    await booking.bookings.ReleaseBooking(request, metadata=booking.metadata())
    await booking.confirm(confirmed.id)
    clock.advance(HOLD_SECONDS)
    assert (await refusal(booking.confirm(released.id))).reason == "ILLEGAL_STATE"
    assert (await refusal(booking.confirm(expired.id))).reason == "HOLD_EXPIRED"
    again = await refusal(booking.confirm(confirmed.id))
    assert (again.reason, again.facts["available_actions"]) == (
        IllegalState.reason,
        ["quote_cancellation", "cancel_booking"],
    )
    for refused in (released, expired):
        assert provider.charges(refused.id) == []
    assert len(provider.charges(confirmed.id)) == 1


async def test_a_departure_that_does_not_run_is_not_paid_for(booking: service.Booking, provider: Provider) -> None:
    hold = await held(booking)
    await booking.cancel_departures(hold.legs[0].departure_id)
    refused = await refusal(booking.confirm(hold.id))
    assert (refused.reason, refused.facts) == ("DEPARTURE_CANCELLED", {"departure_id": hold.legs[0].departure_id})
    assert provider.charges(hold.id) == []


async def test_another_version_than_seen_is_refused(booking: service.Booking) -> None:
    hold = await held(booking)
    request = pb.ConfirmBookingRequest(
        booking_id=hold.id, payment_method="sandbox", payment_token="tok_success", version=2
    )
    stale = await refusal(booking.bookings.ConfirmBooking(request, metadata=booking.metadata()))
    assert (stale.reason, stale.facts) == ("STALE_VERSION", {"version": 1})


async def test_a_payment_without_a_way_to_pay_is_refused(booking: service.Booking) -> None:
    request = pb.ConfirmBookingRequest(booking_id=(await held(booking)).id, payment_method="cash", payment_token="")
    refused = await refusal(booking.bookings.ConfirmBooking(request, metadata=booking.metadata()))
    assert refused.reason == "INVALID_VALUE"
    assert [error.pointer for error in refused.errors] == ["/payment/method", "/payment/token"]


async def test_staff_may_pay_for_a_rider(booking: service.Booking) -> None:
    hold = await held(booking)
    paid = await booking.confirm(hold.id, caller=STAFF)
    assert (paid.state, paid.rider_id) == (CONFIRMED, RIDER.subject)
