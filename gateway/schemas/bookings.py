"""Bookings in JSON, always of one shape."""

from datetime import datetime
from typing import Annotated, Literal, Self

from headway.booking.v1 import booking_service_pb2
from pydantic import ConfigDict, Field, StrictBool

from gateway.schemas.messages import plain
from gateway.schemas.people import Email
from gateway.schemas.shapes import Id, Input, Money, Output, TextOrNone, Told, text
from gateway.schemas.timetable import Leg

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
    seat_id: TextOrNone = Field(description="The seat's label in the layout", examples=["7C"])
    state: ItemState
    boarding: Boarding
    price: Money


class Payment(Output):
    """What is known about the money of a booking."""

    state: PaymentState
    action_url: TextOrNone = Field(description="Where the rider finishes what the bank asks for")


class Ticket(Output):
    """What a passenger shows when boarding."""

    id: str
    item_id: str
    code: str = Field(description="Signed; the content of the QR code")
    svg_url: str = Field(description="The QR code as an image")


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
    def from_proto(cls, message: Told) -> Self:
        """Read a booking; only we know where its tickets are."""
        found = plain(message)
        for ticket in found["tickets"]:
            ticket["svg_url"] = f"/v1/bookings/{found['id']}/tickets/{ticket['id']}.svg"
        return cls.model_validate(found)


class CancellationQuote(Output):
    """What cancelling refunds, promised until it expires."""

    token: str
    refund: Money
    fee: Money
    expires_at: datetime


class HistoryEntry(Output):
    """One thing that happened to a booking."""

    occurred_at: datetime
    fact: str = Field(
        description="held, confirmed, cancelled, released, expired, refunded or payment_declined", examples=["held"]
    )
    item_ids: list[str]
    amount: Money | None
    actor: str = Field(description="Who did it: a subject, or system")
