"""Which seats of a departure are taken on which segments.

A seat is a number whose bit n says that segment n is taken; a ride is the number with its segments' bits.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from booking_svc.domain.errors import NeedsNotMet, SeatTaken, SoldOut
from booking_svc.domain.layout import Layout
from chassis.errors import FieldError, InvalidInput

Masks = Mapping[int, int]
"""Seat index -> taken segments; a seat that is absent is free all the way."""


def ride_mask(origin: int, destination: int) -> int:
    """Return the segments of a ride between two calls."""
    return (1 << destination) - (1 << origin)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many seats are taken on each segment, and where looking for a free one begins."""

    departure_id: str
    capacity: int
    taken: tuple[int, ...]
    # Every seat before this one is taken all the way.
    search_from: int
    version: int

    def seats_free(self) -> list[int]:
        """Count the free seats of each segment."""
        return [self.capacity - taken for taken in self.taken]

    def without(self, lapsed: Iterable["Lapsed"]) -> "Occupancy":
        """Count as if holds that are over were tidied away already."""
        left = self
        for one in lapsed:
            left = left.changed(one.origin, one.destination, -1)
            left = replace(left, search_from=min(left.search_from, one.seat_index))
        return left

    def most_taken(self, origin: int, destination: int) -> int:
        return max(self.taken[origin:destination])

    def changed(self, origin: int, destination: int, by: int) -> "Occupancy":
        """Count seats in or out on a ride."""
        taken = tuple(
            count + by if origin <= segment < destination else count for segment, count in enumerate(self.taken)
        )
        return replace(self, taken=taken)


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A seat on a ride that only a hold whose time is up still covers: free to whoever asks."""

    booking_id: str
    seat_index: int
    origin: int
    destination: int

    @property
    def ride(self) -> int:
        return ride_mask(self.origin, self.destination)


def without(masks: Masks, lapsed: Iterable[Lapsed]) -> Masks:
    """Return what is taken as if holds that are over were tidied away already."""
    left = dict(masks)
    for one in lapsed:
        left[one.seat_index] = left.get(one.seat_index, 0) & ~one.ride
    return left


@dataclass(frozen=True, slots=True)
class Wish:
    """What one passenger wants of a leg: a certain seat, or any with some features."""

    seat_id: str = ""
    needs: frozenset[str] = frozenset()


def choose_named(layout: Layout, wishes: Sequence[Wish], masks: Masks, ride: int) -> dict[int, int]:
    """Give the seats asked for by name: wish index -> seat index; SeatTaken tells all that are not free."""
    named = {place: wish for place, wish in enumerate(wishes) if wish.seat_id}
    index = layout.index() if named else {}
    check_labels(index, named)
    chosen: dict[int, int] = {}
    conflicts = []
    for place, wish in named.items():
        seat = index[wish.seat_id]
        if masks.get(seat, 0) & ride:
            conflicts.append(wish.seat_id)
        elif not wish.needs <= layout.seats[seat].features:
            raise NeedsNotMet(seat_ids=[wish.seat_id])
        else:
            chosen[place] = seat
    if conflicts:
        raise SeatTaken(seat_ids=conflicts)
    return chosen


def check_labels(index: Mapping[str, int], named: Mapping[int, Wish]) -> None:
    """Refuse seats that are not there or wanted twice, whatever is free."""
    errors = []
    seen: set[str] = set()
    for place, wish in named.items():
        where = f"/passengers/{place}/seat_ids"
        if wish.seat_id not in index:
            errors.append(FieldError(where, "No seat has this label: see the seat map."))
        elif wish.seat_id in seen:
            errors.append(FieldError(where, "Give everybody a seat of their own."))
        seen.add(wish.seat_id)
    if errors:
        raise InvalidInput(errors=errors)


def choose_any(layout: Layout, wishes: Sequence[Wish], free: Sequence[int], chosen: dict[int, int]) -> dict[int, int]:
    """Give the other passengers free seats: wish index -> seat index."""
    open_wishes = [place for place in range(len(wishes)) if place not in chosen]
    taken = set(chosen.values())
    # Seats with features are kept for those who need them as long as others are free.
    left = sorted((seat for seat in free if seat not in taken), key=lambda seat: len(layout.seats[seat].features))
    if len(left) < len(open_wishes):
        raise SoldOut(seats_available=len(left))
    needy = [place for place in open_wishes if wishes[place].needs]
    found = {**chosen, **meet_needs(layout, {place: wishes[place].needs for place in needy}, left)}
    rest = iter([seat for seat in left if seat not in found.values()])
    return {**found, **{place: next(rest) for place in open_wishes if place not in found}}


def meet_needs(layout: Layout, needs: Mapping[int, frozenset[str]], free: Sequence[int]) -> dict[int, int]:
    """Give each passenger with needs a seat that meets them, whenever that is possible for all together.

    Augmenting paths of bipartite matching (H. W. Kuhn, 1955): who comes later may have a seat of somebody who can
    move to another.
    """
    sitter: dict[int, int] = {}

    def seat(place: int, tried: set[int]) -> bool:
        for number in free:
            if number not in tried and needs[place] <= layout.seats[number].features:
                tried.add(number)
                if number not in sitter or seat(sitter[number], tried):
                    sitter[number] = place
                    return True
        return False

    if not all(seat(place, set()) for place in needs):
        raise NeedsNotMet(seats_available=len(free))
    return {place: number for number, place in sitter.items()}


def choose_together(layout: Layout, wishes: Sequence[Wish], free: Sequence[int]) -> dict[int, int]:
    """Give neighbouring seats: within one row if there are such, else one after the other."""
    count = len(wishes)
    if len(free) < count:
        raise SoldOut(seats_available=len(free))
    runs = [free[start : start + count] for start in range(len(free) - count + 1)]
    neighbours = [run for run in runs if run[-1] - run[0] == count - 1]
    for run in sorted(neighbours, key=lambda run: len({layout.seats[seat].row for seat in run}) > 1):
        with suppress(NeedsNotMet):
            return choose_any(layout, wishes, run, {})
    raise NeedsNotMet("There are not as many fitting seats side by side. Ask without seating them together.")
