"""Bookings: from hold to ticket, and back again."""

import asyncio
import base64
import binascii
import io
import json
from collections.abc import Iterable
from typing import Annotated, Any

import segno
from fastapi import Query, Response
from headway.booking.v1 import booking_service_pb2, bookings_pb2
from headway.pricing.v1 import pricing_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import Failure
from chassis.rpc_errors import RemoteFailure
from gateway.alternatives import NOT_RUNNING, naming_alternatives
from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Anonymous, Call, signed_in, with_key
from gateway.preconditions import IfMatch
from gateway.problems import problems
from gateway.schemas.bookings import (
    LEGS_MAX,
    Booking,
    CancelBooking,
    CancellationQuote,
    ConfirmBooking,
    HistoryEntry,
    HoldBooking,
    LookUpBooking,
    QuoteCancellation,
)
from gateway.schemas.fares import Quote
from gateway.schemas.shapes import PAGE_DEFAULT, Cursor, Id, Limit, Page, PathId

CONFIRM_SECONDS = 10.0
"""Longer than the booking service waits for the payment provider before it answers that it does not know yet."""
NOT_PAID_YET = frozenset(
    {
        bookings_pb2.PAYMENT_STATE_PROCESSING,
        bookings_pb2.PAYMENT_STATE_ACTION_REQUIRED,
        bookings_pb2.PAYMENT_STATE_UNKNOWN,
    }
)
ALL_ITEMS = QuoteCancellation()
REQUOTED = frozenset({"QUOTE_CHANGED", "QUOTE_EXPIRED"})

router = Router(tags=["Rider"])

Mine = Annotated[Call, signed_in("bookings", "bookings:all")]
MineWithKey = Annotated[Call, with_key("bookings", "bookings:all")]


class TicketImage(Response):
    media_type = "image/svg+xml"


@router.post(
    "/bookings",
    status_code=201,
    summary="Hold seats",
    responses=problems(
        "seat_taken", "sold_out", "needs_not_met", "quote_expired", "quote_changed", "quote_invalid", "too_many_holds",
        "departure_gone", "departure_cancelled", "not_found",
    ),
)  # fmt: skip
async def hold_booking(body: HoldBooking, call: Annotated[Call, with_key("bookings")], services: Services) -> Booking:
    """Hold seats at a quoted price until `hold_expires_at`, all of them or none.

    When the quote has expired or no longer fits, `facts.replacement_quote` is what the same rides cost these
    passengers now, where there is such a price. When a departure has left or was cancelled, that is the answer, and
    `facts.alternatives` are the next ones of that day.
    """
    async with naming_alternatives(lambda: legs_of(body.quote_token), len(body.passengers), call, services):
        try:
            booking = await services.ask(services.bookings.HoldBooking, body.to_proto(), call)
        except RemoteFailure as failure:
            if failure.reason in REQUOTED:
                failure.facts["replacement_quote"] = await replacement_quote(body, call, services)
            raise
    return Booking.from_proto(services.tagged(booking))


async def replacement_quote(body: HoldBooking, call: Call, services: Services) -> dict[str, Any] | None:
    """Ask what the rides of a quote cost now; None when there is no price to be had.

    A departure that does not run any more explains more than the quote does: that refusal is passed on.
    """
    request = pricing_service_pb2.QuoteFareRequest(
        legs=legs_of(body.quote_token), passenger_categories=[passenger.category for passenger in body.passengers]
    )
    try:
        quote = await services.ask(services.pricing.QuoteFare, request, call)
    except Failure as refusal:
        if refusal.reason in NOT_RUNNING:
            raise
        return None
    return Quote.from_proto(quote).model_dump(mode="json")


def legs_of(token: str) -> Iterable[timetable_pb2.LegRequest]:
    """Read which rides a quote was for. Nothing here is checked: pricing judges them as it would anybody's wish."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return [
            timetable_pb2.LegRequest(
                departure_id=leg["departure_id"],
                origin_stop_id=leg["origin_stop_id"],
                destination_stop_id=leg["destination_stop_id"],
            )
            for leg in claims["legs"][:LEGS_MAX]
        ]
    except (LookupError, TypeError, ValueError, RecursionError, binascii.Error):
        return []


@router.get("/bookings", summary="List bookings")
async def list_bookings(
    call: Mine,
    services: Services,
    departure_id: Annotated[
        Id | None, Query(description="With `bookings:all`: those on this departure in place of one's own")
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = "",
) -> Page[Booking]:
    """List one's own bookings, newest first."""
    request = booking_service_pb2.ListBookingsRequest(limit=limit, cursor=cursor, departure_id=departure_id or "")
    found = await services.ask(services.bookings.ListBookings, request, call)
    return Page(items=[Booking.from_proto(one) for one in found.bookings], next_cursor=found.next_cursor or None)


@router.get("/bookings/{booking_id}", summary="Read a booking", responses=problems("not_found"))
async def get_booking(booking_id: PathId, call: Mine, services: Services) -> Booking:
    """Read one booking."""
    request = booking_service_pb2.GetBookingRequest(booking_id=booking_id)
    booking = await services.ask(services.bookings.GetBooking, request, call)
    return Booking.from_proto(services.tagged(booking))


@router.post("/bookings/lookup", summary="Look up a booking", responses=problems("not_found"))
async def look_up_booking(body: LookUpBooking, call: Anonymous, services: Services) -> Booking:
    """Find a booking by what is printed on the ticket; no token is needed."""
    request = booking_service_pb2.LookUpBookingRequest(reference=body.reference, email=body.email)
    return Booking.from_proto(await services.ask(services.bookings.LookUpBooking, request, call))


@router.post(
    "/bookings/{booking_id}/confirm",
    summary="Confirm a booking",
    responses={
        202: {"model": Booking, "description": "The payment is not settled; look at `payment` and read again"},
        **problems("payment_declined", "hold_expired", "illegal_state", "not_found", "stale_version"),
    },
)
async def confirm_booking(
    *,
    booking_id: PathId,
    body: ConfirmBooking,
    version: IfMatch,
    call: Annotated[Call, with_key("bookings", "bookings:all", timeout=CONFIRM_SECONDS)],
    services: Services,
    response: Response,
) -> Booking:
    """Pay for a hold.

    200 when it is confirmed; 202 while the payment is processing, needs something from the rider (`action_url`), or
    is not known: then the same key answers `request_in_flight` until it is, and the final reply afterwards.
    """
    request = booking_service_pb2.ConfirmBookingRequest(
        booking_id=booking_id,
        payment_method=body.payment.method,
        payment_token=body.payment.token,
        version=version or 0,
    )
    booking = await services.ask(services.bookings.ConfirmBooking, request, call)
    if booking.payment.state in NOT_PAID_YET:
        response.status_code = 202
    return Booking.from_proto(services.tagged(booking))


@router.post(
    "/bookings/{booking_id}/release",
    summary="Release a hold",
    responses=problems("hold_expired", "illegal_state", "not_found", "stale_version"),
)
async def release_booking(booking_id: PathId, version: IfMatch, call: MineWithKey, services: Services) -> Booking:
    """Give the seats of a hold back before it expires."""
    request = booking_service_pb2.ReleaseBookingRequest(booking_id=booking_id, version=version or 0)
    booking = await services.ask(services.bookings.ReleaseBooking, request, call)
    return Booking.from_proto(services.tagged(booking))


@router.post(
    "/bookings/{booking_id}/cancellation-quotes",
    summary="Quote a cancellation",
    responses=problems("illegal_state", "departure_gone", "not_found"),
)
async def quote_cancellation(
    booking_id: PathId, call: Mine, services: Services, body: QuoteCancellation = ALL_ITEMS
) -> CancellationQuote:
    """Say what cancelling some items, or all, would refund; promised until it expires."""
    request = booking_service_pb2.QuoteCancellationRequest(booking_id=booking_id, item_ids=body.item_ids)
    return CancellationQuote.from_proto(await services.ask(services.bookings.QuoteCancellation, request, call))


@router.post(
    "/bookings/{booking_id}/cancel",
    summary="Cancel as quoted",
    responses=problems(
        "quote_expired", "quote_changed", "quote_invalid", "illegal_state", "not_found", "stale_version"
    ),
)
async def cancel_booking(
    *,
    booking_id: PathId,
    body: CancelBooking,
    version: IfMatch,
    call: MineWithKey,
    services: Services,
) -> Booking:
    """Cancel what was quoted and refund what was promised."""
    request = booking_service_pb2.CancelBookingRequest(
        booking_id=booking_id, cancellation_quote_token=body.cancellation_quote_token, version=version or 0
    )
    booking = await services.ask(services.bookings.CancelBooking, request, call)
    return Booking.from_proto(services.tagged(booking))


@router.get("/bookings/{booking_id}/history", summary="Read a booking's history", responses=problems("not_found"))
async def get_booking_history(booking_id: PathId, call: Mine, services: Services) -> Page[HistoryEntry]:
    """Read everything that happened to a booking, oldest first."""
    request = booking_service_pb2.GetBookingHistoryRequest(booking_id=booking_id)
    found = await services.ask(services.bookings.GetBookingHistory, request, call)
    return Page(items=[HistoryEntry.from_proto(entry) for entry in found.entries])


@router.get(
    "/bookings/{booking_id}/tickets/{ticket_id}.svg",
    summary="Show a ticket",
    response_class=TicketImage,
    responses=problems("not_found"),
)
async def get_ticket(booking_id: PathId, ticket_id: PathId, call: Mine, services: Services) -> Response:
    """Draw a ticket's QR code."""
    request = booking_service_pb2.GetTicketRequest(booking_id=booking_id, ticket_id=ticket_id)
    ticket = await services.ask(services.bookings.GetTicket, request, call)
    # Some 15 ms of Python: in a thread, others need not wait for all of it.
    image = await asyncio.to_thread(draw, ticket.code)
    return TicketImage(image, headers={"Cache-Control": "private, no-cache"})


def draw(code: str) -> bytes:
    """Draw a QR code, dark on light whatever the page is, with the quiet zone of four modules that readers need."""
    image = io.BytesIO()
    segno.make_qr(code, error="m").save(image, kind="svg", border=4, scale=6, light="#fff", title="Ticket")
    return image.getvalue()
