"""Hold seats at a quoted fare, all of them or none."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from booking_svc.domain.errors import QuoteChanged, SoldOut, TooManyHolds
from booking_svc.domain.events import BookingHeld
from booking_svc.domain.layout import Layout
from booking_svc.domain.occupancy import (
    Occupancy,
    Wish,
    choose_any,
    choose_named,
    choose_together,
    ride_mask,
)
from booking_svc.domain.quote import FareQuote, QuotedLeg
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import expire_holds_on
from chassis.access import Caller
from chassis.errors import FieldError, InvalidInput
from chassis.faults import fault_point

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
    seats: Sequence[Sequence[int]]

    def leg(self, number: int) -> Leg:
        leg = self.quote.legs[number]
        return self.departures[leg.departure_id].leg(leg.origin_sequence, leg.destination_sequence)


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
    departures = work.departures.get_many(sorted({leg.departure_id for leg in quote.legs}))
    check_quote(quote, passengers, departures)
    for leg in quote.legs:
        departures[leg.departure_id].must_be_bookable(leg.origin_sequence, now=work.now)
    if holds_max and work.bookings.count_live_holds(caller.subject, now=work.now) >= holds_max:
        raise TooManyHolds(holds_max=holds_max)
    expire_holds_on(work, departures)
    seats = choose_seats(work, departures, quote, passengers, is_seated_together=is_seated_together)
    ride = Ride(quote, departures, seats)
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
        raise InvalidInput("Book the departures of one operator at a time.")
    for leg in quote.legs:
        calls = departures[leg.departure_id].pattern.calls
        stops = [call.stop.id for call in calls[leg.origin_sequence : leg.destination_sequence + 1]]
        if not stops or (stops[0], stops[-1]) != (leg.origin_stop_id, leg.destination_stop_id):
            raise QuoteChanged(departure_id=leg.departure_id)
    for place, passenger in enumerate(passengers):
        if passenger.seat_ids and len(passenger.seat_ids) != len(quote.legs):
            where = f"/passengers/{place}/seat_ids"
            raise InvalidInput(errors=[FieldError(where, "Give one seat a leg, or null, or leave it out.")])


def choose_seats(
    work: Work,
    departures: Mapping[str, Departure],
    quote: FareQuote,
    passengers: Sequence[PassengerWish],
    *,
    is_seated_together: bool,
) -> list[list[int]]:
    """Choose a seat index for each passenger on each leg."""
    chosen = []
    for number, leg in enumerate(quote.legs):
        departure = departures[leg.departure_id]
        wishes = [passenger.on_leg(number) for passenger in passengers]
        chosen.append(choose_on_leg(work, departure, leg, wishes, is_seated_together=is_seated_together))
    return chosen


def choose_on_leg(
    work: Work, departure: Departure, leg: QuotedLeg, wishes: Sequence[Wish], *, is_seated_together: bool
) -> list[int]:
    """Choose seats on one leg: those asked for by name first, then free ones for the rest."""
    layout = work.layouts.get(departure.layout_id)
    occupancy = work.occupancies.get(departure)
    ride = ride_mask(leg.origin_sequence, leg.destination_sequence)
    chosen = named_seats(work, departure, layout, wishes, ride)
    missing = len(wishes) - len(chosen)
    if not missing:
        return [chosen[place] for place in range(len(wishes))]
    if departure.capacity - occupancy.most_taken(leg.origin_sequence, leg.destination_sequence) < missing:
        raise SoldOut(departure_id=departure.id, seats_available=seats_available(work, occupancy, ride))
    is_choosy = is_seated_together or bool(chosen) or any(wish.needs for wish in wishes) or has_features(layout)
    free = work.occupancies.free_seats(occupancy, ride, count=None if is_choosy else missing)
    if is_seated_together and not chosen:
        return choose_together(layout, len(wishes), free)
    found = choose_any(layout, wishes, free, chosen)
    return [found[place] for place in range(len(wishes))]


def named_seats(work: Work, departure: Departure, layout: Layout, wishes: Sequence[Wish], ride: int) -> dict[int, int]:
    """Choose the seats that were asked for by name."""
    index = layout.index() if any(wish.seat_id for wish in wishes) else {}
    asked = [index[wish.seat_id] for wish in wishes if wish.seat_id in index]
    masks = work.occupancies.masks(departure.id, seats=asked) if asked else {}
    return choose_named(layout, wishes, masks, ride)


def seats_available(work: Work, occupancy: Occupancy, ride: int) -> int:
    """Count the seats that are free on the whole of a ride."""
    return len(work.occupancies.free_seats(occupancy, ride, count=None))


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
    legs = tuple(ride.leg(number) for number in range(len(ride.quote.legs)))
    return Booking(
        id=work.new_id("bkg"),
        reference=free_reference(work),
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
    layout = work.layouts.get(ride.departures[leg.departure_id].layout_id)
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
        work.take_seats(departure, work.occupancies.get(departure), sorted(items, key=lambda item: item.seat_index))


def free_reference(work: Work) -> str:
    """Make a reference that no booking has."""
    while True:
        reference = "".join(secrets.choice(REFERENCE_LETTERS) for _ in range(REFERENCE_LENGTH))
        if work.bookings.is_reference_free(reference):
            return reference
