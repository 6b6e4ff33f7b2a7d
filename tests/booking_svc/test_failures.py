"""Every refusal of the contract's section 6 that booking can give, as a client sees it: code, reason, facts."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from grpc import StatusCode
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import bookings_pb2

from booking_svc.domain import errors
from chassis.errors import Failure
from tests.booking_svc.builders import FOREIGN_STAFF, HOLD_SECONDS, OTHER_RIDER, RIDER
from tests.booking_svc.service import Booking, refusal
from tests.clocks import FixedClock

Case = Callable[[Booking, FixedClock], Awaitable[Any]]
CASES: dict[str, tuple[StatusCode, Case]] = {}
"""Reason -> the code it comes with, and a call that is refused for it."""


def refused_as(reason: str, code: StatusCode) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        CASES[reason] = (code, case)
        return case

    return keep


def adult(*seat_ids: str, **changes: Any) -> pb.PassengerInput:
    return pb.PassengerInput(**({"name": "Ada Lovelace", "category": "adult", "seat_ids": seat_ids} | changes))


@refused_as("MALFORMED_BODY", StatusCode.INVALID_ARGUMENT)
async def malformed_body(booking: Booking, clock: FixedClock) -> Any:
    send = booking.channel.unary_unary("/headway.booking.v1.BookingService/HoldBooking")
    return send(b"\xff\xff\xff", metadata=booking.metadata())


@refused_as("INVALID_VALUE", StatusCode.INVALID_ARGUMENT)
async def invalid_value(booking: Booking, clock: FixedClock) -> Any:
    return booking.hold((await booking.publish(), 0, 1), passengers=[])


@refused_as("MISSING_IDEMPOTENCY_KEY", StatusCode.INVALID_ARGUMENT)
async def missing_idempotency_key(booking: Booking, clock: FixedClock) -> Any:
    request = booking.hold_request((await booking.publish(), 0, 1))
    return booking.bookings.HoldBooking(request, metadata=booking.metadata(key=None))


@refused_as("IDEMPOTENCY_KEY_REUSED", StatusCode.INVALID_ARGUMENT)
async def idempotency_key_reused(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    metadata = booking.metadata(key="k1")
    await booking.bookings.HoldBooking(booking.hold_request((departure, 0, 1)), metadata=metadata)
    return booking.bookings.HoldBooking(booking.hold_request((departure, 0, 2)), metadata=metadata)


@refused_as("REQUEST_IN_FLIGHT", StatusCode.ABORTED)
async def request_in_flight(booking: Booking, clock: FixedClock) -> Any:
    held = await booking.hold((await booking.publish(), 0, 1))
    await booking.confirm(held.id, "tok_action_required")
    return booking.confirm(held.id, "tok_action_required")


@refused_as("UNAUTHENTICATED", StatusCode.UNAUTHENTICATED)
async def unauthenticated(booking: Booking, clock: FixedClock) -> Any:
    return booking.bookings.GetBooking(pb.GetBookingRequest(booking_id="bkg_1"))


@refused_as("FORBIDDEN", StatusCode.PERMISSION_DENIED)
async def forbidden(booking: Booking, clock: FixedClock) -> Any:
    return booking.publish(caller=RIDER)


@refused_as("NOT_FOUND", StatusCode.NOT_FOUND)
async def not_found(booking: Booking, clock: FixedClock) -> Any:
    return booking.get("bkg_none")


@refused_as("STALE_VERSION", StatusCode.ABORTED)
async def stale_version(booking: Booking, clock: FixedClock) -> Any:
    held = await booking.hold((await booking.publish(), 0, 1))
    request = pb.ReleaseBookingRequest(booking_id=held.id, version=7)
    return booking.bookings.ReleaseBooking(request, metadata=booking.metadata())


@refused_as("UNKNOWN_STOP", StatusCode.NOT_FOUND)
async def unknown_stop(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    stop_id = departure.calls[0].stop.id
    request = pb.GetAvailabilityRequest(
        departure_id=departure.id, origin_stop_id=stop_id, destination_stop_id="stp_none"
    )
    return booking.bookings.GetAvailability(request)


@refused_as("NOT_SERVED", StatusCode.FAILED_PRECONDITION)
async def not_served(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    first, second = (departure.calls[place].stop.id for place in (1, 0))
    request = pb.GetSeatMapRequest(departure_id=departure.id, origin_stop_id=first, destination_stop_id=second)
    return booking.bookings.GetSeatMap(request)


@refused_as("DEPARTURE_GONE", StatusCode.FAILED_PRECONDITION)
async def departure_gone(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    clock.advance(timedelta(days=30).total_seconds())
    return booking.hold((departure, 0, 1))


@refused_as("DEPARTURE_CANCELLED", StatusCode.FAILED_PRECONDITION)
async def departure_cancelled(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    await booking.cancel_departures(departure.id)
    return booking.hold((departure, 0, 1))


@refused_as("SEAT_TAKEN", StatusCode.FAILED_PRECONDITION)
async def seat_taken(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    await booking.hold((departure, 0, 1), passengers=[adult("5A")])
    return booking.hold((departure, 0, 2), passengers=[adult("5A")])


@refused_as("SOLD_OUT", StatusCode.FAILED_PRECONDITION)
async def sold_out(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish(layout_id=(await booking.layout(["A"])).id)
    return booking.hold((departure, 0, 1), passengers=[adult(), adult()])


@refused_as("NEEDS_NOT_MET", StatusCode.FAILED_PRECONDITION)
async def needs_not_met(booking: Booking, clock: FixedClock) -> Any:
    return booking.hold((await booking.publish(), 0, 1), passengers=[adult(needs=["bed"])])


@refused_as("QUOTE_EXPIRED", StatusCode.FAILED_PRECONDITION)
async def quote_expired(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    return booking.hold(quote_token=booking.quote_token((departure, 0, 1), seconds=0))


@refused_as("QUOTE_CHANGED", StatusCode.FAILED_PRECONDITION)
async def quote_changed(booking: Booking, clock: FixedClock) -> Any:
    departure = await booking.publish()
    token = booking.quote_token((departure, 0, 1), categories=["adult", "child"])
    return booking.hold(quote_token=token)


@refused_as("QUOTE_INVALID", StatusCode.INVALID_ARGUMENT)
async def quote_invalid(booking: Booking, clock: FixedClock) -> Any:
    return booking.hold(quote_token="not a token")


@refused_as("HOLD_EXPIRED", StatusCode.FAILED_PRECONDITION)
async def hold_expired(booking: Booking, clock: FixedClock) -> Any:
    held = await booking.hold((await booking.publish(), 0, 1))
    clock.advance(HOLD_SECONDS)
    return booking.confirm(held.id)


@refused_as("ILLEGAL_STATE", StatusCode.FAILED_PRECONDITION)
async def illegal_state(booking: Booking, clock: FixedClock) -> Any:
    held = await booking.hold((await booking.publish(), 0, 1))
    return booking.cancel(held.id)


@refused_as("PAYMENT_DECLINED", StatusCode.FAILED_PRECONDITION)
async def payment_declined(booking: Booking, clock: FixedClock) -> Any:
    return booking.confirm((await booking.hold((await booking.publish(), 0, 1))).id, "tok_declined")


@pytest.mark.parametrize("reason", CASES)
async def test_each_refusal_has_its_code_and_reason(on_sqlite: Booking, clock: FixedClock, reason: str) -> None:
    code, case = CASES[reason]
    refused = await refusal(await case(on_sqlite, clock))
    assert (refused.code, refused.reason) == (code, reason)
    assert refused.detail.endswith(".")
    assert not any(word in refused.detail.lower() for word in ("traceback", "sqlalchemy", "exception", "booking_svc"))


def test_every_failure_that_booking_knows_is_among_them() -> None:
    known = {
        kind.reason
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Failure) and kind.__module__ == errors.__name__
    }
    assert known - set(CASES) == {"TOO_MANY_HOLDS"}  # which has a test of its own in test_limits.py


FACTS = {
    "SEAT_TAKEN": {"seat_ids": ["5A"]},
    "NEEDS_NOT_MET": {"seats_available": 50},
    "PAYMENT_DECLINED": {"provider_reason": "card_declined"},
    "HOLD_EXPIRED": {"state": "expired", "available_actions": []},
    "ILLEGAL_STATE": {"state": "held", "available_actions": ["confirm_booking", "release_booking"]},
    "STALE_VERSION": {"version": 1},
    "FORBIDDEN": {"scope": "timetable:write"},
}


@pytest.mark.parametrize("reason", FACTS)
async def test_facts_tell_the_next_step(on_sqlite: Booking, clock: FixedClock, reason: str) -> None:
    refused = await refusal(await CASES[reason][1](on_sqlite, clock))
    assert refused.facts == FACTS[reason]


@pytest.mark.parametrize("reason", ["REQUEST_IN_FLIGHT"])
async def test_who_should_wait_is_told_how_long(on_sqlite: Booking, clock: FixedClock, reason: str) -> None:
    refused = await refusal(await CASES[reason][1](on_sqlite, clock))
    assert refused.retry_after_seconds == 1.0


TAMPERED_QUOTES: dict[str, Callable[[Booking, Any], str]] = {
    "signed by booking": lambda booking, ride: booking.quote_token(ride, by="booking"),
    "signed by tracking": lambda booking, ride: booking.quote_token(ride, by="tracking"),
    "for another purpose": lambda booking, ride: booking.quote_token(ride, typ="at+jwt"),
    "a cancellation quote": lambda booking, ride: booking.quote_token(ride, by="booking", typ="cancellation-quote+jwt"),
    "another signature": lambda booking, ride: booking.quote_token(ride)[:-6] + "AAAAAA",
    "another price": lambda booking, ride: with_payload_of(
        booking.quote_token(ride), booking.quote_token(ride, total_minor=1)
    ),
    "no signature": lambda booking, ride: booking.quote_token(ride).rpartition(".")[0] + ".",
    "empty parts": lambda booking, ride: "..",
    "too long": lambda booking, ride: "a" * 8193,
    "not ascii": lambda booking, ride: "é",
    "nothing": lambda booking, ride: "",
}


def with_payload_of(token: str, other: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"


@pytest.mark.parametrize("name", TAMPERED_QUOTES)
async def test_a_quote_that_pricing_did_not_sign_holds_nothing(on_sqlite: Booking, name: str) -> None:
    departure = await on_sqlite.publish()
    token = TAMPERED_QUOTES[name](on_sqlite, (departure, 0, 1))
    refused = await refusal(on_sqlite.hold(quote_token=token))
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.reason == ("INVALID_VALUE" if name in ("nothing", "too long") else "QUOTE_INVALID")


async def test_without_the_guard_any_quote_is_believed(on_sqlite: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    departure = await on_sqlite.publish()
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "quote_signature")
    token = TAMPERED_QUOTES["another signature"](on_sqlite, (departure, 0, 1))
    assert (await on_sqlite.hold(quote_token=token)).id


async def test_a_quote_holds_until_its_last_second(on_sqlite: Booking, clock: FixedClock) -> None:
    token = on_sqlite.quote_token((await on_sqlite.publish(), 0, 1), seconds=60)
    clock.advance(59)
    await on_sqlite.hold(quote_token=token)
    clock.advance(1)
    assert (await refusal(on_sqlite.hold(quote_token=token))).reason == "QUOTE_EXPIRED"


@pytest.mark.parametrize("by", ["pricing", "gateway"])
async def test_a_cancellation_quote_is_ours_alone(on_sqlite: Booking, by: str, clock: FixedClock) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    await on_sqlite.confirm(held.id)
    claims = {"booking_id": held.id, "booking_version": 3, "item_ids": [], "refund_minor": 1250, "fee_minor": 0}
    forged = on_sqlite.signer(by).sign(
        {**claims, "currency": "EUR"}, typ="cancellation-quote+jwt", now=clock.now(), ttl=timedelta(minutes=5)
    )
    request = pb.CancelBookingRequest(booking_id=held.id, cancellation_quote_token=forged)
    refused = await refusal(on_sqlite.bookings.CancelBooking(request, metadata=on_sqlite.metadata()))
    assert refused.reason == "QUOTE_INVALID"


async def test_a_cancellation_quote_expires(on_sqlite: Booking, clock: FixedClock) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    await on_sqlite.confirm(held.id)
    wanted = pb.QuoteCancellationRequest(booking_id=held.id)
    quoted = await on_sqlite.bookings.QuoteCancellation(wanted, metadata=on_sqlite.metadata())
    assert (quoted.refund.amount_minor, quoted.fee.amount_minor) == (1125, 125)
    assert quoted.expires_at.seconds == int(clock.now().timestamp()) + 600
    clock.advance(600)
    request = pb.CancelBookingRequest(booking_id=held.id, cancellation_quote_token=quoted.token)
    refused = await refusal(on_sqlite.bookings.CancelBooking(request, metadata=on_sqlite.metadata()))
    assert refused.reason == "QUOTE_EXPIRED"


BOOKING_CALLS: dict[str, Any] = {
    "ConfirmBooking": lambda one: pb.ConfirmBookingRequest(
        booking_id=one, payment_method="sandbox", payment_token="tok_success"
    ),
    "ReleaseBooking": lambda one: pb.ReleaseBookingRequest(booking_id=one),
    "QuoteCancellation": lambda one: pb.QuoteCancellationRequest(booking_id=one),
    "GetBooking": lambda one: pb.GetBookingRequest(booking_id=one),
    "GetBookingHistory": lambda one: pb.GetBookingHistoryRequest(booking_id=one),
    "GetTicket": lambda one: pb.GetTicketRequest(booking_id=one, ticket_id="tkt_1"),
}


@pytest.mark.parametrize("method", [*BOOKING_CALLS, "CancelBooking"])
async def test_a_foreign_booking_is_as_absent_as_none_on_every_call(on_sqlite: Booking, method: str) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    await on_sqlite.confirm(held.id)
    quoted = await on_sqlite.bookings.QuoteCancellation(
        pb.QuoteCancellationRequest(booking_id=held.id), metadata=on_sqlite.metadata()
    )
    make = BOOKING_CALLS.get(
        method, lambda one: pb.CancelBookingRequest(booking_id=one, cancellation_quote_token=quoted.token)
    )
    answers = []
    for caller in (OTHER_RIDER, FOREIGN_STAFF):
        for booking_id in (held.id, "bkg_none", "no such id", "\0", ""):
            call = getattr(on_sqlite.bookings, method)(make(booking_id), metadata=on_sqlite.metadata(caller))
            refused = await refusal(call)
            answers.append((refused.code, refused.reason, refused.detail, refused.facts))
    assert set(map(repr, answers)) == {repr((StatusCode.NOT_FOUND, "NOT_FOUND", answers[0][2], {}))}
    assert (await on_sqlite.get(held.id)).payment.state == bookings_pb2.PAYMENT_STATE_CAPTURED


async def test_without_the_guard_a_foreign_booking_is_seen(on_sqlite: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "owner_predicate")
    assert (await on_sqlite.get(held.id, caller=OTHER_RIDER)).id == held.id


def test_every_call_with_a_booking_is_among_them() -> None:
    methods = pb.DESCRIPTOR.services_by_name["BookingService"].methods
    named = {method.name for method in methods if "booking_id" in method.input_type.fields_by_name}
    assert named == {*BOOKING_CALLS, "CancelBooking"}
