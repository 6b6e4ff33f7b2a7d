"""Bookings as plain values, for rules that need no database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from booking_svc.domain.booking import (
    Boarding,
    Booking,
    BookingState,
    Contact,
    Item,
    ItemState,
    PaymentState,
)
from booking_svc.domain.departure import DepartureState, Leg, LegEnd, Mode, Route
from tests.booking_svc.builders import OPERATOR, SERVICE_DATE, stop

NOW = datetime(2030, 1, 9, 8, tzinfo=UTC)
HOLD_UNTIL = NOW + timedelta(minutes=10)


def leg(number: int = 0, *, leaves_in: timedelta = timedelta(days=1), **changes: Any) -> Leg:
    route = Route("rte_1", "r1", "F1", "", Mode.FERRY)
    origin = LegEnd(0, stop(number), NOW + leaves_in)
    destination = LegEnd(1, stop(number + 1), NOW + leaves_in + timedelta(minutes=10))
    made = Leg(f"dep_{number}", OPERATOR, route, "There", SERVICE_DATE, DepartureState.SCHEDULED, origin, destination)
    return replace(made, **changes)


def item(number: int = 0, *, price_minor: int = 1000, **changes: Any) -> Item:
    made = Item(
        id=f"itm_{number}",
        leg_index=0,
        departure_id="dep_0",
        origin_sequence=0,
        destination_sequence=1,
        passenger_name="Ada Lovelace",
        category="adult",
        seat_id=f"{number + 1}A",
        seat_index=number,
        state=ItemState.HELD,
        boarding=Boarding.EXPECTED,
        price_minor=price_minor,
    )
    return replace(made, **changes)


def held(**changes: Any) -> Booking:
    """Make a hold of two seats on one leg, good for ten minutes."""
    made = Booking(
        id="bkg_1",
        reference="ABC234",
        rider_id="usr_rider",
        operator_id=OPERATOR,
        state=BookingState.HELD,
        hold_expires_at=HOLD_UNTIL,
        legs=(leg(),),
        items=(item(0), item(1)),
        currency="EUR",
        payment_state=PaymentState.NONE,
        action_url="",
        contact=Contact("rider@example.com"),
        created_at=NOW,
        version=1,
    )
    return replace(made, **changes)


def confirmed(*, legs: tuple[Leg, ...] = (), **changes: Any) -> Booking:
    """Make a paid booking; its legs may be such as nobody could pay for any more."""
    hold = held(**changes)
    paid = hold.begin_payment(now=NOW).confirm(hold.items)
    return replace(paid, legs=legs or paid.legs)
