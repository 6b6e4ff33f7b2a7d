"""Bookings in JSON, always of one shape."""

from datetime import datetime
from typing import Annotated, Literal, Self

from headway.booking.v1 import booking_service_pb2, bookings_pb2
from pydantic import ConfigDict, Field, StrictBool

from gateway.schemas.people import Email
from gateway.schemas.shapes import Id, Input, Money, Output, text
from gateway.schemas.timetable import Leg, instant_of, instant_or_none, money_of, word_of

PASSENGERS_MAX = 50
LEGS_MAX = 6
ITEMS_MAX = PASSENGERS_MAX * LEGS_MAX
TOKEN_CHARS_MAX = 8192

Token = Annotated[str, text(TOKEN_CHARS_MAX)]
SeatId = Annotated[str, text(8)]

BookingState = Literal["held", "confirmed", "cancelled", "released", "expired", "completed"]
ItemState = Literal["held", "confirmed", "cancelled", "released", "expired"]
Boarding = Literal["expected", "boarded", "no_show"]
PaymentState = Literal["none", "processing", "action_required", "captured", "declined", "refunded", "unknown"]


class PassengerInput(Input):
    """A passenger with wishes."""

    name: Annotated[str, text(200)] = Field(examples=["Ada Lovelace"])
    category: Annotated[str, text(32)] = Field(description="As it was quoted", examples=["adult"])
    seat_ids: list[SeatId | None] | None = Field(
        None, max_length=LEGS_MAX, description="One label a leg, or null where the choice is ours", examples=[["7C"]]
    )
    needs: list[Annotated[str, text(32)]] = Field(
        default=[], max_length=10, description="Features that the seat must have", examples=[["wheelchair"]]
    )

    def to_proto(self) -> booking_service_pb2.PassengerInput:
        return booking_service_pb2.PassengerInput(
            name=self.name,
            category=self.category,
            seat_ids=[seat_id or "" for seat_id in self.seat_ids or []],
            needs=self.needs,
        )


class ContactInput(Input):
    """How to reach the rider."""

    email: Email
    phone: Annotated[str, text(32)] | None = Field(None, examples=["+49 40 1234567"])


class SeatingInput(Input):
    """How to choose seats where the choice is ours."""

    together: StrictBool = False


class HoldBooking(Input):
    """What to hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "quote_token": "the token of a quote",
                    "passengers": [{"name": "Ada Lovelace", "category": "adult"}],
                    "contact": {"email": "ada@example.com"},
                }
            ]
        }
    )

    quote_token: Token
    passengers: list[PassengerInput] = Field(min_length=1, max_length=PASSENGERS_MAX)
    contact: ContactInput
    seating: SeatingInput = SeatingInput()

    def to_proto(self) -> booking_service_pb2.HoldBookingRequest:
        return booking_service_pb2.HoldBookingRequest(
            quote_token=self.quote_token,
            passengers=[passenger.to_proto() for passenger in self.passengers],
            contact=booking_service_pb2.Contact(email=self.contact.email, phone=self.contact.phone or ""),
            is_seated_together=self.seating.together,
        )


class PaymentInput(Input):
    """How to pay."""

    method: Literal["sandbox"]
    token: Id = Field(description="From the payment provider", examples=["tok_success"])


class ConfirmBooking(Input):
    """How to pay for a hold."""

    payment: PaymentInput


class QuoteCancellation(Input):
    """Which items to think of cancelling."""

    item_ids: list[Id] = Field(default=[], max_length=ITEMS_MAX, description="All items when left out")


class CancelBooking(Input):
    """A cancellation that was quoted."""

    cancellation_quote_token: Token


class LookUpBooking(Input):
    """What is printed on the ticket."""

    reference: Annotated[str, text(16)] = Field(examples=["K7M2QX"])
    email: Email


class Passenger(Output):
    """Somebody who rides."""

    name: str
    category: str


class Item(Output):
    """One passenger on one leg."""

    id: str
    leg_index: int
    passenger: Passenger
    seat_id: str | None = Field(description="The seat's label in the layout", examples=["7C"])
    state: ItemState
    boarding: Boarding
    price: Money

    @classmethod
    def from_proto(cls, message: bookings_pb2.Item) -> Self:
        return cls(
            id=message.id,
            leg_index=message.leg_index,
            passenger=Passenger(name=message.passenger.name, category=message.passenger.category),
            seat_id=message.seat_id or None,
            state=word_of(bookings_pb2.ItemState.DESCRIPTOR, message.state),
            boarding=word_of(bookings_pb2.Boarding.DESCRIPTOR, message.boarding),
            price=money_of(message.price),
        )


class Payment(Output):
    """What is known about the money of a booking."""

    state: PaymentState
    action_url: str | None = Field(description="Where the rider finishes what the bank asks for")

    @classmethod
    def from_proto(cls, message: bookings_pb2.Payment) -> Self:
        state = word_of(bookings_pb2.PaymentState.DESCRIPTOR, message.state)
        return cls(state=state, action_url=message.action_url or None)


class Ticket(Output):
    """What a passenger shows when boarding."""

    id: str
    item_id: str
    code: str = Field(description="Signed; the content of the QR code")
    svg_url: str = Field(description="The QR code as an image")

    @classmethod
    def from_proto(cls, message: bookings_pb2.Ticket, booking_id: str) -> Self:
        svg_url = f"/v1/bookings/{booking_id}/tickets/{message.id}.svg"
        return cls(id=message.id, item_id=message.item_id, code=message.code, svg_url=svg_url)


class Booking(Output):
    """Seats for some passengers on one or more legs, under one reference."""

    id: str = Field(examples=["bkg_01jd8k2m3n4p5q6r7s8t9v0w1x"])
    reference: str = Field(description="Six characters that people can read aloud", examples=["K7M2QX"])
    state: BookingState
    hold_expires_at: datetime | None
    legs: list[Leg]
    items: list[Item]
    total: Money
    payment: Payment
    tickets: list[Ticket]
    available_actions: list[str] = Field(description="Operations that would be accepted now")
    version: int
    created_at: datetime

    @classmethod
    def from_proto(cls, message: bookings_pb2.Booking) -> Self:
        return cls(
            id=message.id,
            reference=message.reference,
            state=word_of(bookings_pb2.BookingState.DESCRIPTOR, message.state),
            hold_expires_at=instant_or_none(message, "hold_expires_at"),
            legs=[Leg.from_proto(leg) for leg in message.legs],
            items=[Item.from_proto(item) for item in message.items],
            total=money_of(message.total),
            payment=Payment.from_proto(message.payment),
            tickets=[Ticket.from_proto(ticket, message.id) for ticket in message.tickets],
            available_actions=list(message.available_actions),
            version=message.version,
            created_at=instant_of(message.created_at),
        )


class CancellationQuote(Output):
    """What cancelling refunds, promised until it expires."""

    token: str
    refund: Money
    fee: Money
    expires_at: datetime

    @classmethod
    def from_proto(cls, message: booking_service_pb2.CancellationQuote) -> Self:
        return cls(
            token=message.token,
            refund=money_of(message.refund),
            fee=money_of(message.fee),
            expires_at=instant_of(message.expires_at),
        )


class HistoryEntry(Output):
    """One thing that happened to a booking."""

    occurred_at: datetime
    fact: str = Field(
        description="held, confirmed, cancelled, released, expired, refunded or payment_declined", examples=["held"]
    )
    item_ids: list[str]
    amount: Money | None
    actor: str = Field(description="Who did it: a subject, or system")

    @classmethod
    def from_proto(cls, message: booking_service_pb2.HistoryEntry) -> Self:
        return cls(
            occurred_at=instant_of(message.occurred_at),
            fact=message.fact,
            item_ids=list(message.item_ids),
            amount=money_of(message.amount) if message.HasField("amount") else None,
            actor=message.actor,
        )
