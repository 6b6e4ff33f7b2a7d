"""Hold seats at a quoted fare, all of them or none."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from booking_svc.domain.departure import Departure, Leg
from booking_svc.domain.errors import NotServed, QuoteChanged, SoldOut, TooManyHolds
from booking_svc.domain.events import BookingHeld
from booking_svc.domain.layout import Layout
from booking_svc.domain.occupancy import (
    Lapsed,
    Wish,
    choose_any,
    choose_named,
    choose_together,
    ride_mask,
    without,
)
from booking_svc.domain.quote import FareQuote, QuotedLeg
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import expire_in_the_way
from chassis.access import Caller
from chassis.errors import FieldError, InvalidInput
from chassis.faults import fault_point
from chassis.writer import reads_ahead

REFERENCE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
REFERENCE_LENGTH = 6


@dataclass(frozen=True, slots=True)
class PassengerWish:
    """Who rides, and where they want to sit on each leg."""

    name: str
    category: str
    seat_ids: tuple[str, ...]
    needs: frozenset[str]

    def on_leg(self, leg_index: int) -> Wish:
        seat_id = self.seat_ids[leg_index] if leg_index < len(self.seat_ids) else ""
        return Wish(seat_id, self.needs)


@dataclass(frozen=True, slots=True)
class Ride:
    """What was quoted, on which departures, and the seat of each passenger on each leg."""

    quote: FareQuote
    departures: Mapping[str, Departure]
    layouts: Mapping[str, Layout]
    seats: Sequence[Sequence[int]]

    def leg(self, number: int, *, now: datetime) -> Leg:
        leg = self.quote.legs[number]
        return self.departures[leg.departure_id].as_of(now).leg(leg.origin_sequence, leg.destination_sequence)


def read_ahead(work: Work, holds: Sequence[Mapping[str, Any]]) -> None:
    """Lock what a group of holds is about, in one order, and read in one go what each will look at."""
    seats = Counter(leg.departure_id for hold in holds for leg in hold["quote"].legs for _ in hold["passengers"])
    for departure in work.departures.lock_known(seats).values():
        work.occupancies.read_ahead(departure, now=work.now, seats=seats[departure.id])
    work.bookings.set_references_aside(new_reference() for _ in holds)
    if riders := {hold["caller"].subject for hold in holds if hold["holds_max"]}:
        work.bookings.read_live_holds(riders)


@reads_ahead(read_ahead)
def hold_booking(
    work: Work,
    *,
    caller: Caller,
    quote: FareQuote,
    passengers: Sequence[PassengerWish],
    contact: Contact,
    is_seated_together: bool,
    hold_seconds: int,
    holds_max: int,
) -> Booking:
    """Take seats on every leg of the quote and keep them, at its price, until the hold expires."""
    departures = work.departures.lock({leg.departure_id for leg in quote.legs})
    check_quote(quote, passengers, departures)
    for leg in quote.legs:
        departures[leg.departure_id].must_be_bookable(leg.origin_sequence, now=work.now)
    if holds_max:
        check_live_holds(work, caller, holds_max=holds_max)
    layouts = {departure.id: work.layouts.get(departure.layout_id) for departure in departures.values()}
    seats = [
        choose_seats(
            work,
            departures[leg.departure_id],
            layouts[leg.departure_id],
            leg,
            [passenger.on_leg(number) for passenger in passengers],
            is_seated_together=is_seated_together,
        )
        for number, leg in enumerate(quote.legs)
    ]
    ride = Ride(quote, departures, layouts, seats)
    until = work.now + timedelta(seconds=hold_seconds)
    booking = new_booking(work, ride, passengers, caller=caller, contact=contact, hold_until=until)
    take(work, departures, booking)
    fault_point("booking.seats_taken")
    work.bookings.add(booking)
    work.outbox.add(*BookingHeld.of(booking, now=work.now))
    work.history.add("held", booking, now=work.now, actor=caller.subject)
    return booking


def check_quote(quote: FareQuote, passengers: Sequence[PassengerWish], departures: Mapping[str, Departure]) -> None:
    """Refuse passengers or rides that are not the ones that were priced."""
    if [passenger.category for passenger in passengers] != [one.category for one in quote.passengers]:
        raise QuoteChanged
    if len({departure.operator_id for departure in departures.values()}) > 1:
        advice = "Book the departures of one operator at a time."
        raise InvalidInput(advice, errors=[FieldError("/quote_token", advice)])
    ridden: dict[str, int] = {}
    for leg in quote.legs:
        check_leg(leg, departures[leg.departure_id])
        ride = ride_mask(leg.origin_sequence, leg.destination_sequence)
        if ridden.get(leg.departure_id, 0) & ride:
            raise InvalidInput("Two legs of this journey are the same ride in part. Ask for a quote without that.")
        ridden[leg.departure_id] = ridden.get(leg.departure_id, 0) | ride
    for place, passenger in enumerate(passengers):
        if passenger.seat_ids and len(passenger.seat_ids) != len(quote.legs):
            where = f"/passengers/{place}/seat_ids"
            raise InvalidInput(errors=[FieldError(where, "Give one seat a leg, or null, or leave it out.")])


def check_leg(leg: QuotedLeg, departure: Departure) -> None:
    """Refuse a leg whose departure has other calls by now, or does not take or leave riders there."""
    calls = departure.pattern.calls
    if not 0 <= leg.origin_sequence < leg.destination_sequence < len(calls):
        raise QuoteChanged(departure_id=departure.id)
    origin, destination = calls[leg.origin_sequence], calls[leg.destination_sequence]
    if (origin.stop.id, destination.stop.id) != (leg.origin_stop_id, leg.destination_stop_id):
        raise QuoteChanged(departure_id=departure.id)
    if not (origin.is_boarding_allowed and destination.is_alighting_allowed):
        raise NotServed(departure_id=departure.id)


def check_live_holds(work: Work, caller: Caller, *, holds_max: int) -> None:
    """Refuse a rider who has as many holds as one may have; tell when the first is over."""
    ends = work.bookings.live_holds(caller.subject)
    if len(ends) >= holds_max:
        wait = min(((end - work.now).total_seconds() for end in ends if end is not None), default=1.0)
        raise TooManyHolds(retry_after_seconds=wait, holds_max=holds_max)


def choose_seats(
    work: Work,
    departure: Departure,
    layout: Layout,
    leg: QuotedLeg,
    wishes: Sequence[Wish],
    *,
    is_seated_together: bool,
) -> list[int]:
    """Choose a seat on one leg for each wish; whatever a hold that is over still covers is free."""
    ride = ride_mask(leg.origin_sequence, leg.destination_sequence)
    lapsed = work.occupancies.lapsed(departure.id, now=work.now)
    chosen = named_seats(work, departure, layout, wishes, lapsed=lapsed, ride=ride)
    missing = len(wishes) - len(chosen)
    if missing:
        occupancy = work.occupancies.get(departure).without(lapsed)
        if departure.capacity - occupancy.most_taken(leg.origin_sequence, leg.destination_sequence) < missing:
            left = work.occupancies.free_seats(occupancy, ride, lapsed=lapsed, count=None)
            raise SoldOut(departure_id=departure.id, seats_available=len(left))
        is_choosy = is_seated_together or bool(chosen) or any(wish.needs for wish in wishes) or has_features(layout)
        free = work.occupancies.free_seats(occupancy, ride, lapsed=lapsed, count=None if is_choosy else missing)
        is_together = is_seated_together and not chosen
        chosen = choose_together(layout, wishes, free) if is_together else choose_any(layout, wishes, free, chosen)
    expire_in_the_way(work, lapsed, seats=chosen.values(), ride=ride)
    return [chosen[place] for place in range(len(wishes))]


def named_seats(
    work: Work, departure: Departure, layout: Layout, wishes: Sequence[Wish], *, lapsed: Sequence[Lapsed], ride: int
) -> dict[int, int]:
    """Choose the seats that were asked for by name."""
    index = layout.index() if any(wish.seat_id for wish in wishes) else {}
    asked = [index[wish.seat_id] for wish in wishes if wish.seat_id in index]
    masks = without(work.occupancies.masks(departure.id, seats=asked), lapsed) if asked else {}
    return choose_named(layout, wishes, masks, ride)


def has_features(layout: Layout) -> bool:
    """Tell whether some seats of a small layout are to be kept for those who need them."""
    return len(layout.seats) <= 200 and any(seat.features for seat in layout.seats)


def new_booking(
    work: Work,
    ride: Ride,
    passengers: Sequence[PassengerWish],
    *,
    caller: Caller,
    contact: Contact,
    hold_until: datetime,
) -> Booking:
    """Put a held booking together; the hold ends when the first leg departs, if not before."""
    legs = tuple(ride.leg(number, now=work.now) for number in range(len(ride.quote.legs)))
    return Booking(
        id=work.new_id("bkg"),
        reference=work.bookings.next_reference(new_reference),
        rider_id=caller.subject,
        operator_id=legs[0].operator_id,
        state=BookingState.HELD,
        hold_expires_at=min([hold_until, *(leg.origin.scheduled_at for leg in legs)]),
        legs=legs,
        items=tuple(
            new_item(work, ride, passenger, place=place, number=number)
            for place, passenger in enumerate(passengers)
            for number in range(len(legs))
        ),
        currency=ride.quote.currency,
        payment_state=PaymentState.NONE,
        action_url="",
        contact=contact,
        created_at=work.now,
        version=1,
    )


def new_item(work: Work, ride: Ride, passenger: PassengerWish, *, place: int, number: int) -> Item:
    """Make the item of one passenger on one leg."""
    leg, seat = ride.quote.legs[number], ride.seats[number][place]
    layout = ride.layouts[leg.departure_id]
    return Item(
        id=work.new_id("itm"),
        leg_index=number,
        departure_id=leg.departure_id,
        origin_sequence=leg.origin_sequence,
        destination_sequence=leg.destination_sequence,
        passenger_name=passenger.name,
        category=passenger.category,
        seat_id=layout.seats[seat].id,
        seat_index=seat,
        state=ItemState.HELD,
        boarding=Boarding.EXPECTED,
        price_minor=ride.quote.passengers[place].leg_minor[number],
    )


def take(work: Work, departures: Mapping[str, Departure], booking: Booking) -> None:
    """Take the booking's seats, departure after departure in one order, so that two takers never wait in a circle."""
    for departure_id in sorted(booking.departure_ids):
        departure = departures[departure_id]
        items = [item for item in booking.items if item.departure_id == departure_id]
        work.take_seats(departure, sorted(items, key=lambda item: item.seat_index))


def new_reference() -> str:
    """Draw a reference that can be read out on the telephone."""
    number = secrets.randbelow(len(REFERENCE_LETTERS) ** REFERENCE_LENGTH)
    letters = []
    for _ in range(REFERENCE_LENGTH):
        number, place = divmod(number, len(REFERENCE_LETTERS))
        letters.append(REFERENCE_LETTERS[place])
    return "".join(letters)
