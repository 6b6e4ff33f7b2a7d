"""What a booking service should do, in plain Python: seats are sets of segments, time is a number of the test's."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product

UNDER_WAY = {"processing", "action_required", "unknown"}
LIVE = {"held", "confirmed"}
Ride = tuple[str, int, int]
"""A departure's id and two of its calls."""


@dataclass
class Departure:
    id: str
    seats: list[str]
    leaves_at: list[datetime]
    arrives_at: datetime
    changes: int = 0
    version: int = 1
    is_running: bool = True

    @property
    def segments(self) -> int:
        return len(self.leaves_at) - 1


@dataclass
class Item:
    id: str
    ride: Ride
    seat: str
    price: int
    leg: int
    state: str = "held"

    def covers(self, departure_id: str, seat: str, segment: int) -> bool:
        return self.state in LIVE and self.ride[0] == departure_id and self.seat == seat and segment in self.segments

    @property
    def segments(self) -> range:
        return range(self.ride[1], self.ride[2])


@dataclass
class Booking:
    id: str
    items: list[Item]
    hold_until: datetime | None
    state: str = "held"
    payment: str = "none"
    version: int = 1
    charge: str = ""
    owed: int = 0
    facts: list[str] = field(default_factory=lambda: ["held"])

    @property
    def total(self) -> int:
        return sum(item.price for item in self.items)

    @property
    def departure_ids(self) -> list[str]:
        return list(dict.fromkeys(item.ride[0] for item in self.items))

    def is_over(self, now: datetime) -> bool:
        waits = self.state == "held" and self.payment not in UNDER_WAY
        return waits and self.hold_until is not None and self.hold_until <= now


class Network:
    """Departures, bookings and money, and what has been told of them."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.departures: dict[str, Departure] = {}
        self.bookings: dict[str, Booking] = {}
        self.balances = {"provider": 0, "sales": 0, "fees": 0, "refunds_due": 0}

    def seen_state(self, booking: Booking) -> str:
        """Tell a booking's state as riders see it: that of a hold that is over, and of a ride that is, is past."""
        if booking.is_over(self.now):
            return "expired"
        ridden = [self.departures[item.ride[0]] for item in booking.items if item.state == "confirmed"]
        return "completed" if ridden and all(map(self.is_past, ridden)) else booking.state

    def is_past(self, departure: Departure) -> bool:
        """Tell whether a departure has run, and an hour has gone by."""
        return departure.is_running and departure.arrives_at + timedelta(hours=1) <= self.now

    def taken(self, departure_id: str, *, but_lapsed: bool = False) -> set[tuple[str, int]]:
        """List the seats and segments that are taken; what lapsed holds cover may be left out."""
        return {
            (item.seat, segment)
            for booking in self.bookings.values()
            if not (but_lapsed and booking.is_over(self.now))
            for item in booking.items
            if item.ride[0] == departure_id and item.state in LIVE
            for segment in item.segments
        }

    def free_seats(self, ride: Ride) -> list[str]:
        """List the seats that one passenger could keep on the whole of a ride."""
        departure_id, origin, destination = ride
        taken = self.taken(departure_id, but_lapsed=True)
        seats = self.departures[departure_id].seats
        return [seat for seat in seats if taken.isdisjoint(product([seat], range(origin, destination)))]

    def refusal_of_hold(self, rides: Sequence[Ride], wishes: Sequence[Sequence[str]]) -> str:
        """Say why seats cannot be held; an empty wish leaves the choice to the service, an empty answer is success."""
        ridden: set[tuple[str, int]] = set()
        for departure_id, origin, destination in rides:
            segments = {(departure_id, segment) for segment in range(origin, destination)}
            if ridden & segments:
                return "INVALID_VALUE"
            ridden |= segments
        for departure_id, origin, _ in rides:
            if not self.departures[departure_id].is_running:
                return "DEPARTURE_CANCELLED"
            if self.departures[departure_id].leaves_at[origin] <= self.now:
                return "DEPARTURE_GONE"
        reasons = (self.refusal_of_seats(ride, wanted) for ride, wanted in zip(rides, wishes, strict=True))
        return next(filter(None, reasons), "")

    def refusal_of_seats(self, ride: Ride, wanted: Sequence[str]) -> str:
        free, named = self.free_seats(ride), [seat for seat in wanted if seat]
        if len(set(named)) < len(named):
            return "INVALID_VALUE"
        if not set(named) <= set(free):
            return "SEAT_TAKEN"
        return "SOLD_OUT" if len(free) < len(wanted) else ""

    def hold(self, booking: Booking) -> None:
        """Take the seats; a hold that is over and in the way expires."""
        for leg in sorted({item.leg for item in booking.items}):
            mine = [item for item in booking.items if item.leg == leg]
            self.end("expired", *self.in_the_way_of(mine))
        self.bookings[booking.id] = booking
        self.count_changes(booking.items)

    def in_the_way_of(self, items: Sequence[Item]) -> list[Booking]:
        return [
            booking
            for booking in self.bookings.values()
            if booking.is_over(self.now) and any(overlap(mine, its) for mine in items for its in booking.items)
        ]

    def end(self, state: str, *bookings: Booking) -> None:
        """Give the seats of holds back, all at once."""
        for booking in bookings:
            booking.state, booking.hold_until = state, None
            for item in booking.items:
                item.state = state
            self.tell(booking, state)
        self.count_changes(item for booking in bookings for item in booking.items)

    def confirm(self, booking: Booking) -> None:
        booking.state, booking.payment, booking.hold_until = "confirmed", "captured", None
        for item in booking.items:
            item.state = "confirmed"
        self.balances["provider"] += booking.total
        self.balances["sales"] -= booking.total
        self.tell(booking, "confirmed")

    def cancel(self, booking: Booking, item_ids: Collection[str], *, fee: int, refund: int) -> None:
        gone = [item for item in booking.items if item.id in item_ids]
        for item in gone:
            item.state = "cancelled"
        if all(item.state == "cancelled" for item in booking.items):
            booking.state = "cancelled"
        if refund:
            booking.payment, booking.owed = "processing", refund
        self.balances["sales"] += fee + refund
        self.balances["fees"] -= fee
        self.balances["refunds_due"] -= refund
        self.tell(booking, "cancelled")
        self.count_changes(gone)

    def pay_back(self, booking: Booking) -> None:
        self.balances["refunds_due"] += booking.owed
        self.balances["provider"] -= booking.owed
        booking.owed = 0
        booking.payment = "refunded" if booking.state == "cancelled" else "captured"
        booking.version += 1

    def fee(self, item: Item) -> int | None:
        """Work out what cancelling an item costs now; None is that its ride has begun."""
        if not self.departures[item.ride[0]].is_running:
            return 0
        left = self.departures[item.ride[0]].leaves_at[item.ride[1]] - self.now
        if left <= timedelta(0):
            return None
        percent = 10 if left >= timedelta(hours=24) else 50 if left >= timedelta(hours=2) else 100
        return item.price * percent // 100

    def runs(self, booking: Booking) -> bool:
        """Tell whether every departure of a booking runs."""
        return all(self.departures[departure_id].is_running for departure_id in booking.departure_ids)

    def cancel_departure(self, departure_id: str) -> None:
        departure = self.departures[departure_id]
        departure.is_running, departure.version = False, departure.version + 1

    def refusal_of_vehicle(self, departure_id: str, seats: Sequence[str], *, seen_version: int) -> str:
        """Say why another vehicle cannot run a departure."""
        departure = self.departures[departure_id]
        if seen_version != departure.version:
            return "STALE_VERSION"
        is_sold = seats != departure.seats and bool(self.taken(departure_id))
        return "ILLEGAL_STATE" if is_sold or not departure.is_running else ""

    def assign(self, departure_id: str, seats: Sequence[str]) -> None:
        departure = self.departures[departure_id]
        departure.version += 1
        if seats != departure.seats:
            departure.seats = list(seats)
            departure.changes += 1

    def tell(self, booking: Booking, fact: str) -> None:
        booking.version += 1
        booking.facts.append(fact)

    def count_changes(self, items: Iterable[Item]) -> None:
        """Count one change of seats for each departure that is touched."""
        for departure_id in {item.ride[0] for item in items}:
            self.departures[departure_id].changes += 1


def overlap(one: Item, other: Item) -> bool:
    same_seat = (one.ride[0], one.seat) == (other.ride[0], other.seat) and other.state in LIVE
    return same_seat and not set(one.segments).isdisjoint(other.segments)
