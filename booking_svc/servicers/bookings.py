"""BookingService: messages in, use case, query or flow, messages out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import booking_service_pb2_grpc, bookings_pb2

from booking_svc import translate
from booking_svc.domain.booking import Booking
from booking_svc.flows.confirm_booking import confirm_booking
from booking_svc.flows.payments import Payments
from booking_svc.queries.get_availability import get_availability
from booking_svc.queries.get_booking import get_booking
from booking_svc.queries.get_booking_history import get_booking_history
from booking_svc.queries.get_seat_map import get_seat_map
from booking_svc.queries.get_ticket import get_ticket
from booking_svc.queries.list_bookings import list_bookings
from booking_svc.queries.look_up_booking import look_up_booking
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.servicers import check
from booking_svc.servicers.tokens import Tokens
from booking_svc.store.work import Work
from booking_svc.use_cases.cancel_booking import cancel_booking
from booking_svc.use_cases.hold_booking import hold_booking
from booking_svc.use_cases.release_booking import release_booking
from chassis.rpc_server import Context, current_caller, once_for, seconds_left
from chassis.store import Store

METHODS = ("sandbox",)
PENDING = (
    bookings_pb2.PAYMENT_STATE_PROCESSING,
    bookings_pb2.PAYMENT_STATE_ACTION_REQUIRED,
    bookings_pb2.PAYMENT_STATE_UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """How long a hold lasts, and how many one rider may have."""

    hold_seconds: int
    holds_per_rider: int


class BookingServicer(booking_service_pb2_grpc.BookingServiceServicer):
    """Seats and what becomes of them."""

    def __init__(
        self,
        store: Store[Work],
        payments: Payments,
        tokens: Tokens,
        *,
        limits: HoldLimits,
        answer: Callable[[Booking], bookings_pb2.Booking],
        refund_now: asyncio.Event,
    ) -> None:
        self.store = store
        self.payments = payments
        self.tokens = tokens
        self.limits = limits
        self.answer = answer
        self.refund_now = refund_now

    async def GetAvailability(self, request: pb.GetAvailabilityRequest, context: Context) -> pb.Availability:
        check.check_part(request)
        return translate.availability_out(await self.store.read(get_availability, **translate.part_in(request)))

    async def GetSeatMap(self, request: pb.GetSeatMapRequest, context: Context) -> pb.SeatMap:
        check.check_part(request)
        return translate.seat_map_out(await self.store.read(get_seat_map, **translate.part_in(request)))

    async def HoldBooking(self, request: pb.HoldBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.check_hold(request)
        return await self.store.write(
            hold_booking,
            once=once_for(request, context),
            answer=self.answer,
            timeout_seconds=seconds_left(context),
            caller=current_caller(),
            quote=self.tokens.read_fare_quote(request.quote_token),
            hold_seconds=self.limits.hold_seconds,
            holds_max=self.limits.holds_per_rider,
            **translate.hold_booking_in(request),
        )

    async def ConfirmBooking(self, request: pb.ConfirmBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.addressed(request.booking_id)
        check.expect([
            ("/payment/method", request.payment_method in METHODS, "Choose a method: sandbox."),
            check.identifier("/payment/token", request.payment_token),
        ])  # fmt: skip
        message = await confirm_booking(
            self.payments,
            once=once_for(request, context),
            caller=current_caller(),
            booking_id=request.booking_id,
            version=request.version,
            payment_token=request.payment_token,
        )
        booking = cast(bookings_pb2.Booking, message)
        if booking.payment.state in PENDING:
            context.set_trailing_metadata((("payment-pending", "true"),))
        return booking

    async def ReleaseBooking(self, request: pb.ReleaseBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.addressed(request.booking_id)
        return await self.store.write(
            release_booking,
            once=once_for(request, context),
            answer=self.answer,
            timeout_seconds=seconds_left(context),
            caller=current_caller(),
            booking_id=request.booking_id,
            version=request.version,
        )

    async def QuoteCancellation(self, request: pb.QuoteCancellationRequest, context: Context) -> pb.CancellationQuote:
        check.addressed(request.booking_id)
        check.expect(check.identifier("/item_ids", item_id) for item_id in request.item_ids[: check.ITEMS_MAX])
        quote = await self.store.read(
            quote_cancellation,
            caller=current_caller(),
            booking_id=request.booking_id,
            item_ids=list(request.item_ids),
        )
        token, expires_at = self.tokens.sign_cancellation_quote(quote)
        return translate.cancellation_quote_out(quote, token=token, expires_at=expires_at)

    async def CancelBooking(self, request: pb.CancelBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.check_cancel(request)
        message = await self.store.write(
            cancel_booking,
            once=once_for(request, context),
            answer=self.answer,
            timeout_seconds=seconds_left(context),
            caller=current_caller(),
            booking_id=request.booking_id,
            version=request.version,
            quote=self.tokens.read_cancellation_quote(request.cancellation_quote_token),
        )
        self.refund_now.set()
        return message

    async def GetBooking(self, request: pb.GetBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.addressed(request.booking_id)
        found = await self.store.read(get_booking, caller=current_caller(), booking_id=request.booking_id)
        return self.answer(found)

    async def ListBookings(self, request: pb.ListBookingsRequest, context: Context) -> pb.ListBookingsResponse:
        check.expect([
            check.identifier("/departure_id", request.departure_id, is_optional=True),
            check.identifier("/cursor", request.cursor, is_optional=True),
        ])  # fmt: skip
        limit = translate.page_size(request.limit)
        found = await self.store.read(
            list_bookings,
            caller=current_caller(),
            departure_id=request.departure_id,
            cursor=request.cursor,
            limit=limit,
        )
        cursor = found[-1].id if len(found) == limit else ""
        return pb.ListBookingsResponse(bookings=map(self.answer, found), next_cursor=cursor)

    async def LookUpBooking(self, request: pb.LookUpBookingRequest, context: Context) -> bookings_pb2.Booking:
        check.addressed(request.reference)
        check.expect([check.email("/email", request.email)])
        found = await self.store.read(look_up_booking, reference=request.reference, email=request.email)
        return self.answer(found)

    async def GetBookingHistory(self, request: pb.GetBookingHistoryRequest, context: Context) -> pb.BookingHistory:
        check.addressed(request.booking_id)
        found = await self.store.read(get_booking_history, caller=current_caller(), booking_id=request.booking_id)
        return translate.history_out(found)

    async def GetTicket(self, request: pb.GetTicketRequest, context: Context) -> bookings_pb2.Ticket:
        check.addressed(request.booking_id, request.ticket_id)
        item = await self.store.read(
            get_ticket, caller=current_caller(), booking_id=request.booking_id, ticket_id=request.ticket_id
        )
        return translate.ticket_out(item)
